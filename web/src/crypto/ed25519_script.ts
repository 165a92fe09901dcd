// Ed25519 in JavaScript, for pages where WebCrypto has none; loaded only there. Signatures are checked strictly, as the
// hosts do: keys and commitments of small order and encodings that are not canonical are refused.

import { ed25519 } from '@noble/curves/ed25519.js';
import { sha512 } from '@noble/hashes/sha2.js';
import { SIGNATURE_BYTES } from '../protocol/host/bag.ts';
import { concatBytes, equalBytes } from '../protocol/host/bytes.ts';
import { encodeHex } from '../protocol/host/text.ts';
import type { KeyPair } from './ed25519.ts';

const POINT_BYTES = 32;
/** Multiples that are kept of an own key, 2^n: checking takes a quarter of the time then. */
const OWN_KEY_WINDOW_BITS = 6;

type Point = ReturnType<typeof ed25519.Point.fromBytes>;

/** The keypair of 32 secret bytes (RFC 8032). */
export function scriptKeyPair(secret: Uint8Array): KeyPair {
  const publicKey = ed25519.getPublicKey(secret);
  const key = readKey(publicKey)?.precompute(OWN_KEY_WINDOW_BITS);
  return {
    provider: 'javascript',
    publicKey,
    async sign(message) {
      return ed25519.sign(message, secret);
    },
    async verify(message, signature) {
      return key !== undefined && verifyWith(key, publicKey, message, signature);
    },
  };
}

/** Whether the key made this signature, for anyone's key, strictly. Never throws. */
export function verifyStrictly(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean {
  const key = readKey(publicKey);
  return key !== undefined && verifyWith(key, publicKey, message, signature);
}

/** The key as a point; undefined for one that any signature could pass for, and for what is no key. */
function readKey(publicKey: Uint8Array): Point | undefined {
  try {
    const point = ed25519.Point.fromBytes(publicKey, false);
    return point.isSmallOrder() ? undefined : point;
  } catch {
    return undefined;
  }
}

/**
 * RFC 8032's check without its cofactor: the commitment is computed and compared byte by byte, which also makes its
 * encoding the canonical one.
 */
function verifyWith(key: Point, publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean {
  if (signature.length !== SIGNATURE_BYTES) return false;
  const { BASE, Fn } = ed25519.Point;
  const response = littleEndian(signature.subarray(POINT_BYTES));
  if (response >= Fn.ORDER) return false;
  const commitment = signature.subarray(0, POINT_BYTES);
  const challenge = littleEndian(sha512(concatBytes(commitment, publicKey, message))) % Fn.ORDER;
  const computed = BASE.multiplyUnsafe(response).subtract(key.multiplyUnsafe(challenge));
  return !computed.isSmallOrder() && equalBytes(computed.toBytes(), commitment);
}

function littleEndian(bytes: Uint8Array): bigint {
  return BigInt(`0x${encodeHex(Uint8Array.from(bytes).reverse())}`);
}
