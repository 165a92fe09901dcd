// With the real program: the same account, fingerprint and words from one seed, and each reads the other's export file.

import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type ArchiveItem, readArchive, writeArchive } from '../../src/crypto/archive.ts';
import { HostKeys } from '../../src/crypto/host_keys.ts';
import { Seed } from '../../src/crypto/seed.ts';
import { createdMsOf, newEid } from '../../src/protocol/host/eid.ts';
import { isDelete, makeHead, timeMsOf } from '../../src/protocol/host/message.ts';
import { decodeHex, encodeHex } from '../../src/protocol/host/text.ts';
import { binary } from '../support/server.ts';
import { fileBytes } from './archive_vectors.ts';

const PROGRAM_MS = 30_000;
const run = promisify(execFile);
const seed = Seed.generate();
let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'seabag-crypto-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** What the program prints. */
async function program(...parameters: string[]): Promise<string> {
  const env = { ...process.env, SEABAG_SEED: seed.hex() };
  const { stdout } = await run(binary, parameters, { env, timeout: PROGRAM_MS });
  return stdout;
}

/** The objects that the program prints, one a line, working on a database of this name. */
async function ents(database: string, ...parameters: string[]): Promise<Record<string, unknown>[]> {
  const printed = await program('ent', '--database', path.join(folder, database), '--json', ...parameters);
  return printed
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line));
}

test('account, fingerprint and words are those of the program', async () => {
  const shown = JSON.parse(await program('keys', 'show', '--label', 'grüße', '--index', '3', '--json'));
  const keys = await HostKeys.derive(seed, 'grüße', 3);
  expect(shown).toMatchObject({ fingerprint: await seed.fingerprint(), account: encodeHex(keys.publicKey) });
  const words = (await program('keys', 'words')).match(/[a-z]+/g) ?? [];
  expect(words.join(' ')).toContain(await seed.words());
});

test('an export file of the program is read', async () => {
  const [put] = await ents('theirs.db', 'put', 'todo', '{"text":"milk"}');
  const [gone] = await ents('theirs.db', 'put', 'todo', '{"text":"eggs"}');
  await ents('theirs.db', 'rm', String(gone?.id));
  const file = path.join(folder, 'theirs.dpl');
  await ents('theirs.db', 'export', file);
  const messages = [];
  for await (const item of readArchive(await readFile(file), seed)) {
    if ('damaged' in item) throw item.damaged;
    messages.push(item.message);
  }
  const mine = messages.find(({ head }) => head.eid === put?.id);
  if (mine === undefined) throw new Error('the entity is not in the file');
  expect([createdMsOf(mine.head.eid), timeMsOf(mine.head)]).toEqual([put?.created, put?.updated]);
  expect(new TextDecoder().decode(mine.body ?? new Uint8Array())).toContain('milk');
  expect(messages.some(({ head }) => head.eid === gone?.id && isDelete(head))).toBe(true);
});

test('the program reads an export file of ours, and names what is damaged', async () => {
  // A map of body, type, and no group or parent (MessagePack).
  const body = decodeHex('84a4626f6479a46d696c6ba474797065a4746f646fa3676964c0a3706964c0');
  const eids = [1, 2, 3].map((id) => newEid(new Uint8Array(8).fill(id), 1_767_225_600_000 + id));
  const messages = eids.map((eid, at) => ({ head: makeHead(eid, at, at, body), body }));
  const bytes = await fileBytes(await writeArchive(messages, seed));
  const file = path.join(folder, 'ours.dpl');
  await writeFile(file, bytes);
  const [outcome] = await ents('ours.db', 'import', file);
  expect(outcome).toMatchObject({ new: 3, refused: 0, whole: true, problems: [] });
  const found = await ents('ours.db', 'ls', 'todo');
  expect(found.map(({ id, body: shown }) => [id, shown]).sort()).toEqual(
    eids.map((eid) => [eid, 'milk']).sort(),
  );

  // The last body's last byte: here and there the same message is the one that is damaged.
  bytes[bytes.length - 1] = (bytes[bytes.length - 1] ?? 0) ^ 1;
  const items: ArchiveItem[] = [];
  for await (const item of readArchive(bytes, seed)) items.push(item);
  const damaged = items.flatMap((item) => ('damaged' in item ? [item.damaged.message] : []));
  expect([items.length, damaged.length]).toEqual([3, 1]);
  await writeFile(file, bytes);
  const refused = await ents('damaged.db', 'import', file).catch((error: unknown) => String(error));
  expect(refused).toContain('message 3: it cannot be opened');
  expect((await ents('damaged.db', 'ls', 'todo')).length).toBe(2);
  expect(damaged).toEqual(['message 3 of the export file: it cannot be opened']);
});
