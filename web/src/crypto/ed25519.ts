// Ed25519 in two forms: WebCrypto's where the page has it (secure contexts of newer browsers; many times faster), else
// in JavaScript. Which one is decided once, by a test of what WebCrypto does. Signatures are checked strictly, as the
// hosts do: keys and commitments of small order and encodings that are not canonical are refused.

import { ed25519 } from '@noble/curves/ed25519.js';
import { sha512 } from '@noble/hashes/sha2.js';
import { concatBytes, equalBytes } from '../protocol/host/bytes.ts';
import { decodeHex, encodeHex } from '../protocol/host/text.ts';

/** Who computes: the browser (or Node), or JavaScript. */
export type Ed25519Provider = 'webcrypto' | 'javascript';

/** A keypair that can check its own signatures. */
export interface KeyPair {
  /** Who computes. */
  readonly provider: Ed25519Provider;
  /** The public half, 32 bytes. */
  readonly publicKey: Uint8Array;
  /** A signature of 64 bytes. Browsers may make another one each time. */
  sign(message: Uint8Array): Promise<Uint8Array>;
  /** Whether this key made this signature of this message. */
  verify(message: Uint8Array, signature: Uint8Array): Promise<boolean>;
}

const ALGORITHM = 'Ed25519';
const SIGNATURE_BYTES = 64;
const POINT_BYTES = 32;
/** What stands before the 32 secret bytes in PKCS #8, the one form in which WebCrypto takes them (RFC 8410). */
const PKCS8_FRONT = decodeHex('302e020100300506032b657004220420');
/** Multiples that are kept of an own key, 2^n: checking takes a quarter of the time then. */
const OWN_KEY_WINDOW_BITS = 6;
/** The y of the points of small order, with the bit for x taken off. */
const SMALL_ORDER = [
  '0000000000000000000000000000000000000000000000000000000000000000',
  '0100000000000000000000000000000000000000000000000000000000000000',
  '26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05',
  'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a',
  'ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
].map(decodeHex);
/** The first example of RFC 8032, section 7.1. */
const EXAMPLE = {
  secret: decodeHex('9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60'),
  publicKey: decodeHex('d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a'),
  signature: decodeHex(
    'e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b',
  ),
};

type Point = ReturnType<typeof ed25519.Point.fromBytes>;

let chosen: Promise<Ed25519Provider> | undefined;

/** Who computes here: decided at the first call, by signing and checking an example. */
export function chooseProvider(): Promise<Ed25519Provider> {
  chosen ??= webCryptoWorks().then((works) => (works ? 'webcrypto' : 'javascript'));
  return chosen;
}

/** The keypair of 32 secret bytes (RFC 8032). */
export async function openKeyPair(
  secret: Uint8Array,
  provider?: Ed25519Provider | undefined,
): Promise<KeyPair> {
  const publicKey = ed25519.getPublicKey(secret);
  const chosenOne = provider ?? (await chooseProvider());
  return chosenOne === 'webcrypto' ? webCryptoKeyPair(secret, publicKey) : scriptKeyPair(secret, publicKey);
}

/** Whether the key made this signature, for anyone's key, strictly. Never throws. */
export function verifyStrictly(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean {
  const key = readKey(publicKey);
  return key !== undefined && verifyWith(key, publicKey, message, signature);
}

async function webCryptoWorks(): Promise<boolean> {
  try {
    const message = new Uint8Array();
    const pair = await webCryptoKeyPair(EXAMPLE.secret, EXAMPLE.publicKey);
    const own = await pair.sign(message);
    const wrong = EXAMPLE.signature.slice();
    wrong[SIGNATURE_BYTES / 2] = 0;
    const answers = [EXAMPLE.signature, own, wrong].map((signature) => pair.verify(message, signature));
    const [example, made, flipped] = await Promise.all(answers);
    return example === true && made === true && flipped === false;
  } catch {
    // No WebCrypto (an insecure page), or one without this algorithm.
    return false;
  }
}

async function webCryptoKeyPair(secret: Uint8Array, publicKey: Uint8Array): Promise<KeyPair> {
  const subtle = crypto.subtle;
  const signing = await subtle.importKey('pkcs8', concatBytes(PKCS8_FRONT, secret), ALGORITHM, false, [
    'sign',
  ]);
  const checking = await subtle.importKey('raw', concatBytes(publicKey), ALGORITHM, false, ['verify']);
  return {
    provider: 'webcrypto',
    publicKey,
    async sign(message) {
      return new Uint8Array(await subtle.sign(ALGORITHM, signing, Uint8Array.from(message)));
    },
    async verify(message, signature) {
      if (signature.length !== SIGNATURE_BYTES || isSmallOrder(signature)) return false;
      return subtle.verify(ALGORITHM, checking, Uint8Array.from(signature), Uint8Array.from(message));
    },
  };
}

function scriptKeyPair(secret: Uint8Array, publicKey: Uint8Array): KeyPair {
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

/** Whether the commitment in front of a signature is of small order. */
function isSmallOrder(signature: Uint8Array): boolean {
  const y = Uint8Array.from(signature.subarray(0, POINT_BYTES));
  y[POINT_BYTES - 1] = (y[POINT_BYTES - 1] ?? 0) & 0x7f;
  return SMALL_ORDER.some((point) => equalBytes(point, y));
}

function littleEndian(bytes: Uint8Array): bigint {
  return BigInt(`0x${encodeHex(Uint8Array.from(bytes).reverse())}`);
}
