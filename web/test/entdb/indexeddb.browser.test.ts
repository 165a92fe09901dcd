// What only a real IndexedDB can show: the stored rows, what is left when something breaks off, two tabs on one database,
// versions, quota; and that it answers what the storage in memory answers.

import fc from 'fast-check';
import { openDB } from 'idb';
import { afterEach, beforeEach, expect, onTestFinished, test } from 'vitest';
import { type Change, Database } from '../../src/entdb/database.ts';
import { deleteIndexedDb, openIndexedDb } from '../../src/entdb/storage/indexeddb.ts';
import { until } from '../support/until.ts';
import { answer, everything, steps } from './model.ts';
import { eid, host, message, raw, START_MS, update, World } from './support.ts';

let world: World;
beforeEach(async () => {
  world = await World.create('indexeddb');
});
afterEach(() => world.remove());

function open(): Promise<Awaited<ReturnType<typeof openDB>>> {
  return openDB(`seabag:entdb:${world.name}`);
}

test('a stored entity is what the seed document says, in a store with its four indexes', async () => {
  const body = { text: 'milk' };
  await world.database.put(eid(1), { type: 'todo', body });
  world.nowMs = START_MS + 9;
  await world.database.put(eid(2), { type: 'todo', body, parent: eid(1), group: 'g' });
  await world.database.put(eid(2), { type: 'todo', body, parent: eid(1), group: 'g' });
  const database = await open();
  expect(await database.get('entities', eid(1))).toStrictEqual({
    bod: body,
    crd: new Date(START_MS),
    eid: eid(1),
    typ: 'todo',
    upd: new Date(START_MS),
  });
  expect(await database.get('entities', eid(2))).toStrictEqual({
    bod: body,
    crd: new Date(START_MS),
    ctr: 1,
    eid: eid(2),
    gid: 'g',
    pid: eid(1),
    typ: 'todo',
    upd: new Date(START_MS + 10),
  });
  const store = database.transaction('entities').store;
  const paths = [...store.indexNames].map((name) => store.index(name).keyPath);
  expect(store.keyPath).toBe('eid');
  expect(paths.sort()).toEqual([
    ['typ', 'crd'],
    ['typ', 'gid'],
    ['typ', 'pid'],
    ['typ', 'upd'],
  ]);
  // Who has no parent or group is in no index of those.
  expect([await store.index('parent').count(), await store.index('group').count()]).toEqual([1, 1]);
  database.close();
});

test('an envelope is kept whole only where its bytes cannot be made again', async () => {
  await world.database.merge([
    update(eid(1), 1, 1, 't', 'x'),
    message(eid(2), 1, 1, raw(0x82, 0xa4, 'type', 0xa1, 't', 0xa4, 'body', 1)),
  ]);
  const database = await open();
  expect(await database.get('entities', eid(1))).not.toHaveProperty('raw');
  expect(await database.get('entities', eid(2))).toHaveProperty('raw');
  database.close();
});

test('bytes in a body are stored without what is around them', async () => {
  const large = new Uint8Array(1_000_000);
  const sent = update(eid(1), 1, 1, 't', new Uint8Array([1, 2, 3]));
  if (sent.body === null) throw new Error('it has one');
  large.set(sent.body, 500);
  const view = large.subarray(500, 500 + sent.body.length);
  await world.database.merge([{ head: sent.head, body: view }]);
  const database = await open();
  const row: { bod: Uint8Array } = await database.get('entities', eid(1));
  expect(row.bod.buffer.byteLength).toBe(3);
  database.close();
});

/** Counts what is asked of IndexedDB until the test ends, by method. */
function countRequests(): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const owner of [IDBObjectStore.prototype, IDBIndex.prototype]) {
    for (const name of ['get', 'getAll', 'count', 'openCursor', 'put', 'delete'] as const) {
      if (!Object.hasOwn(owner, name)) continue;
      const original: unknown = Reflect.get(owner, name);
      if (typeof original !== 'function') continue;
      Reflect.set(owner, name, function (this: unknown, ...given: unknown[]) {
        counts[name] = (counts[name] ?? 0) + 1;
        return Reflect.apply(original, this, given);
      });
      onTestFinished(() => void Reflect.set(owner, name, original));
    }
  }
  return counts;
}

