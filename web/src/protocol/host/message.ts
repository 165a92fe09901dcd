// A message: the whole new state of one entity, or its end. Its head says which entity, when, and which body. Knows the
// order of messages and nothing of what bodies hold.

import { blake3 } from '@noble/hashes/blake3.js';
import { compareBytes, equalBytes, Reader, Writer } from './bytes.ts';
import { createdMsOf, type Eid, eidFromBytes, eidToBytes, TIME_MS_MAX } from './eid.ts';
import { Status, StatusError } from './status.ts';

/** Bytes of a BLAKE3 hash. */
export const HASH_BYTES = 32;
const HEAD_BYTES = 96;

/** What a message says besides its body. */
export interface MessageHead {
  /** Which entity. */
  eid: Eid;
  /** Milliseconds from the entity's creation to this message. */
  offsetMs: number;
  /** How many messages of the entity its writer knew before this one. */
  counter: number;
  /** Bytes of the body; 0: the entity is deleted. */
  length: number;
  /** BLAKE3 of the body; null if there is none. */
  hash: Uint8Array | null;
}

/** A head and the body that it names. */
export interface Message {
  /** All but the body. */
  head: MessageHead;
  /** The envelope (MessagePack); null ends the entity. */
  body: Uint8Array | null;
}

/** The place of a message in the total order of its entity's messages: the greatest is the entity's state. */
export interface Rank {
  /** When it was written, milliseconds since 1970. */
  timeMs: number;
  /** Its counter. */
  counter: number;
  /** The hash of its canonical head: {@link hashOf}. */
  hash: Uint8Array;
}

/** The head of a message with this body. An empty body is none: nobody could open it. */
export function makeHead(eid: Eid, offsetMs: number, counter: number, body: Uint8Array | null): MessageHead {
  const present = presentBody(body);
  if (present === null) return { eid, offsetMs, counter, length: 0, hash: null };
  return { eid, offsetMs, counter, length: present.length, hash: blake3(present) };
}

/** The encoded head: its canonical form. `InvalidParam` or `VarLimitExceeded` for what has none. */
export function encodeHead(head: MessageHead): Uint8Array<ArrayBuffer> {
  const out = new Writer(HEAD_BYTES).varBytes(eidToBytes(head.eid));
  out.varint(head.offsetMs).varint(head.counter).varint(head.length);
  if (head.hash !== null) out.bytes(head.hash);
  return out.finish();
}

/** Reads an encoded head; bytes after its end are ignored. The hash is a copy of its own. */
export function decodeHead(bytes: Uint8Array): MessageHead {
  return readHead(new Reader(bytes));
}

/** Reads a head from the front. */
export function readHead(reader: Reader): MessageHead {
  const eid = eidFromBytes(reader.varBytes());
  const offsetMs = reader.varint();
  const counter = reader.varint();
  const length = reader.varint();
  // A copy: a view would keep all of the input alive, and be stored with all of it.
  const hash = length > 0 ? reader.take(HASH_BYTES).slice() : null;
  return { eid, offsetMs, counter, length, hash };
}

/** When it was written, milliseconds since 1970. Null past {@link TIME_MS_MAX}: such a message is refused. */
export function timeMsOf(head: MessageHead): number | null {
  const time = createdMsOf(head.eid) + head.offsetMs;
  return time <= TIME_MS_MAX ? time : null;
}

/** Whether the message ends its entity. */
export function isDelete(head: MessageHead): boolean {
  return head.length === 0;
}

/** The message's identity, BLAKE3 of its canonical head; the errors of {@link encodeHead}. */
export function hashOf(head: MessageHead): Uint8Array {
  return blake3(encodeHead(head));
}

/** Its place in the order; `InvalidParam` for a time past the range. */
export function rankOf(head: MessageHead): Rank {
  const timeMs = timeMsOf(head);
  if (timeMs === null) throw new StatusError(Status.InvalidParam);
  return { timeMs, counter: head.counter, hash: hashOf(head) };
}

/** Positive when `a` wins over `b`: by time, then counter, then the bytes of the hash. 0: the same message. */
export function compareRank(a: Rank, b: Rank): number {
  return a.timeMs - b.timeMs || a.counter - b.counter || compareBytes(a.hash, b.hash);
}

/** `HashMismatch` if this is not the body that the head names, by hash and by length. */
export function checkBody(head: MessageHead, body: Uint8Array | null): void {
  const present = presentBody(body);
  const length = present?.length ?? 0;
  const named = head.hash !== null && present !== null && equalBytes(blake3(present), head.hash);
  const none = head.hash === null && present === null;
  if (length !== head.length || !(named || none)) throw new StatusError(Status.HashMismatch);
}

function presentBody(body: Uint8Array | null): Uint8Array | null {
  return body !== null && body.length > 0 ? body : null;
}
