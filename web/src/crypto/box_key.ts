// The key of one bag, which seals its two parts: NaCl's secretbox (XSalsa20-Poly1305) with the nonce in front.

import { xsalsa20poly1305 } from '@noble/ciphers/salsa.js';
import { Status, StatusError } from '../protocol/host/status.ts';
import { derive } from './derive.ts';

/** Bytes of a nonce. */
export const NONCE_BYTES = 24;
const TAG_BYTES = 16;
/** How many more bytes sealed bytes are than what was sealed. */
export const OVERHEAD_BYTES = NONCE_BYTES + TAG_BYTES;
/** The cipher writes this many bytes of its own before its output: the last 16 of them are the tag. */
const SCRATCH_BYTES = 32;
/** So much further back the scratch begins, the nonce ends exactly where the tag does begin. */
const SCRATCH_AT = NONCE_BYTES + TAG_BYTES - SCRATCH_BYTES;

/** A secretbox key. */
export class BoxKey {
  readonly #key: Uint8Array;

  /** Of these 32 bytes. */
  constructor(key: Uint8Array) {
    this.#key = key;
  }

  /** The key of the bag with these derivation bytes. */
  static ofBag(seedBytes: Uint8Array, derivation: Uint8Array): BoxKey {
    return new BoxKey(derive(seedBytes, derivation));
  }

  /** Nonce, tag, ciphertext. The nonce must be fresh: two plaintexts under one nonce reveal each other. */
  seal(nonce: Uint8Array, plain: Uint8Array): Uint8Array<ArrayBuffer> {
    const sealed = new Uint8Array(OVERHEAD_BYTES + plain.length);
    xsalsa20poly1305(this.#key, nonce).encrypt(plain, sealed.subarray(SCRATCH_AT));
    sealed.set(nonce);
    return sealed;
  }

  /** What was sealed, a view of some more bytes; `DecryptionError` for anything that this key did not seal. */
  open(sealed: Uint8Array): Uint8Array {
    if (sealed.length < OVERHEAD_BYTES) throw new StatusError(Status.DecryptionError);
    const nonce = sealed.subarray(0, NONCE_BYTES);
    try {
      return xsalsa20poly1305(this.#key, nonce).decrypt(sealed.subarray(NONCE_BYTES));
    } catch {
      throw new StatusError(Status.DecryptionError);
    }
  }
}
