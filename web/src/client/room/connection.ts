// A lasting connection to one room: it reconnects, resumes from where it was, and sends each push once.
// The rules are session.ts's; here are the socket, the clock and the listeners. Touches no global before `connect`.

import { quietly, RoomError } from '../../protocol/error.ts';
import type { PushAction } from '../../protocol/room/action.ts';
import type { ClientMessage } from '../../protocol/room/client_message.ts';
import { cborCodec, type Frame, jsonCodec } from '../../protocol/room/codec.ts';
import {
  type Cursor,
  checkClient,
  firstId,
  parseRoomUrl,
  type RoomLink,
  randomClient,
  roomUrl,
  socketUrl,
} from '../../protocol/room/name.ts';
import type { KeySummary, RoomEntry, StreamEntry } from '../../protocol/room/server_message.ts';
import { callSafely, Listeners } from './listeners.ts';
import { watchPage } from './page_watch.ts';
import { type Page, readPages } from './pages.ts';
import { defaultFetch } from './refusal.ts';
import { Session } from './session.ts';
import type { SessionAction } from './session_action.ts';
import { defaultWebSocket, probeRoom, Socket } from './socket.ts';
import type {
  Acknowledgement,
  KeyEvent,
  RoomOptions,
  RoomStatus,
  SentPush,
  UncertainPush,
  Unsubscribe,
} from './types.ts';

/** Longest time that a timer can be set for; a longer one is set again. */
const TIMER_MS_MAX = 2 ** 31 - 1;
/** How long a timer that is early is kept as it is: it may have been set before the clock was. */
const TIMER_KEPT_MS_MAX = 1_000;

/** What is still done after the end: the last words, and whoever waits is told. */
const LAST: ReadonlySet<SessionAction['type']> = new Set(['send', 'drop', 'settle', 'answer', 'end']);

interface Waiter {
  readonly resolve: (outcome: never) => void;
  readonly reject: (error: RoomError) => void;
}

interface KeyListener {
  readonly key: string;
  readonly replay: boolean;
  readonly hear: (event: KeyEvent) => unknown;
}

/**
 * A lasting connection to one room. Nothing happens before `connect`.
 *
 * ```ts
 * const room = new RoomConnection('https://bags.example/room/…');
 * room.subscribe('chat', (event) => show(event));
 * await room.connect();
 * await room.push('chat', { text: 'hello' }).done;
 * ```
 */
export class RoomConnection {
  readonly #options: RoomOptions;
  readonly #clock: () => number;
  /** Null: there is no room yet. */
  #link: RoomLink | null = null;
  #encoding: RoomOptions['encoding'];
  /** There was another room before. */
  #moved = false;
  /** What `#clock` said last, and by how much it is behind since it was set back. */
  #latest = 0;
  #behindMs = 0;
  #session: Session;
  #cursor: Cursor | null;

  #socket: Socket | null = null;
  #timer: ReturnType<typeof setTimeout> | undefined;
  /** What the timer is set for, and when it was set; null: it is not set. */
  #timerSet: { readonly for: number; readonly at: number } | null = null;
  /** Actions that are being done: what a listener asks for meanwhile is done behind them, or it would overtake. */
  readonly #doing: SessionAction[] = [];
  #busy = false;
  #status: RoomStatus;
  /** The listeners are being told of it. */
  #telling = false;
  #connecting: Promise<void> | null = null;
  #connected: Waiter | null = null;
  #stopWatching: Unsubscribe = () => {};

  #lastToken = 0;
  /** Who waits for the answer to a read, by token. */
  readonly #answers = new Map<number, Waiter>();
  /** Who waits for a push, by id. */
  readonly #pushes = new Map<number, Waiter>();
  readonly #keyListeners = new Map<number, KeyListener>();
  readonly #sizes = new Listeners<[key: string, size: number]>();
  readonly #entries = new Listeners<[key: string, entry: StreamEntry, own?: number]>();
  readonly #statuses = new Listeners<[status: RoomStatus]>();
  readonly #resets = new Listeners<[]>();
  readonly #uncertain = new Listeners<[pushes: readonly UncertainPush[]]>();

  /** `url`: the room's page, `http_url` or `socket_url`; null: `move` tells it. Throws `bad_parameter`. */
  constructor(url: string | null, options: RoomOptions = {}) {
    this.#options = options;
    this.#encoding = options.encoding;
    this.#clock = options.now ?? Date.now;
    this.#cursor = options.cursor ?? null;
    if (options.client !== undefined) checkClient(options.client);
    if (url !== null) this.#link = parseRoomUrl(url);
    this.#session = this.#begin(this.#cursor);
    this.#status = Object.freeze(this.#session.status());
  }

