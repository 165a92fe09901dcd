// The export file against the shared vectors, byte for byte both ways, and against what may have happened to it. Registered
// by a test file for Node and by one for the browser.

import { ed25519 } from '@noble/curves/ed25519.js';
import { blake3 } from '@noble/hashes/blake3.js';
import { describe, expect, test } from 'vitest';
import {
  type ArchiveItem,
  type ArchiveKey,
  ArchiveReader,
  ArchiveWriter,
  EXPORT_KEY,
  OtherKeyError,
  readArchive,
  writeArchive,
} from '../../src/crypto/archive.ts';
import { deriveHostSecret } from '../../src/crypto/derive.ts';
import { Seed } from '../../src/crypto/seed.ts';
import { concatBytes, Reader, utf8, Writer } from '../../src/protocol/host/bytes.ts';
import { makeEid } from '../../src/protocol/host/eid.ts';
import { type Message, makeHead } from '../../src/protocol/host/message.ts';
import { encodeHex } from '../../src/protocol/host/text.ts';
import {
  attempt,
  attemptLater,
  bytes,
  type Case,
  expectedStatus,
  group,
  list,
  number,
  text,
} from '../support/vectors.ts';
import { fixedRandom } from './vectors.ts';

const CREATED_MS = 1_767_225_600_000;
const seed = Seed.fromBytes(bytes(group('export_file'), 'seed'));

/** A message of an entity of its own. */
export function message(number: number, body: Uint8Array | null): Message {
  const id = new Uint8Array(8);
  new DataView(id.buffer).setUint32(4, number);
  return { head: makeHead(makeEid(id, CREATED_MS), number, 0, body), body };
}

/** What a file holds, and what was wrong with it, in words. */
export async function readAll(
  input: Blob | Uint8Array,
  key: ArchiveKey = EXPORT_KEY,
): Promise<{ messages: Message[]; errors: string[] }> {
  const messages: Message[] = [];
  const errors: string[] = [];
  for await (const item of readArchive(input, seed, key)) {
    if ('message' in item) messages.push(item.message);
    else errors.push(item.damaged.message);
  }
  return { messages, errors };
}

/** The bytes of a file. */
export async function fileBytes(file: Blob): Promise<Uint8Array> {
  return new Uint8Array(await file.arrayBuffer());
}

function keyOf(vector: Case): ArchiveKey {
  return { label: text(vector, 'label'), index: number(vector, 'index') };
}

/** The nonces that a file was sealed with, in the order in which they are drawn: they stand before every sealed part. */
function noncesOf(file: Uint8Array): Uint8Array[] {
  const reader = new Reader(file);
  reader.varBytes();
  reader.varint();
  reader.varint();
  reader.take(96);
  const index = new Reader(reader.varBytes());
  const bodies = reader.varBytes();
  return index
    .list((item) => {
      item.take(8);
      const head = item.varBytes().subarray(0, 24);
      const length = item.varint();
      if (length === 0) return [head];
      const offset = item.varint();
      return [head, bodies.subarray(offset, offset + 24)];
    })
    .flat();
}

/** A file with an index of our own making, signed as it should be. */
function signed(index: Uint8Array, bodies: Uint8Array): Uint8Array {
  const hash = blake3(index);
  const signature = ed25519.sign(hash, deriveHostSecret(seed.bytes, 'export', 0));
  const out = new Writer().varString('export').varint(0).varint(1).bytes(hash).bytes(signature);
  return out.varBytes(index).varBytes(bodies).finish();
}

async function itemsOf(file: Uint8Array): Promise<ArchiveItem[]> {
  const items: ArchiveItem[] = [];
  for await (const item of readArchive(file, seed)) items.push(item);
  return items;
}

/** What a tampered file gives although something is wrong: how many messages, and the error. */
function partly(name: string): [number, string] | undefined {
  if (name.startsWith('last')) return [4, 'message 5 of the export file: it cannot be opened'];
  if (name.startsWith('cut')) return [4, 'message 5 of the export file: the input is too short'];
  if (!name.startsWith('count')) return undefined;
  return [5, `the export file tells of ${name.includes('lowered') ? 3 : 6} messages and has 5`];
}

