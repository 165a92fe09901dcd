// Many values under one name in a room, each last write wins in the room's order. The entry `k` of the map `m` is the
// stream `m/k`, written as a shared value writes it ({v, i}); a deletion replaces it by {d: true, i}, and is then
// trimmed away, so that the room forgets the key. Who was cut off meanwhile compares with the room's keys.

import { fieldsOf, type Pending, requireValue } from './pending.ts';
import { Shared } from './shared.ts';
import type { ReadableRoom } from './shared_room.ts';

interface Written<V> {
  seq: number;
  /** Undefined: deleted. Kept only while the room's entries are read: one of them may be older than this. */
  set: { value: V } | undefined;
}

/** A change made here: a value, or a deletion. */
interface Change<V> {
  key: string;
  set?: { value: V };
}

/** A map that all clients of a room change and see. */
export class SharedMap<V> extends Shared<ReadonlyMap<string, V>> {
  #room: ReadableRoom;
  #prefix: string;
  #confirmed = new Map<string, Written<V>>();
  #pending: Pending<Change<V>>;
  /** The room's entries were read since the last reset. */
  #loaded = false;
  #reading = false;
  #resets = 0;
  /** There was a cut: keys may have gone without our hearing it. */
  #cut = false;

  /** Keys of the room that begin with `name/` are the map's. */
  constructor(room: ReadableRoom, name: string) {
    super();
    this.#room = room;
    this.#prefix = `${name}/`;
    this.#pending = this.pending(room);
    this.until(
      room.onEntry((key, entry) => this.#hear(key, entry.seq, entry.value)),
      room.onReset(() => this.#reset()),
      room.onStatus(() => this.#statusChanged()),
    );
    this.#statusChanged();
  }

  /** Whether the room's entries have been read: before that, the map has only what happened since. */
  get loaded(): boolean {
    return this.#loaded;
  }

  get(key: string): V | undefined {
    return this.current.get(key);
  }

  has(key: string): boolean {
    return this.current.has(key);
  }

  entries(): IterableIterator<[string, V]> {
    return this.current.entries();
  }

  get size(): number {
    return this.current.size;
  }

  /** Sets it here at once, and in the room. Throws `bad_value` for `undefined`. */
  set(key: string, value: V): void {
    requireValue(value, 'the value');
    this.#change({ key, set: { value } });
  }

  /** Deletes it here at once, and in the room. Whether there was one. */
  delete(key: string): boolean {
    if (!this.has(key)) return false;
    this.#change({ key });
    return true;
  }

  protected override compute(): ReadonlyMap<string, V> {
    const map = new Map<string, V>();
    for (const [key, { set }] of this.#confirmed) if (set !== undefined) map.set(key, set.value);
    for (const { key, set } of this.#pending.items()) {
      if (set === undefined) map.delete(key);
      else map.set(key, set.value);
    }
    return map;
  }

  #change(change: Change<V>): void {
    if (this.ended) return;
    const mark = this.#pending.mark();
    const written = change.set === undefined ? { d: true, i: mark } : { v: change.set.value, i: mark };
    const streamKey = this.#prefix + change.key;
    const sent = this.#room.push(streamKey, written, { type: 'replace' });
    this.#pending.add(change, mark, sent);
    if (change.set === undefined) {
      const tidy = (seq: number | null) => (seq === null ? undefined : this.#room.trim(streamKey, seq).done);
      sent.done.then((acknowledgement) => tidy(acknowledgement.seq)).catch(() => undefined);
    }
    this.changed();
  }

  #hear(streamKey: string, seq: number, written: unknown): void {
    if (!streamKey.startsWith(this.#prefix)) return;
    const key = streamKey.slice(this.#prefix.length);
    const fields = fieldsOf(written);
    const known = this.#confirmed.get(key);
    if (fields === undefined || (known !== undefined && known.seq >= seq)) return;
    this.#pending.echoed(fields.i);
    if (fields.v !== undefined) this.#confirmed.set(key, { seq, set: { value: fields.v as V } });
    else if (fields.d === true && this.#loaded) this.#confirmed.delete(key);
    else if (fields.d === true) this.#confirmed.set(key, { seq, set: undefined });
    this.heard();
  }

  #reset(): void {
    this.#confirmed.clear();
    this.#pending.rebuilt();
    this.#loaded = false;
    this.#resets += 1;
    this.heard();
  }

  #statusChanged(): void {
    if (this.#room.status.state !== 'live') this.#cut = true;
    else if ((this.#cut || !this.#loaded) && !this.#reading) void this.#read();
  }

  /** Reads what is missing until nothing is, or the connection ends: then again when it is back. */
  async #read(): Promise<void> {
    this.#reading = true;
    try {
      while (!this.ended && (!this.#loaded || this.#cut)) {
        if (this.#loaded) await this.#dropGone();
        else await this.#load();
      }
    } catch {
      // The next status that says `live` begins anew.
    }
    this.#reading = false;
  }

  async #load(): Promise<void> {
    const resets = this.#resets;
    const entries = await this.#room.entries();
    if (resets !== this.#resets) return;
    for (const { key, seq, value } of entries) this.#hear(key, seq, value);
    this.#loaded = true;
    for (const [key, { set }] of this.#confirmed) if (set === undefined) this.#confirmed.delete(key);
    this.heard();
  }

  /** What the room has no key for any more was deleted and trimmed. What was heard since the question stays. */
  async #dropGone(): Promise<void> {
    const resets = this.#resets;
    const asked = this.#room.status.seq;
    this.#cut = false;
    try {
      const there = new Set((await this.#room.keys()).map((summary) => summary.key));
      if (resets !== this.#resets) return;
      for (const [key, { seq }] of this.#confirmed) {
        if (seq <= asked && !there.has(this.#prefix + key)) this.#confirmed.delete(key);
      }
    } catch (error) {
      this.#cut = true;
      throw error;
    }
    this.heard();
  }
}
