// The keypair of an account at a host, and what it signs. One seed has one for every label and index; none of them tells
// of another.

import { blake3 } from '@noble/hashes/blake3.js';
import {
  callBytes,
  type PublicKey,
  type SignedCall,
  type SignedTimestamp,
  timestampBytes,
} from '../protocol/host/auth.ts';
import { DERIVATION_BYTES } from '../protocol/host/bag.ts';
import { concatBytes } from '../protocol/host/bytes.ts';
import type { EpochId } from '../protocol/host/record.ts';
import { deriveHostSecret } from './derive.ts';
import { type Ed25519Provider, type KeyPair, openKeyPair } from './ed25519.ts';
import type { Seed } from './seed.ts';

/** An account's keypair, derived once and kept. */
export class HostKeys {
  readonly #pair: KeyPair;
  /** The secret and the public half, one behind the other. */
  readonly #both: Uint8Array;

  private constructor(pair: KeyPair, secret: Uint8Array) {
    this.#pair = pair;
    this.#both = concatBytes(secret, pair.publicKey);
  }

  /**
   * The keypair of this label and index. The host's address is no part of it: an account may move. `InvalidParam` for
   * an index that is no whole number from 0 to 2^53 - 1. Who computes is found out unless it is given.
   */
  static derive(seed: Seed, label: string, index: number, provider?: Ed25519Provider): Promise<HostKeys> {
    return HostKeys.fromSecret(deriveHostSecret(seed.bytes, label, index), provider);
  }

  /** @internal The keypair of 32 secret bytes. */
  static async fromSecret(secret: Uint8Array, provider?: Ed25519Provider): Promise<HostKeys> {
    return new HostKeys(await openKeyPair(secret, provider), secret);
  }

  /** The account's name at its host. */
  get publicKey(): PublicKey {
    return this.#pair.publicKey;
  }

  /** Who computes signatures. */
  get provider(): Ed25519Provider {
    return this.#pair.provider;
  }

  /** What a request begins with, made at this time in milliseconds since 1970. */
  async timestamp(nowMs: number): Promise<SignedTimestamp> {
    const signature = await this.sign(timestampBytes(nowMs));
    return { publicKey: this.publicKey, signature, timeMs: nowMs };
  }

  /**
   * What a call that destroys begins with: good for this path, origin, epoch, time and body only. The origin is the
   * host's as the client knows it, such as `https://host.example.org`.
   */
  async call(
    path: string,
    origin: string,
    epoch: EpochId,
    nowMs: number,
    body: Uint8Array,
  ): Promise<SignedCall> {
    const signature = await this.sign(callBytes(path, origin, epoch, nowMs, body));
    return { publicKey: this.publicKey, signature, timeMs: nowMs, origin, epoch };
  }

  /** Signs any bytes. Not for others' bytes: what is signed has no tag that says what it is for. */
  sign(message: Uint8Array): Promise<Uint8Array> {
    return this.#pair.sign(message);
  }

  /** Whether this account made this signature of this message. */
  verify(message: Uint8Array, signature: Uint8Array): Promise<boolean> {
    return this.#pair.verify(message, signature);
  }

  /** The derivation bytes of the message with this encoded head: the same every time, others at another account. */
  derivation(encodedHead: Uint8Array): Uint8Array {
    return blake3(concatBytes(this.#both, encodedHead)).slice(0, DERIVATION_BYTES);
  }
}