  /** The room's URL, for whoever shall come in: a secret. Empty while there is no room. */
  get url(): string {
    return this.#link === null ? '' : roomUrl(this.#link);
  }

  /** The room's id, or its read-only id: a secret. Empty while there is no room. */
  get id(): string {
    return this.#link?.room ?? '';
  }

  /** How it is doing: a new object at each change, the same one in between. */
  get status(): RoomStatus {
    return this.#status;
  }

  /** Everything up to here was delivered; in a listener: up to what it hears now. Save it with what you made of it, and pass it as `cursor` to go on from here. */
  get cursor(): Cursor | null {
    return this.#cursor;
  }

  /**
   * Connects, and stays connected until `close`. Fulfilled when the connection is live for the first time; rejects with a
   * `RoomError` when it can never be (`unknown_room`, …) or `close` comes first. Calling it again gives the same promise.
   */
  connect(): Promise<void> {
    if (this.#link === null) {
      return quietly(Promise.reject(new RoomError('bad_parameter', 'it is not known which room')));
    }
    this.#connecting ??= new Promise<void>((resolve, reject) => {
      this.#connected = { resolve, reject };
      if (this.#session.ended) reject(new RoomError('closed', 'this connection was closed'));
      else this.#start();
    });
    // Nobody has to wait for it: the status tells the same.
    return quietly(this.#connecting);
  }

