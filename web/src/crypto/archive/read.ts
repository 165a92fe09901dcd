// Reading an export file, one message at a time. The index is checked as a whole before anything is opened; after that,
// an item that cannot be opened stops no other.

import { blake3 } from '@noble/hashes/blake3.js';
import { SeabagError } from '../../protocol/error.ts';
import { DERIVATION_BYTES } from '../../protocol/host/bag.ts';
import { equalBytes, Reader } from '../../protocol/host/bytes.ts';
import type { Message } from '../../protocol/host/message.ts';
import { Status, StatusError } from '../../protocol/host/status.ts';
import { HostKeys } from '../host_keys.ts';
import { openSealedBody, openSealedHead } from '../seal.ts';
import type { Seed } from '../seed.ts';
import {
  type ArchiveKey,
  EXPORT_KEY,
  type FileHead,
  HEAD_REST_BYTES_MAX,
  LABEL_BYTES_MAX,
  OtherKeyError,
  readFileHead,
} from './head.ts';
import { type ArchiveInput, inputLength, Section } from './section.ts';

/** The longest that an item of the index can be, beside its sealed head: derivation bytes and three varints. */
const ITEM_REST_BYTES_MAX = DERIVATION_BYTES + 3 * 8;
const VARINT_BYTES_MAX = 8;

/**
 * What is wrong in a file whose index is whole. `item`: this message cannot be opened (`DecryptionError`,
 * `HashMismatch`, `InvalidMessage`, or `OutOfBounds` when the file ends before its body does), and the others can.
 * `index`: the index makes no sense from this message on. `count`: a warning after the last message, the file's head
 * tells another count than the index has, which nothing protects; all messages were read.
 */
export class DamageError extends SeabagError {
  /** For programs. */
  declare readonly code: 'item' | 'index' | 'count';
  /** Which message, counted from 1; of `count`, how many messages there are. */
  readonly item: number;
  /** Why, unless it is the count. */
  override readonly cause: StatusError | undefined;

  constructor(code: 'item' | 'index' | 'count', item: number, message: string, cause?: StatusError) {
    super(code, message);
    this.name = 'DamageError';
    this.item = item;
    this.cause = cause;
  }
}

/** A message of the file, or what is wrong in its place. */
export type ArchiveItem = { message: Message } | { damaged: DamageError };

/** An item of the index. */
interface Entry {
  derivation: Uint8Array;
  head: Uint8Array;
  bodyLength: number;
  bodyOffset: number;
}

/** The messages of a file, in its order. Iterate it once. */
export class ArchiveReader implements AsyncIterable<ArchiveItem> {
  /** The count in the file's head, which nothing protects. */
  readonly told: number;
  readonly #seed: Uint8Array;
  readonly #index: Section;
  readonly #bodies: Section;
  /** Bytes of the index that were dealt with. */
  #position = 0;

  private constructor(told: number, seed: Seed, index: Section, bodies: Section) {
    this.told = told;
    this.#seed = seed.bytes;
    this.#index = index;
    this.#bodies = bodies;
  }

  /**
   * Checks a file's form, its key, its signature and the hash of its index, in this order. Its bodies are looked at as
   * they are read; bytes behind them are ignored. Rejects with {@link OtherKeyError}; with a `StatusError`:
   * `InvalidSignature` also when another seed signed it, `HashMismatch` when its index was changed, `InvalidMessage`,
   * `OutOfBounds`, `InvalidParam` and `VarLimitExceeded` when it is no such file or is cut; and as the file itself does.
   */
  static async open(input: ArchiveInput, seed: Seed, key: ArchiveKey = EXPORT_KEY): Promise<ArchiveReader> {
    const fileLength = inputLength(input);
    const front = await new Section(input, 0, fileLength).read(0, LABEL_BYTES_MAX + HEAD_REST_BYTES_MAX);
    const reader = new Reader(front);
    const head = readFileHead(reader, fileLength);
    const indexLength = reader.varint();
    if (indexLength > fileLength - reader.position) throw new StatusError(Status.OutOfBounds);
    const index = new Section(input, reader.position, indexLength);
    const bodies = await bodiesOf(input, reader.position + indexLength, fileLength);
    if (head.key.label !== key.label || head.key.index !== key.index) throw new OtherKeyError(head.key);
    await checkIndex(head, index, seed);
    return new ArchiveReader(head.count, seed, index, bodies);
  }

