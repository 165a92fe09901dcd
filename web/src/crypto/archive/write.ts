// Writing an export file, one message at a time. The file's head needs the hash of the index, and the index comes before
// the bodies: so both wait in spools until all messages are in.

import { blake3 } from '@noble/hashes/blake3.js';
import { Writer } from '../../protocol/host/bytes.ts';
import type { Message } from '../../protocol/host/message.ts';
import { Sealer, type SealerOptions } from '../seal.ts';
import type { Seed } from '../seed.ts';
import { type ArchiveKey, checkArchiveKey, EXPORT_KEY, writeFileHead } from './head.ts';
import { Spool } from './spool.ts';

/** Takes messages and then makes the file. What waits in the spools is sealed already. */
export class ArchiveWriter {
  readonly #key: ArchiveKey;
  readonly #sealer: Sealer;
  readonly #index = new Spool();
  readonly #bodies = new Spool();
  /** Of the index so far. */
  readonly #indexHash = blake3.create();
  #count = 0;

  private constructor(key: ArchiveKey, sealer: Sealer) {
    this.#key = key;
    this.#sealer = sealer;
  }

  /** Signed with this keypair; rejects with `InvalidParam` for one that no file may have. */
  static async create(
    seed: Seed,
    key: ArchiveKey = EXPORT_KEY,
    options: SealerOptions = {},
  ): Promise<ArchiveWriter> {
    checkArchiveKey(key);
    return new ArchiveWriter(key, await Sealer.create(seed, key.label, key.index, options));
  }

  /** Messages added so far. */
  get count(): number {
    return this.#count;
  }

  /** Adds a message. One that cannot be sealed throws as `Sealer.seal` says and is left out; the others go on. */
  push(message: Message): void {
    const { derivation, head, body } = this.#sealer.sealParts(message);
    const item = new Writer(head.length + 32).bytes(derivation).varBytes(head).varint(body.length);
    if (body.length > 0) item.varint(this.#bodies.length);
    const bytes = item.finish();
    this.#bodies.append(body);
    this.#index.append(bytes);
    this.#indexHash.update(bytes);
    this.#count += 1;
  }

  /** The file. The writer is not to be used after that. */
  async finish(): Promise<Blob> {
    const indexHash = this.#indexHash.digest();
    const signature = await this.#sealer.sign(indexHash);
    const front = new Writer(256);
    writeFileHead(front, { key: this.#key, count: this.#count, indexHash, signature });
    front.varint(this.#index.length);
    const between = new Writer(8).varint(this.#bodies.length).finish();
    const parts = [front.finish(), this.#index.finish(), between, this.#bodies.finish()];
    return new Blob(parts, { type: 'application/octet-stream' });
  }
}

/** The file of these messages. Rejects as `Sealer.seal` says when one cannot be sealed. */
export async function writeArchive(
  messages: AsyncIterable<Message> | Iterable<Message>,
  seed: Seed,
  key: ArchiveKey = EXPORT_KEY,
): Promise<Blob> {
  const writer = await ArchiveWriter.create(seed, key);
  for await (const message of messages) writer.push(message);
  return writer.finish();
}
