// The pushes of a connection, from `push` to the server's word: in order, bounded, each stored once.
// Pure: it tells what to send and whose wait is over; it sends nothing.

import { RoomError } from '../../protocol/error.ts';
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
import type { Acknowledgement, UncertainPush } from './types.ts';

/** One push that is not settled. */
export interface OutboxItem {
  readonly id: number;
  readonly key: string;
  readonly action: PushAction;
  /** Kept until it can be encoded: CBOR's code may still be loading. */
  readonly message: PushMessage;
  frame: Frame | null;
  /** When it was first sent; null: never, so that it cannot be stored. */
  sentAt: number | null;
}

/** A push whose wait is over. */
export interface Settled {
  readonly id: number;
  readonly outcome: Acknowledgement | RoomError;
}

/** What becomes of the outbox when a connection is there. */
export interface Resumed {
  readonly settled: readonly Settled[];
  readonly uncertain: readonly UncertainPush[];
}

/** The pushes that are not settled. Ids rise; both maps are in the order of ids. */
export class Outbox {
  /** Not sent on the present connection. */
  #queue = new Map<number, OutboxItem>();
  /** Sent on the present connection and without answer. */
  #flight = new Map<number, OutboxItem>();
  #lastId: number;
  #bytes = 0;
  #flightBytes = 0;

  /** `lastId`: ids begin above it. */
  constructor(lastId: number) {
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

  /** The next id, used up. */
  nextId(): number {
    this.#lastId += 1;
    return this.#lastId;
  }

  /** Takes a push. Throws `queue_full` when too much waits already. */
  add(item: OutboxItem): void {
    const full = this.#queue.size + this.#flight.size >= OUTBOX_PUSHES_MAX;
    if (full || this.#bytes + size(item) > OUTBOX_BYTES_MAX) {
      throw new RoomError('queue_full', 'too many pushes wait to be stored');
    }
    this.#bytes += size(item);
    this.#queue.set(item.id, item);
  }

  /** The pushes that wait, to be encoded. */
  waiting(): IterableIterator<OutboxItem> {
    return this.#queue.values();
  }

  /** Gives an item its frame. */
  encoded(item: OutboxItem, frame: Frame): void {
    item.frame = frame;
    this.#bytes += frame.length;
  }

  /** The next push to send, if the window has room for it; `hurry` ignores the window. */
  next(hurry: boolean): OutboxItem | undefined {
    const [item] = this.#queue.values();
    const open = this.#flight.size < FLIGHT_PUSHES_MAX && this.#flightBytes < FLIGHT_BYTES_MAX;
    return open || hurry ? item : undefined;
  }

  /** It is on its way. */
  sent(item: OutboxItem, now: number): void {
    this.#queue.delete(item.id);
    this.#flight.set(item.id, item);
    this.#flightBytes += size(item);
    item.sentAt ??= now;
  }

  /** Takes a push out, settled. Undefined when it is not here. */
  remove(id: number): OutboxItem | undefined {
    const flying = this.#flight.get(id);
    const item = flying ?? this.#queue.get(id);
    if (item === undefined) return undefined;
    if (flying !== undefined) this.#flightBytes -= size(item);
    this.#flight.delete(id);
    this.#queue.delete(id);
    this.#bytes -= size(item);
    return item;
  }

  /** The connection ended: what was sent waits again, before the rest. Relays are never sent twice, so they are over. */
  disconnected(): readonly Settled[] {
    this.#queue = new Map([...this.#flight, ...this.#queue]);
    this.#flight = new Map();
    this.#flightBytes = 0;
    return this.#rejectWhere(
      ({ action }) => action.type === 'relay',
      () => new RoomError('offline', 'relays need a connection'),
    );
  }

  /** The largest push on its way: what a server can have meant that found one too large. */
  largest(): number | undefined {
    let largest: OutboxItem | undefined;
    for (const item of this.#flight.values()) {
      if (largest === undefined || size(item) > size(largest)) largest = item;
    }
    return largest?.id;
  }

  /**
   * The server told the last id that it has stored of this client, in the same write as the push itself; so above it
   * nothing is stored. No last id means the same while the server surely remembers its clients. After that, or in a
   * room of another history (`reset`), nobody knows: what may be done twice is sent again and the rest is uncertain.
   */
  resume(lastId: number | null, reset: boolean, now: number): Resumed {
    this.#lastId = Math.max(this.#lastId, lastId ?? 0);
    const settled: Settled[] = [];
    const uncertain: UncertainPush[] = [];
    for (const item of [...this.#queue.values()]) {
      const { id, key, action } = item;
      const outcome = judge(item, lastId, reset, now);
      if (outcome === null) continue;
      this.remove(id);
      settled.push({ id, outcome });
      if (outcome instanceof RoomError && outcome.code === 'uncertain') uncertain.push({ id, key, action });
    }
    return { settled, uncertain };
  }

  /** Rejects everything. */
  rejectAll(error: RoomError): readonly Settled[] {
    return this.#rejectWhere(
      () => true,
      () => error,
    );
  }

  #rejectWhere(which: (item: OutboxItem) => boolean, error: () => RoomError): readonly Settled[] {
    const chosen = [...this.#flight.values(), ...this.#queue.values()].filter(which);
    return chosen.map(({ id }) => {
      this.remove(id);
      return { id, outcome: error() };
    });
  }
}

/** What is known of a push when a connection is there; null: send it. */
function judge(
  item: OutboxItem,
  lastId: number | null,
  reset: boolean,
  now: number,
): Acknowledgement | RoomError | null {
  const { id, action, sentAt } = item;
  if (lastId !== null && id <= lastId && sentAt === null) {
    return new RoomError('replaced', 'somebody else has written with the same client');
  }
  if (lastId !== null && id <= lastId) return { id, seq: null, size: null, stale: false, repeat: true };
  if (reset && action.type === 'compact') {
    return new RoomError('reset', 'the compact meant another history of the room');
  }
  const known = lastId !== null || sentAt === null || (!reset && now - sentAt < CLIENT_KEPT_MS_MIN);
  if (known || action.type === 'replace') return null;
  return new RoomError('uncertain', 'the push may be stored or not');
}

function size(item: OutboxItem): number {
  return item.frame?.length ?? 0;
}
