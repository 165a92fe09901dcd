// A single value on a key, last write wins in the ROOM's order: of two clients that set at once, both end with the
// later write. Wire: a replace with {v, i}, as DriftDB's StateListener writes it; {i} for undefined. All else is not read.

import { fieldsOf, type Pending } from './pending.ts';
import { Shared } from './shared.ts';
import type { SharedRoom } from './shared_room.ts';
import type { KeyEvent } from './types.ts';

/** At most one write of a value goes out in this time, unless the option says otherwise. DriftDB's default. */
export const VALUE_DEBOUNCE_MS = 20;

/** How a value behaves. */
export interface SharedValueOptions<T> {
  /** What it is while the room has none. */
  initial: T;
  /** The least time between two writes; the last one always goes out. 0: every write goes out. */
  debounceMs?: number | undefined;
}

/** A value that all clients of a room set and see. */
export class SharedValue<T> extends Shared<T> {
  #room: SharedRoom;
  #key: string;
  #initial: T;
  #debounceMs: number;
  /** The last write in the room's order, as far as it was heard. */
  #confirmed: { value: T } | undefined;
  #pending: Pending<{ value: T }>;
  /** Set here and not yet sent. */
  #unsent: { value: T } | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(room: SharedRoom, key: string, options: SharedValueOptions<T>) {
    super();
    this.#room = room;
    this.#key = key;
    this.#initial = options.initial;
    this.#debounceMs = options.debounceMs ?? VALUE_DEBOUNCE_MS;
    this.#pending = this.pending(room, () => this.#update());
    this.until(
      room.subscribe(key, (event) => this.#hear(event)),
      room.onStatus(() => this.#send()),
    );
  }

  /**
   * Sets it here at once, and in the room. A function gets the current value.
   * A write that the room refuses is taken back (`onRefused`).
   */
  set(next: T | ((current: T) => T)): void {
    if (this.ended) return;
    const value = next instanceof Function ? next(this.current) : next;
    this.#unsent = { value };
    this.changed();
    this.#send();
  }

  protected override compute(): T {
    if (this.#unsent !== undefined) return this.#unsent.value;
    const last = this.#pending.items().at(-1) ?? this.#confirmed;
    return last === undefined ? this.#initial : last.value;
  }

  protected override release(): void {
    if (this.#unsent !== undefined) this.#push(this.#unsent.value);
    clearTimeout(this.#timer);
  }

  #hear(event: KeyEvent): void {
    if (event.type === 'push') {
      this.#take(event.value);
    } else {
      this.#confirmed = undefined;
      this.#pending.rebuilt();
      for (const entry of event.entries) this.#take(entry.value);
    }
    this.#update();
  }

  #update(): void {
    if (!Object.is(this.compute(), this.current)) this.heard();
  }

  #take(written: unknown): void {
    const fields = fieldsOf(written);
    // A mark alone is undefined: in JSON, a field that is undefined is none.
    if (fields === undefined || (fields.v === undefined && Object.keys(fields).join() !== 'i')) return;
    this.#pending.echoed(fields.i);
    this.#confirmed = { value: fields.v as T };
  }

  /**
   * Sends what is set, unless a write went out just now, or there is nobody to send it to: then later. Over a connection
   * that is over for good it is sent too, to be refused.
   */
  #send(): void {
    const { connected, state } = this.#room.status;
    const may = state === 'closed' || (connected && this.#timer === undefined);
    if (this.#unsent === undefined || !may) return;
    const { value } = this.#unsent;
    this.#unsent = undefined;
    this.#push(value);
    if (this.#debounceMs === 0) return;
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      this.#send();
    }, this.#debounceMs);
  }

  #push(value: T): void {
    const mark = this.#pending.mark();
    const written = value === undefined ? { i: mark } : { v: value, i: mark };
    this.#pending.add({ value }, mark, this.#room.push(this.#key, written, { type: 'replace' }));
  }
}
