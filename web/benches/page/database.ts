// What the local database costs: merging what comes, writing, asking, watching. On IndexedDB and in memory, beside bare
// IndexedDB with the same tables.

import { Database, type Query } from '../../src/entdb/database.ts';
import { encodeEnvelope } from '../../src/entdb/envelope.ts';
import { openIndexedDb } from '../../src/entdb/storage/indexeddb.ts';
import { memoryStorage } from '../../src/entdb/storage/memory.ts';
import { type Message, makeHead } from '../../src/protocol/host/message.ts';
import { EPOCH_BYTES } from '../../src/protocol/host/record.ts';
import {
  answered,
  BATCH,
  draftOf,
  eidOf,
  GROUP_ENTS,
  groupOf,
  openBare,
  openOurs,
  PARENT_ENTS,
  putRows,
  START_MS,
  STEP_MS,
  TYPE,
} from './ents.ts';

/** Where a database is kept. */
export type Kept = 'indexeddb' | 'memory';

const LINK = { label: 'main', url: 'https://host.example.org', index: 0 };
const OTHERS_SALT = 2;

function open(kept: Kept, name: string): Promise<Database> {
  return kept === 'memory'
    ? Database.open(memoryStorage())
    : openIndexedDb(name).then((storage) => Database.open(storage));
}

/** Messages as another device wrote them: the first of each entity, or a later one. */
function messagesOf(from: number, count: number, version: number, bodyBytes: number, salt = 0): Message[] {
  return Array.from({ length: count }, (_, index) => {
    const { type, parent, group, body } = draftOf(from + index, bodyBytes);
    const raw = encodeEnvelope(type, parent, group, version === 0 ? body : `${version} ${body}`);
    return { head: makeHead(eidOf(from + index, salt), version * STEP_MS, version, raw), body: raw };
  });
}

async function inBatches(count: number, work: (from: number, count: number) => Promise<void>): Promise<void> {
  for (let from = 0; from < count; from += BATCH) await work(from, Math.min(BATCH, count - from));
}

/** Milliseconds that this took. */
async function timed(work: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await work();
  return performance.now() - start;
}

/**
 * Merges so many new messages that a link brought, then one update of each, then as many from a file, {@link BATCH} a
 * transaction; milliseconds. The database stays, for questions.
 */
export async function applyAll(kept: Kept, name: string, count: number, bodyBytes: number) {
  const database = await open(kept, name);
  const link = await database.addLink(LINK);
  const epoch = new Uint8Array(EPOCH_BYTES);
  let seq = 0;
  const receive = async (version: number): Promise<number> => {
    let ms = 0;
    await inBatches(count, async (from, size) => {
      const messages = messagesOf(from, size, version, bodyBytes);
      const bags = messages.map((message) => {
        seq += 1;
        return [seq, { type: 'whole', message }] as const;
      });
      ms += await timed(() => database.receive(link, { bags, cursor: { epoch, seq } }));
    });
    return ms;
  };
  const newMs = await receive(0);
  const updatesMs = await receive(1);
  await database.setStage(link, 'done');
  let mergeMs = 0;
  await inBatches(count, async (from, size) => {
    const messages = messagesOf(from, size, 0, bodyBytes, OTHERS_SALT);
    mergeMs += await timed(() => database.merge(messages));
  });
  database.close();
  return { newMs, updatesMs, mergeMs };
}

/** The same rows as {@link applyAll} writes for new messages, put into a bare store. */
export async function applyBare(name: string, count: number) {
  const source = await openOurs(name);
  const store = () => source.transaction('entities').objectStore('entities');
  const bare = await openBare('bare apply');
  let entsMs = 0;
  await inBatches(count, async (from, size) => {
    const eids = Array.from({ length: size }, (_, index) => eidOf(from + index));
    const reading = store();
    const rows = await Promise.all(eids.map((eid) => answered<unknown>(reading.get(eid))));
    entsMs += await timed(() => putRows(bare, [['entities', rows]], 'relaxed'));
  });
  source.close();
  bare.close();
  indexedDB.deleteDatabase('bare apply');
  return { entsMs };
}

/** Local writes, one after another, each synced; milliseconds of each. Then many in one transaction. */
export async function writeOnes(kept: Kept, count: number, linked: boolean, bodyBytes: number) {
  const name = `ones ${linked}`;
  const database = await open(kept, name);
  if (linked) await database.addLink(LINK);
  const inserts: number[] = [];
  const updates: number[] = [];
  const eids: string[] = [];
  for (let at = 0; at < count; at += 1) {
    const draft = draftOf(at, bodyBytes);
    inserts.push(await timed(async () => eids.push((await database.insert(draft)).eid)));
  }
  for (const [at, eid] of eids.entries()) {
    const draft = draftOf(at + 1, bodyBytes);
    updates.push(await timed(() => database.put(eid, draft)));
  }
  const drafts = Array.from({ length: count }, (_, at) => draftOf(at, bodyBytes));
  // All of them are asked for at once: storage puts them in order.
  const beside = await timed(() => Promise.all(drafts.map((draft) => database.insert(draft))));
  const many = await timed(() => database.insertMany(drafts));
  database.close();
  indexedDB.deleteDatabase(`seabag:entdb:${name}`);
  return { inserts, updates, beside, many };
}

