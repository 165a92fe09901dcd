// Rows in IndexedDB.

import type { Storage } from './storage.ts';

/** Opens the storage of this name in this origin, or creates it. */
export function openIndexedDb(_name: string): Promise<Storage> {
  throw new Error('not yet');
}

/** Deletes the storage of this name. */
export function deleteIndexedDb(_name: string): Promise<void> {
  throw new Error('not yet');
}
