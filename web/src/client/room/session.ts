// The rules of one lasting connection to a room: connect, join, stay, try again. What is heard goes to position.ts and
// subscriptions.ts, what is said to outbox.ts and calls.ts, and out over line.ts. Pure: events come in with the time,
// actions go out (`take`). It opens no socket, reads no clock and calls no listener.

import { badMessage, RoomError } from '../../protocol/error.ts';
import {
  ANSWER_MS_MAX,
  BACKOFF_MS_MAX,
  ID_MAX,
  MESSAGE_BYTES_MIN,
  OPEN_MS_MAX,
} from '../../protocol/limits.ts';
import type { PushAction } from '../../protocol/room/action.ts';
import type { ClientMessage } from '../../protocol/room/client_message.ts';
import type { Codec, Frame } from '../../protocol/room/codec.ts';
import { type Cursor, formatCursor } from '../../protocol/room/name.ts';
import type { RoomEntry, ServerMessage, ServerRefusal } from '../../protocol/room/server_message.ts';
import { Backoff } from './backoff.ts';
import { Calls } from './calls.ts';
import { announcesEnd, CLOSE_TOO_LARGE, connectsAgain, readClose, sentEverybodyAway } from './close_code.ts';
import { Line, type Question } from './line.ts';
import { Outbox, offline } from './outbox.ts';
import { Position } from './position.ts';
import { passesLater } from './refusal.ts';
import type { Probe, SessionAction } from './session_action.ts';
import { type Delivery, Subscriptions } from './subscriptions.ts';
import type { RoomStatus } from './types.ts';
import { Watchdog } from './watchdog.ts';

/** How a session begins. */
export interface SessionOptions {
  /** Null: it comes later (`codecLoaded`). */
  readonly codec: Codec | null;
  readonly client: string;
  /** Push ids rise from above this: 0 for a fresh client, else more than was ever used for it. */
  readonly lastId: number;
  readonly cursor: Cursor | null;
  /** 0 up to 1. */
  readonly random: () => number;
}

/**
 * `idle` before the first `connect`; `opening` until the socket is there and `greeting` until its hello; `joining`
 * until it is known whether the cursor was good; then `catching-up` and `live`. `probing` and `waiting` in between.
 */
type State =
  | 'idle'
  | 'opening'
  | 'greeting'
  | 'joining'
  | 'catching-up'
  | 'live'
  | 'probing'
  | 'waiting'
  | 'closed';

/** One connection's rules. */
export class Session {
  readonly #client: string;
  readonly #random: () => number;
  #state: State = 'idle';
  #actions: SessionAction[] = [];

