// The board in its room: what is drawn here goes out, what is drawn elsewhere comes in, and nothing is lost or doubled
// by a cut. It knows no canvas and no page, so scripted pens use it too.

import type { RoomConnection } from '../../src/client/room/connection.ts';
import { type Peer, Presence } from '../../src/client/room/presence.ts';
import type { RoomStatus, Unsubscribe } from '../../src/client/room/types.ts';
import { RoomError } from '../../src/protocol/error.ts';
import type { Growing } from './canvas.ts';
import { decodeLive, encodeLive, Growth, LIVE_KEY, type Part, RELAYS_PER_SECOND } from './live.ts';
import { Board, CLEAR_KEY, compactionDue, type PageMessage, pageKey } from './model.ts';
import { decodeStroke, encodeStroke, STROKE_POINTS_MAX, type Stroke, type Style } from './stroke.ts';
import { KEEPS_NOTHING, type Keeper, type Unsent } from './unsent.ts';

/** A compacted page is never larger than this, whatever the server would take. */
const COMPACTED_BYTES_MAX = 512 * 1024;
/** Own strokes that can be taken back, newest first. */
const UNDO_MAX = 200;
/** Own strokes kept while the connection's queue is full. */
const BACKLOG_MAX = 2_000;
const RELAY_MS = 1000 / RELAYS_PER_SECOND;
/** Pages left long by somebody who went away are compacted this long after opening, plus as much again at random. */
const TIDY_MS = 4_000;

/** Who somebody says to be. `colour` is one of the inks. */
export interface Person {
  readonly name: string;
  readonly colour: string;
}

/** What the page shows of the connection. */
export interface BoardStatus {
  readonly state: 'opening' | 'live' | 'offline' | 'ended';
  readonly readOnly: boolean;
  /** Own changes that are not stored yet. */
  readonly waiting: number;
  /** Those of them that end with this page, because the browser does not keep them. */
  readonly unkept: number;
  /** How many are here, this one included. */
  readonly people: number;
  readonly seq: number;
  readonly reason?: { readonly code: string; readonly message: string };
}

/** What the session tells its page. */
export interface BoardEvents {
  /** The stored strokes are others than before. */
  changed(): void;
  /** This one was put on top of all others. */
  stored(id: string): void;
  /** A stroke, own or another's, has grown. */
  grew(id: string, growing: Growing): void;
  /** It is stored, or came to nothing. */
  dropped(id: string): void;
  /** Somebody's pen is there, in steps; null: it left the board. */
  moved(by: string, at: readonly [number, number] | null): void;
  status(status: BoardStatus): void;
  /** The other people, by their session's name. */
  people(people: ReadonlyMap<string, Peer<Person>>): void;
  /** Something that the user should know. */
  trouble(text: string): void;
}

interface OwnStroke extends Growing {
  readonly id: string;
  readonly points: number[];
  /** How many points the others have been told of. */
  told: number;
}

/** Something own that is not stored yet. */
interface Waiting {
  readonly page: number;
  readonly message: PageMessage;
  /** The stroke that is shown until then. */
  readonly stroke?: Stroke;
  /** What the browser keeps of it beyond this page; undefined when it could not. */
  kept?: Unsent;
}

/** Opens with `connect`; ends with `close`. */
export class BoardSession {
  readonly board = new Board();
  /** This session's name: its strokes' ids start with it. */
  readonly author: string;
  readonly #connection: RoomConnection;
  readonly #events: BoardEvents;
  readonly #presence: Presence<Person>;
  readonly #growth = new Growth();
  readonly #unsubscribe: Unsubscribe[];
  readonly #waiting = new Set<Waiting>();
  #backlog: Waiting[] = [];
  readonly #keeper: Keeper;
  /** What earlier pages left, until we are live and know what the room has of it. */
  #left: Unsent[] = [];
  #undoable: { readonly id: string; readonly page: number }[] = [];
  #own: OwnStroke | undefined;
  #strokes = 0;
  #at: readonly [number, number] | null = null;
  #toldAt: readonly [number, number] | null = null;
  #relayTimer: ReturnType<typeof setTimeout> | undefined;
  #relayedMs = 0;
  #tidyTimer: ReturnType<typeof setTimeout> | undefined;
  #opened = false;
  /** Who was here when we last looked. */
  #known: ReadonlySet<string> = new Set();
  #compactedBytesMax = COMPACTED_BYTES_MAX;

