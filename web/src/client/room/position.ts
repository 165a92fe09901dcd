// Where a reader stands in a room's history, and whether what comes next follows on that: resuming, starting again,
// holes. It knows numbers and epochs; what the entries say is not looked at.

import { CURSOR_START, type Cursor } from '../../protocol/room/name.ts';

/** One reader's place. */
export class Position {
  /** Everything up to here was handed on; null before the first hello of a reader that only hears what is live. */
  cursor: Cursor | null;
  /** The last hello's epoch; it becomes the cursor's once the server went on without a reset. */
  epoch: string | null = null;
  /** The room's head at the last hello. */
  head = 0;
  /** The epoch of a catching up that began and did not reach `live`: if the next hello names another, it is void. */
  #unfinished: string | null = null;
  /** Start again from 0, and treat what comes as another history. */
  #fromStart = false;

  constructor(cursor: Cursor | null) {
    this.cursor = cursor;
  }

  /** The last number heard. */
  get seq(): number {
    return this.cursor?.seq ?? 0;
  }

  /** What was heard counts no more: the next connection begins at 0. */
  startOver(): void {
    this.#unfinished = null;
    this.cursor = CURSOR_START;
    this.#fromStart = true;
  }

  /** The server said where the room is. False: what was caught up with before is void, so begin anew. */
  hello(epoch: string, seq: number): boolean {
    // What the pages skipped, because something later stood for it, may be back.
    if (this.#unfinished !== null && this.#unfinished !== epoch) return false;
    this.epoch = epoch;
    this.head = seq;
    return true;
  }

  /** It is known whether the cursor was good. Whether what comes is another history than what was heard. */
  join(reset: boolean): boolean {
    const other = reset || this.#fromStart;
    this.#fromStart = false;
    if (other) this.cursor = { epoch: this.epoch, seq: 0 };
    return other;
  }

  /** A part of a catching up has come: until `live` it counts only in this epoch. */
  caughtUp(): void {
    this.#unfinished = this.epoch;
  }

  /** All is caught up with. */
  live(): void {
    this.#unfinished = null;
  }

  /** Everything up to here was handed on. */
  reached(seq: number): Cursor {
    this.cursor = { epoch: this.epoch, seq: Math.max(seq, this.seq) };
    return this.cursor;
  }
}
