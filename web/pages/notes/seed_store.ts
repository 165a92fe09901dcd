// Where the seed is kept on this device: in this origin's local storage, in clear, like the notes beside it. Whoever can
// read this browser's files can read both.

import { openIndexedDb } from '../../src/entdb/storage/indexeddb.ts';
import { Seed } from '../../src/entdb.ts';

const PLACE = 'seabag.notes.seed';
const CHECKED = 'seabag.notes.checked';

/** Fails where nothing can be kept: better now than after 24 words were written down. */
export async function checkStorage(database: string): Promise<void> {
  localStorage.setItem(CHECKED, 'yes');
  localStorage.removeItem(CHECKED);
  (await openIndexedDb(database)).close();
}

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
