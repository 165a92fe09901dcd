// Sealing messages into bags and opening them: the host sees sizes and a signature, and nothing else. Takes many at once,
// so that signatures are computed beside each other, and pauses in between so that a page stays alive.

import type { PublicKey } from '../protocol/host/auth.ts';
import type { Bag, SealedHead } from '../protocol/host/bag.ts';
import {
  checkBody,
  decodeHead,
  encodeHead,
  type Message,
  type MessageHead,
} from '../protocol/host/message.ts';
import { Status, StatusError } from '../protocol/host/status.ts';
import { BoxKey, NONCE_BYTES } from './box_key.ts';
import { breathe } from './breathe.ts';
import type { Ed25519Provider } from './ed25519.ts';
import { HostKeys } from './host_keys.ts';
import type { Seed } from './seed.ts';

/** Signatures that are computed at once, by who computes: some ten milliseconds' worth either way. */
const AT_ONCE: Readonly<Record<Ed25519Provider, number>> = { webcrypto: 256, javascript: 16 };

/** What a sealer may be given, for tests. */
export interface SealerOptions {
  /** So many random bytes; the system's source unless it is set. */
  random?: (length: number) => Uint8Array;
  /** Who computes signatures; found out unless it is set. */
  provider?: Ed25519Provider;
}

/** A message sealed, and not signed. */
export interface SealedParts {
  /** From which the bag's key is derived. */
  derivation: Uint8Array;
  /** The sealed head. */
  head: Uint8Array;
  /** The sealed body; no bytes for a delete. */
  body: Uint8Array;
}

/** Seals for one account, and opens what was sealed for it. Deriving its keypair is expensive: keep the sealer. */
export class Sealer {
  /** The account's keypair. */
  readonly keys: HostKeys;
  readonly #seed: Uint8Array;
  readonly #random: (length: number) => Uint8Array;

  private constructor(seed: Seed, keys: HostKeys, random: (length: number) => Uint8Array) {
    this.#seed = seed.bytes;
    this.keys = keys;
    this.#random = random;
  }

  /** For the account of this label and index; `InvalidParam` as {@link HostKeys.derive}. */
  static async create(seed: Seed, label = 'main', index = 0, options: SealerOptions = {}): Promise<Sealer> {
    const keys = await HostKeys.derive(seed, label, index, options.provider);
    return new Sealer(seed, keys, options.random ?? systemRandom);
  }

  /** The account's name at its host. */
  get publicKey(): PublicKey {
    return this.keys.publicKey;
  }

  /** As {@link HostKeys.sign}. */
  sign(bytes: Uint8Array): Promise<Uint8Array> {
    return this.keys.sign(bytes);
  }

  /**
   * The bags of messages, in their order, or why one has none: `HashMismatch` when the body is not the one that the
   * head names (nobody could open such a bag), `InvalidParam` or `VarLimitExceeded` for a head without an encoding.
   * An empty body is none.
   */
  seal(messages: readonly Message[]): Promise<(Bag | StatusError)[]> {
    return inBatches(messages, AT_ONCE[this.keys.provider], async (message) => {
      const parts = this.sealParts(message);
      const signature = await this.keys.sign(parts.head);
      const { derivation, head, body } = parts;
      return { sealed: { signature, derivation, head }, body };
    });
  }

  /** @internal The same without the signature: an export file has one for all of its messages. Throws its errors. */
  sealParts({ head, body }: Message): SealedParts {
    checkBody(head, body);
    const encoded = encodeHead(head);
    const derivation = this.keys.derivation(encoded);
    const key = BoxKey.ofBag(this.#seed, derivation);
    const present = body !== null && body.length > 0;
    const nonces = this.#random(present ? 2 * NONCE_BYTES : NONCE_BYTES);
    return {
      derivation,
      head: key.seal(nonces.subarray(0, NONCE_BYTES), encoded),
      body: present ? key.seal(nonces.subarray(NONCE_BYTES), body) : new Uint8Array(),
    };
  }

  /**
   * The message heads in bags, in their order, or why one cannot be had: `InvalidSignature` if this account did not
   * sign it, `DecryptionError` if it was not sealed with this seed and these derivation bytes, `InvalidMessage` if
   * what was sealed is no head.
   */
  openHeads(sealedHeads: readonly SealedHead[]): Promise<(MessageHead | StatusError)[]> {
    return inBatches(sealedHeads, AT_ONCE[this.keys.provider], (sealed) => this.#openHead(sealed));
  }

  /**
   * The body that belongs to a head; null for a delete. Throws `DecryptionError` when it does not open, and
   * `HashMismatch` when it is not the one that the head names, or is there and empty.
   */
  openBody(derivation: Uint8Array, head: MessageHead, sealedBody: Uint8Array): Uint8Array | null {
    return openSealedBody(this.#seed, derivation, head, sealedBody);
  }

  /** The message in a bag; rejects with the errors of {@link Sealer.openHeads}, then of {@link Sealer.openBody}. */
  async open(bag: Bag): Promise<Message> {
    const head = await this.#openHead(bag.sealed);
    return { head, body: this.openBody(bag.sealed.derivation, head, bag.body) };
  }

  async #openHead({ signature, derivation, head }: SealedHead): Promise<MessageHead> {
    const signed = await this.keys.verify(head, signature);
    if (!signed) throw new StatusError(Status.InvalidSignature);
    return openSealedHead(this.#seed, derivation, head);
  }
}

/** The head, without looking at any signature. */
export function openSealedHead(
  seedBytes: Uint8Array,
  derivation: Uint8Array,
  sealed: Uint8Array,
): MessageHead {
  const encoded = BoxKey.ofBag(seedBytes, derivation).open(sealed);
  try {
    return decodeHead(encoded);
  } catch {
    // Whoever sealed it holds the seed: it is a broken message, and how it is broken is of no use to anyone.
    throw new StatusError(Status.InvalidMessage);
  }
}

/** The body, checked against its head; bytes of their own, that can be kept and stored. */
export function openSealedBody(
  seedBytes: Uint8Array,
  derivation: Uint8Array,
  head: MessageHead,
  sealed: Uint8Array,
): Uint8Array | null {
  if (sealed.length === 0) {
    checkBody(head, null);
    return null;
  }
  const body = BoxKey.ofBag(seedBytes, derivation).open(sealed);
  // Upstream can seal an empty body and cannot open it. To read it as a delete would part the replicas.
  if (body.length === 0) throw new StatusError(Status.HashMismatch);
  checkBody(head, body);
  return Uint8Array.from(body);
}

/** Each item's result or its status, so many at once; what is no {@link StatusError} is thrown on. */
async function inBatches<T, R>(
  items: readonly T[],
  atOnce: number,
  work: (item: T) => Promise<R>,
): Promise<(R | StatusError)[]> {
  const results: (R | StatusError)[] = [];
  for (let start = 0; start < items.length; start += atOnce) {
    if (start > 0) await breathe();
    const batch = items.slice(start, start + atOnce);
    results.push(...(await Promise.all(batch.map((item) => work(item).catch(statusOrThrow)))));
  }
  return results;
}

function statusOrThrow(error: unknown): StatusError {
  if (error instanceof StatusError) return error;
  throw error;
}

function systemRandom(length: number): Uint8Array {
  return crypto.getRandomValues(new Uint8Array(length));
}
