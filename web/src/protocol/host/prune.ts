// PRUNE: bags that the host may let go of, each with the bag that supersedes it. Request: signed call, pairs to the end.
// Answer: head, one item for each pair.

import type { BagSeq } from './bag.ts';
import { type Reader, Writer } from './bytes.ts';
import { Status, StatusError, statusFromCode } from './status.ts';

/** One bag to let go of. */
export interface PrunePair {
  /** The bag. */
  bag: BagSeq;
  /**
   * Another bag, which the host must hold and keep, has a later message of the same entity; or null: the bag cannot be
   * opened, and the device that says so holds its message. 0 on the wire.
   */
  supersededBy: BagSeq | null;
}

/**
 * What became of one pair, the first of these that holds: `InvalidParam` (the superseding bag is one that the same
 * request names to be pruned, itself included), `Success` (the host does not hold the bag any more), `InvalidRequest`
 * (deletes are kept), `NotFound` (the superseding bag is not held).
 */
export interface PruneItem {
  /** The pair's place in the request, from 0. */
  index: number;
  /** What became of it. */
  status: Status;
}

/** Reads a pair from the front. */
export function readPrunePair(reader: Reader): PrunePair {
  const bag = reader.varint();
  const superseding = reader.varint();
  return { bag, supersededBy: superseding === 0 ? null : superseding };
}

/** Appends a pair. */
export function writePrunePair(out: Writer, pair: PrunePair): void {
  out.varint(pair.bag).varint(pair.supersededBy ?? 0);
}

/** Reads pairs to the end. */
export function readPrunePairs(reader: Reader): PrunePair[] {
  return reader.list(readPrunePair);
}

/** The body of a request, which its signed call covers. */
export function pruneBody(pairs: readonly PrunePair[]): Uint8Array<ArrayBuffer> {
  const out = new Writer(8 * pairs.length);
  for (const pair of pairs) writePrunePair(out, pair);
  return out.finish();
}

/** Reads an item from the front. A status byte without meaning is `InvalidResponse`. */
export function readPruneItem(reader: Reader): PruneItem {
  const index = reader.varint();
  const status = statusFromCode(reader.byte());
  if (status === undefined) throw new StatusError(Status.InvalidResponse);
  return { index, status };
}

/** Appends an item. */
export function writePruneItem(out: Writer, item: PruneItem): void {
  out.varint(item.index).byte(item.status);
}

/** Reads items to the end. */
export function readPruneItems(reader: Reader): PruneItem[] {
  return reader.list(readPruneItem);
}
