// What the inspector keeps of a room's stream: the newest messages, bounded in number and in bytes; paused and filtered
// views of it. Pure.

import { roughBytes } from './value_text.ts';

/** Messages kept; older ones go. */
export const LOG_MESSAGES_MAX = 2_000;
/** Bytes of values kept, about. Older messages stay in the list without their values. */
export const LOG_BYTES_MAX = 32 * 1024 * 1024;

/** A message of the room, or a note about the connection. */
export type LogRow =
  | {
      readonly type: 'message';
      readonly seq: number;
      readonly key: string;
      /** Milliseconds since 1970, here; undefined for what was stored before we came. */
      readonly at: number | undefined;
      readonly own: boolean;
      readonly bytes: number;
      readonly value: unknown;
      /** The value went to make room for newer ones. */
      readonly forgotten: boolean;
    }
  | { readonly type: 'note'; readonly at: number; readonly text: string };

/** A message as it arrives. */
export interface Arrival {
  readonly seq: number;
  readonly key: string;
  readonly value: unknown;
  readonly at?: number;
  readonly own?: boolean;
}

export class StreamLog {
  #rows: LogRow[] = [];
  #bytes = 0;
  /** Rows before this one have lost their values. */
  #forgotten = 0;
  #frozen: readonly LogRow[] | undefined;
  #filter: string | undefined;
  #shown: readonly LogRow[] | undefined;
  /** Rows that fell out at the front since the beginning. */
  #dropped = 0;
  #missedWhilePaused = 0;

  /** The rows to show, oldest first. The same list until something changes. */
  get shown(): readonly LogRow[] {
    const rows = this.#frozen ?? this.#rows;
    const filter = this.#filter;
    this.#shown ??=
      filter === undefined ? [...rows] : rows.filter((row) => row.type === 'note' || row.key === filter);
    return this.#shown;
  }

  get paused(): boolean {
    return this.#frozen !== undefined;
  }

  /** Messages that came since the pause. */
  get missedWhilePaused(): number {
    return this.#missedWhilePaused;
  }

  get filter(): string | undefined {
    return this.#filter;
  }

  /** Rows dropped for newer ones so far. */
  get dropped(): number {
    return this.#dropped;
  }

  add({ seq, key, value, at, own = false }: Arrival): void {
    const bytes = roughBytes(value);
    this.#put({ type: 'message', seq, key, at, own, bytes, value, forgotten: false });
    this.#bytes += bytes;
    this.#forget();
  }

  note(at: number, text: string): void {
    this.#put({ type: 'note', at, text });
  }

  /** Keeps the view as it is; the log itself goes on. */
  pause(paused: boolean): void {
    this.#frozen = paused ? [...this.#rows] : undefined;
    this.#missedWhilePaused = 0;
    this.#shown = undefined;
  }

  /** Shows one key only; undefined: all. */
  setFilter(key: string | undefined): void {
    this.#filter = key;
    this.#shown = undefined;
  }

  clear(): void {
    this.#rows = [];
    this.#bytes = 0;
    this.#forgotten = 0;
    if (this.#frozen !== undefined) this.#frozen = [];
    this.#missedWhilePaused = 0;
    this.#shown = undefined;
  }

  #put(row: LogRow): void {
    this.#rows.push(row);
    if (this.#rows.length > LOG_MESSAGES_MAX) this.#drop();
    if (this.#frozen === undefined) this.#shown = undefined;
    else if (row.type === 'message') this.#missedWhilePaused += 1;
  }

  #drop(): void {
    const row = this.#rows.shift();
    this.#dropped += 1;
    if (row?.type === 'message' && !row.forgotten) this.#bytes -= row.bytes;
    this.#forgotten = Math.max(0, this.#forgotten - 1);
  }

  /** Lets go of the oldest values, never of the newest. */
  #forget(): void {
    for (; this.#bytes > LOG_BYTES_MAX && this.#forgotten < this.#rows.length - 1; this.#forgotten += 1) {
      const row = this.#rows[this.#forgotten];
      if (row?.type !== 'message') continue;
      this.#bytes -= row.bytes;
      this.#rows[this.#forgotten] = { ...row, value: undefined, forgotten: true };
    }
  }
}
