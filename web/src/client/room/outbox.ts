// The pushes of a connection, from `push` to the server's word: in order, bounded, paced, each stored once. It is told
// what happens, sends over the line, and says whose wait is over; it opens no connection.

import { asRoomError, badMessage, RoomError } from '../../protocol/error.ts';
import {
  CLIENT_KEPT_MS_MIN,
  FLIGHT_BYTES_MAX,
  FLIGHT_PUSHES_MAX,
  OUTBOX_BYTES_MAX,
  OUTBOX_PUSHES_MAX,
} from '../../protocol/limits.ts';
import type { PushAction } from '../../protocol/room/action.ts';
import type { PushMessage } from '../../protocol/room/client_message.ts';
import type { Frame } from '../../protocol/room/codec.ts';
import type { ServerMessage } from '../../protocol/room/server_message.ts';
import { copyOf } from './copy.ts';
import { type Line, tooLarge } from './line.ts';
import { Pace } from './pace.ts';
import type { Tell } from './session_action.ts';
import type { Acknowledgement, UncertainPush } from './types.ts';

/** One push that is not settled. */
interface Item {
  readonly id: number;
  readonly key: string;
  readonly action: PushAction;
  /** Kept until it can be written down: CBOR's code may still be loading. */
  readonly message: PushMessage;
  frame: Frame | null;
  /** When it was first sent; null: never, so that it cannot be stored. */
  sentAt: number | null;
}

/** The pushes that are not settled. */
export class Outbox {
  readonly #line: Line;
  readonly #tell: Tell;
  readonly #pace = new Pace();
  /** Not sent over the present connection. Both are in the order of ids, which rise. */
  #queue = new Map<number, Item>();
  /** Sent over the present connection and without answer. */
  #flight = new Map<number, Item>();
  #flightBytes = 0;
  #lastId: number;
  #bytes = 0;
  #paceAt: number | null = null;
  /** Ids of own pushes whose echo has not come, by their numbers: the acknowledgement is before it. */
  readonly #own = new Map<number, number>();

  /** `lastId`: ids begin above it. */
  constructor(line: Line, tell: Tell, lastId: number) {
    this.#line = line;
    this.#tell = tell;
    this.#lastId = lastId;
  }

  /** Pushes that wait to be sent. */
  get queued(): number {
    return this.#queue.size;
  }

  /** Pushes sent and without answer. */
  get unacknowledged(): number {
    return this.#flight.size;
  }

  /** When the pace allows the next push; null: nothing waits for that. */
  get paceAt(): number | null {
    return this.#paceAt;
  }

  /** Takes a push, unless there is a `refusal`, and says its id. */
  push(key: string, value: unknown, action: PushAction, refusal: RoomError | null): number {
    this.#lastId += 1;
    const id = this.#lastId;
    try {
      if (refusal !== null) throw refusal;
      this.#add(id, key, value, action);
    } catch (error) {
      this.#tell({ type: 'settle', id, outcome: asRoomError(error) });
    }
    return id;
  }

  /** The codec is there: what waits is written down. */
  writeDown(): void {
    for (const item of this.#queue.values()) {
      try {
        item.frame = this.#line.write(item.message);
        this.#bytes += size(item);
      } catch (error) {
        this.settle(item.id, asRoomError(error));
      }
    }
  }

  /** A connection begins, with this pace. */
  begin(pushesPerSecond: number, now: number): void {
    this.#pace.start(pushesPerSecond, now);
  }

