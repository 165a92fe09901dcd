// The last entries of a stream that only grows: a chat, a build's output. Bounded: older entries leave the view, and with
// `keep` also the room. Values are stored as they are. After a cut it tells where entries may be missing.

import { type Pending, requireValue } from './pending.ts';
import { Shared } from './shared.ts';
import type { ReadableRoom } from './shared_room.ts';
import type { KeyEvent } from './types.ts';

/** So many entries are shown, unless the option says otherwise. */
export const LOG_LIMIT = 100;

/** How a log behaves. */
export interface SharedLogOptions {
  /** The most entries that `current` holds. */
  limit?: number;
  /** Entries that the room keeps at least: a client that makes the stream twice as long trims the rest. */
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
  #keep: number | undefined;
  #entries: { seq: number; value: T; gap?: true }[] = [];
  #pending: Pending<T>;
  /** The last numbers heard before cuts behind which it is not known yet whether anything is missing; of the view only. */
  #cuts = new Set<number>();
  /** The room is being asked about them. */
  #asking = false;
  /** The next entry to be heard stands behind a gap. */
  #missing = false;

  constructor(room: ReadableRoom, key: string, options: SharedLogOptions = {}) {
    super();
    this.#room = room;
    this.#key = key;
    this.#limit = options.limit ?? LOG_LIMIT;
    this.#keep = options.keep;
    this.#pending = this.pending(room);
    this.until(
      room.subscribe(key, (event) => this.#hear(event)),
      room.onStatus(() => this.#statusChanged()),
    );
  }

  /** Shows it here at once, and appends it in the room. Throws `bad_value` for `undefined`; the room refuses null. */
  append(value: T): void {
    if (this.ended) return;
    requireValue(value, 'the entry');
    const sent = this.#room.push(this.#key, value, { type: 'append' });
    this.#pending.add(value, `own ${sent.id}`, sent, (size) => this.#grown(size));
    this.changed();
  }

  protected override compute(): readonly LogEntry<T>[] {
    const own = this.#pending.items().map((value) => ({ seq: null, value }));
    return [...this.#entries, ...own].slice(-this.#limit);
  }

  #hear(event: KeyEvent): void {
    if (event.type === 'init') {
      this.#pending.rebuilt();
      this.#cuts.clear();
      this.#missing = false;
      this.#entries = event.entries.slice(-this.#held).map(({ seq, value }) => ({ seq, value: value as T }));
    } else {
      this.#pending.echoed(`own ${event.own}`);
      const entry = { seq: event.seq, value: event.value as T };
      this.#entries.push(this.#missing ? { ...entry, gap: true } : entry);
      this.#missing = false;
      if (this.#entries.length > this.#held) this.#cuts.delete(this.#entries.shift()?.seq ?? 0);
    }
    this.heard();
  }

  /** As many as are shown, and those that decide what to trim. */
  get #held(): number {
    return this.#keep === undefined ? this.#limit : Math.max(this.#limit, this.#keep + 1);
  }

  #grown(size: number | null): void {
    if (this.#keep === undefined || size === null || size < this.#keep * 2) return;
    const last = this.#entries.at(-this.#keep - 1);
    if (last !== undefined) this.#room.trim(this.#key, last.seq).done.catch(() => undefined);
  }

  #statusChanged(): void {
    const { state } = this.#room.status;
    const last = this.#entries.at(-1);
    if (state === 'live') void this.#lookForGaps();
    // What is heard while catching up comes behind the cut.
    else if (state !== 'catching-up' && last !== undefined) this.#cuts.add(last.seq);
  }

  /** Is the last entry from before a cut still there, then all that came behind it was heard. */
  async #lookForGaps(): Promise<void> {
    // Each message is a change of status: one question at a time is enough.
    if (this.#cuts.size === 0 || this.#asking) return;
    const cuts = [...this.#cuts];
    this.#asking = true;
    const keys = await this.#room.keys().catch(() => undefined);
    this.#asking = false;
    if (keys === undefined || this.ended) return;
    // What is not in the list was trimmed to nothing.
    const first = keys.find((one) => one.key === this.#key)?.first ?? Number.POSITIVE_INFINITY;
    const gaps = cuts.filter((cut) => this.#cuts.delete(cut) && cut < first);
    this.#missing ||= gaps.includes(this.#entries.at(-1)?.seq ?? 0);
    this.#entries = this.#entries.map((entry, place, all) => {
      const before = all[place - 1]?.seq ?? 0;
      return gaps.some((cut) => before <= cut && cut < entry.seq) ? { ...entry, gap: true } : entry;
    });
    this.heard();
    // There may have been another cut meanwhile.
    if (this.#room.status.state === 'live') void this.#lookForGaps();
  }
}
