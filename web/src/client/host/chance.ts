// Chance as a parameter: jitter for waits. Nothing here draws from the system; whoever drives a session passes a source.

/** A source of random bytes: so many of them. It must never repeat itself, because nonces come from it too. */
export type Randomness = (length: number) => Uint8Array;

const BYTES = 6;

/** A whole number below `bound`, which is at most 2^48; 0 for a bound of 0. The remainder's bias does not matter for waits. */
export function below(random: Randomness, bound: number): number {
  let number = 0;
  for (const byte of random(BYTES)) number = number * 256 + byte;
  return bound <= 0 ? 0 : number % bound;
}