  /** Sends what the window and the pace allow now; `hurry` minds neither. */
  flush(now: number, hurry: boolean): void {
    this.#paceAt = null;
    for (const item of this.#queue.values()) {
      if (!hurry && (this.#flight.size >= FLIGHT_PUSHES_MAX || this.#flightBytes >= FLIGHT_BYTES_MAX)) return;
      const { id, key, frame } = item;
      if (frame === null || !this.#line.fits(frame)) {
        this.settle(id, tooLarge());
        continue;
      }
      const waitMs = hurry ? 0 : this.#pace.take(now);
      if (waitMs > 0) {
        this.#paceAt = now + waitMs;
        return;
      }
      this.#queue.delete(id);
      this.#flight.set(id, item);
      this.#flightBytes += size(item);
      item.sentAt ??= now;
      this.#line.send(frame, { kind: 'push', id, key });
    }
  }

  /** The server has done a push. `heard`: the last number heard. Returns what it was, if it was on its way. */
  acknowledged(ack: ServerMessage & { type: 'ack' }, heard: number): PushAction | undefined {
    const { seq, stale, repeat } = ack;
    const id = ack.id ?? 0;
    // What was not sent cannot be done.
    const item = this.#queue.has(id)
      ? undefined
      : this.settle(id, { id, seq, size: ack.size, stale, repeat });
    if (item === undefined) return undefined;
    const { key, action } = item;
    if (seq !== null && seq > heard && action.type !== 'compact' && this.#own.size < FLIGHT_PUSHES_MAX) {
      this.#own.set(seq, id);
    }
    this.#tell({ type: 'size', key, size: ack.size });
    return action;
  }

  /** This number was heard: which own push it is, if it is one. Those before it are no more waited for. */
  echo(seq: number): number | undefined {
    const id = this.#own.get(seq);
    for (const number of this.#own.keys()) {
      if (number > seq) break;
      this.#own.delete(number);
    }
    return id;
  }

  /** The wait for a push is over. Undefined when nobody waits for it. */
  settle(id: number, outcome: Acknowledgement | RoomError): Item | undefined {
    const item = this.#queue.get(id) ?? this.#flight.get(id);
    if (item === undefined) return undefined;
    this.#bytes -= size(item);
    if (!this.#queue.delete(id) && this.#flight.delete(id)) this.#flightBytes -= size(item);
    this.#tell({ type: 'settle', id, outcome });
    return item;
  }

  /** The server found one too large: it can only have meant the largest on its way. */
  settleLargest(): void {
    const [largest] = [...this.#flight.values()].sort((one, other) => size(other) - size(one));
    if (largest !== undefined) this.settle(largest.id, tooLarge());
  }

  /** The connection ended: what was sent waits again, before the rest. Relays are never sent twice, so they are over. */
  disconnected(): void {
    this.#queue = new Map([...this.#flight, ...this.#queue]);
    this.#flight = new Map();
    this.#flightBytes = 0;
    for (const { id, action } of this.#queue.values())
      if (action.type === 'relay') this.settle(id, offline());
    this.#paceAt = null;
  }

  /**
   * The server told the last id that it has stored of this client, in the same write as the push itself; so above it
   * nothing is stored. No last id means the same while the server surely remembers its clients. After that, or in a
   * room of another history (`reset`), nobody knows: what may be done twice is sent again and the rest is uncertain.
   */
  resume(lastId: number | null, reset: boolean, now: number): void {
    this.#lastId = Math.max(this.#lastId, lastId ?? 0);
    if (reset) this.#own.clear();
    const pushes: UncertainPush[] = [];
    for (const item of this.#queue.values()) {
      const outcome = judge(item, lastId, reset, now);
      if (outcome === null) continue;
      const { id, key, action } = item;
      this.settle(id, outcome);
      if (outcome instanceof RoomError && outcome.code === 'uncertain') pushes.push({ id, key, action });
    }
    if (pushes.length > 0) this.#tell({ type: 'uncertain', pushes });
  }

  /** Rejects everything. */
  rejectAll(error: RoomError): void {
    for (const id of [...this.#flight.keys(), ...this.#queue.keys()]) this.settle(id, error);
  }

  #add(id: number, key: string, value: unknown, action: PushAction): void {
    const trims = action.type === 'compact' && value === undefined;
    if (!trims && (value ?? null) === null)
      throw badMessage('a value may be anything but null and undefined');
    let message: PushMessage = { type: 'push', key, ...(!trims && { value }), action, id };
    const frame = this.#line.write(message);
    if (!trims) {
      // What JSON leaves out, a function perhaps, would make a compact a trim.
      if (typeof frame === 'string' && !frame.includes('"value":'))
        throw badMessage('the value cannot be written down');
      // The caller may change it before it can be written down.
      if (frame === null) message = { ...message, value: copyOf(value) };
    }
    const item: Item = { id, key, action, message, frame, sentAt: null };
    const full = this.#queue.size + this.#flight.size >= OUTBOX_PUSHES_MAX;
    if (full || this.#bytes + size(item) > OUTBOX_BYTES_MAX) {
      throw new RoomError('queue_full', 'too many pushes wait to be stored');
    }
    this.#bytes += size(item);
    this.#queue.set(id, item);
  }
}

/** What is known of a push when a connection is there; null: send it. */
function judge(
  { id, action, sentAt }: Item,
  lastId: number | null,
  reset: boolean,
  now: number,
): Acknowledgement | RoomError | null {
  if (lastId !== null && id <= lastId) {
    if (sentAt !== null) return { id, seq: null, size: null, stale: false, repeat: true };
    return new RoomError('replaced', 'somebody else has written with the same client');
  }
  if (reset && action.type === 'compact') {
    return new RoomError('reset', 'the compact meant another history of the room');
  }
  const known = lastId !== null || sentAt === null || (!reset && now - sentAt < CLIENT_KEPT_MS_MIN);
  if (known || action.type === 'replace') return null;
  return new RoomError('uncertain', 'the push may be stored or not');
}

function size(item: Item): number {
  return item.frame?.length ?? 0;
}

/** The error for what only goes over a connection that stands. */
export function offline(): RoomError {
  return new RoomError('offline', 'relays need a connection');
}
