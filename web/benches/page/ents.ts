// The entities that measurements are about, and their rows put into bare IndexedDB: what no database above it can beat.

import type { Draft } from '../../src/entdb/database.ts';
import { SCHEMA, TABLES, type Table } from '../../src/entdb/storage/storage.ts';
import { type Eid, makeEid } from '../../src/protocol/host/eid.ts';

/** Entities of one group. */
export const GROUP_ENTS = 1_000;
/** Entities of one parent. */
export const PARENT_ENTS = 10;
/** The type of all of them. */
export const TYPE = 'note';
/** Rows of one transaction. */
export const BATCH = 1_000;
/** When the first of them was created; the next ones a second later each. */
export const START_MS = Date.UTC(2026, 0, 1);
/** Between one and the next. */
export const STEP_MS = 1_000;

const SEED_OF_TEXTS = 0x9e3779b9;

/** One that has all four indexes, with a text of so many bytes. */
export function draftOf(at: number, bodyBytes: number): Draft {
  return {
    type: TYPE,
    body: textOf(at, bodyBytes),
    group: groupOf(at),
    parent: eidOf(Math.floor(at / PARENT_ENTS), 1),
  };
}

/** The group of one of them. */
export function groupOf(at: number): string {
  return `group ${Math.floor(at / GROUP_ENTS)}`;
}

/** The id of one of them; of another family with another salt. Ids are in no order, as random ones. */
export function eidOf(at: number, salt = 0): Eid {
  const id = new Uint8Array(8);
  const view = new DataView(id.buffer);
  view.setUint32(0, Math.imul(at + 1, SEED_OF_TEXTS));
  view.setUint32(4, at ^ (salt << 28));
  return makeEid(id, START_MS + at * STEP_MS);
}

const LETTERS = 'abcdefghijklmnopqrstuvwxyz ABCDEFGHIJKLMNOPQRSTUVWXYZ.0123456789';

/** A text of so many bytes that compresses badly. */
export function textOf(at: number, bytes: number): string {
  let state = Math.imul(at + 1, SEED_OF_TEXTS) | 1;
  let text = '';
  while (text.length < bytes) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    text += LETTERS[(state >>> 8) & 63];
  }
  return text;
}

/** An IndexedDB database with the tables of ours and nothing above it. */
export function openBare(name: string): Promise<IDBDatabase> {
  return new Promise((resolve, reject) => {
    const request = indexedDB.open(name, 1);
    request.onupgradeneeded = () => {
      if (request.result.objectStoreNames.length > 0) return;
      for (const table of TABLES) {
        const { key, indexes } = SCHEMA[table];
        const keyPath = typeof key === 'string' ? key : [...key];
        const store = request.result.createObjectStore(table, { keyPath });
        for (const [index, path] of Object.entries(indexes)) store.createIndex(index, [...path]);
      }
    };
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

/** The database of ours with this name, without what is above it. */
export function openOurs(name: string): Promise<IDBDatabase> {
  return openBare(`seabag:entdb:${name}`);
}

/** Puts rows, in one transaction. */
export function putRows(
  database: IDBDatabase,
  rows: readonly (readonly [Table, readonly unknown[]])[],
  durability: IDBTransactionDurability,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const transaction = database.transaction(TABLES, 'readwrite', { durability });
    transaction.oncomplete = () => resolve();
    transaction.onabort = () => reject(transaction.error);
    for (const [table, list] of rows) {
      const store = transaction.objectStore(table);
      for (const row of list) store.put(row);
    }
    transaction.commit();
  });
}

/** The answer to a request. */
export function answered<T>(request: IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

/** Copies tables row by row, {@link BATCH} a transaction: milliseconds that the puts took, and how many there were. */
export async function copyTables(from: string, to: string, tables: readonly Table[]) {
  const source = await openOurs(from);
  const target = await openBare(to);
  let ms = 0;
  let puts = 0;
  for (let more = true, after: Partial<Record<Table, IDBValidKey>> = {}; more; ) {
    const batch: [Table, unknown[]][] = [];
    const next: Partial<Record<Table, IDBValidKey>> = {};
    more = false;
    for (const table of tables) {
      const store = source.transaction(table).objectStore(table);
      const key = after[table];
      const range = key === undefined ? undefined : IDBKeyRange.lowerBound(key, true);
      const [rows, keys] = await Promise.all([
        answered<unknown[]>(store.getAll(range, BATCH)),
        answered(store.getAllKeys(range, BATCH)),
      ]);
      const last = keys.at(-1) ?? key;
      if (last !== undefined) next[table] = last;
      more ||= rows.length > 0;
      puts += rows.length;
      batch.push([table, rows]);
    }
    after = next;
    const start = performance.now();
    if (more) await putRows(target, batch, 'relaxed');
    ms += performance.now() - start;
  }
  source.close();
  target.close();
  indexedDB.deleteDatabase(to);
  return { ms, puts };
}
