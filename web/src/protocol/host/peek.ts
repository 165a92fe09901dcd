// PEEK: the heads behind a number. Request: signed timestamp, number. Answer: head, one item for each bag, ascending.
// PEEK-PAGE is the same, so many at a time: its request goes on with the most items that are wanted, its answer has a
// page head before the items.

import { type SignedTimestamp, writeSignedTimestamp } from './auth.ts';
import { type BagSeq, decodeSealedHead, type SealedHead, sealedHeadLength, writeSealedHead } from './bag.ts';
import { type Reader, Writer } from './bytes.ts';
import { type EpochId, readEpochId } from './record.ts';

/** One bag's head. */
export interface PeekItem {
  /** The head. */
  sealed: SealedHead;
  /** The bag's number. */
  seq: BagSeq;
}

/** What a page's answer says before its items. */
export interface PageHead {
  /** The account's open epoch. */
  epoch: EpochId;
  /** The account's last number. */
  last: BagSeq;
  /**
   * The page has every bag behind the number that was asked and up to this one: ask on from here. When it is `last`,
   * there is nothing more.
   */
  through: BagSeq;
}

/** Reads one from the front. */
export function readPeekItem(reader: Reader): PeekItem {
  // The head is looked into last: what is cut short fails as upstream has it.
  const head = reader.varBytes();
  const seq = reader.varint();
  return { sealed: decodeSealedHead(head), seq };
}

/** Appends one. */
export function writePeekItem(out: Writer, item: PeekItem): void {
  out.varint(sealedHeadLength(item.sealed));
  writeSealedHead(out, item.sealed);
  out.varint(item.seq);
}

/** Reads items to the end. */
export function readPeekItems(reader: Reader): PeekItem[] {
  return reader.list(readPeekItem);
}

/** Reads a page's head from the front. */
export function readPageHead(reader: Reader): PageHead {
  return { epoch: readEpochId(reader), last: reader.varint(), through: reader.varint() };
}

/** Appends a page's head. */
export function writePageHead(out: Writer, page: PageHead): void {
  out.bytes(page.epoch).varint(page.last).varint(page.through);
}

/** A whole PEEK. */
export function peekRequest(auth: SignedTimestamp, after: BagSeq): Uint8Array<ArrayBuffer> {
  return request(auth, after).finish();
}

/** A whole PEEK-PAGE; `itemsMax` 0 leaves it to the host. */
export function peekPageRequest(
  auth: SignedTimestamp,
  after: BagSeq,
  itemsMax: number,
): Uint8Array<ArrayBuffer> {
  return request(auth, after).varint(itemsMax).finish();
}

function request(auth: SignedTimestamp, after: BagSeq): Writer {
  const out = new Writer(128);
  writeSignedTimestamp(out, auth);
  return out.varint(after);
}