/** Registers the tests. */
export function testArchiveVectors(): void {
  describe('the vectors of the export file', () => {
    test('the files of the reference program are read and written byte for byte', async () => {
      for (const vector of list(group('export_file'), 'files')) {
        const [file, key] = [bytes(vector, 'hex'), keyOf(vector)];
        for (const input of [file, new Blob([file])]) {
          const { messages, errors } = await readAll(input, key);
          expect(errors).toEqual([]);
          expect(messages.length).toBe(number(vector, 'messages'));
          const random = fixedRandom(...noncesOf(file));
          const writer = await ArchiveWriter.create(seed, key, { random, provider: 'javascript' });
          for (const found of messages) writer.push(found);
          expect(writer.count).toBe(messages.length);
          expect(encodeHex(await fileBytes(await writer.finish()))).toBe(text(vector, 'hex'));
        }
      }
    });

    test('tampered files are refused with the status of the vectors', async () => {
      for (const vector of list(group('export_file'), 'tampered')) {
        const [name, file] = [text(vector, 'name'), bytes(vector, 'hex')];
        // These are refused as a whole upstream; here a bad item or a wrong count stops nothing else.
        const expected = partly(name);
        if (expected !== undefined) {
          const { messages, errors } = await readAll(file);
          expect([messages.length, errors], name).toEqual([expected[0], [expected[1]]]);
          continue;
        }
        const owner = name === 'another seed' ? Seed.fromBytes(new Uint8Array(32).fill(9)) : seed;
        const key = name === 'label changed' ? { label: 'dxport', index: 0 } : EXPORT_KEY;
        const { status, value } = await attemptLater(() => ArchiveReader.open(file, owner, key));
        expect(status, name).toBe(expectedStatus(vector));
        if (value !== undefined) {
          expect((await readAll(file)).messages.length).toBe(number(vector, 'messages'));
        }
      }
    });
  });

  describe('the export file', () => {
    test('a file of another keypair is read only by a caller who names it', async () => {
      const vector = list(group('export_file'), 'files').find((found) => found.label === 'backup-ü') ?? {};
      const file = bytes(vector, 'hex');
      const refused = await ArchiveReader.open(file, seed).catch((error: unknown) => error);
      if (!(refused instanceof OtherKeyError)) throw refused;
      expect(refused.key).toEqual({ label: 'backup-ü', index: 7 });
      expect((await readAll(file, refused.key)).messages.length).toBe(2);
      await expect(ArchiveReader.open(file, seed, { label: 'backup-ü', index: 8 })).rejects.toThrow(
        OtherKeyError,
      );
      for (const label of ['', 'x'.repeat(257)]) {
        const { status } = await attemptLater(() => ArchiveWriter.create(seed, { label, index: 0 }));
        expect(status).toBe('InvalidParam');
      }
    });

    test('a strange label is shown without its control characters', async () => {
      const file = new Writer().varBytes(utf8('\u001b[2Jexport\n')).bytes(new Uint8Array(200)).finish();
      const refused = await ArchiveReader.open(file, seed).catch((error: unknown) => String(error));
      expect(refused).toContain('export');
      for (const control of ['\u001b', '\n']) expect(refused).not.toContain(control);
    });

    test('one bad message stops no other', async () => {
      const messages = [
        message(1, utf8('one')),
        message(2, utf8('two')),
        message(3, null),
        message(4, utf8('four')),
      ];
      const file = await fileBytes(await writeArchive(messages, seed));
      // The bodies are the last 43 + 43 + 44 bytes: this is in the second one.
      const at = file.length - 44 - 1;
      file[at] = (file[at] ?? 0) ^ 1;
      const read = await readAll(file);
      expect(read.messages).toEqual([messages[0], messages[2], messages[3]]);
      expect(read.errors).toEqual(['message 2 of the export file: it cannot be opened']);
    });

    test('a message that cannot be sealed is left out and the others are written', async () => {
      const good = message(1, utf8('one'));
      const writer = await ArchiveWriter.create(seed);
      writer.push(good);
      const bad = { head: message(2, utf8('two')).head, body: utf8('not two') };
      expect(attempt(() => writer.push(bad)).status).toBe('HashMismatch');
      expect(await readAll(await writer.finish())).toEqual({ messages: [good], errors: [] });
    });

    test('absurd lengths in a signed index are refused', async () => {
      const absurd = 2 ** 53 - 1;
      const longHead = new Writer().bytes(new Uint8Array(8)).varint(absurd).finish();
      // 2^56 - 1, which no number of JavaScript is.
      const unsafe = concatBytes(new Uint8Array(8), Uint8Array.of(255, 255, 255, 255, 255, 255, 255, 127));
      for (const [index, code] of [
        [longHead, 'OutOfBounds'],
        [unsafe, 'VarLimitExceeded'],
      ] as const) {
        expect(await itemsOf(signed(index, new Uint8Array()))).toMatchObject([
          { damaged: { code: 'index', item: 1, cause: { code } } },
        ]);
      }
      const places = [
        [absurd, 0],
        [1, absurd],
        [absurd, absurd],
        [41, 1],
      ] as const;
      for (const [length, offset] of places) {
        const item = new Writer().bytes(new Uint8Array(8)).varBytes(new Uint8Array(60));
        const index = item.varint(length).varint(offset).finish();
        expect(await itemsOf(signed(index, new Uint8Array(41)))).toMatchObject([
          { damaged: { code: 'item', item: 1, cause: { code: 'OutOfBounds' } } },
        ]);
      }
    });

    test('absurd lengths in the head are refused', async () => {
      const file = await fileBytes(await writeArchive([message(1, utf8('one'))], seed));
      const indexLengthAt = 7 + 1 + 1 + 96;
      for (const at of [0, indexLengthAt]) {
        const length = new Writer().varint(2 ** 53 - 1).finish();
        const absurd = concatBytes(file.subarray(0, at), length, file.subarray(at + 1));
        expect((await attemptLater(() => ArchiveReader.open(absurd, seed))).status).toBe('OutOfBounds');
      }
    });

    test('a file larger than every window is read as it was written, and tells how far it is', async () => {
      const large = new Uint8Array(300_000).fill(0x5a);
      const messages = Array.from({ length: 3_000 }, (_, at) => {
        if (at % 500 === 0) return message(at, large);
        return message(at, at % 500 === 1 ? null : Uint8Array.of(at >> 8, at & 255));
      });
      const file = await writeArchive(messages, seed);
      const reader = await ArchiveReader.open(file, seed);
      expect(reader.told).toBe(3_000);
      let at = 0;
      for await (const item of reader) {
        if (!('message' in item)) throw item.damaged;
        expect(item.message.head).toEqual(messages[at]?.head);
        expect(item.message.body?.length ?? 0).toBe(messages[at]?.body?.length ?? 0);
        at += 1;
      }
      expect(at).toBe(3_000);
      expect(reader.progress.done).toBe(reader.progress.all);
      expect(reader.progress.all).toBeGreaterThan(250_000);
    });

    test('a body that was read keeps none of the file alive', async () => {
      const [found] = (await readAll(await writeArchive([message(1, utf8('one'))], seed))).messages;
      // Stored as it is, a view would bring all that it is a view of.
      expect(found?.body?.buffer.byteLength).toBe(3);
      expect(found?.head.hash?.buffer.byteLength).toBe(32);
    });

    test('nothing behind a file belongs to it', async () => {
      const file = await fileBytes(await writeArchive([message(1, utf8('one'))], seed));
      const longer = concatBytes(file, Uint8Array.of(1, 2, 3));
      expect((await readAll(longer)).errors).toEqual([]);
    });
  });
}
