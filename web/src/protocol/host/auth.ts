// Who asks: a public key that signed the time, or, for the calls that destroy, the whole request. Says what is signed;
// the signing itself, and its checking, is in ../../crypto.

import { blake3 } from '@noble/hashes/blake3.js';
import { SIGNATURE_BYTES } from './bag.ts';
import { type Reader, utf8, Writer } from './bytes.ts';
import { type EpochId, readEpochId } from './record.ts';
import { Status, StatusError } from './status.ts';

/** How far a request's time may be from the host's, milliseconds, either way. */
export const CLOCK_TOLERANCE_MS = 30_000;
/** Bytes of a public key. */
export const PUBLIC_KEY_BYTES = 32;

const CALL_TAG = utf8('seabag signed call 1\n');

/** An account: the public key of its host keypair. */
export type PublicKey = Uint8Array;

/** What every request begins with: a key, and its signature of the time. Whoever sees it can use it for a while. */
export interface SignedTimestamp {
  /** Who asks. */
  publicKey: PublicKey;
  /** Ed25519 of {@link timestampBytes}. */
  signature: Uint8Array;
  /** When the request was made by the client's clock, milliseconds since 1970. */
  timeMs: number;
}

/**
 * What the calls that destroy begin with: a key and its signature of the whole request, so that nobody can replay it
 * for another host, another history, another call or another body (docs/host.md).
 */
export interface SignedCall {
  /** Who asks. */
  publicKey: PublicKey;
  /** Ed25519 of {@link callBytes}. */
  signature: Uint8Array;
  /** When the request was made by the client's clock, milliseconds since 1970. */
  timeMs: number;
  /** The origin of the host that is meant, such as `https://host.example.org`. */
  origin: string;
  /** The epoch of the account that is meant. */
  epoch: EpochId;
}

/** What is signed of a signed timestamp: the time's shortest varint. */
export function timestampBytes(timeMs: number): Uint8Array<ArrayBuffer> {
  return new Writer(8).varint(timeMs).finish();
}

/** Reads a signed timestamp from the front. */
export function readSignedTimestamp(reader: Reader): SignedTimestamp {
  // So that one that is cut short always fails as upstream has it.
  if (reader.remaining < PUBLIC_KEY_BYTES + SIGNATURE_BYTES) throw new StatusError(Status.OutOfBounds);
  const publicKey = reader.take(PUBLIC_KEY_BYTES);
  return { publicKey, signature: reader.take(SIGNATURE_BYTES), timeMs: reader.varint() };
}

/** Appends a signed timestamp. */
export function writeSignedTimestamp(out: Writer, auth: SignedTimestamp): void {
  out.bytes(auth.publicKey).bytes(auth.signature).varint(auth.timeMs);
}

/** A signed timestamp's bytes: the whole USER request, and in hexadecimal digits a listener's `t`. */
export function encodeSignedTimestamp(auth: SignedTimestamp): Uint8Array<ArrayBuffer> {
  const out = new Writer(PUBLIC_KEY_BYTES + SIGNATURE_BYTES + 8);
  writeSignedTimestamp(out, auth);
  return out.finish();
}

/** What is signed of a signed call: a tag, the path, origin, epoch, time and the hash of what follows. */
export function callBytes(
  path: string,
  origin: string,
  epoch: EpochId,
  timeMs: number,
  body: Uint8Array,
): Uint8Array<ArrayBuffer> {
  const out = new Writer(160).bytes(CALL_TAG).varString(path).varString(origin);
  return out.bytes(epoch).varint(timeMs).bytes(blake3(body)).finish();
}

/** Reads a signed call from the front. What the reader has left is the body. */
export function readSignedCall(reader: Reader): SignedCall {
  const publicKey = reader.take(PUBLIC_KEY_BYTES);
  const signature = reader.take(SIGNATURE_BYTES);
  const timeMs = reader.varint();
  return { publicKey, signature, timeMs, origin: reader.varString(), epoch: readEpochId(reader) };
}

/** Appends a signed call. */
export function writeSignedCall(out: Writer, call: SignedCall): void {
  out.bytes(call.publicKey).bytes(call.signature).varint(call.timeMs);
  out.varString(call.origin).bytes(call.epoch);
}

/** A whole request of a call that destroys: the signed call, then its body. */
export function callRequest(call: SignedCall, body: Uint8Array): Uint8Array<ArrayBuffer> {
  const out = new Writer(256 + body.length);
  writeSignedCall(out, call);
  return out.bytes(body).finish();
}

/** `ClockOutOfSync` when the two clocks, milliseconds since 1970, are further apart than the tolerance. */
export function checkTime(timeMs: number, nowMs: number): void {
  if (Math.abs(timeMs - nowMs) > CLOCK_TOLERANCE_MS) throw new StatusError(Status.ClockOutOfSync);
}
