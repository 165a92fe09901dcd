// Where it is written how it stands: read anew when something may have changed, seldom enough that reading costs little,
// and told to those who listen. It knows nothing of what it shows.

import type { Unsubscribe } from '../entdb/database.ts';
import { callAll } from '../entdb/watch.ts';
import type { SyncStatus } from './status.ts';

/** How long after a reading the next one is at the earliest, milliseconds. */
const READ_EVERY_MS = 100;
/** It rests so many times as long as reading took: counting many entities keeps writes waiting. */
const REST_FACTOR = 10;
/** But no longer than this, milliseconds. */
const REST_MS_MAX = 2_000;

/** The status as it was last read. */
export class StatusBoard {
  readonly #read: () => Promise<SyncStatus>;
  readonly #listeners = new Set<(status: SyncStatus) => void>();
  #current: SyncStatus;
  /** Whether something changed since the last reading began. */
  #stale = false;
  #reading: Promise<void> | undefined;
  #closed = false;
  /** Counts readings, so that one that took long does not take the place of a later one. */
  #begun = 0;
  #shown = 0;

  /** Read by this, and this until then. */
  constructor(read: () => Promise<SyncStatus>, first: SyncStatus) {
    this.#read = read;
    this.#current = first;
  }

  get current(): SyncStatus {
    return this.#current;
  }

  subscribe(listener: (status: SyncStatus) => void): Unsubscribe {
    // Of its own, so that one listener may subscribe twice.
    const own = (status: SyncStatus) => listener(status);
    this.#listeners.add(own);
    return () => this.#listeners.delete(own);
  }

  /** Something may have changed. */
  changed(): void {
    this.#stale = true;
    this.#reading ??= this.#readOn();
  }

  /** Reads it now. */
  async refresh(): Promise<void> {
    this.#stale = false;
    this.#begun += 1;
    const reading = this.#begun;
    let status: SyncStatus;
    try {
      status = await this.#read();
    } catch {
      // The database failed or was closed: whoever calls it hears of that.
      return;
    }
    if (this.#closed || reading < this.#shown) return;
    this.#shown = reading;
    if (sameStatus(status, this.#current)) return;
    this.#current = status;
    callAll(this.#listeners, status);
  }

  close(): void {
    this.#closed = true;
    this.#listeners.clear();
  }

  async #readOn(): Promise<void> {
    while (this.#stale && !this.#closed) {
      const begun = performance.now();
      await this.refresh();
      const restMs = Math.min(REST_MS_MAX, REST_FACTOR * (performance.now() - begun));
      await new Promise((resolve) => setTimeout(resolve, Math.max(READ_EVERY_MS, restMs)));
    }
    this.#reading = undefined;
  }
}

/** Whether two are the same. They are small, and made of nothing but plain values. */
function sameStatus(one: SyncStatus, other: SyncStatus): boolean {
  return JSON.stringify(one) === JSON.stringify(other);
}
