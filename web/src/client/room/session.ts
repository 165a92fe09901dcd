// The rules of one lasting connection to a room: connect, resume, deliver, send each push once, try again.
// Pure: events come in with the time, actions go out (`take`). It opens no socket, reads no clock and calls no listener.

import { badMessage, RoomError } from '../../protocol/error.ts';
import {
  ANSWER_MS_MAX,
  BACKOFF_MS_MAX,
  OPEN_MS_MAX,
  READS_MAX,
  SILENCE_MS_MAX,
} from '../../protocol/limits.ts';
import type { PushAction } from '../../protocol/room/action.ts';
import type { ClientMessage, PushMessage } from '../../protocol/room/client_message.ts';
import type { Codec, Frame } from '../../protocol/room/codec.ts';
import { CURSOR_START, type Cursor, formatCursor } from '../../protocol/room/name.ts';
import type {
  RoomEntry,
  RoomLimits,
  ServerMessage,
  ServerRefusal,
} from '../../protocol/room/server_message.ts';
import { Backoff } from './backoff.ts';
import { announcesEnd, CLOSE_TOO_LARGE, connectsAgain, readClose, sentEverybodyAway } from './close_code.ts';
import { Outbox, type OutboxItem, type Settled } from './outbox.ts';
import { Pace } from './pace.ts';
import { Reads } from './reads.ts';
import { passesLater } from './refusal.ts';
import { type Request, Requests } from './requests.ts';
import type { Probe, SessionAction } from './session_action.ts';
import { type Delivery, Subscriptions } from './subscriptions.ts';
import type { RoomStatus } from './types.ts';
import { Wills } from './wills.ts';

/** How a session begins. */
export interface SessionOptions {
  /** Null: it comes later (`useCodec`). */
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
  #codec: Codec | null;
  #state: State = 'idle';
  #actions: SessionAction[] = [];

  /** Everything up to here was handed on; null before the first hello. */
  #cursor: Cursor | null;
  /** The last hello's epoch; it becomes the cursor's once the server went on without a reset. */
  #epoch: string | null = null;
  /** The epoch of a catching up that began and did not reach `live`: if the next hello names another, it is void. */
  #unfinished: string | null = null;
  /** Start again from 0, and treat what comes as another history. */
  #fromStart = false;
  /** The room's head at the last hello. */
  #head = 0;
  #lastId: number | null = null;
  #readOnly = false;
  #roomClosed = false;
  #limits: RoomLimits | null = null;
  /** Whether there was ever a hello. */
  #greeted = false;

  readonly #outbox: Outbox;
  readonly #subscriptions = new Subscriptions();
  readonly #requests = new Requests();
  readonly #pace = new Pace();
  readonly #backoff = new Backoff();
  readonly #reads = new Reads();
  readonly #wills = new Wills();
  /** Numbers of own pushes whose echo has not come: the ack is before it. */
  readonly #own = new Map<number, number>();

  /** What the server said about the end that follows. */
  #farewell: ServerRefusal | null = null;
  #reason: RoomError | null = null;
  #startedAt = 0;
  #liveAt: number | null = null;
  #heardAt = 0;
  #askedAt: number | null = null;
  #retryAt: number | null = null;
  /** When the pace allows the next push. */
  #paceAt: number | null = null;

  constructor(options: SessionOptions) {
    this.#codec = options.codec;
    this.#client = options.client;
    this.#cursor = options.cursor;
    this.#outbox = new Outbox(options.lastId);
    this.#random = options.random;
  }

  /** What is to be done since the last call, in order. */
  take(): readonly SessionAction[] {
    const actions = this.#actions;
    this.#actions = [];
    return actions;
  }

