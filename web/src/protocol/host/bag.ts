// A bag: a message sealed in two parts, as a host keeps it. What is read are views of the answer it was read from,
// but for the derivation bytes: copy what is kept.

import { Reader, varintLength, Writer } from './bytes.ts';

/** Bytes of a signature. */
export const SIGNATURE_BYTES = 64;
/** Bytes from which, with the seed, a bag's key is derived. */
export const DERIVATION_BYTES = 8;

/** What a host counts an account's bags with: from 1, without gaps, never given out twice. 0: before the first. */
export type BagSeq = number;

/** What a host keeps of a bag beside its body, and PEEK shows. */
export interface SealedHead {
  /** Ed25519 of the sealed head, by the account's key: {@link SIGNATURE_BYTES}. */
  signature: Uint8Array;
  /** From which the bag's key is derived: {@link DERIVATION_BYTES}. */
  derivation: Uint8Array;
  /** The sealed message head. */
  head: Uint8Array;
}

/** A sealed message. */
export interface Bag {
  /** All but the body. */
  sealed: SealedHead;
  /** The sealed body; a delete's has no bytes at all. */
  body: Uint8Array;
}

/** Reads a sealed head from the front; bytes after its end are ignored. */
export function decodeSealedHead(bytes: Uint8Array): SealedHead {
  return readSealedHead(new Reader(bytes));
}

/** Reads a sealed head from the front. */
export function readSealedHead(reader: Reader): SealedHead {
  const signature = reader.take(SIGNATURE_BYTES);
  // A copy, for these few bytes are what a client keeps until it fetches the body.
  const derivation = reader.take(DERIVATION_BYTES).slice();
  return { signature, derivation, head: reader.varBytes() };
}

/** Appends a sealed head. */
export function writeSealedHead(out: Writer, sealed: SealedHead): void {
  out.bytes(sealed.signature).bytes(sealed.derivation).varBytes(sealed.head);
}

/** A sealed head's bytes. */
export function encodeSealedHead(sealed: SealedHead): Uint8Array<ArrayBuffer> {
  const out = new Writer(sealedHeadLength(sealed));
  writeSealedHead(out, sealed);
  return out.finish();
}

/** How many bytes a sealed head encodes to. */
export function sealedHeadLength(sealed: SealedHead): number {
  return SIGNATURE_BYTES + DERIVATION_BYTES + varintLength(sealed.head.length) + sealed.head.length;
}

/** Reads a bag from the front. */
export function readBag(reader: Reader): Bag {
  return { sealed: readSealedHead(reader), body: reader.varBytes() };
}

/** Appends a bag. */
export function writeBag(out: Writer, bag: Bag): void {
  writeSealedHead(out, bag.sealed);
  out.varBytes(bag.body);
}

/** A bag's bytes in a PUSH. */
export function encodeBag(bag: Bag): Uint8Array<ArrayBuffer> {
  const out = new Writer(bagLength(bag));
  writeBag(out, bag);
  return out.finish();
}

/** How many bytes a bag has in a PUSH. */
export function bagLength(bag: Bag): number {
  return sealedHeadLength(bag.sealed) + varintLength(bag.body.length) + bag.body.length;
}

/** What a bag counts against its account's quota: the bytes of its two parts as a host keeps them. */
export function storedBytesOf(bag: Bag): number {
  return sealedHeadLength(bag.sealed) + bag.body.length;
}
