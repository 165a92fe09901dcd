// Sends no faster than the server allows on one connection, so that it never has to end one for it. Reads no clock.

/** Of the server's rate, so much is used: clocks differ. */
const SHARE = 0.9;

/** A bucket with one second's worth of pushes; the server's holds two. */
export class Pace {
  #perSecond = 0;
  #left = 0;
  #filledAt = 0;

  /** A new connection with this rate; 0: unlimited. */
  start(perSecond: number, now: number): void {
    this.#perSecond = perSecond * SHARE;
    this.#left = Math.max(this.#perSecond, 1);
    this.#filledAt = now;
  }

  /** Takes one push: 0, or the milliseconds until there is room for it. */
  take(now: number): number {
    if (this.#perSecond === 0) return 0;
    const gained = (Math.max(now - this.#filledAt, 0) * this.#perSecond) / 1_000;
    this.#left = Math.min(this.#left + gained, Math.max(this.#perSecond, 1));
    this.#filledAt = now;
    if (this.#left < 1) return Math.ceil(((1 - this.#left) * 1_000) / this.#perSecond);
    this.#left -= 1;
    return 0;
  }
}
