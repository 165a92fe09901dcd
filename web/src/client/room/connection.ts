// A lasting connection to one room: it reconnects, resumes from where it was, and sends each push once.
// The rules are session.ts's; here are the socket, the clock and the listeners. Touches no global before `connect`.

import { RoomError } from '../../protocol/error.ts';
import type { PushAction } from '../../protocol/room/action.ts';
import type { ClientMessage } from '../../protocol/room/client_message.ts';
import { cborCodec, type Frame, jsonCodec } from '../../protocol/room/codec.ts';
import {
  type Cursor,
  checkClient,
  parseRoomUrl,
  type RoomLink,
  randomClient,
  roomUrl,
  socketUrl,
} from '../../protocol/room/name.ts';
import type { KeySummary, RoomEntry, StreamEntry } from '../../protocol/room/server_message.ts';
import { callSafely, Listeners } from './listeners.ts';
import { defaultFetch } from './request.ts';
import { Session, type SessionAction } from './session.ts';
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

interface Waiter {
  readonly resolve: (outcome: never) => void;
  readonly reject: (error: RoomError) => void;
}

/** A page of a room's entries or keys. `next`: what to ask for the next page with; null when there is none. */
export interface Page<Item, Next> {
  readonly data: readonly Item[];
  readonly next: Next | null;
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
  readonly #link: RoomLink;
  readonly #options: RoomOptions;
  readonly #now: () => number;
  readonly #session: Session;

  #socket: Socket | null = null;
  #timer: ReturnType<typeof setTimeout> | undefined;
  /** Actions that are being done: what a listener asks for meanwhile is done behind them, or it would overtake. */
  readonly #doing: SessionAction[] = [];
  #busy = false;
  #status: RoomStatus;
  #connecting: Promise<void> | null = null;
  #connected: Waiter | null = null;
  #stopWatching: Unsubscribe = () => {};

  #lastToken = 0;
  /** Who waits for the answer to a read, by token. */
  readonly #answers = new Map<number, Waiter>();
  /** Who waits for a push, by id. */
  readonly #pushes = new Map<number, Waiter>();
  readonly #keyListeners = new Map<number, (event: KeyEvent) => unknown>();
  readonly #sizes = new Map<string, Listeners<[size: number]>>();
  readonly #entries = new Listeners<[key: string, entry: StreamEntry, own?: number]>();
  readonly #statuses = new Listeners<[status: RoomStatus]>();
  readonly #resets = new Listeners<[]>();
  readonly #uncertain = new Listeners<[pushes: readonly UncertainPush[]]>();

