// How long to leave a host alone that failed: twice as long each time, with chance in it, so that many devices do not
// come back at the same moment.

import { below, type Randomness } from './chance.ts';

/** The shortest wait, milliseconds. */
export const WAIT_MS_MIN = 1_000;
/** The longest wait, milliseconds. */
export const WAIT_MS_MAX = 5 * 60_000;

/** How often in a row something failed. */
export class Backoff {
  #failures = 0;

  /** One more failure: how long to wait, milliseconds. From half of the full wait to all of it. */
  fail(random: Randomness): number {
    const full = Math.min(WAIT_MS_MIN * 2 ** Math.min(this.#failures, 20), WAIT_MS_MAX);
    this.#failures += 1;
    return Math.max(Math.floor(full / 2) + below(random, Math.floor(full / 2) + 1), WAIT_MS_MIN);
  }

  /** It worked: the next failure is a first one. */
  succeed(): void {
    this.#failures = 0;
  }

  /** How often it failed in a row. */
  get failures(): number {
    return this.#failures;
  }
}
