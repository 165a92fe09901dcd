// The last entries of a stream that only grows: a chat, a build's output. Bounded: older entries leave the view, and with
// `keep` also the room. Values are stored as they are. After a cut it tells where entries may be missing.

import { Pending, requireValue } from './pending.ts';
import type { ReadableRoom } from './room.ts';
import { Shared } from './shared.ts';
import type { KeyEvent, Unsubscribe } from './types.ts';

/** So many entries are shown, unless the option says otherwise. */
export const LOG_LIMIT = 100;

/** How a log behaves. */
export interface SharedLogOptions {
  /** The most entries that `current` holds. */
  limit?: number;
  /** Entries that the room keeps at least: a client that makes the stream twice as long trims the rest. At most `limit`. */
  keep?: number;
}

/** One entry of the view. */
export interface LogEntry<T> {
  /** Its number in the room; null while it is under way. */
  readonly seq: number | null;
  readonly value: T;
  /** Between the entry before and this one, some may have been trimmed away before this client heard them. */
  readonly gap?: true;
}

/** The last entries of an append-only stream, own ones first shown without a number. */
export class SharedLog<T> extends Shared<readonly LogEntry<T>[]> {
  #room: ReadableRoom;
  #key: string;
  #limit: number;
  #keep: number;
  #entries: { seq: number; value: T; gap?: true }[] = [];
  #pending: Pending<T>;
  #subscriptions: Unsubscribe[];

  constructor(room: ReadableRoom, key: string, options: SharedLogOptions = {}) {
    super();
    this.#room = room;
    this.#key = key;
    this.#limit = options.limit ?? LOG_LIMIT;
    this.#keep = options.keep ?? Number.POSITIVE_INFINITY;
    this.#pending = new Pending(
      room,
      () => this.heard(),
      (error) => this.refused(error),
    );
    this.#subscriptions = [room.subscribe(key, (event) => this.#hear(event))];
  }

  /** Shows it here at once, and appends it in the room. Throws `bad_value` for `undefined` and null. */
  append(value: T): void {
    if (this.ended) return;
    requireValue(value, 'the entry');
    const sent = this.#room.push(this.#key, value, { type: 'append' });
    this.#pending.add(value, `own ${sent.id}`, sent);
    this.changed();
  }

  protected override compute(): readonly LogEntry<T>[] {
    const own = this.#pending.items().map((value) => ({ seq: null, value }));
    return [...this.#entries, ...own].slice(-this.#limit);
  }

  protected override release(): void {
    for (const unsubscribe of this.#subscriptions) unsubscribe();
    this.#pending.end();
  }

  #hear(event: KeyEvent): void {
    if (event.type === 'init') {
      this.#pending.rebuilt();
      this.#entries = event.entries.slice(-this.#limit).map(({ seq, value }) => ({ seq, value: value as T }));
    } else {
      this.#pending.echoed(`own ${event.own}`);
      this.#entries.push({ seq: event.seq, value: event.value as T });
      if (this.#entries.length > this.#limit) this.#entries.shift();
    }
    this.heard();
  }
}
