// How many messages came in each of the last sixty seconds. Pure: the time is passed in.

/** Seconds that are remembered. */
export const RATE_SECONDS = 60;

export class RateMeter {
  readonly #counts = new Array<number>(RATE_SECONDS).fill(0);
  /** The second that the newest count belongs to. */
  #second = Number.NEGATIVE_INFINITY;

  /** Messages came now. */
  add(nowMs: number, count = 1): void {
    this.#advance(nowMs);
    const slot = this.#slot(this.#second);
    this.#counts[slot] = (this.#counts[slot] ?? 0) + count;
  }

  /** Counts by second, the oldest first; the last one is the second that is not over yet. */
  series(nowMs: number): number[] {
    this.#advance(nowMs);
    return Array.from({ length: RATE_SECONDS }, (_, index) => {
      return this.#counts[this.#slot(this.#second - RATE_SECONDS + 1 + index)] ?? 0;
    });
  }

  #advance(nowMs: number): void {
    const second = Math.floor(nowMs / 1000);
    // A clock that was set back adds to the newest second.
    if (second <= this.#second) return;
    const from = Math.max(this.#second + 1, second - RATE_SECONDS + 1);
    for (let passed = from; passed <= second; passed += 1) this.#counts[this.#slot(passed)] = 0;
    this.#second = second;
  }

  #slot(second: number): number {
    return ((second % RATE_SECONDS) + RATE_SECONDS) % RATE_SECONDS;
  }
}

/** The same in words. */
export function rateText(series: readonly number[]): string {
  const sum = series.reduce((total, count) => total + count, 0);
  const last = series.at(-2) ?? 0;
  return `${last} in the last second, ${sum} in the last minute, at most ${Math.max(0, ...series)} in one second`;
}
