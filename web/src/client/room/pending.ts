// Own pushes whose place in the room's order is not known yet: kept in the order in which they were made, until their
// echo, their answer or their refusal comes. Says nothing about what they mean.

import { asRoomError, RoomError } from '../../protocol/error.ts';
import type { SharedRoom } from './shared_room.ts';
import type { SentPush, Unsubscribe } from './types.ts';

interface Waiting<Item> {
  item: Item;
  mark: string;
  /** Undefined: no answer yet. Null: stored, at a number that nobody told. */
  seq?: number | null;
}

/** The own pushes of one shared thing that the room's order does not show yet. */
export class Pending<Item> {
  #room: SharedRoom;
  #prefix: string;
  #made = 0;
  #waiting: Waiting<Item>[] = [];
  #changed: () => void;
  #refused: (error: RoomError) => void;
  #unsubscribe: Unsubscribe;

  /** `changed`: some are gone and the shown state must be made anew. `refused`: one was taken back. */
  constructor(room: SharedRoom, changed: () => void, refused: (error: RoomError) => void) {
    this.#room = room;
    this.#prefix = randomName();
    this.#changed = changed;
    this.#refused = refused;
    this.#unsubscribe = room.onStatus(() => this.#dropShown());
  }

  /** A mark that no other push bears; it goes along in the value, so that its echo is known even after a lost answer. */
  mark(): string {
    return `${this.#prefix}.${++this.#made}`;
  }

  /** The items in the order in which they were made. */
  items(): Item[] {
    return this.#waiting.map((waiting) => waiting.item);
  }

  get size(): number {
    return this.#waiting.length;
  }

  /** Waits for the outcome of a push. */
  add(item: Item, mark: string, sent: SentPush, acknowledged?: (size: number | null) => void): void {
    const waiting: Waiting<Item> = { item, mark };
    this.#waiting.push(waiting);
    sent.done.then(
      (acknowledgement) => {
        waiting.seq = acknowledgement.seq;
        acknowledged?.(acknowledgement.size);
        this.#dropShown();
      },
      (error: unknown) => {
        if (!this.#remove((one) => one === waiting)) return;
        this.#changed();
        this.#refused(asRoomError(error));
      },
    );
  }

  /** An entry with this mark was heard: whether it was one of ours. */
  echoed(mark: unknown): boolean {
    return typeof mark === 'string' && this.#remove((one) => one.mark === mark);
  }

  /** The whole stream was heard anew: what had been answered is in it, or lost with the room. */
  rebuilt(): void {
    this.#remove((one) => one.seq !== undefined);
  }

  /** Forgets all, and hears of nothing more. */
  end(): void {
    this.#unsubscribe();
    this.#waiting = [];
  }

  /** Once live at or above its number, an answered push has been heard or was compacted away. */
  #dropShown(): void {
    const { state, seq } = this.#room.status;
    if (state !== 'live') return;
    if (this.#remove((one) => one.seq === null || (one.seq !== undefined && one.seq <= seq))) this.#changed();
  }

  #remove(gone: (one: Waiting<Item>) => boolean): boolean {
    const before = this.#waiting.length;
    this.#waiting = this.#waiting.filter((one) => !gone(one));
    return this.#waiting.length < before;
  }
}

/** 64 random bits as text. */
export function randomName(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(8));
  return Array.from(bytes, (byte) => byte.toString(36).padStart(2, '0')).join('');
}

/** A value that no room can hold is told to whoever made it. */
export function requireValue(value: unknown, what: string): void {
  if (value === undefined)
    throw new RoomError('bad_value', `${what} is undefined: a room cannot hold that, use null`);
}

/** The value as an object whose fields can be asked for, or undefined. */
export function fieldsOf(value: unknown): Record<string, unknown> | undefined {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as Record<string, unknown>)
    : undefined;
}
