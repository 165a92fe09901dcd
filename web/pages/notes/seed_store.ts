// Where the seed is kept on this device: in this origin's local storage, in clear, like the notes beside it. Whoever can
// read this browser's files can read both.

import { Seed } from '../../src/entdb.ts';

const PLACE = 'seabag.notes.seed';

/** The seed of this device, if it has one. What is there and is no seed counts as none. */
export async function storedSeed(): Promise<Seed | undefined> {
  const text = localStorage.getItem(PLACE);
  if (text === null) return undefined;
  try {
    return await Seed.parse(text);
  } catch {
    return undefined;
  }
}

/** Keeps a seed. */
export function storeSeed(seed: Seed): void {
  localStorage.setItem(PLACE, seed.hex());
}

/** Forgets it. */
export function forgetSeed(): void {
  localStorage.removeItem(PLACE);
}
