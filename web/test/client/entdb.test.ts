// Devices in Node against the real server: whatever happens to hosts and devices, all of them have the same in the end.

import { cp, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openEntDB } from '../../src/client/entdb.ts';
import { Server } from '../support/server.ts';
import { until } from '../support/until.ts';
import { bagsAt, has, newSeed, openDevice, shown, untilConverged } from './support/devices.ts';

let server: Server;

beforeAll(async () => {
  server = await Server.start();
});

afterAll(() => server.remove());

test('two devices converge both ways, and changes arrive by themselves', async () => {
  const seed = newSeed();
  const one = await openDevice(seed, [server.url]);
  const other = await openDevice(seed, [server.url]);
  const note = await one.insert({ type: 'note', body: { text: 'from the first' } });
  await until('it arrives', () => other.get(note.eid));
  const parent = await other.insert({ type: 'list', body: null });
  await other.update(note.eid, { body: { text: 'edited' }, parent: parent.eid, group: 'home' });
  await until('the edit arrives', async () => (await one.get(note.eid))?.group === 'home');
  await untilConverged(one, other);
  expect(await one.get(note.eid)).toMatchObject({ body: { text: 'edited' }, parent: parent.eid, counter: 1 });
  await one.delete(note.eid);
  await until('the end arrives', async () => (await other.get(note.eid)) === undefined);
  await untilConverged(one, other);
});

test('what was written before there was a link, and by the thousand, is at the host when sync ends', async () => {
  const seed = newSeed();
  const one = await openDevice(seed, []);
  expect(one.status).toMatchObject({ state: 'local', waiting: 0, role: 'alone' });
  const drafts = Array.from({ length: 2_500 }, (_, at) => ({ type: 'many', body: { at } }));
  await one.insertMany(drafts);
  const id = await one.link(server.url);
  await one.sync();
  expect(one.status).toMatchObject({ state: 'in_sync', savedHere: 2_500, waiting: 0 });
  expect(one.status.links[0]).toMatchObject({ id, phase: 'in_sync', compared: true, label: 'main' });
  const other = await openDevice(seed, [server.url]);
  await other.sync();
  expect(await shown(other)).toEqual(await shown(one));
  const [ent] = await one.query({ type: 'many', limit: 1 });
  const durable = await one.durableAt(ent?.eid ?? '');
  expect(durable).toEqual([{ link: id, stored: expect.any(Number), waiting: false }]);
});

test('a host that is killed in the middle of everything loses nothing', async () => {
  const own = await Server.start();
  try {
    const seed = newSeed();
    const one = await openDevice(seed, [own.url]);
    const other = await openDevice(seed, [own.url]);
    await one.sync();
    for (let round = 0; round < 3; round += 1) {
      const writes = Array.from({ length: 150 }, async (_, at) => {
        const device = at % 2 === 0 ? one : other;
        await device.insert({ type: 'note', body: `${round} ${at}` });
      });
      await until('some of it is there', async () => (await bagsAt(own.url, seed)).length > round * 150);
      await own.kill();
      await Promise.all(writes);
      await until('the host is missed', () => one.status.links[0]?.stuck?.code === 'network');
      await own.restart();
      await Promise.all([one.sync(), other.sync()]);
    }
    await untilConverged(one, other);
    expect(await one.count({ type: 'note' })).toBe(450);
    const third = await openDevice(seed, [own.url]);
    await third.sync();
    expect(await shown(third)).toEqual(await shown(one));
  } finally {
    await own.remove();
  }
});

test('a wiped host is filled by whoever comes, and nothing deleted returns', async () => {
  const own = await Server.start();
  try {
    const seed = newSeed();
    const one = await openDevice(seed, [own.url]);
    const other = await openDevice(seed, [own.url]);
    const gone = await one.insert({ type: 'note', body: 'gone' });
    await one.insertMany(Array.from({ length: 40 }, (_, at) => ({ type: 'note', body: at })));
    await until('it is everywhere', () => has(other, 'note', 41));
    await other.delete(gone.eid);
    await untilConverged(one, other);
    await own.kill();
    await own.restart({ wipe: true });
    await Promise.all([one.sync(), other.sync()]);
    await untilConverged(one, other);
    expect(await bagsAt(own.url, seed), 'forty states and one end').toHaveLength(41);
    const third = await openDevice(seed, [own.url]);
    await third.sync();
    expect(await shown(third)).toEqual(await shown(one));
    expect(one.status.links[0]?.activity?.resets).toBe(1);
  } finally {
    await own.remove();
  }
});

