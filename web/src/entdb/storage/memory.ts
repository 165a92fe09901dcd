// Rows in memory: a database that ends with its page.

import type { Storage } from './storage.ts';

/** An empty storage in memory. */
export function memoryStorage(): Storage {
  return { name: null };
}
