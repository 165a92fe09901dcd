// How long to wait before the next attempt: longer each time, and random, so that a thousand clients do not come back
// at once. Reads no clock.

import { BACKOFF_MS_MAX, BACKOFF_MS_MIN, STABLE_MS_MIN } from '../../protocol/limits.ts';

/** After a connection that worked, the waits start no higher than with this many failures. */
const FAILURES_AFTER_SUCCESS_MAX = 2;

/** Counts failures in a row. */
export class Backoff {
  #failures = 0;

  /** The wait before the next attempt, milliseconds: random between nothing and a bound that doubles (full jitter). */
  next(random: number): number {
    const bound = Math.min(BACKOFF_MS_MIN * 2 ** this.#failures, BACKOFF_MS_MAX);
    this.#failures += 1;
    return random * bound;
  }

  /** A connection that worked for so long has ended. A short life counts a little, or a server that takes everybody
   * and keeps nobody would be asked without pause. */
  worked(forMs: number): void {
    this.#failures = forMs >= STABLE_MS_MIN ? 0 : Math.min(this.#failures, FAILURES_AFTER_SUCCESS_MAX);
  }
}
