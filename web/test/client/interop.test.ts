// A device of this package and one that runs the program: the same entities through one host, both ways, and through the
// export file, both ways.

import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import type { EntDB } from '../../src/client/entdb.ts';
import type { Ent } from '../../src/entdb/database.ts';
import { Server } from '../support/server.ts';
import { until } from '../support/until.ts';
import { newSeed, openDevice } from './support/devices.ts';
import { type ListedEnt, RustDevice } from './support/rust_device.ts';

let server: Server;

beforeAll(async () => {
  server = await Server.start();
});

afterAll(() => server.remove());

async function rustDevice(...parameters: Parameters<typeof RustDevice.create>): Promise<RustDevice> {
  const device = await RustDevice.create(...parameters);
  onTestFinished(() => device.remove());
  return device;
}

/** Bodies that both sides have, as JSON and as values here. */
const BODIES: [string, unknown, unknown][] = [
  ['nothing', null, null],
  ['truth', true, true],
  ['a small number', 7, 7],
  ['a negative number', -70_000, -70_000],
  ['a fraction', 0.1, 0.1],
  ['the greatest safe number', Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER],
  ['no text', '', ''],
  ['any script', 'Grüße, 世界 👩‍👩‍👧 \u0000 \u202e', 'Grüße, 世界 👩‍👩‍👧 \u0000 \u202e'],
  ['a long text', 'x'.repeat(70_000), 'x'.repeat(70_000)],
  ['a list', [1, [2, [3, [], {}]]], [1, [2, [3, [], {}]]]],
  ['an object', { b: 1, a: { '': null, ключ: [true] } }, { b: 1, a: { '': null, ключ: [true] } }],
  ['bytes', { $bytes: 'AAEC/w==' }, new Uint8Array([0, 1, 2, 255])],
  ['a date', { $date: 1_767_225_600_123 }, new Date(1_767_225_600_123)],
];

function same(ents: readonly Ent[], listed: readonly ListedEnt[]): void {
  const ours = ents.map(({ eid, type, parent, group, createdMs, updatedMs, counter }) => ({
    ...{ id: eid, type, created: createdMs, updated: updatedMs, counter },
    ...(parent === undefined ? {} : { parent }),
    ...(group === undefined ? {} : { group }),
  }));
  const theirs = listed.map(({ body: _, ...rest }) => rest);
  const byId = (one: { id: string }, other: { id: string }) => (one.id < other.id ? -1 : 1);
  expect([...theirs].sort(byId)).toEqual([...ours].sort(byId));
}

async function all(device: EntDB, rust: RustDevice, type: string): Promise<void> {
  same(await device.query({ type }), await rust.list(type));
}

test('what the program writes is here, and what is written here is there: bodies of every kind', async () => {
  const seed = newSeed();
  const device = await openDevice(seed, [server.url]);
  const rust = await rustDevice(seed, server.url);
  const theirs = new Map<string, unknown>();
  for (const [, json, value] of BODIES) theirs.set(await rust.put(['theirs', '--group', 'из'], json), value);
  const ours: [string, unknown][] = [];
  for (const [, json, value] of BODIES) {
    ours.push([(await device.insert({ type: 'ours', body: value, group: 'здесь' })).eid, json]);
  }
  await device.sync();
  await rust.sync();
  await device.sync();
  for (const [eid, value] of theirs) expect((await device.get(eid))?.body).toEqual(value);
  const listed = new Map((await rust.list('ours')).map((ent) => [ent.id, ent]));
  for (const [eid, json] of ours) expect(listed.get(eid)).toMatchObject({ body: json, group: 'здесь' });
  await all(device, rust, 'theirs');
  await all(device, rust, 'ours');
});

