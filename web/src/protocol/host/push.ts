// PUSH: bags to store. Request: signed timestamp, bags to the end. Answer: head, one item for each bag.

import { type SignedTimestamp, writeSignedTimestamp } from './auth.ts';
import { type Bag, type BagSeq, bagLength, readBag, writeBag } from './bag.ts';
import { type Reader, Writer } from './bytes.ts';
import { Status, StatusError, statusFromCode } from './status.ts';

/** What became of one bag. */
export interface PushItem {
  /** Its place in the request, from 0. */
  index: number;
  /** `Success`, or why it was not stored. */
  status: Status;
  /** Its number, that of an earlier duplicate included; null when it was not stored. */
  seq: BagSeq | null;
}

/** Reads one from the front. A status byte without meaning is `InvalidResponse`. */
export function readPushItem(reader: Reader): PushItem {
  const index = reader.varint();
  const status = statusFromCode(reader.byte());
  if (status === undefined) throw new StatusError(Status.InvalidResponse);
  return { index, status, seq: status === Status.Success ? reader.varint() : null };
}

/** Appends one. `MissingParam` for a success without a number. */
export function writePushItem(out: Writer, item: PushItem): void {
  out.varint(item.index).byte(item.status);
  if (item.status !== Status.Success) return;
  if (item.seq === null) throw new StatusError(Status.MissingParam);
  out.varint(item.seq);
}

/** Reads items to the end. */
export function readPushItems(reader: Reader): PushItem[] {
  return reader.list(readPushItem);
}

/** Reads the bags of a request, behind its timestamp. */
export function readBags(reader: Reader): Bag[] {
  return reader.list(readBag);
}

/** A whole request. */
export function pushRequest(auth: SignedTimestamp, bags: readonly Bag[]): Uint8Array<ArrayBuffer> {
  // Made once as large as it gets: requests are long.
  const out = new Writer(bags.reduce((sum, bag) => sum + bagLength(bag), 128));
  writeSignedTimestamp(out, auth);
  for (const bag of bags) writeBag(out, bag);
  return out.finish();
}