  /** `connection` must start from the beginning of the room, and belongs to the session from here on. */
  constructor(
    connection: RoomConnection,
    person: Person,
    events: BoardEvents,
    keeper: Keeper = KEEPS_NOTHING,
  ) {
    this.#connection = connection;
    this.#keeper = keeper;
    this.#events = events;
    this.#presence = new Presence<Person>(connection, { initial: person });
    this.author = this.#presence.client;
    this.#unsubscribe = [
      connection.onEntry((key, entry) => this.#apply(key, entry.seq, entry.value)),
      connection.onReset(() => {
        this.board.reset();
        events.changed();
      }),
      connection.onStatus((status) => this.#statusChanged(status)),
      this.#presence.subscribe(() => this.#peopleChanged()),
    ];
  }

  /** Resolves when the board is open; rejects when there is none, with a `RoomError`. */
  async connect(): Promise<void> {
    await this.#connection.connect();
  }

  close(): void {
    clearTimeout(this.#relayTimer);
    clearTimeout(this.#tidyTimer);
    this.#presence.destroy();
    for (const unsubscribe of this.#unsubscribe) unsubscribe();
    void this.#connection.close();
  }

  get status(): BoardStatus {
    const { state, readOnly, seq, reason } = this.#connection.status;
    const offline = this.#opened ? 'offline' : 'opening';
    return {
      state: state === 'live' ? 'live' : state === 'closed' ? 'ended' : offline,
      readOnly,
      waiting: this.#waiting.size + this.#backlog.length + this.#left.length,
      unkept: [...this.#waiting, ...this.#backlog].filter(({ kept }) => kept === undefined).length,
      people: this.#presence.current.size + 1,
      seq,
      ...(reason && { reason }),
    };
  }

  get people(): ReadonlyMap<string, Peer<Person>> {
    return this.#presence.current;
  }

  get canUndo(): boolean {
    return this.#undoable.length > 0;
  }

  latency(): Promise<number> {
    return this.#connection.latency();
  }

  rename(person: Person): void {
    this.#presence.update(person);
  }

  /** Where the own pen is, in steps; null when it has left the board. */
  moveTo(at: readonly [number, number] | null): void {
    this.#at = at;
    this.#relaySoon();
  }

  /** Starts a stroke at a point in steps. */
  begin(style: Style, x: number, y: number): void {
    this.finish();
    this.#strokes += 1;
    this.#own = { id: `${this.author}-${this.#strokes}`, style, points: [x, y], told: 0 };
    this.#grown(this.#own);
  }

  /** Adds a point in steps. A stroke that has become too long goes on as the next one. */
  extend(x: number, y: number): void {
    const own = this.#own;
    if (own === undefined) return;
    const [lastX, lastY] = own.points.slice(-2);
    if (lastX === x && lastY === y) return;
    if (own.points.length >= STROKE_POINTS_MAX * 2) {
      this.begin(own.style, lastX ?? x, lastY ?? y);
      this.extend(x, y);
      return;
    }
    own.points.push(x, y);
    this.#grown(own);
  }

  /** The pen is up: the stroke is stored, now or when there is a connection again. */
  finish(): void {
    const own = this.#own;
    if (own === undefined) return;
    this.#own = undefined;
    const stroke: Stroke = { id: own.id, ...own.style, points: own.points };
    const page = this.board.writePage();
    this.#undoable = [...this.#undoable, { id: stroke.id, page }].slice(-UNDO_MAX);
    this.#store(this.#keep({ page, message: { stroke: encodeStroke(stroke) }, stroke }));
  }

  /** The stroke was not meant. */
  abandon(): void {
    const own = this.#own;
    if (own === undefined) return;
    this.#own = undefined;
    this.#events.dropped(own.id);
    this.#relay({ id: own.id, ...own.style, from: 0, points: [] });
  }

  /** Takes the own last stroke back. */
  undo(): void {
    const last = this.#undoable.pop();
    if (last === undefined) return;
    this.board.hide(last.id);
    this.#events.dropped(last.id);
    this.#events.changed();
    // Undone, it need not be sent by a later page; if the room has it, the undo is what it needs.
    this.#forget(last.id);
    this.#store(this.#keep({ page: last.page, message: { undo: last.id } }));
  }

  /** Takes over what an earlier page has left: it shows at once, and goes out when we know that the room lacks it. */
  restore(changes: readonly Unsent[]): void {
    for (const { message } of changes) {
      const stroke = 'stroke' in message ? decodeStroke(message.stroke) : undefined;
      if (stroke !== undefined && !this.board.has(stroke.id)) {
        this.#events.grew(stroke.id, { style: stroke, points: stroke.points });
      }
    }
    this.#left.push(...changes);
    if (this.#connection.status.state === 'live') this.#sendLeft();
    this.#events.status(this.status);
  }

  /** Takes everything away, for everybody. Resolves when it is stored. */
  async clear(): Promise<void> {
    this.#undoable = [];
    // What earlier pages left is cleared with the rest, and must not be sent after the clear.
    const left = this.#left;
    this.#left = [];
    const { done } = this.#connection.push(CLEAR_KEY, { by: this.author }, { type: 'replace' });
    const { seq } = await done.catch((error: unknown) => {
      this.restore(left);
      throw error;
    });
    for (const { message } of left) this.#giveUp(message);
    if (seq === null) return;
    // Nobody's board shows what lies below the clear, so the room need not keep it.
    for (const page of this.board.pages()) this.#connection.trim(pageKey(page), seq);
  }

  #keep(waiting: Waiting): Waiting {
    const { page, message } = waiting;
    const { seq, connected } = this.#connection.status;
    const change: Unsent = { page, message, after: seq, sent: connected };
    return this.#keeper.keep(change) ? { ...waiting, kept: change } : waiting;
  }

  /** Everything that waits is on its way now. */
  #keepSent(): void {
    for (const waiting of this.#waiting) {
      if (waiting.kept === undefined || waiting.kept.sent) continue;
      waiting.kept = { ...waiting.kept, sent: true };
      this.#keeper.keep(waiting.kept);
    }
  }

  /** A stroke that waits is undone, and no later page shall send it. */
  #forget(id: string): void {
    for (const waiting of [...this.#waiting, ...this.#backlog]) {
      if (waiting.stroke?.id !== id) continue;
      this.#keeper.forget(waiting.message);
      if (waiting.kept !== undefined) waiting.kept = { ...waiting.kept, sent: true };
    }
  }

  #sendLeft(): void {
    const left = this.#left;
    this.#left = [];
    for (const kept of left) {
      const { message } = kept;
      // No longer kept: a page that is open still, where a browser has no locks to tell of it, has sent it or undone it.
      if (this.#keeper.keeps(message) && this.#lacks(kept)) {
        const stroke = 'stroke' in message ? decodeStroke(message.stroke) : undefined;
        const page = stroke === undefined ? kept.page : this.board.writePage();
        this.#store({ page, message, kept, ...(stroke && { stroke }) });
      } else this.#giveUp(message);
    }
    this.#keepSent();
  }

  /** The room needs it no more. */
  #giveUp(message: PageMessage): void {
    this.#keeper.forget(message);
    if ('stroke' in message) this.#events.dropped(message.stroke.id);
  }

  /** Whether the room needs it. A stroke that may have been there when the board was cleared stays cleared. */
  #lacks({ message, sent, after }: Unsent): boolean {
    if ('undo' in message) return this.board.has(message.undo);
    return !this.board.has(message.stroke.id) && !(sent && this.board.clearedSeq > after);
  }

  #apply(key: string, seq: number, value: unknown): void {
    if (key === LIVE_KEY) {
      this.#hear(value);
      return;
    }
    const change = this.board.apply(key, seq, value);
    if (change.type === 'none') return;
    if (change.type === 'added') {
      this.#settle(change.placed.stroke.id);
      this.#events.stored(change.placed.stroke.id);
    } else this.#settleAll();
    this.#events.changed();
  }