  /** How it is doing. */
  status(): RoomStatus {
    const connected = this.#joined() || this.#state === 'joining';
    const error = this.#reason;
    return {
      state: this.#publicState(),
      connected,
      readOnly: this.#readOnly,
      roomClosed: this.#roomClosed,
      epoch: this.#epoch,
      seq: this.#cursor?.seq ?? 0,
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

  /** When `timer` is due; null: never. */
  wakeAt(): number | null {
    const due: number[] = [];
    if (this.#state === 'opening' || this.#state === 'greeting') due.push(this.#startedAt + OPEN_MS_MAX);
    if (this.#retryAt !== null) due.push(this.#retryAt);
    if (this.#joined() || this.#state === 'joining') {
      due.push(this.#askedAt === null ? this.#heardAt + SILENCE_MS_MAX : this.#askedAt + ANSWER_MS_MAX);
      if (this.#paceAt !== null) due.push(this.#paceAt);
    }
    return due.length === 0 ? null : Math.min(...due);
  }

  // ---- What the user asks for ----

  /** Begins. Does nothing when it has begun. */
  connect(now: number): void {
    if (this.#state === 'idle') this.#open(now);
  }

  /** The codec has been loaded; null: that failed. */
  useCodec(codec: Codec | null, now: number): void {
    // Asked for twice, because it took long, it comes twice.
    if (this.#codec !== null) return;
    if (codec === null) {
      if (this.#state === 'opening')
        this.#fault(new RoomError('network', 'the CBOR codec could not be loaded'), now);
      return;
    }
    this.#codec = codec;
    for (const item of [...this.#outbox.waiting()]) {
      try {
        this.#encodeItem(item, codec);
      } catch (error) {
        this.#outbox.remove(item.id);
        this.#settle({ id: item.id, outcome: asRoomError(error) });
      }
    }
    if (this.#state === 'opening') this.#open(now);
  }

  /** Takes a push and says its id. */
  push(key: string, value: unknown, action: PushAction, now: number): number {
    const id = this.#outbox.nextId();
    try {
      this.#acceptPush(id, key, value, action);
      this.#flush(now, false);
    } catch (error) {
      this.#settle({ id, outcome: asRoomError(error) });
    }
    return id;
  }

  /** Asks for something; the answer has this token. */
  read(token: number, message: ClientMessage, now: number): void {
    const refusal = this.#state === 'closed' ? this.#ended() : this.#readRefusal(message);
    if (refusal !== null) {
      this.#tell(token, refusal);
      return;
    }
    this.#reads.add(token, message);
    this.#flush(now, false);
  }

  /** Sets or takes back (null) what is relayed when this connection ends. It is set again on every connection. */
  will(token: number, key: string, value: unknown): void {
    try {
      if (this.#state === 'closed') throw this.#ended();
      if (value === undefined) throw badMessage('a will is a value or null');
      // It is written down on every connection anew, and the caller may change what was passed.
      const kept = clone(value);
      const older = this.#wills.set(key, kept, token);
      if (older !== undefined) this.#tell(older, undefined);
      if (this.#joined()) this.#sendWill(key, kept, token);
      else if (value === null) this.#dropTakenBack();
    } catch (error) {
      this.#tell(token, asRoomError(error));
    }
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
    if (this.#state === 'closed' || this.#state === 'waiting' || this.#state === 'probing') return;
    if (this.#state === 'opening') {
      this.#state = 'probing';
      this.#actions.push({ type: 'probe' });
      return;
    }
    this.#lost(code, this.#describeEnd(code, reason), now);
  }

  /** Why it could not be opened. */
  probed(probe: Probe, now: number): void {
    if (this.#state !== 'probing') return;
    const words = probe.answered ? 'the server takes no WebSocket now' : 'the server did not answer';
    const error = probe.error ?? new RoomError('network', words);
    // Once it worked, a proxy may answer anything while the server restarts; and a room that is lost may come back, put
    // there again or restored, and pushes wait here for it.
    const gone = this.#greeted && error.code === 'unknown_room';
    const passes = gone || passesLater(error) || (this.#greeted && error.code === 'refused');
    const random = this.#random();
    const least = gone ? (BACKOFF_MS_MAX * (1 + random)) / 2 : 0;
    if (passes) this.#wait(error, Math.max(error.retryMs ?? 0, least, this.#backoff.next(random)), now);
    else this.#end(error);
  }

  /** A frame came. */
  received(frame: Frame, now: number): void {
    if (this.#codec === null || !(this.#joined() || this.#state === 'greeting' || this.#state === 'joining'))
      return;
    this.#heardAt = now;
    this.#askedAt = null;
    let message: ServerMessage;
    try {
      message = this.#codec.decode(frame);
    } catch (error) {
      this.#fault(asRoomError(error), now);
      return;
    }
    this.#hear(message, now);
    this.#flush(now, false);
  }

  /** The time of `wakeAt` has come. */
  timer(now: number): void {
    if (this.#retryAt !== null && now >= this.#retryAt) this.#open(now);
    const opening = this.#state === 'opening' || this.#state === 'greeting';
    if (opening && now >= this.#startedAt + OPEN_MS_MAX) {
      this.#fault(new RoomError('network', 'the server did not answer in time'), now);
    } else if (this.#joined() || this.#state === 'joining') {
      this.#watch(now, SILENCE_MS_MAX);
      if (this.#paceAt !== null && now >= this.#paceAt) this.#flush(now, false);
    }
  }

  /** The network is back, or somebody looks at the page: no more waiting, and no trust in an old silence. */
  awake(now: number): void {
    if (this.#state === 'waiting') this.#open(now);
    else if (this.#joined() && now - this.#heardAt > ANSWER_MS_MAX / 2) this.#watch(now, 0);
  }

  /**
   * The page goes away: everything that can still go, goes. `kept`: the browser may bring it back as it was, but it is
   * not here until then, and the others must not think so: the connection ends, and `awake` begins the next.
   */
  hurry(now: number, kept: boolean): void {
    this.#flush(now, true);
    if (!kept || ['idle', 'probing', 'waiting', 'closed'].includes(this.#state)) return;
    this.#fault(new RoomError('offline', 'the page was left'), now, BACKOFF_MS_MAX);
  }

  // ---- Connecting ----

  #open(now: number): void {
    this.#state = 'opening';
    this.#startedAt = now;
    this.#retryAt = null;
    this.#farewell = null;
    if (this.#codec === null) {
      this.#actions.push({ type: 'load' });
      return;
    }
    const parameters = [`client=${this.#client}`];
    if (this.#cursor !== null) parameters.push(`since=${formatCursor(this.#cursor)}`);
    const { subprotocol } = this.#codec;
    this.#actions.push({ type: 'open', query: parameters.join('&'), subprotocol });
  }

  /** The present connection, or the attempt at one, is over. */
  #forget(now: number): void {
    if (this.#liveAt !== null) this.#backoff.worked(now - this.#liveAt);
    this.#liveAt = null;
    this.#askedAt = null;
    this.#paceAt = null;
    this.#requests.clear();
    this.#subscriptions.disconnected();
    for (const settled of this.#outbox.disconnected()) this.#settle(settled);
    for (const token of this.#reads.disconnected()) {
      this.#tell(token, new RoomError('offline', 'the connection was lost'));
    }
    this.#dropTakenBack();
  }

  #lost(code: number, error: RoomError, now: number): void {
    if (!connectsAgain(code)) {
      this.#end(error);
      return;
    }
    const culprit = code === CLOSE_TOO_LARGE ? this.#outbox.largest() : undefined;
    if (culprit !== undefined) {
      this.#outbox.remove(culprit);
      this.#settle({ id: culprit, outcome: tooLarge() });
    }
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
    this.#actions.push({ type: 'drop' });
    this.#forget(now);
    this.#wait(error, delayMs, now);
  }

  #end(error: RoomError): void {
    this.#actions.push({ type: 'drop' });
    this.#state = 'closed';
    this.#reason = error;
    this.#retryAt = null;
    for (const settled of this.#outbox.rejectAll(error)) this.#settle(settled);
    for (const token of [...this.#reads.clear(), ...this.#wills.clear()]) this.#tell(token, error);
    this.#actions.push({ type: 'end', error });
  }

  #describeEnd(code: number, reason: string): RoomError {
    if (this.#farewell === null) return readClose(code, reason);
    return new RoomError(this.#farewell.code, this.#farewell.message, this.#farewell.retryMs);
  }

  /** Asks for a sign of life after a silence, and gives up when there is none. */
  #watch(now: number, silenceMs: number): void {
    if (this.#askedAt !== null) {
      if (now >= this.#askedAt + ANSWER_MS_MAX) {
        this.#fault(new RoomError('silent_peer', 'the server fell silent'), now);
      }
    } else if (now >= this.#heardAt + silenceMs) {
      this.#askedAt = now;
      this.#send({ type: 'ping', nonce: null }, { kind: 'ping' });
    }
  }

  // ---- Hearing ----

  #hear(message: ServerMessage, now: number): void {
    if (this.#state === 'greeting') {
      if (message.type === 'hello') this.#hello(message, now);
      else if (message.type === 'error') this.#farewell = message;
      else this.#fault(badMessage('no hello came first'), now);
      return;
    }
    switch (message.type) {
      case 'reset':
        this.#join(true, now);
        break;
      case 'live':
        this.#join(false, now);
        this.#reached(message.seq);
        this.#live(now);
        break;
      case 'entries':
        if (message.next === undefined) this.#caughtUp(message.data, now);
        else this.#answerOf('page', undefined, { data: message.data, next: message.next });
        break;
      case 'push':
        this.#pushed(message, now);
        break;
      case 'init':
        this.#answerOf('get', message.key, message.data);
        this.#deliver(this.#subscriptions.init(message.key, message.data));
        break;
      case 'keys':
        this.#answerOf('keys', undefined, { data: message.data, next: message.next });
        break;
      case 'pong':
        this.#answerOf('ping', undefined, undefined);
        break;
      case 'ack':
        this.#acknowledged(message);
        break;
      case 'error':
        this.#refused(message);
        break;
      default:
    }
  }

  #hello(hello: ServerMessage & { type: 'hello' }, now: number): void {
    if (this.#unfinished !== null && this.#unfinished !== hello.epoch) {
      // What the pages skipped, because something later stood for it, may be back.
      this.#unfinished = null;
      this.#cursor = CURSOR_START;
      this.#fromStart = true;
      this.#actions.push({ type: 'drop' });
      this.#open(now);
      return;
    }
    this.#greeted = true;
    this.#reason = null;
    this.#epoch = hello.epoch;
    this.#head = hello.seq;
    this.#lastId = hello.lastId;
    this.#readOnly = hello.readOnly;
    this.#roomClosed = hello.closed;
    this.#limits = hello.limits;
    this.#pace.start(hello.limits.pushesPerSecond, now);
    this.#state = 'joining';
    if (this.#cursor !== null) return;
    this.#reached(hello.seq);
    this.#join(false, now);
    this.#live(now);
  }

  /** It is known now whether the cursor was good: whatever waited can go. */
  #join(reset: boolean, now: number): void {
    if (this.#state !== 'joining') return;
    const other = reset || this.#fromStart;
    this.#fromStart = false;
    this.#state = 'catching-up';
    if (other) {
      this.#own.clear();
      this.#subscriptions.reset(this.#head);
      this.#cursor = null;
      this.#reached(0);
      this.#actions.push({ type: 'reset' });
    }
    const { settled, uncertain } = this.#outbox.resume(this.#lastId, other, now);
    for (const one of settled) this.#settle(one);
    if (uncertain.length > 0) this.#actions.push({ type: 'uncertain', pushes: uncertain });
    if (this.#readOnly) for (const one of this.#outbox.rejectAll(readOnly())) this.#settle(one);
    for (const will of this.#wills.standing()) this.#sendWill(...will);
  }

  #live(now: number): void {
    this.#state = 'live';
    this.#unfinished = null;
    this.#liveAt = now;
    this.#actions.push({ type: 'live' });
  }

  #caughtUp(data: readonly RoomEntry[], now: number): void {
    this.#join(false, now);
    const heard = this.#cursor?.seq ?? 0;
    const fresh = data.filter(({ seq }) => seq > heard);
    if (fresh.length > 0) this.#unfinished = this.#epoch;
    // Entries of two keys may share a number, but never across two messages: only the last one passes it.
    fresh.forEach((entry, place) => {
      this.#entry(entry, fresh[place + 1]?.seq !== entry.seq);
    });
  }

  #pushed(entry: RoomEntry, now: number): void {
    const heard = this.#cursor?.seq ?? 0;
    if (entry.seq <= heard) return;
    if (this.#state === 'live' && entry.seq > heard + 1) {
      // Live numbers have no holes. What is missing is still there: go back for it.
      this.#fault(badMessage('a number is missing'), now);
      return;
    }
    this.#entry(entry, true);
  }

  #entry(entry: RoomEntry, passes: boolean): void {
    const own = this.#own.get(entry.seq);
    this.#own.delete(entry.seq);
    const { key, seq, value } = entry;
    if (passes) this.#reached(seq);
    this.#deliver(
      this.#subscriptions.push(key, { type: 'push', seq, value, ...(own !== undefined && { own }) }),
    );
    this.#actions.push({ type: 'entry', entry: { key, seq, value }, own });
  }

  #reached(seq: number): void {
    this.#cursor = { epoch: this.#epoch, seq: Math.max(seq, this.#cursor?.seq ?? 0) };
    this.#actions.push({ type: 'reached', cursor: this.#cursor });
  }

  #acknowledged(ack: ServerMessage & { type: 'ack' }): void {
    const { id, seq, size, stale, repeat } = ack;
    if (id === null) return;
    this.#wereTaken(this.#requests.named(id).taken);
    const item = this.#outbox.remove(id);
    if (item === undefined) return;
    if (seq !== null && item.action.type !== 'compact' && seq > (this.#cursor?.seq ?? 0))
      this.#own.set(seq, id);
    if (item.action.type === 'close') this.#roomClosed = true;
    this.#settle({ id, outcome: { id, seq, size, stale, repeat } });
    this.#actions.push({ type: 'size', key: item.key, size });
  }

  #refused(refusal: ServerRefusal): void {
    if (announcesEnd(refusal.code)) {
      this.#farewell = refusal;
      return;
    }
    if (refusal.code === 'closed') this.#roomClosed = true;
    const error = new RoomError(refusal.code, refusal.message, refusal.retryMs);
    const { request, taken } =
      refusal.id === null ? this.#requests.refused(refusal.key) : this.#requests.named(refusal.id);
    this.#wereTaken(taken);
    const { kind, id, token, key = '' } = request ?? {};
    if (kind === 'push' && id !== undefined) {
      this.#outbox.remove(id);
      this.#settle({ id, outcome: error });
    } else if (kind === 'will' && token !== undefined) {
      if (this.#wills.refused(key, token)) this.#tell(token, error);
    } else if (token !== undefined) {
      this.#answer(token, error);
    } else if (kind === 'get') {
      // A key that the room cannot have has no entries.
      this.#deliver(this.#subscriptions.init(key, []));
    }
  }

  // ---- Sending ----

  /** Sends what may be sent now. */
  #flush(now: number, hurry: boolean): void {
    if (!this.#joined()) return;
    for (const key of this.#subscriptions.toAsk()) {
      this.#send({ type: 'get', key, seq: 0 }, { kind: 'get', key });
    }
    for (const { token, message, kind } of this.#reads.toAsk()) {
      const key = message.type === 'get' && 'key' in message ? { key: message.key } : {};
      this.#send(message, { kind, token, ...key });
    }
    this.#paceAt = null;
    for (;;) {
      const item = this.#outbox.next(hurry);
      if (item === undefined) return;
      if (item.frame === null || !this.#fits(item.frame)) {
        this.#outbox.remove(item.id);
        this.#settle({ id: item.id, outcome: tooLarge() });
        continue;
      }
      const waitMs = hurry ? 0 : this.#pace.take(now);
      if (waitMs > 0) {
        this.#paceAt = now + waitMs;
        return;
      }
      this.#outbox.sent(item, now);
      this.#requests.sent({ kind: 'push', id: item.id, key: item.key });
      this.#actions.push({ type: 'send', frame: item.frame });
    }
  }

  #acceptPush(id: number, key: string, value: unknown, action: PushAction): void {
    if (this.#state === 'closed') throw this.#ended();
    if (this.#readOnly && this.#greeted) throw readOnly();
    if (action.type === 'relay' && !this.#joined()) {
      throw new RoomError('offline', 'relays need a connection');
    }
    const trims = action.type === 'compact' && value === undefined;
    if (!trims && (value === undefined || value === null || typeof value === 'function')) {
      throw badMessage('a value may be anything but null and undefined');
    }
    const message: PushMessage = { type: 'push', key, ...(!trims && { value }), action, id };
    const item: OutboxItem = { id, key, action, message, frame: null, sentAt: null };
    if (this.#codec === null) {
      // The caller may change the value before it can be written down.
      this.#outbox.add({ ...item, message: { ...message, ...(!trims && { value: clone(value) }) } });
      return;
    }
    const frame = this.#codec.encode(message);
    if (!this.#fits(frame)) throw tooLarge();
    this.#outbox.add({ ...item, frame });
  }

  #encodeItem(item: OutboxItem, codec: Codec): void {
    if (item.frame === null) this.#outbox.encoded(item, codec.encode(item.message));
  }

  #sendWill(key: string, value: unknown, token: number): void {
    if (this.#codec === null) return;
    try {
      const frame = this.#codec.encode({ type: 'will', key, value });
      if (!this.#fits(frame)) throw tooLarge();
      this.#requests.sent({ kind: 'will', key, token });
      this.#actions.push({ type: 'send', frame });
    } catch (error) {
      if (this.#wills.refused(key, token)) this.#tell(token, asRoomError(error));
      return;
    }
    // A will is not answered; what stands behind it is.
    this.#send({ type: 'ping', nonce: null }, { kind: 'ping' });
  }

  #send(message: ClientMessage, request: Request): void {
    if (this.#codec === null) return;
    this.#requests.sent(request);
    this.#actions.push({ type: 'send', frame: this.#codec.encode(message) });
  }

  #fits(frame: Frame): boolean {
    const most = this.#limits?.messageBytes ?? Number.POSITIVE_INFINITY;
    // No UTF-16 unit takes more than three bytes.
    if (typeof frame !== 'string' || frame.length * 3 <= most) return frame.length <= most;
    return new TextEncoder().encode(frame).length <= most;
  }

  // ---- Small things ----

  #joined(): boolean {
    return this.#state === 'live' || this.#state === 'catching-up';
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

  #ended(): RoomError {
    return this.#reason ?? new RoomError('closed', 'this connection was closed');
  }

  #readRefusal(message: ClientMessage): RoomError | null {
    if (message.type === 'ping' && !this.#joined()) return new RoomError('offline', 'there is no connection');
    return this.#reads.size >= READS_MAX ? new RoomError('queue_full', 'too many reads wait') : null;
  }

  #answerOf(kind: Request['kind'], key: string | undefined, outcome: unknown): void {
    const { request, taken } = this.#requests.answered(kind, key);
    this.#wereTaken(taken);
    if (request?.token !== undefined) this.#answer(request.token, outcome);
  }

  #answer(token: number, outcome: unknown): void {
    if (this.#reads.remove(token)) this.#tell(token, outcome);
  }

  #wereTaken(wills: readonly Request[]): void {
    for (const { key = '', token } of wills) {
      if (token !== undefined && this.#wills.taken(key, token)) this.#tell(token, undefined);
    }
  }

  /** Nothing of an earlier connection has to be taken back: it ended, and its wills with it. */
  #dropTakenBack(): void {
    for (const token of this.#wills.disconnected()) this.#tell(token, undefined);
  }

  #tell(token: number, outcome: unknown): void {
    this.#actions.push({ type: 'answer', token, outcome });
  }

  #settle(settled: Settled): void {
    this.#actions.push({ type: 'settle', ...settled });
  }

  #deliver(deliveries: readonly Delivery[]): void {
    for (const delivery of deliveries) this.#actions.push({ type: 'deliver', ...delivery });
  }
}

function clone(value: unknown): unknown {
  try {
    return structuredClone(value);
  } catch {
    throw badMessage('the value cannot be written down: it holds a function or something as odd');
  }
}

function asRoomError(error: unknown): RoomError {
  return error instanceof RoomError ? error : badMessage('the value cannot be written down');
}

function tooLarge(): RoomError {
  return new RoomError('too_large', 'the message is larger than the server takes');
}

function readOnly(): RoomError {
  return new RoomError('read_only', 'this link only reads');
}
