// Rows in memory: a database that ends with its page. Transactions come one after the other, and what one writes is
// there at once when it ends, so that there is nothing to take back.

import { DatabaseError } from '../error.ts';
import { compareParts, type Parts, SortedKeys } from './sorted.ts';
import {
  type Bound,
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

/** An empty storage in memory. */
export function memoryStorage(): Storage {
  return new MemoryStorage();
}

class MemoryStorage implements Storage, Reading {
  readonly name = null;
  readonly #tables = new Map<Table, MemoryTable>(TABLES.map((table) => [table, new MemoryTable(table)]));
  /** The end of the last transaction that was asked for. */
  #last: Promise<unknown> = Promise.resolve();
  #closed = false;

  read<T>(work: (rows: Reading) => Promise<T>): Promise<T> {
    return this.#queue(() => work(this));
  }

  write<T>(_durability: Durability, work: (rows: Reading) => Promise<Written<T>>): Promise<T> {
    return this.#queue(async () => {
      const { answer, writes } = await work(this);
      // Copied before the first is written: what cannot be copied leaves nothing half written.
      const copies = writes.map((write) => structuredClone(write));
      for (const write of copies) this.#table(write.table).write(write);
      return answer;
    });
  }

  close(): void {
    this.#closed = true;
  }

  async get<T extends Table>(table: T, keys: readonly Key[]): Promise<(Tables[T] | undefined)[]> {
    return keys.map((key) => this.#row(table, idOf(partsOf(key))));
  }

  async list<T extends Table>(table: T, span: Span): Promise<Tables[T][]> {
    const found: Tables[T][] = [];
    const limit = span.limit ?? Number.POSITIVE_INFINITY;
    for (const key of this.#table(table).keys(span)) {
      if (found.length >= limit) break;
      const row = this.#row(table, key);
      if (row !== undefined) found.push(row);
    }
    return found;
  }

  lists<T extends Table>(table: T, spans: readonly Span[]): Promise<Tables[T][][]> {
    return Promise.all(spans.map((span) => this.list(table, span)));
  }

  async keys(table: Table, spans: readonly Span[]): Promise<(readonly Part[])[][]> {
    return spans.map((span) => {
      const found: Part[][] = [];
      for (const id of this.#table(table).keys(span)) {
        if (found.length >= (span.limit ?? Number.POSITIVE_INFINITY)) break;
        found.push(JSON.parse(id));
      }
      return found;
    });
  }

  async count(table: Table, span: Span): Promise<number> {
    let count = 0;
    for (const _ of this.#table(table).keys(span)) count += 1;
    return count;
  }

  #queue<T>(work: () => Promise<T>): Promise<T> {
    if (this.#closed) return Promise.reject(new DatabaseError('closed', 'the database is closed'));
    const done = this.#last.then(work);
    this.#last = done.catch(() => undefined);
    return done;
  }

  #table(table: Table): MemoryTable {
    const found = this.#tables.get(table);
    if (found === undefined) throw new DatabaseError('damaged', 'there is no such table');
    return found;
  }

  /** A copy: nobody can change what is stored but through a transaction. */
  #row<T extends Table>(table: T, id: string): Tables[T] | undefined {
    // The tables hold what `put` gave them, and its type says so of each table.
    return structuredClone(this.#table(table).rows.get(id)) as Tables[T] | undefined;
  }
}

/** One table with its indexes. A row is found by the text of its key. */
class MemoryTable {
  readonly rows = new Map<string, object>();
  readonly #path: readonly string[];
  readonly #order = new SortedKeys();
  readonly #indexes: Map<string, { path: readonly string[]; order: SortedKeys }>;

  constructor(table: Table) {
    const { key, indexes } = SCHEMA[table];
    this.#path = typeof key === 'string' ? [key] : key;
    const paths = Object.entries(indexes);
    this.#indexes = new Map(paths.map(([name, path]) => [name, { path, order: new SortedKeys() }]));
  }

  write(write: Write): void {
    if (write.type === 'put') this.#put(write.row);
    else if (write.type === 'delete') this.#delete(partsOf(write.key));
    else
      for (const id of [...this.keys({ lower: write.lower, upper: write.upper })])
        this.#delete(JSON.parse(id));
  }

  /** The texts of the keys of a span's rows, in its order. */
  *keys(span: Span): Generator<string> {
    const index = span.index === undefined ? undefined : this.#indexes.get(span.index);
    const order = index?.order ?? this.#order;
    const skip = index?.path.length ?? 0;
    const reverse = span.reverse === true;
    const after = span.after && [...partsOf(span.after.key), ...partsOf(span.after.primary)];
    const first = reverse ? upperEdge(span.upper) : lowerEdge(span.lower);
    for (const key of reverse
      ? order.before(nearer(first, after, -1))
      : order.from(nearer(first, after, 1))) {
      if (after !== undefined && compareParts(key, after) === 0) continue;
      if (reverse ? !isAbove(key, span.lower) : !isBelow(key, span.upper)) return;
      yield idOf(key.slice(skip));
    }
  }

  #put(row: object): void {
    const key = partsAt(row, this.#path);
    if (key === null) throw new DatabaseError('damaged', 'a row without its key');
    this.#delete(key);
    this.rows.set(idOf(key), row);
    this.#order.add(key);
    for (const { path, order } of this.#indexes.values()) {
      const parts = partsAt(row, path);
      if (parts !== null) order.add([...parts, ...key]);
    }
  }

  #delete(key: Parts): void {
    const id = idOf(key);
    const row = this.rows.get(id);
    if (row === undefined) return;
    this.rows.delete(id);
    this.#order.remove(key);
    for (const { path, order } of this.#indexes.values()) {
      const parts = partsAt(row, path);
      if (parts !== null) order.remove([...parts, ...key]);
    }
  }
}

function partsOf(key: Key): Parts {
  return typeof key === 'object' ? key.map(plain) : [key];
}

// Dates stand where only dates stand: as numbers they have the same order.
function plain(part: Part): Part {
  return part instanceof Date ? part.getTime() : part;
}

function idOf(parts: Parts): string {
  return JSON.stringify(parts);
}

/** What a row has at these attributes; null if it has not all of them. */
function partsAt(row: object, path: readonly string[]): Part[] | null {
  const values = new Map<string, unknown>(Object.entries(row));
  const parts: Part[] = [];
  for (const name of path) {
    const value = values.get(name);
    if (typeof value !== 'string' && typeof value !== 'number' && !(value instanceof Date)) return null;
    parts.push(plain(value));
  }
  return parts;
}

/** Where rows begin: an open bound leaves out all that begin with its key, as index keys are followed by others. */
function lowerEdge(bound: Bound | undefined): Parts | null {
  if (bound === undefined) return null;
  const parts = partsOf(bound.key);
  return bound.open === true ? [...parts, []] : parts;
}

function upperEdge(bound: Bound | undefined): Parts | null {
  if (bound === undefined) return null;
  const parts = partsOf(bound.key);
  return bound.open === true ? parts : [...parts, []];
}

/** The one of both that leaves less, in this direction. */
function nearer(edge: Parts | null, after: Parts | undefined, direction: 1 | -1): Parts | null {
  if (after === undefined) return edge;
  return edge !== null && direction * compareParts(edge, after) > 0 ? edge : after;
}

function isAbove(key: Parts, bound: Bound | undefined): boolean {
  const edge = lowerEdge(bound);
  return edge === null || compareParts(key, edge) >= 0;
}

function isBelow(key: Parts, bound: Bound | undefined): boolean {
  const edge = upperEdge(bound);
  return edge === null || compareParts(key, edge) < 0;
}