test('what a host brings costs one look and two puts a message, and comparing afterwards a few looks for all', async () => {
  const link = await world.database.addLink(host(1));
  const bags = Array.from(
    { length: 200 },
    (_, at) => [at + 1, { type: 'whole', message: update(eid(at), 1, 1, 't', at) }] as const,
  );
  const counts = countRequests();
  const others = () => Object.entries(counts).reduce((sum, [, count]) => sum + count, 0);
  await world.database.receive(link, { bags });
  expect([counts.get, counts.put]).toEqual([200, 400]);
  expect(others()).toBeLessThan(615);
  await world.database.setStage(link, 'upload');
  const before = others();
  expect(await world.database.fill(link, 1_000)).toBe(false);
  expect(others() - before).toBeLessThan(15);
  expect(await world.database.waiting(link)).toBe(0);
});

test('what breaks off in the middle leaves nothing half written', async () => {
  const link = await world.database.addLink(host(1));
  await world.database.put(eid(1), { type: 't', body: 'before' });
  const before = await everything(world.database);
  const { storage } = world;
  const many = Array.from({ length: 50 }, (_, at) => ({
    bod: at,
    crd: new Date(0),
    eid: `row${at}`,
    typ: 't',
    upd: new Date(0),
  }));
  const heard: unknown[] = [];
  world.database.onChange((changes) => heard.push(changes));
  // The rules fail after others have read; a row that cannot be stored is the last of many; a key is none.
  const puts = many.map((row) => ({ type: 'put', table: 'entities', row }) as const);
  await expect(storage.write('synced', () => Promise.reject(new Error('mine')))).rejects.toThrow('mine');
  const unclonable = { ...many[0], bod: () => 1, crd: new Date(0), eid: 'f', typ: 't', upd: new Date(0) };
  const bad = storage.write('synced', async () => ({
    answer: 1,
    writes: [...puts, { type: 'put', table: 'entities', row: unclonable }],
  }));
  await expect(bad).rejects.toMatchObject({ code: 'invalid_body' });
  const keyless = { bod: 1, crd: new Date(Number.NaN), eid: 'f', typ: 't', upd: new Date(0) };
  const noKey = { ...keyless, eid: JSON.parse('{}') };
  await expect(
    storage.write('written', async () => ({
      answer: 1,
      writes: [...puts, { type: 'put', table: 'entities', row: noKey }],
    })),
  ).rejects.toMatchObject({ code: 'storage_failed' });
  await expect(world.database.receive(link + 1, { bags: [] })).rejects.toMatchObject({
    code: 'unknown_link',
  });
  expect(heard).toEqual([]);
  expect(await everything(world.database)).toEqual(before);
  // And the next one works.
  await world.database.put(eid(2), { type: 't', body: 'after' });
  expect(heard).toHaveLength(1);
});

test('a tab that goes away in the middle of a batch leaves all of it or nothing', async () => {
  const link = await world.database.addLink(host(1));
  const frame = document.createElement('iframe');
  document.body.append(frame);
  const other = frame.contentWindow;
  if (other === null) throw new Error('there is no frame');
  // A connection of the frame's own, in the middle of a transaction over what the database has, when the frame dies.
  const request = other.indexedDB.open(`seabag:entdb:${world.name}`);
  const theirs = await new Promise<IDBDatabase>((resolve) => {
    request.onsuccess = () => resolve(request.result);
  });
  const transaction = theirs.transaction(['entities', 'bags'], 'readwrite');
  for (let at = 0; at < 500; at += 1) {
    transaction
      .objectStore('entities')
      .put({ bod: at, crd: new Date(0), eid: `row${at}`, typ: 't', upd: new Date(0) });
    transaction.objectStore('bags').put({ link, seq: at + 1, held: `row${at}`, which: '' });
  }
  frame.remove();
  const status = await world.database.status();
  const bags = await world.database.heldAfter(link, 0, 1_000);
  expect(status.ents).toBe(bags.length);
  expect([0, 500]).toContain(bags.length);
  await world.database.put(eid(2), { type: 't', body: 'after' });
});