  /** How far it is, in bytes of the index. */
  get progress(): { done: number; all: number } {
    return { done: this.#position, all: this.#index.length };
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<ArchiveItem, void, undefined> {
    let found = 0;
    while (this.#position < this.#index.length) {
      found += 1;
      const entry = await statusOf(() => this.#entry());
      if (entry instanceof StatusError) {
        const message = `the index of the export file, at message ${found}: ${entry.message}`;
        yield { damaged: new DamageError('index', found, message, entry) };
        return;
      }
      const opened = await statusOf(() => this.#message(entry));
      if (opened instanceof StatusError) {
        const message = `message ${found} of the export file: ${opened.message}`;
        yield { damaged: new DamageError('item', found, message, opened) };
      } else {
        yield { message: opened };
      }
    }
    if (found !== this.told) {
      const message = `the export file tells of ${this.told} messages and has ${found}`;
      yield { damaged: new DamageError('count', found, message) };
    }
  }

  /** The next item of the index; a `StatusError` means that the index cannot be followed any further. */
  async #entry(): Promise<Entry> {
    const front = new Reader(await this.#index.read(this.#position, ITEM_REST_BYTES_MAX));
    front.take(DERIVATION_BYTES);
    const length = front.varint();
    if (length > this.#index.length - this.#position) throw new StatusError(Status.OutOfBounds);
    const reader = new Reader(await this.#index.read(this.#position, ITEM_REST_BYTES_MAX + length));
    const derivation = reader.take(DERIVATION_BYTES);
    const head = reader.varBytes();
    const bodyLength = reader.varint();
    const bodyOffset = bodyLength > 0 ? reader.varint() : 0;
    this.#position += reader.position;
    return { derivation, head, bodyLength, bodyOffset };
  }

  async #message(entry: Entry): Promise<Message> {
    // As large as the sum may get, it is never taken for one that fits.
    if (entry.bodyOffset + entry.bodyLength > this.#bodies.length) throw new StatusError(Status.OutOfBounds);
    const sealed = await this.#bodies.read(entry.bodyOffset, entry.bodyLength);
    const head = openSealedHead(this.#seed, entry.derivation, entry.head);
    return { head, body: openSealedBody(this.#seed, entry.derivation, head, sealed) };
  }
}

/** The messages of a file, and in the place of those that cannot be opened, why. Throws as {@link ArchiveReader.open}. */
export async function* readArchive(
  input: ArchiveInput,
  seed: Seed,
  key: ArchiveKey = EXPORT_KEY,
): AsyncGenerator<ArchiveItem, void, undefined> {
  yield* await ArchiveReader.open(input, seed, key);
}

async function checkIndex(head: FileHead, index: Section, seed: Seed): Promise<void> {
  const keys = await HostKeys.derive(seed, head.key.label, head.key.index);
  const signed = await keys.verify(head.indexHash, head.signature);
  if (!signed) throw new StatusError(Status.InvalidSignature);
  const hasher = blake3.create();
  let offset = 0;
  while (offset < index.length) {
    const bytes = await index.readOn(offset);
    hasher.update(bytes);
    offset += bytes.length;
  }
  if (!equalBytes(hasher.digest(), head.indexHash)) throw new StatusError(Status.HashMismatch);
}

/** The section behind the index. If the file is cut inside it, what is there can still be read. */
async function bodiesOf(input: ArchiveInput, start: number, fileLength: number): Promise<Section> {
  const rest = new Section(input, start, fileLength - start);
  const reader = new Reader(await rest.read(0, VARINT_BYTES_MAX));
  const length = reader.varint();
  const bodiesStart = start + reader.position;
  return new Section(input, bodiesStart, Math.min(length, fileLength - bodiesStart));
}

/** What the work gives, or the `StatusError` that it throws; any other error is thrown on. */
async function statusOf<T>(work: () => Promise<T>): Promise<T | StatusError> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof StatusError) return error;
    throw error;
  }
}