test('a host that went back to a backup is filled again', async () => {
  const own = await Server.start();
  try {
    const seed = newSeed();
    const [data, backup] = [path.join(own.folder, 'data'), path.join(own.folder, 'backup')];
    const one = await openDevice(seed, [own.url]);
    await one.insertMany([1, 2, 3].map((body) => ({ type: 'note', body })));
    await one.sync();
    await own.stop();
    await cp(data, backup, { recursive: true });
    await own.restart();
    await one.insertMany([4, 5, 6].map((body) => ({ type: 'note', body })));
    await one.sync();
    expect(one.status.waiting).toBe(0);
    await own.stop();
    await rm(data, { recursive: true });
    await cp(backup, data, { recursive: true });
    await own.restart();
    // A device that knows nothing of it pushes first: numbers are given out a second time.
    const other = await openDevice(seed, [own.url]);
    await other.insert({ type: 'note', body: 'between' });
    await other.sync();
    await one.sync();
    await untilConverged(one, other);
    expect(await other.count({ type: 'note' })).toBe(7);
    expect(await bagsAt(own.url, seed)).toHaveLength(7);
  } finally {
    await own.remove();
  }
});

test('of two hosts one is away: the other carries everything, and the first gets it when it is back', async () => {
  const [near, far] = [await Server.start(), await Server.start()];
  try {
    const seed = newSeed();
    const one = await openDevice(seed, [near.url, far.url]);
    const other = await openDevice(seed, [near.url, far.url]);
    await Promise.all([one.sync(), other.sync()]);
    await far.kill();
    await one.insertMany([1, 2, 3].map((body) => ({ type: 'note', body })));
    await until('the near host brings it', () => has(other, 'note', 3));
    await until('it is said', () => one.status.links[1]?.stuck?.code === 'network');
    expect(one.status.links[1]?.waiting).toBe(3);
    expect(one.status.waiting).toBe(3);
    await far.restart();
    await Promise.all([one.sync(), other.sync()]);
    await untilConverged(one, other);
    expect(await bagsAt(far.url, seed, 'host 1')).toHaveLength(3);
  } finally {
    await Promise.all([near.remove(), far.remove()]);
  }
});

test('devices that have no host in common hear of each other through one that has', async () => {
  const [left, right] = [await Server.start(), await Server.start()];
  try {
    const seed = newSeed();
    const one = await openDevice(seed, [left.url]);
    const between = await openDevice(seed, [left.url]);
    await between.link(right.url, { label: 'right' });
    const other = await openDevice(seed, []);
    await other.link(right.url, { label: 'right' });
    await one.insert({ type: 'note', body: 'from the left' });
    await other.insert({ type: 'note', body: 'from the right' });
    await until(
      'both are everywhere',
      async () => (await has(one, 'note', 2)) && (await has(other, 'note', 2)),
    );
    await untilConverged(one, between, other);
  } finally {
    await Promise.all([left.remove(), right.remove()]);
  }
});

test('a delete wins over an edit before it, and loses to one after it, on every device', async () => {
  const seed = newSeed();
  const one = await openDevice(seed, [server.url]);
  const { eid: early } = await one.insert({ type: 'note', body: 'edited early' });
  const { eid: late } = await one.insert({ type: 'note', body: 'edited late' });
  await one.sync();
  const other = await openDevice(seed, [server.url]);
  await other.sync();
  const [link] = await other.links();
  if (link === undefined) throw new Error('it is not linked');
  // Away, so that neither side knows of the other's changes.
  await other.unlink(link.id);
  await other.update(early, { body: 'too early' });
  const before = Date.now();
  await until('a millisecond passes', () => Date.now() > before);
  await one.delete(early);
  await one.delete(late);
  const deleted = Date.now();
  await until('a millisecond passes', () => Date.now() > deleted);
  await other.update(late, { body: 'it lives' });
  await other.link(server.url);
  await Promise.all([one.sync(), other.sync()]);
  await untilConverged(one, other);
  expect(await one.get(early)).toBeUndefined();
  expect((await one.get(late))?.body).toBe('it lives');
});

