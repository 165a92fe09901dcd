// Rows in IndexedDB. A transaction waits for nothing but its own requests, and for the last of many only: requests of one
// transaction are answered in their order. Whatever aborts one rejects the call, and then nothing of it is written.

import { deleteDB, openDB, unwrap } from 'idb';
import { DatabaseError } from '../error.ts';
import {
  type Durability,
  type Key,
  type Part,
  type Reading,
  SCHEMA,
  type Span,
  type Storage,
  TABLES,
  type Table,
  type Tables,
  type Write,
  type Written,
} from './storage.ts';

/** Counted up when {@link SCHEMA} changes; `upgrade` then brings what is there to it. */
const VERSION = 1;
/** How long another tab, which holds an older version open, may take to let go. */
const BLOCKED_MS_MAX = 10_000;

/** The name of the database in this origin, for the tools of a browser. */
function databaseName(name: string): string {
  return `seabag:entdb:${name}`;
}

/**
 * Opens the storage of this name in this origin, or creates it. `storage_unavailable` where the browser has none,
 * `too_new` if a later version wrote it, `blocked` if another tab does not let go of an earlier one.
 */
export async function openIndexedDb(name: string): Promise<Storage> {
  checkAvailable();
  let storage: IndexedDbStorage | null = null;
  const { blocked, stop } = blockedFor(BLOCKED_MS_MAX);
  const opening = openDB(databaseName(name), VERSION, {
    upgrade: (database) => upgrade(unwrap(database)),
    blocked,
    // A later version in another tab wants it: nothing is held back, and this tab is told by every call.
    blocking: () => storage?.close(),
    terminated: () => storage?.close(),
  });
  try {
    const opened = await Promise.race([opening, stop.promise]);
    storage = new IndexedDbStorage(name, unwrap(opened));
    return storage;
  } catch (error) {
    // It may still open later: then nobody wants it.
    opening.then((late) => late.close()).catch(() => undefined);
    throw openingError(error);
  } finally {
    stop.cancel();
  }
}

/** Deletes the storage of this name; `blocked` if another tab does not let go of it. */
export async function deleteIndexedDb(name: string): Promise<void> {
  checkAvailable();
  const { blocked, stop } = blockedFor(BLOCKED_MS_MAX);
  try {
    await Promise.race([deleteDB(databaseName(name), { blocked }), stop.promise]);
  } catch (error) {
    throw openingError(error);
  } finally {
    stop.cancel();
  }
}

function checkAvailable(): void {
  // Some browsers say null where site data is blocked, some throw when it is looked at.
  let factory: IDBFactory | null | undefined;
  try {
    factory = globalThis.indexedDB;
  } catch (error) {
    throw openingError(error);
  }
  if (factory === undefined || factory === null)
    throw new DatabaseError('storage_unavailable', 'there is no IndexedDB here');
}

/** A promise that fails when it has been blocked for so long. */
function blockedFor(limitMs: number) {
  let timer: ReturnType<typeof setTimeout> | undefined;
  let fail: (error: DatabaseError) => void = () => undefined;
  const promise = new Promise<never>((_, reject) => {
    fail = reject;
  });
  const blocked = () => {
    const error = new DatabaseError(
      'blocked',
      'another tab holds the database open: please close or reload it',
    );
    timer ??= setTimeout(() => fail(error), limitMs);
  };
  return { blocked, stop: { promise, cancel: () => clearTimeout(timer) } };
}

function upgrade(database: IDBDatabase): void {
  for (const table of TABLES) {
    const { key, indexes } = SCHEMA[table];
    const store = database.createObjectStore(table, { keyPath: typeof key === 'string' ? key : [...key] });
    for (const [name, path] of Object.entries(indexes)) store.createIndex(name, [...path]);
  }
}

class IndexedDbStorage implements Storage {
  readonly name: string;
  readonly #database: IDBDatabase;
  #closed = false;

  constructor(name: string, database: IDBDatabase) {
    this.name = name;
    this.#database = database;
  }