/** The reference of {@link writeOnes}: one row a transaction, synced. */
export async function writeOnesBare(count: number, bodyBytes: number) {
  const bare = await openBare('bare ones');
  const rows = Array.from({ length: count }, (_, at) => {
    const { type, parent, group, body } = draftOf(at, bodyBytes);
    const upd = new Date(START_MS + at);
    return { bod: body, crd: upd, eid: eidOf(at), gid: group, pid: parent, typ: type, upd };
  });
  const ones: number[] = [];
  for (const row of rows) ones.push(await timed(() => putRows(bare, [['entities', [row]]], 'strict')));
  const many = await timed(() => putRows(bare, [['entities', rows]], 'strict'));
  bare.close();
  indexedDB.deleteDatabase('bare ones');
  return { ones, many };
}

const PAGE = 100;

/** Questions at a database that {@link applyAll} left, at random places: milliseconds of each, and what was found. */
export async function askAll(name: string, count: number, rounds: number) {
  const database = await open('indexeddb', name);
  const at = () => Math.floor(Math.random() * count);
  const time = () => START_MS + at() * STEP_MS;
  const queries: Record<string, () => Query> = {
    'by type, in order of creation': () => ({ type: TYPE, limit: PAGE }),
    'created from a time on': () => ({ type: TYPE, created: { from: time() }, limit: PAGE }),
    'created before a time, latest first': () => ({
      type: TYPE,
      created: { to: time() },
      reverse: true,
      limit: PAGE,
    }),
    'updated from a time on': () => ({ type: TYPE, updated: { from: time() }, limit: PAGE }),
    [`by parent (${PARENT_ENTS} or ${2 * PARENT_ENTS} found)`]: () => ({
      type: TYPE,
      parent: eidOf(Math.floor(at() / PARENT_ENTS), 1),
      limit: PAGE,
    }),
    'by group, in order of ids': () => ({ type: TYPE, group: groupOf(at()), order: 'id', limit: PAGE }),
    'by group, in order of creation': () => ({ type: TYPE, group: groupOf(at()), limit: PAGE }),
    'by group, latest update first': () => ({
      type: TYPE,
      group: groupOf(at()),
      order: 'updated',
      reverse: true,
      limit: PAGE,
    }),
  };
  const asked: [string, number[], number][] = [];
  const ask = async (what: string, work: () => Promise<number>) => {
    const times: number[] = [];
    let found = 0;
    for (let round = 0; round < rounds; round += 1)
      times.push(
        await timed(async () => {
          found = await work();
        }),
      );
    asked.push([what, times, found]);
  };
  await ask('by id', async () => ((await database.get(eidOf(at()))) === undefined ? 0 : 1));
  for (const [what, query] of Object.entries(queries)) {
    await ask(what, async () => (await database.query(query())).length);
  }
  await ask('the second page', async () => {
    const { next } = await database.page({ type: TYPE, limit: PAGE });
    return next === null ? 0 : (await database.query({ type: TYPE, limit: PAGE, after: next })).length;
  });
  await ask('count of a type', () => database.count({ type: TYPE }));
  await ask('count of a group', () => database.count({ type: TYPE, group: groupOf(at()) }));
  database.close();
  const bare = await openOurs(name);
  const index = (which: string) => bare.transaction('entities').objectStore('entities').index(which);
  const from = (which: string, low: unknown[], high: unknown[]) =>
    answered(index(which).getAll(IDBKeyRange.bound(low, high), PAGE)).then((rows) => rows.length);
  const bareOf: Record<string, () => Promise<number>> = {
    'by id': () =>
      answered(bare.transaction('entities').objectStore('entities').get(eidOf(at()))).then(() => 1),
    'created from a time on': () => from('created', [TYPE, new Date(time())], [TYPE, []]),
    'by group, in order of ids': () => {
      const group = groupOf(at());
      return from('group', [TYPE, group], [TYPE, group, []]);
    },
    'count of a type': () => answered(index('created').count(IDBKeyRange.bound([TYPE], [TYPE, []]))),
  };
  for (const [what, work] of Object.entries(bareOf)) await ask(`bare: ${what}`, work);
  bare.close();
  return asked;
}

/** Changes of one entity while watchers of so many hundred entities each listen; milliseconds until all have heard. */
export async function watchOne(kept: Kept, watchers: number, heard: boolean, changes: number) {
  const name = 'watched';
  const database = await open(kept, name);
  const drafts = Array.from({ length: GROUP_ENTS }, (_, at) => draftOf(at, PAGE));
  const ents = await database.insertMany(drafts);
  const group = heard ? groupOf(0) : 'another';
  let told = 0;
  const ends = Array.from({ length: watchers }, () =>
    database.watch({ type: TYPE, group, limit: PAGE }, () => {
      told += 1;
    }),
  );
  // Each is told of its first answer.
  while (told < watchers) await new Promise((resolve) => setTimeout(resolve, 1));
  const first = await database.query({ type: TYPE, group: groupOf(0), limit: PAGE });
  const times: number[] = [];
  for (let change = 0; change < changes; change += 1) {
    const { eid } = first[change % PAGE] ?? { eid: ents[0]?.eid ?? '' };
    const draft = { ...draftOf(change % GROUP_ENTS, PAGE), group: groupOf(0) };
    const before = told;
    times.push(await timed(() => database.put(eid, draft)));
    if (heard && told !== before + watchers) throw new Error('a watcher did not hear of it');
  }
  for (const end of ends) end();
  database.close();
  indexedDB.deleteDatabase(`seabag:entdb:${name}`);
  return times;
}