  /** `url`: the room's page, `http_url` or `socket_url`. Throws `bad_parameter`. */
  constructor(url: string, options: RoomOptions = {}) {
    this.#link = parseRoomUrl(url);
    this.#options = options;
    this.#now = options.now ?? Date.now;
    this.#session = new Session({
      codec: options.encoding === 'cbor' ? null : jsonCodec,
      client: options.client === undefined ? randomClient() : checkClient(options.client),
      cursor: options.cursor ?? null,
      random: options.random ?? Math.random,
    });
    this.#status = Object.freeze(this.#session.status());
  }

  /** The room's URL, for whoever shall come in: a secret. */
  get url(): string {
    return roomUrl(this.#link);
  }

  /** The room's id, or its read-only id: a secret. */
  get id(): string {
    return this.#link.room;
  }

  /** How it is doing: a new object at each change, the same one in between. */
  get status(): RoomStatus {
    return this.#status;
  }

  /** Everything up to here was delivered. Save it with what you made of it, and pass it as `cursor` to go on from here. */
  get cursor(): Cursor | null {
    return this.#session.cursor;
  }

  /**
   * Connects, and stays connected until `close`. Fulfilled when the connection is live for the first time; rejects with a
   * `RoomError` when it can never be (`unknown_room`, …) or `close` comes first. Calling it again gives the same promise.
   */
  connect(): Promise<void> {
    this.#connecting ??= new Promise<void>((resolve, reject) => {
      this.#connected = { resolve, reject };
      if (this.#status.state === 'closed') reject(new RoomError('closed', 'this connection was closed'));
      else this.#begin();
    });
    return this.#connecting;
  }

  /** Sends a value to a key. Waits while there is no connection; stored once however often the connection is cut. */
  push(key: string, value: unknown, action: PushAction = { type: 'append' }): SentPush {
    const id = this.#session.push(key, value, action, this.#now());
    const done = new Promise<Acknowledgement>((resolve, reject) => this.#pushes.set(id, { resolve, reject }));
    done.catch(() => {});
    this.#run();
    return { id, done };
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
    return this.#ask((token) => this.#session.will(token, key, value));
  }

  /** All that the key retains. Waits while there is no connection. */
  get(key: string): Promise<readonly StreamEntry[]> {
    return this.#read({ type: 'get', key, seq: 0 });
  }

  /** All keys of the room, in byte order. */
  async keys(): Promise<readonly KeySummary[]> {
    return readPages((after: string | undefined) => this.keysPage(after));
  }

  /** One page of the room's keys above `after`; at most 1,000. */
  keysPage(after?: string, limit?: number): Promise<Page<KeySummary, string>> {
    return this.#read({ type: 'keys', ...(after !== undefined && { after }), ...(limit && { limit }) });
  }

  /** All that the room retains, in order. */
  async entries(): Promise<readonly RoomEntry[]> {
    return readPages((after: number | undefined) => this.entriesPage(after));
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
    this.#keyListeners.set(id, listener);
    this.#session.subscribe(key, id, options.replay ?? true, this.#now());
    this.#run();
    return () => {
      if (this.#keyListeners.delete(id)) this.#session.unsubscribe(key, id);
    };
  }

  /** Listens to every message of the room, in order, from where the connection begins (`cursor`, or live). */
  onEntry(listener: (key: string, entry: StreamEntry, own?: number) => unknown): Unsubscribe {
    return this.#entries.add(listener);
  }

  /** Listens to how many entries a key retains, as told with each acknowledgement of an own push to it. */
  onSize(key: string, listener: (size: number) => unknown): Unsubscribe {
    const listeners = this.#sizes.get(key) ?? new Listeners<[size: number]>();
    this.#sizes.set(key, listeners);
    const remove = listeners.add(listener);
    return () => {
      remove();
      if (listeners.empty && this.#sizes.get(key) === listeners) this.#sizes.delete(key);
    };
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
  async latency(): Promise<number> {
    const start = performance.now();
    await this.#read({ type: 'ping', nonce: null });
    return performance.now() - start;
  }

  /** Ends it for good. What was not acknowledged rejects with `closed`. */
  close(): void {
    this.#session.close();
    this.#run();
  }

  // ---- The driver ----

  #begin(): void {
    this.#stopWatching = watchPage(
      () => this.#tell((now) => this.#session.awake(now)),
      () => this.#tell((now) => this.#session.hurry(now)),
    );
    this.#tell((now) => this.#session.connect(now));
  }

  async #loadCbor(): Promise<void> {
    const loaded = await import('../../protocol/room/cbor.ts').catch(() => null);
    this.#tell((now) => this.#session.useCodec(loaded && cborCodec(loaded), now));
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
    answer.catch(() => {});
    ask(token);
    this.#run();
    return answer;
  }

  #tell(tell: (now: number) => void): void {
    tell(this.#now());
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
    switch (action.type) {
      case 'open':
        this.#open(action.query, action.subprotocol);
        break;
      case 'load':
        void this.#loadCbor();
        break;
      case 'send':
        this.#socket?.send(action.frame);
        break;
      case 'drop':
        this.#socket?.drop();
        this.#socket = null;
        break;
      case 'probe':
        void this.#probe();
        break;
      case 'deliver': {
        const listener = this.#keyListeners.get(action.listener);
        if (listener !== undefined) callSafely(() => listener(action.event));
        break;
      }
      case 'entry': {
        const { key, seq, value } = action.entry;
        this.#entries.call(key, { seq, value }, action.own);
        break;
      }
      case 'size':
        this.#sizes.get(action.key)?.call(action.size);
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
    const listen = {
      opened: () => this.#tell(() => this.#session.opened()),
      received: (frame: Frame) => this.#tell((now) => this.#session.received(frame, now)),
      closed: (code: number, reason: string) =>
        this.#tell((now) => {
          this.#socket = null;
          this.#session.closed(code, reason, now);
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

  async #probe(): Promise<void> {
    const probe = await probeRoom(this.#options.fetch ?? defaultFetch, this.url);
    this.#tell((now) => this.#session.probed(probe, now));
  }

  #setTimer(): void {
    clearTimeout(this.#timer);
    const at = this.#session.wakeAt();
    if (at === null) return;
    const delay = Math.min(Math.max(at - this.#now(), 0), TIMER_MS_MAX);
    // A clock that was set back must not make the wait longer.
    const fire = (): void => this.#fire(delay < TIMER_MS_MAX ? at : 0);
    this.#timer = setTimeout(fire, delay);
  }

  #fire(at: number): void {
    this.#session.timer(Math.max(this.#now(), at));
    this.#run();
  }

  #tellStatus(): void {
    const status = this.#session.status();
    if (sameStatus(status, this.#status)) return;
    this.#status = Object.freeze(status);
    this.#statuses.call(this.#status);
  }
}

/** Whoever waits for this is told, once. */
function finish(waiters: Map<number, Waiter>, id: number, outcome: unknown): void {
  const waiter = waiters.get(id);
  waiters.delete(id);
  if (outcome instanceof RoomError) waiter?.reject(outcome);
  else waiter?.resolve(outcome as never);
}

function sameStatus(a: RoomStatus, b: RoomStatus): boolean {
  const { reason: reasonA, ...restA } = a;
  const { reason: reasonB, ...restB } = b;
  const sameReason = reasonA?.code === reasonB?.code && reasonA?.message === reasonB?.message;
  return sameReason && JSON.stringify(restA) === JSON.stringify(restB);
}

async function readPages<Item, Next>(
  read: (after: Next | undefined) => Promise<Page<Item, Next>>,
): Promise<readonly Item[]> {
  const all: Item[] = [];
  let after: Next | undefined;
  for (;;) {
    const { data, next } = await read(after);
    all.push(...data);
    if (next === null) return all;
    after = next;
  }
}

/** Tells when the network or the user is back, and when the page goes away; where there is a page. */
function watchPage(back: () => void, leaving: () => void): Unsubscribe {
  const page = globalThis as Partial<Pick<Window, 'addEventListener' | 'removeEventListener' | 'document'>>;
  if (page.addEventListener === undefined || page.removeEventListener === undefined) return () => {};
  const { document } = page;
  const looked = (): void => {
    if (document?.visibilityState === 'visible') back();
  };
  page.addEventListener('online', back);
  page.addEventListener('pageshow', back);
  page.addEventListener('pagehide', leaving);
  document?.addEventListener('visibilitychange', looked);
  return () => {
    page.removeEventListener?.('online', back);
    page.removeEventListener?.('pageshow', back);
    page.removeEventListener?.('pagehide', leaving);
    document?.removeEventListener('visibilitychange', looked);
  };
}