test('two databases in two tabs hear of each other and corrupt nothing', async () => {
  const other = await world.another();
  const heard: (readonly Change[])[] = [];
  other.onChange((changes) => heard.push(changes));
  const live = other.live({ type: 't' });
  live.subscribe(() => undefined);
  const one = other.liveEnt(eid(1));
  one.subscribe(() => undefined);
  await until('both were asked', () => live.loaded && one.loaded);
  await world.database.put(eid(1), { type: 't', body: 1 });
  await until('the other hears', () => live.snapshot?.length === 1 && one.snapshot !== undefined);
  expect(heard[0]?.[0]?.new).toEqual(await world.database.get(eid(1)));
  const links = await Promise.all([world.database.addLink(host(1)), other.addLink(host(2))]);
  expect(new Set(links).size).toBe(2);
  // Both write the same entities at once: counters show that no write was lost.
  const writes = Array.from({ length: 40 }, (_, at) =>
    (at % 2 === 0 ? world.database : other).update(eid(1), (ent) => ({
      type: 't',
      body: Number(ent.body) + 1,
    })),
  );
  await Promise.all(writes);
  expect(await other.get(eid(1))).toMatchObject({ body: 41, counter: 40 });
  await until(
    'what is live is the last state',
    () => one.snapshot?.body === 41 && live.snapshot?.[0]?.body === 41,
  );
  await world.database.delete(eid(1));
  await until('it is gone in both', () => live.snapshot?.length === 0 && one.snapshot === undefined);
  for (const link of links) expect(await other.waiting(link)).toBe(1);
  other.close();
});

test('many changes in another tab are heard of', async () => {
  const other = await world.another();
  const live = other.live({ type: 't', limit: 10_000 });
  live.subscribe(() => undefined);
  await until('it was asked', () => live.loaded);
  for (let batch = 0; batch < 3; batch += 1)
    await world.database.merge(
      Array.from({ length: 1_000 }, (_, at) => update(eid(batch, at), 0, 0, 't', at)),
    );
  await until('all are there', () => live.snapshot?.length === 3_000);
  expect(live.snapshot).toEqual(await world.database.query({ type: 't' }));
  other.close();
});

test('a later version takes the database over, and an earlier one says so', async () => {
  const later = await openDB(`seabag:entdb:${world.name}`, 99);
  await expect(world.database.get(eid(1))).rejects.toMatchObject({ code: 'closed' });
  await expect(world.database.put(eid(1), { type: 't', body: 1 })).rejects.toMatchObject({ code: 'closed' });
  later.close();
  await expect(openIndexedDb(world.name)).rejects.toMatchObject({ code: 'too_new' });
});

test('a database that is deleted elsewhere answers with an error', async () => {
  await deleteIndexedDb(world.name);
  await expect(world.database.get(eid(1))).rejects.toMatchObject({ code: 'closed' });
});

test('IndexedDB answers what memory answers', async () => {
  await fc.assert(
    fc.asyncProperty(steps, async (history) => {
      const worlds = [await World.create('memory'), await World.create('indexeddb')] as const;
      const [memory, stored] = worlds;
      for (const one of worlds) for (const number of [0, 1]) await one.database.addLink(host(number));
      for (const [at, step] of history.entries())
        expect(await answer(stored, step), `step ${at}: ${step.name}`).toEqual(await answer(memory, step));
      expect(await everything(stored.database)).toEqual(await everything(memory.database));
      for (const one of worlds) await one.remove();
    }),
    { numRuns: 40 },
  );
});

test('a database of this name is only its own', async () => {
  const another = await World.create('indexeddb');
  await world.database.put(eid(1), { type: 't', body: 1 });
  expect(await another.database.get(eid(1))).toBeUndefined();
  expect(await Database.open(another.storage)).toBeInstanceOf(Database);
  await another.remove();
});