test('parents, groups, edits and deletes go both ways', async () => {
  const seed = newSeed();
  const device = await openDevice(seed, [server.url]);
  const rust = await rustDevice(seed, server.url);
  const list = await rust.put(['list'], { name: 'shopping' });
  const milk = await rust.put(['todo', '--parent', list, '--group', 'home'], 'milk');
  const bread = await rust.put(['todo', '--parent', list], 'bread');
  await rust.sync();
  await until('it arrives', () => device.get(bread));
  expect(await device.query({ type: 'todo', parent: list })).toHaveLength(2);
  await device.update(milk, { body: 'oat milk', group: null });
  await device.delete(bread);
  const child = await device.insert({ type: 'todo', body: 'butter', parent: list, group: 'home' });
  await device.sync();
  await rust.sync();
  await all(device, rust, 'todo');
  const todos = new Map((await rust.list('todo')).map((ent) => [ent.id, ent]));
  expect(todos.get(milk)).toMatchObject({ body: 'oat milk', parent: list, counter: 1 });
  expect(todos.get(milk)?.group).toBeUndefined();
  expect(todos.has(bread)).toBe(false);
  await rust.run(['ent', 'put', '--id', child.eid, '--no-parent', '"butter, salted"']);
  await rust.run(['ent', 'rm', milk]);
  await rust.sync();
  await until('the end arrives', async () => (await device.get(milk)) === undefined);
  await until('the edit arrives', async () => (await device.get(child.eid))?.counter === 1);
  expect(await device.get(child.eid)).toMatchObject({ body: 'butter, salted', group: 'home' });
  expect((await device.get(child.eid))?.parent).toBeUndefined();
  await all(device, rust, 'todo');
});

test('two devices that both edited while away agree on who was last', async () => {
  const seed = newSeed();
  const device = await openDevice(seed, [server.url]);
  const rust = await rustDevice(seed, server.url);
  const eids: string[] = [];
  for (let at = 0; at < 6; at += 1) eids.push((await device.insert({ type: 'note', body: at })).eid);
  await device.sync();
  await rust.sync();
  const [link] = await device.links();
  if (link === undefined) throw new Error('it is not linked');
  await device.unlink(link.id);
  for (const [at, eid] of eids.entries()) {
    if (at % 2 === 0) await device.update(eid, { body: 'here' });
    await rust.run(['ent', 'put', '--id', eid, '"there"']);
    if (at % 2 === 1) await device.update(eid, { body: 'here' });
  }
  await device.link(server.url);
  await device.sync();
  await rust.sync();
  await device.sync();
  const bodies = await Promise.all(eids.map(async (eid) => (await device.get(eid))?.body));
  expect(bodies).toEqual(['there', 'here', 'there', 'here', 'there', 'here']);
  await all(device, rust, 'note');
});

test('the export file is the same thing on both sides', async () => {
  const seed = newSeed();
  const device = await openDevice(seed, []);
  const rust = await rustDevice(seed);
  for (const [, , value] of BODIES) await device.insert({ type: 'kept', body: value });
  const parent = await device.insert({ type: 'kept', body: 'parent' });
  const edited = await device.insert({ type: 'kept', body: 'old', parent: parent.eid, group: 'g' });
  await device.update(edited.eid, { body: 'new' });
  const gone = await device.insert({ type: 'kept', body: 'gone' });
  await device.delete(gone.eid);
  const exported = await device.exportFile();
  expect(exported).toMatchObject({ messages: BODIES.length + 3, leftOut: 0 });
  await rust.import(exported.file);
  await all(device, rust, 'kept');

  await rust.put(['kept', '--parent', parent.eid], 'from the program');
  await rust.run(['ent', 'rm', edited.eid]);
  const back = new Blob([await rust.export()]);
  const heard: [number, number][] = [];
  const outcome = await device.importFile(back, (done, all) => heard.push([done, all]));
  expect(outcome).toMatchObject({ applied: 2, known: BODIES.length + 2, refused: 0, problems: [] });
  expect(heard.at(-1)?.[0]).toBe(heard.at(-1)?.[1]);
  await all(device, rust, 'kept');
  expect(await device.importFile(back), 'again').toMatchObject({ applied: 0, known: BODIES.length + 4 });

  const stranger = await openDevice(newSeed(), []);
  await expect(stranger.importFile(back)).rejects.toMatchObject({ code: 'InvalidSignature' });
  expect(stranger.status.savedHere).toBe(0);
});

test('what was imported goes to hosts that are linked', async () => {
  const seed = newSeed();
  const source = await openDevice(seed, []);
  await source.insertMany(Array.from({ length: 1_200 }, (_, at) => ({ type: 'note', body: at })));
  const { file, messages } = await source.exportFile();
  expect(messages).toBe(1_200);
  const device = await openDevice(seed, [server.url]);
  await device.sync();
  expect((await device.importFile(file)).applied).toBe(1_200);
  await device.sync();
  expect(device.status).toMatchObject({ state: 'in_sync', waiting: 0 });
  const rust = await rustDevice(seed, server.url);
  expect(await rust.list('note')).toHaveLength(1_200);
});