  async read<T>(work: (rows: Reading) => Promise<T>): Promise<T> {
    const transaction = this.#begin('readonly', 'relaxed');
    try {
      return await work(new IndexedDbReading(transaction));
    } catch (error) {
      throw failure(error, transaction);
    }
  }

  async write<T>(durability: Durability, work: (rows: Reading) => Promise<Written<T>>): Promise<T> {
    const transaction = this.#begin('readwrite', durability === 'synced' ? 'strict' : 'relaxed');
    const done = completion(transaction);
    try {
      const { answer, writes } = await work(new IndexedDbReading(transaction));
      for (const write of writes) perform(transaction, write);
      transaction.commit();
      await done;
      return answer;
    } catch (error) {
      abort(transaction);
      // Until it is over others would wait behind it, and nobody else would hear why it failed.
      await done.catch(() => undefined);
      throw failure(error, transaction);
    }
  }

  close(): void {
    this.#closed = true;
    this.#database.close();
  }

  #begin(mode: IDBTransactionMode, durability: IDBTransactionDurability): IDBTransaction {
    if (this.#closed) throw closed();
    try {
      return this.#database.transaction(TABLES, mode, { durability });
    } catch (error) {
      throw failure(error, null);
    }
  }
}

class IndexedDbReading implements Reading {
  readonly #transaction: IDBTransaction;

  constructor(transaction: IDBTransaction) {
    this.#transaction = transaction;
  }

  get<T extends Table>(table: T, keys: readonly Key[]): Promise<(Tables[T] | undefined)[]> {
    const store = this.#transaction.objectStore(table);
    return results(keys.map((key): IDBRequest<Tables[T] | undefined> => store.get(keyOf(key))));
  }

  async list<T extends Table>(table: T, span: Span): Promise<Tables[T][]> {
    const source = this.#source(table, span);
    const limit = span.limit ?? Number.POSITIVE_INFINITY;
    if (span.after !== undefined || (span.reverse === true && limit !== Number.POSITIVE_INFINITY))
      return walk<Tables[T]>(source, span, limit);
    const [found = []] = await results([getAll<Tables[T]>(source, span)]);
    return span.reverse === true ? found.reverse() : found;
  }

