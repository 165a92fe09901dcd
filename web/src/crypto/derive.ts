// How every other secret follows from the seed: the plain BLAKE3 hash of the seed and what the secret is for. A keyed
// hash with a tag would be better (docs/threat-model.md); these are the bytes that exist.

import { blake3 } from '@noble/hashes/blake3.js';
import { concatBytes, utf8 } from '../protocol/host/bytes.ts';
import { Status, StatusError } from '../protocol/host/status.ts';

/** BLAKE3 of the seed and these parts, one after the other. */
export function derive(seedBytes: Uint8Array, ...parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(blake3(concatBytes(seedBytes, ...parts)));
}

/**
 * The secret half of the keypair of this label and index. `InvalidParam` for an index that is no whole number from 0
 * to 2^53 - 1.
 */
export function deriveHostSecret(
  seedBytes: Uint8Array,
  label: string,
  index: number,
): Uint8Array<ArrayBuffer> {
  if (!Number.isSafeInteger(index) || index < 0) throw new StatusError(Status.InvalidParam);
  const place = new Uint8Array(8);
  new DataView(place.buffer).setBigUint64(0, BigInt(index));
  return derive(seedBytes, utf8(label), place);
}
