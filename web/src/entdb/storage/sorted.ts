// Keys in their order, for the storage in memory: a list of short sorted lists, so that adding one to a hundred thousand
// moves a few hundred. Compares keys as IndexedDB does.

import type { Part } from './storage.ts';

/** A list is cut in two when it is longer. */
const CHUNK_MAX = 512;

/** A key, all its parts; dates as numbers. */
export type Parts = readonly Part[];

/** Negative when `a` comes before `b`; the beginning of a key comes before the key. */
export function compareParts(a: Parts, b: Parts): number {
  const shorter = Math.min(a.length, b.length);
  for (let at = 0; at < shorter; at += 1) {
    const order = comparePart(a[at], b[at]);
    if (order !== 0) return order;
  }
  return a.length - b.length;
}

function comparePart(a: Part | undefined, b: Part | undefined): number {
  if (typeof a === 'string' && typeof b === 'string') return a < b ? -1 : a > b ? 1 : 0;
  const [kindA, kindB] = [kind(a), kind(b)];
  return kindA === kindB ? Number(a) - Number(b) : kindA - kindB;
}

function kind(part: Part | undefined): number {
  if (typeof part === 'number') return 0;
  if (part instanceof Date) return 1;
  return typeof part === 'string' ? 2 : 3;
}

/** Different keys, in their order. */
export class SortedKeys {
  #chunks: Parts[][] = [[]];
  #size = 0;

  /** How many. */
  get size(): number {
    return this.#size;
  }

  /** Adds a key; nothing happens if it is there. */
  add(key: Parts): void {
    const [at, place] = this.#find(key);
    const chunk = this.#chunks[at] ?? [];
    const there = chunk[place];
    if (there !== undefined && compareParts(there, key) === 0) return;
    chunk.splice(place, 0, key);
    this.#size += 1;
    if (chunk.length > CHUNK_MAX) this.#chunks.splice(at + 1, 0, chunk.splice(CHUNK_MAX / 2));
  }

  /** Removes a key; nothing happens if it is not there. */
  remove(key: Parts): void {
    const [at, place] = this.#find(key);
    const chunk = this.#chunks[at] ?? [];
    const there = chunk[place];
    if (there === undefined || compareParts(there, key) !== 0) return;
    chunk.splice(place, 1);
    this.#size -= 1;
    if (chunk.length === 0 && this.#chunks.length > 1) this.#chunks.splice(at, 1);
  }

  /** The keys from this one on, itself included. */
  *from(key: Parts | null): Generator<Parts> {
    let [at, place] = key === null ? [0, 0] : this.#find(key);
    for (; at < this.#chunks.length; at += 1, place = 0) {
      const chunk = this.#chunks[at] ?? [];
      for (; place < chunk.length; place += 1) yield chunk[place] ?? [];
    }
  }

  /** The keys before this one, itself not included, from the greatest on; null: all of them. */
  *before(key: Parts | null): Generator<Parts> {
    const end = this.#chunks.length - 1;
    let [at, place] = key === null ? [end, this.#chunks[end]?.length ?? 0] : this.#find(key);
    while (at >= 0) {
      const chunk = this.#chunks[at] ?? [];
      for (place -= 1; place >= 0; place -= 1) yield chunk[place] ?? [];
      at -= 1;
      place = this.#chunks[at]?.length ?? 0;
    }
  }

  /** The list, and the place in it, of the first key that is not before this one. */
  #find(key: Parts): [number, number] {
    const at = lowest(this.#chunks.length - 1, (index) => {
      const last = this.#chunks[index]?.at(-1);
      return last !== undefined && compareParts(last, key) >= 0;
    });
    const chunk = this.#chunks[at] ?? [];
    return [at, lowest(chunk.length, (index) => compareParts(chunk[index] ?? [], key) >= 0)];
  }
}

/** The lowest number below `end` for which it holds, if it holds for all above; else `end`. */
export function lowest(end: number, holds: (index: number) => boolean): number {
  let [low, high] = [0, end];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (holds(middle)) high = middle;
    else low = middle + 1;
  }
  return low;
}
