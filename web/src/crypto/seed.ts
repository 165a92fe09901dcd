// The seed: the one secret from which all others are made. It says nothing of itself unless it is asked by a method that
// is named for it. JavaScript can wipe no memory: a seed that was here may stay in it until the page is gone.

import { Status, StatusError } from '../protocol/host/status.ts';
import { encodeHex } from '../protocol/host/text.ts';
import { deriveHostSecret } from './derive.ts';
import { openKeyPair } from './ed25519.ts';
import { parsePhrase, phraseOf, SEED_BYTES } from './phrase.ts';

/** The label of the keypair whose public half tells seeds apart; the command line has the same. */
const FINGERPRINT_LABEL = 'seabag fingerprint';
const FINGERPRINT_BYTES = 8;
const SHOWN = 'Seed(..)';

/** 32 random bytes, a person's only secret. Printing one, or putting it into JSON, shows nothing of it. */
export class Seed {
  readonly #bytes: Uint8Array<ArrayBuffer>;

  private constructor(bytes: Uint8Array<ArrayBuffer>) {
    this.#bytes = bytes;
  }

  /** A new one from the system's random source. */
  static generate(): Seed {
    return new Seed(crypto.getRandomValues(new Uint8Array(SEED_BYTES)));
  }

  /** Of these 32 bytes, which it copies; `InvalidParam` for another number of bytes. */
  static fromBytes(bytes: Uint8Array): Seed {
    if (bytes.length !== SEED_BYTES) throw new StatusError(Status.InvalidParam);
    return new Seed(Uint8Array.from(bytes));
  }

  /**
   * From what a person typed: 24 words or 64 hexadecimal digits. Rejects with `PhraseError`, which tells no word. The
   * list of words is loaded only when it is needed: offline, it must have been stored with the rest of the page.
   */
  static async parse(text: string): Promise<Seed> {
    return new Seed(await parsePhrase(text));
  }

  /** A copy of the bytes: whoever sees them can read and write everything. */
  get bytes(): Uint8Array<ArrayBuffer> {
    return this.#bytes.slice();
  }

  /** The recovery phrase, 24 words with a blank between two: whoever sees it can read and write everything. */
  words(): Promise<string> {
    return phraseOf(this.#bytes);
  }

  /** The seed as 64 lower-case hexadecimal digits: whoever sees them can read and write everything. */
  hex(): string {
    return encodeHex(this.#bytes);
  }

  /** What tells one seed from another and tells nothing else of it: 16 hexadecimal digits, as the command line's. */
  async fingerprint(): Promise<string> {
    const { publicKey } = await openKeyPair(deriveHostSecret(this.#bytes, FINGERPRINT_LABEL, 0));
    return encodeHex(publicKey.subarray(0, FINGERPRINT_BYTES));
  }

  /** Whether both are the same seed. */
  equals(other: Seed): boolean {
    return this.hex() === other.hex();
  }

  /** Shows nothing. */
  toString(): string {
    return SHOWN;
  }

  /** Shows nothing. */
  toJSON(): string {
    return SHOWN;
  }

  /** What Node's `inspect` and `console` print: nothing of it. */
  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return SHOWN;
  }
}