  /**
   * Leaves the room for another one, or for none yet (null). What waits for the old one rejects with `closed`. Listeners
   * and wills go along: subscribers hear the new room from its beginning. `connect` goes there, also after `close`.
   * Throws `bad_parameter`.
   */
  move(url: string | null, encoding = this.#encoding): void {
    const link = url === null ? null : parseRoomUrl(url);
    if ((this.#link !== null || this.#session.ended) && !this.#leave()) return;
    this.#link = link;
    this.#encoding = encoding;
    if (link !== null && encoding !== 'cbor') this.#session.codecLoaded(jsonCodec, this.#now());
    if (link !== null && this.#moved) this.#resets.call();
    this.#run();
  }

  /** Sends a value to a key. Waits while there is no connection; stored once however often the connection is cut. */
  push(key: string, value: unknown, action: PushAction = { type: 'append' }): SentPush {
    const id = this.#session.push(key, value, action, this.#now());
    const done = new Promise<Acknowledgement>((resolve, reject) => this.#pushes.set(id, { resolve, reject }));
    this.#run();
    return { id, done: quietly(done) };
  }

  /** Drops the key's entries up to `seq`. */
  trim(key: string, seq: number): SentPush {
    return this.push(key, undefined, { type: 'compact', seq });
  }

  /**
   * What the server relays to `key` when this connection ends for whatever reason: how the others learn of a closed tab.
   * Null takes it back. At most 8 keys. Set anew on every reconnection. Fulfilled when the server has it.
   */
  will(key: string, value: unknown): Promise<void> {
    return this.#ask((token) => this.#session.will(token, key, value, this.#now()));
  }

  /** All that the key retains. Waits while there is no connection. */
  get(key: string): Promise<readonly StreamEntry[]> {
    return this.#read({ type: 'get', key, seq: 0 });
  }

  /** All keys of the room, in byte order. */
  keys(): Promise<readonly KeySummary[]> {
    return quietly(readPages((after: string | undefined) => this.keysPage(after)));
  }

  /** One page of the room's keys above `after`; at most 1,000. */
  keysPage(after?: string, limit?: number): Promise<Page<KeySummary, string>> {
    return this.#read({ type: 'keys', ...(after !== undefined && { after }), ...(limit && { limit }) });
  }

  /** All that the room retains, in order. */
  entries(): Promise<readonly RoomEntry[]> {
    return quietly(readPages((after: number | undefined) => this.entriesPage(after)));
  }

  /** One page of what the room retains above `seq`; at most 1,000 entries or about 1 MiB. */
  entriesPage(seq = 0, limit?: number): Promise<Page<RoomEntry, number>> {
    return this.#read({ type: 'get', seq, ...(limit && { limit }) });
  }

  /**
   * Listens to a key: first its whole stream (`init`), then every later push once, in order, over cuts too. With
   * `replay: false` only what comes from now on.
   */
  subscribe(
    key: string,
    listener: (event: KeyEvent) => unknown,
    options: { readonly replay?: boolean } = {},
  ): Unsubscribe {
    const id = this.#token();
    const { replay = true } = options;
    this.#keyListeners.set(id, { key, replay, hear: listener });
    this.#session.subscribe(key, id, replay, this.#now());
    this.#run();
    return () => {
      if (this.#keyListeners.delete(id)) this.#session.unsubscribe(key, id);
    };
  }

  /** Listens to every message of the room, in order, from where the connection begins (`cursor`, or live). */
  onEntry(listener: (key: string, entry: StreamEntry, own?: number) => unknown): Unsubscribe {
    return this.#entries.add(listener);
  }

  /** Listens to how many entries a key (null: any) retains, as told with each acknowledgement of an own push to it. */
  onSize(key: string | null, listener: (size: number, key: string) => unknown): Unsubscribe {
    return this.#sizes.add((changed, size) => {
      if (changed === (key ?? changed)) listener(size, changed);
    });
  }

  /** Listens to changes of `status`. */
  onStatus(listener: (status: RoomStatus) => unknown): Unsubscribe {
    return this.#statuses.add(listener);
  }

  /** The room has another history than before (it was wiped, or an older state restored). Subscribers get a new `init`. */
  onReset(listener: () => unknown): Unsubscribe {
    return this.#resets.add(listener);
  }

  /** Pushes of which nobody can say whether they are stored. They are not sent again; each also rejects. */
  onUncertain(listener: (pushes: readonly UncertainPush[]) => unknown): Unsubscribe {
    return this.#uncertain.add(listener);
  }

  /** How long a question to the server takes now, milliseconds. Rejects with `offline` without a connection. */
  latency(): Promise<number> {
    const start = performance.now();
    return quietly(this.#read({ type: 'ping', nonce: null }).then(() => performance.now() - start));
  }

  /** Ends it for good. What was not acknowledged rejects with `closed`. */
  close(): void {
    this.#session.close();
    this.#run();
  }

  // ---- The driver ----

  #begin(cursor: Cursor | null): Session {
    const { client, random = Math.random } = this.#options;
    return new Session({
      codec: this.#link === null || this.#encoding === 'cbor' ? null : jsonCodec,
      client: client ?? randomClient(),
      lastId: firstId(client, this.#now()),
      cursor,
      random,
    });
  }

  /**
   * Ends this session with its last words, and takes what outlives it over into the next one. False: a listener who heard
   * of the end has moved on already.
   */
  #leave(): boolean {
    const left = this.#session;
    const kept = Array.from(left.wills, ([key, { value }]) => [key, value] as const);
    left.close();
    for (const action of [...this.#doing.splice(0), ...left.take()]) this.#do(action);
    // Who holds something back for this room is to give it up now.
    this.#tellStatus();
    if (this.#session !== left) return false;
    this.#link = null;
    this.#connecting = null;
    this.#cursor = null;
    this.#moved = true;
    this.#session = this.#begin(null);
    for (const [id, { key, replay }] of this.#keyListeners) {
      this.#session.subscribe(key, id, replay, this.#now());
    }
    for (const [key, value] of kept) void this.will(key, value);
    return true;
  }

  #start(): void {
    this.#stopWatching = watchPage(
      () => this.#tell((session, now) => session.awake(now)),
      (kept) => this.#tell((session, now) => session.hurry(now, kept)),
    );
    this.#tell((session, now) => session.connect(now));
  }

  async #loadCbor(session: Session): Promise<void> {
    const loaded = await import('../../protocol/room/cbor.ts').catch(() => null);
    session.codecLoaded(loaded && cborCodec(loaded), this.#now());
    this.#run();
  }

  /** The time, which never goes back: every wait would grow by as much as the clock was set back. */
  #now(): number {
    const told = this.#clock() + this.#behindMs;
    if (told < this.#latest) this.#behindMs += this.#latest - told;
    this.#latest = Math.max(told, this.#latest);
    return this.#latest;
  }

  #token(): number {
    this.#lastToken += 1;
    return this.#lastToken;
  }

  #read<Outcome>(message: ClientMessage): Promise<Outcome> {
    return this.#ask((token) => this.#session.read(token, message, this.#now()));
  }

  #ask<Outcome>(ask: (token: number) => void): Promise<Outcome> {
    const token = this.#token();
    const answer = new Promise<Outcome>((resolve, reject) => this.#answers.set(token, { resolve, reject }));
    ask(token);
    this.#run();
    return quietly(answer);
  }

  #tell(tell: (session: Session, now: number) => void): void {
    tell(this.#session, this.#now());
    this.#run();
  }

  /** Does what the session asks for, in order, also when a listener asks for more on the way. */
  #run(): void {
    this.#doing.push(...this.#session.take());
    if (this.#busy) return;
    this.#busy = true;
    for (let action = this.#doing.shift(); action !== undefined; action = this.#doing.shift()) {
      this.#do(action);
      this.#doing.push(...this.#session.take());
    }
    this.#busy = false;
    this.#setTimer();
    this.#tellStatus();
  }

  #do(action: SessionAction): void {
    if (this.#session.ended && !LAST.has(action.type)) return;
    switch (action.type) {
      case 'open':
        this.#open(action.query, action.subprotocol);
        break;
      case 'load':
        void this.#loadCbor(this.#session);
        break;
      case 'send':
        this.#socket?.send(action.frame);
        break;
      case 'drop':
        this.#socket?.drop();
        this.#socket = null;
        break;
      case 'probe':
        void this.#probe(this.#session);
        break;
      case 'deliver': {
        const listener = this.#keyListeners.get(action.listener);
        if (listener !== undefined) callSafely(() => listener.hear(action.event));
        break;
      }
      case 'reached':
        this.#cursor = action.cursor;
        break;
      case 'entry': {
        const { key, seq, value } = action.entry;
        this.#entries.call(key, { seq, value }, action.own);
        break;
      }
      case 'size':
        this.#sizes.call(action.key, action.size);
        break;
      case 'settle':
        finish(this.#pushes, action.id, action.outcome);
        break;
      case 'answer':
        finish(this.#answers, action.token, action.outcome);
        break;
      case 'reset':
        this.#resets.call();
        break;
      case 'uncertain':
        this.#uncertain.call(action.pushes);
        break;
      case 'live':
        this.#connected?.resolve(undefined as never);
        break;
      case 'end':
        this.#stopWatching();
        this.#connected?.reject(action.error);
        break;
    }
  }

  #open(query: string, subprotocol: string): void {
    if (this.#link === null) return;
    const listen = {
      opened: () => this.#tell((session) => session.opened()),
      received: (frame: Frame) => this.#tell((session, now) => session.received(frame, now)),
      closed: (code: number, reason: string) =>
        this.#tell((session, now) => {
          this.#socket = null;
          session.closed(code, reason, now);
        }),
    };
    try {
      const make = this.#options.webSocket ?? defaultWebSocket();
      this.#socket = new Socket(make, socketUrl(this.#link, query), subprotocol, listen);
    } catch (error) {
      // A page under https may not open a socket that is not encrypted, and the like: no attempt will do better.
      const forbidden = new RoomError('no_websocket', 'this page may not open a WebSocket to that server');
      this.#session.close(error instanceof RoomError ? error : forbidden);
    }
  }

  async #probe(session: Session): Promise<void> {
    const probe = await probeRoom(this.#options.fetch ?? defaultFetch, this.url);
    session.probed(probe, this.#now());
    this.#run();
  }

  #setTimer(): void {
    const at = this.#session.wakeAt();
    const now = this.#now();
    const set = this.#timerSet;
    // Each message moves it on. A timer that is a little early finds nothing to do and is set again: that costs less.
    if (at !== null && set !== null && set.for <= at && now < set.at + TIMER_KEPT_MS_MAX) return;
    clearTimeout(this.#timer);
    this.#timerSet = at === null ? null : { for: at, at: now };
    if (at === null) return;
    const delay = Math.min(Math.max(at - now, 0), TIMER_MS_MAX);
    // The timer's clock may be a little ahead of this one.
    const fire = (): void => this.#fire(delay < TIMER_MS_MAX ? at : 0);
    this.#timer = setTimeout(fire, delay);
  }

  #fire(at: number): void {
    this.#timerSet = null;
    this.#latest = Math.max(this.#now(), at);
    this.#tell((session, now) => session.timer(now));
  }

  #tellStatus(): void {
    const status = this.#session.status();
    // The number alone tells with nearly every message.
    const same = status.seq === this.#status.seq && JSON.stringify(status) === JSON.stringify(this.#status);
    if (same) return;
    this.#status = Object.freeze(status);
    // What a listener changes is told behind this, or the others would hear it first.
    if (this.#telling) return;
    this.#telling = true;
    for (let told: RoomStatus | null = null; told !== this.#status; ) {
      told = this.#status;
      this.#statuses.call(told);
    }
    this.#telling = false;
  }
}

/** Whoever waits for this is told, once. */
function finish(waiters: Map<number, Waiter>, id: number, outcome: unknown): void {
  const waiter = waiters.get(id);
  waiters.delete(id);
  if (outcome instanceof RoomError) waiter?.reject(outcome);
  else waiter?.resolve(outcome as never);
}
