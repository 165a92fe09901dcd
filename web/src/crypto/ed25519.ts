// Ed25519 in two forms: WebCrypto's where the page has it (secure contexts of newer browsers; many times faster), else
// in JavaScript, which is loaded only then. Which one is decided once, by a test of what WebCrypto does. Checks only the
// own key's signatures.

import { SIGNATURE_BYTES } from '../protocol/host/bag.ts';
import { concatBytes, equalBytes } from '../protocol/host/bytes.ts';
import { decodeBase64Url, decodeHex } from '../protocol/host/text.ts';

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
const POINT_BYTES = 32;
/** What stands before the 32 secret bytes in PKCS #8, the one form in which WebCrypto takes them (RFC 8410). */
const PKCS8_FRONT = decodeHex('302e020100300506032b657004220420');
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

let chosen: Promise<Ed25519Provider> | undefined;

/** Who computes here: decided at the first call, by signing and checking an example. */
export function chooseProvider(): Promise<Ed25519Provider> {
  chosen ??= webCryptoWorks().then((works) => (works ? 'webcrypto' : 'javascript'));
  return chosen;
}

/** The keypair of 32 secret bytes (RFC 8032). Who computes is found out unless it is given. */
export async function openKeyPair(secret: Uint8Array, provider?: Ed25519Provider): Promise<KeyPair> {
  const chosenOne = provider ?? (await chooseProvider());
  if (chosenOne === 'webcrypto') return webCryptoKeyPair(secret);
  const { scriptKeyPair } = await import('./ed25519_script.ts');
  return scriptKeyPair(secret);
}

async function webCryptoWorks(): Promise<boolean> {
  try {
    const message = new Uint8Array();
    const pair = await webCryptoKeyPair(EXAMPLE.secret);
    const own = await pair.sign(message);
    const wrong = EXAMPLE.signature.slice();
    wrong[SIGNATURE_BYTES / 2] = 0;
    const answers = [EXAMPLE.signature, own, wrong].map((signature) => pair.verify(message, signature));
    const [example, made, flipped] = await Promise.all(answers);
    const derived = equalBytes(pair.publicKey, EXAMPLE.publicKey);
    return derived && example === true && made === true && flipped === false;
  } catch {
    // No WebCrypto (an insecure page), or one without this algorithm.
    return false;
  }
}

async function webCryptoKeyPair(secret: Uint8Array): Promise<KeyPair> {
  const subtle = crypto.subtle;
  const pkcs8 = concatBytes(PKCS8_FRONT, secret);
  // WebCrypto tells the public half only of a key that may be taken out; the one that is kept may not.
  const open = await subtle.importKey('pkcs8', pkcs8, ALGORITHM, true, ['sign']);
  const publicKey = decodeBase64Url((await subtle.exportKey('jwk', open)).x ?? '');
  const signing = await subtle.importKey('pkcs8', pkcs8, ALGORITHM, false, ['sign']);
  const checking = await subtle.importKey('raw', publicKey, ALGORITHM, false, ['verify']);
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

/** Whether the commitment in front of a signature is of small order. */
function isSmallOrder(signature: Uint8Array): boolean {
  const y = Uint8Array.from(signature.subarray(0, POINT_BYTES));
  y[POINT_BYTES - 1] = (y[POINT_BYTES - 1] ?? 0) & 0x7f;
  return SMALL_ORDER.some((point) => equalBytes(point, y));
}
