// EPOCH: which history the host has of an account, and whether a cursor belongs to it. Request: signed timestamp, then
// nothing or a cursor. Answer: head, and what is read here.

import { type SignedTimestamp, writeSignedTimestamp } from './auth.ts';
import type { BagSeq } from './bag.ts';
import { type Reader, Writer } from './bytes.ts';
import { type EpochId, readEpochId } from './record.ts';
import { Status, StatusError } from './status.ts';

/** How far a client has read a host's history. */
export interface Cursor {
  /** The epoch in which it read. */
  epoch: EpochId;
  /** The last number that it has dealt with. */
  seq: BagSeq;
}

/** What the host answers. */
export interface EpochAnswer {
  /** The account's open epoch. */
  epoch: EpochId;
  /** The account's last number. */
  last: BagSeq;
  /**
   * Whether the cursor that was sent belongs to this history; without one, true. If it does not, the client reads all
   * of it again and fills what the host lacks.
   */
  valid: boolean;
}

/** Reads a cursor from the front. */
export function readCursor(reader: Reader): Cursor {
  return { epoch: readEpochId(reader), seq: reader.varint() };
}

/** Appends a cursor. */
export function writeCursor(out: Writer, cursor: Cursor): void {
  out.bytes(cursor.epoch).varint(cursor.seq);
}

/** Reads an answer from the front, behind its head. A flag that is neither 0 nor 1 is `InvalidResponse`. */
export function readEpochAnswer(reader: Reader): EpochAnswer {
  const epoch = readEpochId(reader);
  const last = reader.varint();
  const flag = reader.byte();
  if (flag > 1) throw new StatusError(Status.InvalidResponse);
  return { epoch, last, valid: flag === 1 };
}

/** Appends an answer. */
export function writeEpochAnswer(out: Writer, answer: EpochAnswer): void {
  out
    .bytes(answer.epoch)
    .varint(answer.last)
    .byte(answer.valid ? 1 : 0);
}

/** A whole request. */
export function epochRequest(auth: SignedTimestamp, cursor: Cursor | null): Uint8Array<ArrayBuffer> {
  const out = new Writer();
  writeSignedTimestamp(out, auth);
  if (cursor !== null) writeCursor(out, cursor);
  return out.finish();
}