  readonly #tell = (action: SessionAction): void => {
    this.#actions.push(action);
  };
  readonly #position: Position;
  readonly #line: Line;
  readonly #outbox: Outbox;
  readonly #calls: Calls;
  readonly #subscriptions = new Subscriptions();
  readonly #watchdog = new Watchdog();
  readonly #backoff = new Backoff();

  /** What the last hello said; null before the first. */
  #hello: (ServerMessage & { type: 'hello' }) | null = null;
  #roomClosed = false;
  /** What the server said about the end that follows. */
  #farewell: ServerRefusal | null = null;
  #reason: RoomError | null = null;
  #startedAt = 0;
  #liveAt: number | null = null;
  #retryAt: number | null = null;

  constructor({ codec, client, lastId, cursor, random }: SessionOptions) {
    this.#client = client;
    this.#random = random;
    this.#position = new Position(cursor);
    this.#line = new Line(codec, this.#tell);
    this.#outbox = new Outbox(this.#line, this.#tell, lastId);
    this.#calls = new Calls(this.#line, this.#tell);
  }

  /** What is to be done since the last call, in order. */
  take(): readonly SessionAction[] {
    const actions = this.#actions;
    this.#actions = [];
    return actions;
  }

  /** How it is doing. */
  status(): RoomStatus {
    const connected = this.#connected();
    const error = this.#reason;
    return {
      state: this.#publicState(),
      connected,
      readOnly: this.#readOnly(),
      roomClosed: this.#roomClosed,
      epoch: this.#position.epoch,
      seq: this.#position.seq,
      queued: this.#outbox.queued,
      unacknowledged: this.#outbox.unacknowledged,
      ...(error !== null && !connected && { reason: { code: error.code, message: error.message } }),
      ...(this.#retryAt !== null && { retryAt: this.#retryAt }),
    };
  }

  /** Whether it is over for good. */
  get ended(): boolean {
    return this.#state === 'closed';
  }

  /** What is left to the room when a connection ends. */
  get wills(): ReadonlyMap<string, { readonly value: unknown }> {
    return this.#calls.wills;
  }

  /** When `timer` is due; null: never. */
  wakeAt(): number | null {
    const due = [this.#retryAt ?? Number.POSITIVE_INFINITY];
    if (this.#starting()) due.push(this.#startedAt + OPEN_MS_MAX);
    if (this.#connected()) due.push(this.#watchdog.dueAt, this.#outbox.paceAt ?? Number.POSITIVE_INFINITY);
    const first = Math.min(...due);
    return Number.isFinite(first) ? first : null;
  }

  // ---- What the user asks for ----

  /** Begins. Does nothing when it has begun. */
  connect(now: number): void {
    if (this.#state === 'idle') this.#open(now);
  }

  /** The codec has been loaded; null: that failed. */
  codecLoaded(codec: Codec | null, now: number): void {
    // Asked for twice, because it took long, it comes twice.
    if (this.#line.codec !== null) return;
    this.#line.codec = codec;
    if (codec !== null) this.#outbox.writeDown();
    if (this.#state !== 'opening') return;
    if (codec !== null) this.#open(now);
    else this.#fault(new RoomError('network', 'the CBOR codec could not be loaded'), now);
  }

  /** Takes a push and says its id. */
  push(key: string, value: unknown, action: PushAction, now: number): number {
    const relays = action.type === 'relay' && !this.#joined() ? offline() : null;
    const refusal = this.#over() ?? (this.#readOnly() ? readOnly() : relays);
    const id = this.#outbox.push(key, value, action, refusal);
    this.#flush(now, false);
    return id;
  }

  /** Asks for something; the answer has this token. */
  read(token: number, message: ClientMessage, now: number): void {
    this.#calls.read(
      token,
      message,
      this.#over() ?? (message.type === 'ping' && !this.#joined() ? offline() : null),
    );
    this.#flush(now, false);
  }

  /** Sets or takes back (null) what is relayed when this connection ends. It is set again on every connection. */
  will(token: number, key: string, value: unknown, now: number): void {
    this.#calls.will(token, key, value, this.#over(), this.#joined());
    this.#flush(now, false);
  }

  /** Adds a listener of a key. */
  subscribe(key: string, listener: number, replay: boolean, now: number): void {
    this.#subscriptions.add(key, listener, replay);
    this.#flush(now, false);
  }

  /** Removes it. */
  unsubscribe(key: string, listener: number): void {
    this.#subscriptions.remove(key, listener);
  }

  /** The user is done; or there can be no connection at all. */
  close(error = new RoomError('closed', 'this connection was closed')): void {
    if (this.#state !== 'closed') this.#end(error);
  }

  // ---- What happens ----

  /** The socket is open. */
  opened(): void {
    if (this.#state === 'opening') this.#state = 'greeting';
  }

  /** The socket could not be opened, or has ended. */
  closed(code: number, reason: string, now: number): void {
    if (this.#state === 'opening') {
      this.#state = 'probing';
      this.#startedAt = now;
      this.#tell({ type: 'probe' });
    } else if (this.#state === 'greeting' || this.#connected()) {
      this.#lost(code, this.#describeEnd(code, reason), now);
    }
  }

  /** Why it could not be opened. */
  probed(probe: Probe, now: number): void {
    if (this.#state !== 'probing') return;
    const words = probe.answered ? 'the server takes no WebSocket now' : 'the server did not answer';
    const error = probe.error ?? new RoomError('network', words);
    const passes = passesLater(error);
    // Once it worked, a proxy may answer anything while the server restarts; and a room that is lost may come back, put
    // there again or restored, and pushes wait here for it.
    if (!passes && this.#hello === null) {
      this.#end(error);
      return;
    }
    const random = this.#random();
    const least = error.code === 'unknown_room' ? (BACKOFF_MS_MAX * (1 + random)) / 2 : 0;
    this.#wait(error, Math.max(error.retryMs ?? 0, least, this.#backoff.next(random)), now);
  }

  /** A frame came. */
  received(frame: Frame, now: number): void {
    if (this.#line.codec === null || !(this.#connected() || this.#state === 'greeting')) return;
    this.#watchdog.heard(now);
    try {
      this.#hear(this.#line.codec.decode(frame), now);
    } catch (error) {
      this.#fault(error instanceof RoomError ? error : badMessage('the message cannot be read'), now);
    }
    this.#flush(now, false);
  }

  /** The time of `wakeAt` has come. */
  timer(now: number): void {
    if (this.#retryAt !== null && now >= this.#retryAt) this.#open(now);
    if (this.#starting() && now >= this.#startedAt + OPEN_MS_MAX) {
      this.#fault(new RoomError('network', 'the server did not answer in time'), now);
    } else if (this.#connected()) {
      this.#watch(now);
      this.#flush(now, false);
    }
  }

  /** The network is back, or somebody looks at the page: no more waiting, and no trust in an old silence. */
  awake(now: number): void {
    const long = ANSWER_MS_MAX / 2;
    if (this.#starting() && now - this.#startedAt > long) this.#fault(offline(), now, 0);
    if (this.#state === 'waiting') this.#open(now);
    else if (this.#connected()) this.#watch(now, long);
  }

  /**
   * The page goes away: everything that can still go, goes. `kept`: the browser may bring it back as it was, but it is
   * not here until then, and the others must not think so: the connection ends, and `awake` begins the next.
   */
  hurry(now: number, kept: boolean): void {
    this.#flush(now, true);
    if (!kept || !(this.#connected() || this.#starting()) || this.#state === 'probing') return;
    this.#fault(new RoomError('offline', 'the page was left'), now, BACKOFF_MS_MAX);
  }

  // ---- Connecting ----

  #open(now: number): void {
    this.#state = 'opening';
    this.#startedAt = now;
    this.#watchdog.start(now);
    this.#retryAt = null;
    this.#farewell = null;
    const { codec } = this.#line;
    if (codec === null) {
      this.#tell({ type: 'load' });
      return;
    }
    const { cursor } = this.#position;
    const since = cursor === null ? '' : `&since=${formatCursor(cursor)}`;
    this.#tell({ type: 'open', query: `client=${this.#client}${since}`, subprotocol: codec.subprotocol });
  }

  /** The present connection, or the attempt at one, is over. */
  #forget(now: number): void {
    if (this.#liveAt !== null) this.#backoff.worked(now - this.#liveAt);
    this.#liveAt = null;
    this.#line.cut();
    this.#subscriptions.disconnected();
    this.#outbox.disconnected();
    this.#calls.disconnected();
  }

  #lost(code: number, error: RoomError, now: number): void {
    if (!connectsAgain(code)) {
      this.#end(error);
      return;
    }
    if (code === CLOSE_TOO_LARGE) this.#outbox.settleLargest();
    this.#forget(now);
    const asked = error.retryMs;
    const random = this.#random();
    const delay = sentEverybodyAway(code)
      ? random * (asked ?? 2_000)
      : Math.max(asked ?? 0, this.#backoff.next(random));
    this.#wait(error, delay, now);
  }

  #wait(error: RoomError, delayMs: number, now: number): void {
    this.#state = 'waiting';
    this.#reason = error;
    this.#retryAt = now + delayMs;
  }

  /** The connection cannot be used any more, whatever the other side thinks of it. */
  #fault(error: RoomError, now: number, delayMs = this.#backoff.next(this.#random())): void {
    this.#tell({ type: 'drop' });
    this.#forget(now);
    this.#wait(error, delayMs, now);
  }

  #end(error: RoomError): void {
    this.#tell({ type: 'drop' });
    this.#state = 'closed';
    this.#reason = error;
    this.#retryAt = null;
    this.#outbox.rejectAll(error);
    this.#calls.end(error);
    this.#tell({ type: 'end', error });
  }

  #describeEnd(code: number, reason: string): RoomError {
    if (this.#farewell === null) return readClose(code, reason);
    return new RoomError(this.#farewell.code, this.#farewell.message, this.#farewell.retryMs);
  }

  /** Asks for a sign of life after a silence, and gives up when there is none. */
  #watch(now: number, silenceMs?: number): void {
    const what = this.#watchdog.look(now, silenceMs);
    if (what === 'ask') this.#line.ask({ type: 'ping', nonce: null }, { kind: 'ping' });
    else if (what !== null) this.#fault(new RoomError('silent_peer', 'the server fell silent'), now);
  }

  // ---- Hearing ----

  #hear(message: ServerMessage, now: number): void {
    switch (message.type) {
      case 'hello':
        this.#greet(message, now);
        break;
      case 'reset':
        this.#expect('joining');
        this.#join(true, now);
        break;
      case 'live':
        this.#live(message.seq, now);
        break;
      case 'entries':
        if (message.next === undefined) this.#caughtUp(message.data, now);
        else this.#answer('page', { data: message.data, next: message.next, epoch: this.#position.epoch });
        break;
      case 'push':
        this.#pushed(message);
        break;
      case 'init':
        this.#answer('get', message.data, message.key);
        this.#deliver(this.#subscriptions.init(message.key, message.data));
        break;
      case 'keys':
        this.#answer('keys', { data: message.data, next: message.next, epoch: this.#position.epoch });
        break;
      case 'pong':
        this.#answer('ping', undefined);
        break;
      case 'ack':
        if (this.#outbox.acknowledged(message, this.#position.seq)?.type === 'close') this.#roomClosed = true;
        break;
      case 'error':
        this.#refused(message);
        break;
      default:
    }
  }

  /** What comes out of turn is not of this protocol. */
  #expect(...states: State[]): void {
    if (!states.includes(this.#state)) throw badMessage('a message came out of turn');
  }

  #greet(hello: ServerMessage & { type: 'hello' }, now: number): void {
    this.#expect('greeting');
    if ((hello.lastId ?? 0) > ID_MAX) throw badMessage('no push can come behind such an id');
    if (!this.#position.hello(hello.epoch, hello.seq)) {
      this.#position.startOver();
      this.#tell({ type: 'drop' });
      this.#open(now);
      return;
    }
    this.#hello = hello;
    this.#reason = null;
    this.#roomClosed = hello.closed;
    this.#line.messageBytesMax = Math.max(hello.limits.messageBytes, MESSAGE_BYTES_MIN);
    this.#outbox.begin(hello.limits.pushesPerSecond, now);
    this.#state = 'joining';
    if (this.#position.cursor !== null) return;
    this.#reached(hello.seq);
    this.#live(hello.seq, now);
  }

  /** It is known now whether the cursor was good: whatever waited can go. */
  #join(reset: boolean, now: number): void {
    if (this.#state !== 'joining') return;
    this.#state = 'catching-up';
    const other = this.#position.join(reset);
    if (other) {
      this.#subscriptions.reset(this.#position.head);
      this.#reached(0);
      this.#tell({ type: 'reset' });
    }
    this.#outbox.resume(this.#hello?.lastId ?? null, other, now);
    if (this.#readOnly()) this.#outbox.rejectAll(readOnly());
    this.#calls.join();
  }

  #live(seq: number, now: number): void {
    this.#expect('joining', 'catching-up');
    this.#join(false, now);
    if (seq < this.#position.seq) {
      this.#position.startOver();
      throw badMessage('the room is not as far as it was');
    }
    this.#reached(seq);
    this.#state = 'live';
    this.#position.live();
    this.#liveAt = now;
    this.#tell({ type: 'live' });
  }

  #caughtUp(data: readonly RoomEntry[], now: number): void {
    this.#expect('joining', 'catching-up');
    this.#join(false, now);
    const heard = this.#position.seq;
    const fresh = data.filter(({ seq }) => seq > heard);
    if (fresh.length > 0) this.#position.caughtUp();
    // Entries of two keys may share a number, but never across two messages: only the last one passes it.
    fresh.forEach((entry, place) => {
      this.#entry(entry, fresh[place + 1]?.seq !== entry.seq);
    });
  }

  #pushed(entry: RoomEntry): void {
    this.#expect('live');
    const next = this.#position.seq + 1;
    // Live numbers have no holes. What is missing is still there: go back for it.
    if (entry.seq > next) throw badMessage('a number is missing');
    if (entry.seq === next) this.#entry(entry, true);
  }

  #entry({ key, seq, value }: RoomEntry, passes: boolean): void {
    const own = this.#outbox.echo(seq);
    if (passes) this.#reached(seq);
    const push = { type: 'push', seq, value, ...(own !== undefined && { own }) } as const;
    this.#deliver(this.#subscriptions.push(key, push));
    this.#tell({ type: 'entry', entry: { key, seq, value }, own });
  }

  #reached(seq: number): void {
    this.#tell({ type: 'reached', cursor: this.#position.reached(seq) });
  }

  #refused(refusal: ServerRefusal): void {
    if (announcesEnd(refusal.code) || this.#state === 'greeting') {
      this.#farewell = refusal;
      return;
    }
    if (refusal.code === 'closed') this.#roomClosed = true;
    const error = new RoomError(refusal.code, refusal.message, refusal.retryMs);
    const question = refusal.id === null ? this.#line.refused(refusal.key) : this.#line.named(refusal.id);
    if (question === undefined) return;
    const { kind, key = '', id, token } = question;
    if (id !== undefined) this.#outbox.settle(id, error);
    else if (token !== undefined) this.#calls.refused(question, error);
    else if (kind === 'get') this.#nothingIn(key);
  }

  /** A key that the room cannot have has no entries. */
  #nothingIn(key: string): void {
    this.#deliver(this.#subscriptions.init(key, []));
  }

  #answer(kind: Question['kind'], outcome: unknown, key?: string): void {
    const { token } = this.#line.answered(kind, key) ?? {};
    if (token !== undefined) this.#calls.answer(token, outcome);
  }

  #deliver(deliveries: readonly Delivery[]): void {
    for (const delivery of deliveries) this.#tell({ type: 'deliver', ...delivery });
  }

  /** Sends what may be sent now. */
  #flush(now: number, hurry: boolean): void {
    if (!this.#joined()) return;
    for (const key of this.#subscriptions.toAsk()) {
      try {
        this.#line.ask({ type: 'get', key, seq: 0 }, { kind: 'get', key });
      } catch {
        this.#nothingIn(key);
      }
    }
    this.#calls.flush();
    this.#outbox.flush(now, hurry);
  }

  // ---- What the state means ----

  /** Trying to get a connection, bounded in time. */
  #starting(): boolean {
    return this.#state === 'opening' || this.#state === 'greeting' || this.#state === 'probing';
  }

  /** Whatever waits may be sent. */
  #joined(): boolean {
    return this.#state === 'live' || this.#state === 'catching-up';
  }

  #connected(): boolean {
    return this.#joined() || this.#state === 'joining';
  }

  #readOnly(): boolean {
    return this.#hello?.readOnly ?? false;
  }

  /** Why nothing can be asked for any more. */
  #over(): RoomError | null {
    return this.#state === 'closed' ? this.#reason : null;
  }

  #publicState(): RoomStatus['state'] {
    switch (this.#state) {
      case 'live':
      case 'waiting':
      case 'closed':
        return this.#state;
      case 'joining':
      case 'catching-up':
        return 'catching-up';
      default:
        return 'connecting';
    }
  }
}

function readOnly(): RoomError {
  return new RoomError('read_only', 'this link only reads');
}
