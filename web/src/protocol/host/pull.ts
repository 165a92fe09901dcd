// PULL: bodies. Request: signed timestamp, numbers to the end. Answer: head, one item for each number that the host has,
// in the order asked.

import { type SignedTimestamp, writeSignedTimestamp } from './auth.ts';
import type { BagSeq } from './bag.ts';
import { type Reader, Writer } from './bytes.ts';

/** One bag's body. */
export interface PullItem {
  /** The bag's number. */
  seq: BagSeq;
  /** Its sealed body, a view of the answer; no bytes for a delete. */
  body: Uint8Array;
}

/** Reads one from the front. */
export function readPullItem(reader: Reader): PullItem {
  return { seq: reader.varint(), body: reader.varBytes() };
}

/** Appends one. */
export function writePullItem(out: Writer, item: PullItem): void {
  out.varint(item.seq).varBytes(item.body);
}

/** Reads items to the end. */
export function readPullItems(reader: Reader): PullItem[] {
  return reader.list(readPullItem);
}

/** Reads the numbers of a request, behind its timestamp. */
export function readNumbers(reader: Reader): BagSeq[] {
  return reader.list((rest) => rest.varint());
}

/** A whole request. */
export function pullRequest(auth: SignedTimestamp, numbers: readonly BagSeq[]): Uint8Array<ArrayBuffer> {
  const out = new Writer(128 + 4 * numbers.length);
  writeSignedTimestamp(out, auth);
  for (const number of numbers) out.varint(number);
  return out.finish();
}