  /** A stroke that grew is stored now. */
  #settle(id: string): void {
    this.#growth.drop(id);
    this.#events.dropped(id);
  }

  #settleAll(): void {
    for (const id of this.#growth.ids()) if (this.board.has(id)) this.#settle(id);
    for (const { stroke } of this.#waiting) {
      if (stroke !== undefined && this.board.has(stroke.id)) this.#events.dropped(stroke.id);
    }
  }

  #hear(value: unknown): void {
    const message = decodeLive(value);
    if (message === undefined || message.by === this.author) return;
    const { by, at, part } = message;
    this.#events.moved(by, at);
    if (part === undefined || this.board.has(part.id)) return;
    const grown = this.#growth.apply(by, part);
    if (grown === undefined) this.#events.dropped(part.id);
    else this.#events.grew(part.id, grown.growing);
    if (grown?.dropped !== undefined) this.#events.dropped(grown.dropped);
  }

  #grown(own: OwnStroke): void {
    this.#events.grew(own.id, own);
    this.#relaySoon();
  }

  /** Sends where the pen is and what it drew, at once or as soon as the rate allows. */
  #relaySoon(): void {
    if (this.#relayTimer !== undefined) return;
    const wait = Math.max(0, this.#relayedMs + RELAY_MS - performance.now());
    this.#relayTimer = setTimeout(() => {
      this.#relayTimer = undefined;
      const own = this.#own;
      const points = own?.points.slice(own.told * 2) ?? [];
      if (own === undefined || points.length === 0) {
        if (this.#toldAt !== this.#at) this.#relay();
        return;
      }
      const part: Part = { id: own.id, ...own.style, from: own.told, points };
      own.told += points.length / 2;
      this.#relay(part);
    }, wait);
  }

  #relay(part?: Part): void {
    const { connected, readOnly } = this.#connection.status;
    if (!connected || readOnly) return;
    this.#relayedMs = performance.now();
    this.#toldAt = this.#at;
    const message = { by: this.author, at: this.#at, ...(part && { part }) };
    this.#connection.push(LIVE_KEY, encodeLive(message), { type: 'relay' }).done.catch(() => undefined);
  }

  /** Stores something own, exactly once. It counts as waiting until the room has it. */
  #store(waiting: Waiting): void {
    this.#waiting.add(waiting);
    const { page, message, stroke } = waiting;
    if (stroke !== undefined) this.board.expect(page, 1);
    const { done } = this.#connection.push(pageKey(page), message, { type: 'append' });
    const settled = () => {
      this.#waiting.delete(waiting);
      if (stroke !== undefined) this.board.expect(page, -1);
    };
    done.then(
      ({ size }) => {
        settled();
        this.#keeper.forget(message);
        this.#afterStored(page, size);
        this.#events.status(this.status);
      },
      (error: unknown) => {
        settled();
        this.#notStored(waiting, error);
        this.#events.status(this.status);
      },
    );
    this.#events.status(this.status);
  }

  #afterStored(page: number, size: number | null): void {
    if (size !== null && compactionDue(size)) this.#compact(page);
    // The first stroke of a page: the page before it is full, and nobody else will look after it.
    if (size === 1 && page > 1) this.#compact(page - 1);
  }

  #notStored(waiting: Waiting, error: unknown): void {
    const code = error instanceof RoomError ? error.code : 'unknown';
    if (code === 'uncertain' || code === 'reset') {
      // It carries its own id, so a second copy would count once.
      this.#store(waiting);
    } else if (code === 'queue_full' && this.#backlog.length < BACKLOG_MAX) {
      this.#backlog.push(waiting);
    } else {
      if (waiting.stroke !== undefined) this.#events.dropped(waiting.stroke.id);
      // What an end leaves over is for the next page.
      if (this.#connection.status.state === 'closed') return;
      this.#keeper.forget(waiting.message);
      this.#events.trouble(`A stroke could not be kept: ${error instanceof Error ? error.message : code}`);
    }
  }

  #compact(page: number): void {
    const made = this.board.compaction(page, this.#compactedBytesMax);
    if (made === undefined) return;
    const { seq, value } = made;
    this.#connection.push(pageKey(page), value, { type: 'compact', seq }).done.then(
      ({ stale }) => !stale && this.board.compacted(page, seq),
      (error: unknown) => {
        // This server takes less in one message than others do. The stream stays as it is.
        if (error instanceof RoomError && error.code === 'too_large') this.#compactedBytesMax /= 2;
      },
    );
  }

  #statusChanged(status: RoomStatus): void {
    if (status.state === 'live') {
      if (!this.#opened) this.#tidyLater();
      this.#opened = true;
      const backlog = this.#backlog;
      this.#backlog = [];
      for (const waiting of backlog) this.#store(waiting);
      this.#sendLeft();
    }
    // What grew elsewhere goes on unheard; the stored strokes come when we are back.
    if (!status.connected) for (const id of this.#growth.clear()) this.#events.dropped(id);
    this.#events.status(this.status);
  }

  #tidyLater(): void {
    this.#tidyTimer = setTimeout(
      () => {
        if (this.status.state !== 'live' || this.status.readOnly) return;
        for (const page of this.board.longPages()) this.#compact(page);
      },
      TIDY_MS * (1 + Math.random()),
    );
  }

  #peopleChanged(): void {
    const people = this.#presence.current;
    for (const by of this.#growth.authors()) {
      // A stroke may be heard before its author's name; only who was known and left takes his stroke along.
      if (!people.has(by) && this.#known.has(by)) {
        for (const id of this.#growth.dropBy(by)) this.#events.dropped(id);
      }
    }
    this.#known = new Set(people.keys());
    this.#events.people(people);
    this.#events.status(this.status);
  }
}
