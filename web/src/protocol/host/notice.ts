// A notice: the frame that tells an account's listeners of bags that were just stored.

import { type BagSeq, decodeSealedHead, type SealedHead, sealedHeadLength, writeSealedHead } from './bag.ts';
import { Reader, type Writer } from './bytes.ts';

/** The longest sealed body that a notice brings along, bytes. */
export const INLINE_BYTES_MAX = 512;

/** One bag of a notice. */
export interface NoticeItem {
  /** Its number. */
  seq: BagSeq;
  /** Its head. */
  sealed: SealedHead;
  /** Its sealed body, if it is short and came alone; else no bytes, like the body of a delete. */
  body: Uint8Array;
}

/** Reads one from the front. */
export function readNoticeItem(reader: Reader): NoticeItem {
  // The head is looked into last: what is cut short fails as upstream has it.
  const seq = reader.varint();
  const head = reader.varBytes();
  const body = reader.varBytes();
  return { seq, sealed: decodeSealedHead(head), body };
}

/** Appends one. */
export function writeNoticeItem(out: Writer, item: NoticeItem): void {
  out.varint(item.seq).varint(sealedHeadLength(item.sealed));
  writeSealedHead(out, item.sealed);
  out.varBytes(item.body);
}

/** Reads a whole frame. One without bytes is a notice of nothing, which upstream sends. */
export function decodeNotice(frame: Uint8Array): NoticeItem[] {
  return new Reader(frame).list(readNoticeItem);
}