  async lists<T extends Table>(table: T, spans: readonly Span[]): Promise<Tables[T][][]> {
    const simple = spans.every((span) => span.after === undefined && span.reverse !== true);
    if (!simple) return Promise.all(spans.map((span) => this.list(table, span)));
    return results(spans.map((span) => getAll<Tables[T]>(this.#source(table, span), span)));
  }

  async keys(table: Table, spans: readonly Span[]): Promise<(readonly Part[])[][]> {
    const requests = spans.map((span) => {
      const source = this.#source(table, span);
      return span.limit === undefined
        ? source.getAllKeys(rangeOf(span))
        : source.getAllKeys(rangeOf(span), span.limit);
    });
    return (await results(requests)).map((keys) => keys.map(partsOf));
  }

  async count(table: Table, span: Span): Promise<number> {
    const [count = 0] = await results([this.#source(table, span).count(rangeOf(span))]);
    return count;
  }

  #source(table: Table, { index }: Span): IDBObjectStore | IDBIndex {
    const store = this.#transaction.objectStore(table);
    return index === undefined ? store : store.index(index);
  }
}

function getAll<Row>(source: IDBObjectStore | IDBIndex, span: Span): IDBRequest<Row[]> {
  return span.limit === undefined ? source.getAll(rangeOf(span)) : source.getAll(rangeOf(span), span.limit);
}

/** What was answered to all of these requests of one transaction. */
function results<T>(requests: readonly IDBRequest<T>[]): Promise<T[]> {
  const last = requests.at(-1);
  if (last === undefined) return Promise.resolve([]);
  return new Promise((resolve, reject) => {
    last.onsuccess = () => resolve(requests.map((request) => request.result));
    last.onerror = () => reject(last.error);
  });
}

/** The rows of a span from a place on, one after the other. */
function walk<Row>(source: IDBObjectStore | IDBIndex, span: Span, limit: number): Promise<Row[]> {
  const rows: Row[] = [];
  if (limit <= 0) return Promise.resolve(rows);
  const direction = span.reverse === true ? 'prev' : 'next';
  const request = source.openCursor(rangeOf(span), direction);
  let { after } = span;
  return new Promise((resolve, reject) => {
    request.onerror = () => reject(request.error);
    request.onsuccess = () => {
      const cursor = request.result;
      if (cursor === null) return resolve(rows);
      if (after !== undefined) {
        const distance = distanceFrom(cursor, after) * (span.reverse === true ? -1 : 1);
        if (distance < 0) return cursor.continuePrimaryKey(keyOf(after.key), keyOf(after.primary));
        after = undefined;
        if (distance === 0) return cursor.continue();
      }
      rows.push(cursor.value);
      if (rows.length >= limit) resolve(rows);
      else cursor.continue();
    };
  });
}

function distanceFrom(cursor: IDBCursor, place: { readonly key: Key; readonly primary: Key }): number {
  return (
    indexedDB.cmp(cursor.key, keyOf(place.key)) || indexedDB.cmp(cursor.primaryKey, keyOf(place.primary))
  );
}

function perform(transaction: IDBTransaction, write: Write): void {
  const store = transaction.objectStore(write.table);
  if (write.type === 'put') store.put(write.row);
  else if (write.type === 'delete') store.delete(keyOf(write.key));
  else store.delete(IDBKeyRange.bound(keyOf(write.lower.key), keyOf(write.upper.key)));
}

function keyOf(key: Key): IDBValidKey {
  return typeof key === 'object'
    ? key.map((part) => (typeof part === 'object' && !(part instanceof Date) ? [] : part))
    : key;
}

/** A key that this program made, part by part. */
function partsOf(key: IDBValidKey): Part[] {
  return (Array.isArray(key) ? key : [key]).map((part) => {
    if (typeof part === 'string' || typeof part === 'number' || part instanceof Date) return part;
    throw new DatabaseError('damaged', 'a key that is none of ours');
  });
}

function rangeOf({ lower, upper }: Span): IDBKeyRange | undefined {
  if (lower !== undefined && upper !== undefined)
    return IDBKeyRange.bound(keyOf(lower.key), keyOf(upper.key), lower.open === true, upper.open === true);
  if (lower !== undefined) return IDBKeyRange.lowerBound(keyOf(lower.key), lower.open === true);
  return upper === undefined ? undefined : IDBKeyRange.upperBound(keyOf(upper.key), upper.open === true);
}

/** Resolves when all is written, fails when nothing is. */
function completion(transaction: IDBTransaction): Promise<void> {
  return new Promise((resolve, reject) => {
    transaction.oncomplete = () => resolve();
    transaction.onabort = () => reject(transaction.error ?? new DatabaseError('storage_failed', ABORTED));
  });
}

const ABORTED = 'the browser took the transaction back';

function abort(transaction: IDBTransaction): void {
  try {
    transaction.abort();
  } catch {
    // It was over already.
  }
}

/** What failed, as an error of the database; errors of the rules stay what they are. */
function failure(error: unknown, transaction: IDBTransaction | null): unknown {
  const cause = transaction?.error ?? error;
  if (!(cause instanceof DOMException)) return cause;
  switch (cause.name) {
    case 'QuotaExceededError':
      return new DatabaseError('storage_full', 'the browser has no room left for this site', cause);
    case 'InvalidStateError':
      return closed();
    case 'DataCloneError':
      return new DatabaseError('invalid_body', 'the body cannot be stored', cause);
    default:
      return new DatabaseError('storage_failed', `${ABORTED}: ${cause.name}`, cause);
  }
}

function closed(): DatabaseError {
  return new DatabaseError(
    'closed',
    'the database is closed, or a later version took it over: please reload',
  );
}

function openingError(error: unknown): unknown {
  if (!(error instanceof DOMException)) return error;
  if (error.name === 'VersionError')
    return new DatabaseError('too_new', 'a later version wrote the database: please reload', error);
  if (error.name === 'QuotaExceededError') return failure(error, null);
  return new DatabaseError('storage_unavailable', `the browser refuses IndexedDB: ${error.name}`, error);
}