test('a host stays as small as what there is: edits are pruned, and deletes stay', async () => {
  const seed = newSeed();
  const one = await openDevice(seed, [server.url]);
  const other = await openDevice(seed, [server.url]);
  const { eid } = await one.insert({ type: 'note', body: 0 });
  const { eid: gone } = await one.insert({ type: 'note', body: 'gone' });
  await until('it arrives', () => other.get(eid));
  for (let at = 1; at <= 20; at += 1) {
    await one.update(eid, { body: at });
    await until('it is pushed', () => one.status.waiting === 0 && one.status.state === 'in_sync');
  }
  await one.delete(gone);
  await until('two are left', async () => (await bagsAt(server.url, seed)).length === 2);
  await untilConverged(one, other);
  expect((await other.get(eid))?.body).toBe(20);
});

test('a damaged seed, a wrong address and a label that is taken are refused with a code', async () => {
  const device = await openDevice(newSeed(), [server.url]);
  await expect(device.link('host.example.org')).rejects.toMatchObject({ code: 'no_url' });
  await expect(device.link(`${server.url}/notes`)).rejects.toMatchObject({ code: 'not_root' });
  await expect(device.link(server.url, { label: '' })).rejects.toMatchObject({ code: 'invalid_label' });
  await expect(device.link('http://127.0.0.1:1')).rejects.toMatchObject({ code: 'label_in_use' });
  await expect(device.audit(99)).rejects.toMatchObject({ code: 'unknown_link' });
  const [link] = await device.links();
  expect(await device.link(server.url), 'the same again').toBe(link?.id);
});

test('a guarded host is told the token, and to one without it says that it refuses', async () => {
  const folder = await mkdtemp(path.join(tmpdir(), 'seabag-token-'));
  const file = path.join(folder, 'token');
  await writeFile(file, 'a token of the host that is long enough\n', { mode: 0o600 });
  const guarded = await Server.start(['--registration', 'token', '--registration-token-file', file]);
  try {
    const device = await openDevice(newSeed(), [guarded.url]);
    await device.sync();
    expect(device.status).toMatchObject({ state: 'stuck', links: [{ stuck: { code: 'refused' } }] });
    await device.insert({ type: 'note', body: 1 });
    const other = await openDevice(newSeed(), []);
    await other.link(guarded.url, { token: 'a token of the host that is long enough' });
    await other.sync();
    expect(other.status.state).toBe('in_sync');
  } finally {
    await guarded.remove();
    await rm(folder, { recursive: true });
  }
});

test('an account is removed with all that it holds, and what is here stays', async () => {
  const seed = newSeed();
  const device = await openDevice(seed, [server.url]);
  await device.insert({ type: 'note', body: 'stays here' });
  await device.sync();
  const [link] = await device.links();
  if (link === undefined) throw new Error('it is not linked');
  await device.deleteAccount(link.id);
  expect(await device.links()).toEqual([]);
  expect(device.status).toMatchObject({ state: 'local', savedHere: 1 });
  await device.link(server.url);
  await device.sync();
  expect(await bagsAt(server.url, seed), 'a new account, filled again').toHaveLength(1);
});

test('a device without WebSockets syncs when it is told to', async () => {
  const seed = newSeed();
  const { WebSocket } = globalThis;
  expect(WebSocket, 'Node 20 has none').toBeUndefined();
  const plain = await openEntDB({ seed, storage: 'memory' });
  try {
    await plain.link(server.url);
    await plain.insert({ type: 'note', body: 'plain' });
    await plain.sync();
    const other = await openDevice(seed, [server.url]);
    await other.insert({ type: 'note', body: 'more' });
    await other.sync();
    await plain.sync();
    await untilConverged(plain, other);
  } finally {
    await plain.close();
  }
});

test('a status is the same object until something changes, and listeners hear of it', async () => {
  const device = await openDevice(newSeed(), [server.url]);
  await device.sync();
  const before = device.status;
  expect(device.status).toBe(before);
  const heard: number[] = [];
  const end = device.onStatus(({ savedHere }) => heard.push(savedHere));
  await device.insert({ type: 'note', body: 1 });
  await until('it is told', () => heard.includes(1));
  expect(device.status).not.toBe(before);
  end();
  const count = heard.length;
  await device.insert({ type: 'note', body: 2 });
  await until('it is read', () => device.status.savedHere === 2);
  expect(heard).toHaveLength(count);
});
