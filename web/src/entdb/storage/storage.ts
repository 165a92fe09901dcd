// What the database needs of a storage: rows in, rows out, in transactions. Every rule is above it. A transaction reads
// first and hands over all that it writes at its end: so whoever reads sees what was before, and what is written is
// written as a whole.

import type { BagRow, EntRow, LinkRow, LogRow, MetaRow, OutboxRow, TombstoneRow } from './rows.ts';

/** The tables and their rows. */
export interface Tables {
  entities: EntRow;
  tombstones: TombstoneRow;
  log: LogRow;
  links: LinkRow;
  bags: BagRow;
  outbox: OutboxRow;
  meta: MetaRow;
}

/** The name of a table. */
export type Table = keyof Tables;

/** The names of the attributes that a key is made of, as IndexedDB has key paths. */
type KeyPath = string | readonly string[];

/**
 * Everything that is on disk, the names included: what an earlier version stored under them must be found. An index
 * holds the rows that have all of its attributes. Those of the entities are the four of the seed document.
 */
export const SCHEMA: Readonly<
  Record<Table, { key: KeyPath; indexes: Readonly<Record<string, readonly string[]>> }>
> = {
  entities: {
    key: 'eid',
    indexes: {
      created: ['typ', 'crd'],
      updated: ['typ', 'upd'],
      parent: ['typ', 'pid'],
      group: ['typ', 'gid'],
    },
  },
  tombstones: { key: 'eid', indexes: {} },
  log: { key: ['eid', 'off', 'ctr', 'hash'], indexes: {} },
  links: { key: 'id', indexes: {} },
  bags: {
    key: ['link', 'seq'],
    indexes: { held: ['link', 'held', 'which'], idle: ['link', 'idle'], closed: ['link', 'closed'] },
  },
  outbox: { key: ['link', 'position'], indexes: { message: ['link', 'eid', 'which'] } },
  meta: { key: 'name', indexes: {} },
};

/** The names of the tables. */
export const TABLES: readonly Table[] = ['entities', 'tombstones', 'log', 'links', 'bags', 'outbox', 'meta'];

/** A part of a key. Numbers come before dates, those before texts, those before {@link LAST}. */
export type Part = number | Date | string | readonly [];

/** Behind every other part. */
export const LAST: readonly [] = [];

/** A key, or the beginning of one: that comes before all that begin so. */
export type Key = string | number | readonly Part[];

/** An end of a span. */
export interface Bound {
  readonly key: Key;
  /** Whether the key itself is not in it. */
  readonly open?: boolean;
}

/** Some rows of a table, in the order of its key or of one of its indexes (there, among equals, of its key). */
export interface Span {
  /** The index; the table's key unless set. */
  readonly index?: string | undefined;
  readonly lower?: Bound | undefined;
  readonly upper?: Bound | undefined;
  /** From the greatest on. */
  readonly reverse?: boolean | undefined;
  /** How many at most. */
  readonly limit?: number | undefined;
  /** Only those behind this place of an index, in the direction of the span; whether a row is there or not. */
  readonly after?: { readonly key: Key; readonly primary: Key } | undefined;
}

/** The rows that begin so, in an index. */
export function prefix(index: string | undefined, parts: readonly Part[]): Span {
  return { index, lower: { key: parts }, upper: { key: [...parts, LAST] } };
}

/** What a transaction can ask. The rows are copies. */
export interface Reading {
  /** The rows of these keys, in their order. */
  get<T extends Table>(table: T, keys: readonly Key[]): Promise<(Tables[T] | undefined)[]>;
  /** The rows of a span, in its order. */
  list<T extends Table>(table: T, span: Span): Promise<Tables[T][]>;
  /** The rows of several spans. */
  lists<T extends Table>(table: T, spans: readonly Span[]): Promise<Tables[T][][]>;
  /**
   * The keys of the rows of several spans, in their order, without the rows, which would have to be copied; each as a list
   * of its parts, a key of one part too. Of spans without `after` and `reverse`.
   */
  keys(table: Table, spans: readonly Span[]): Promise<(readonly Part[])[][]>;
  /** How many rows a span has; its limit is not looked at. */
  count(table: Table, span: Span): Promise<number>;
}

/** One row that is written, in its table's place for it; or rows that are deleted. */
export type Write =
  | { [T in Table]: { readonly type: 'put'; readonly table: T; readonly row: Tables[T] } }[Table]
  | { readonly type: 'delete'; readonly table: Table; readonly key: Key }
  | { readonly type: 'clear'; readonly table: Table; readonly lower: Bound; readonly upper: Bound };

/**
 * What a commit promises. `synced`: it outlasts a power cut when it returns, for what exists nowhere else. `written`: it
 * outlasts the page; a power cut may take the last ones back, in order: for what a host can tell again.
 */
export type Durability = 'synced' | 'written';

/** What a transaction came to. */
export interface Written<T> {
  readonly answer: T;
  /** In their order. */
  readonly writes: readonly Write[];
}

/** Rows of one database. What fails fails with a `DatabaseError`, or with what `work` threw; then nothing is written. */
export interface Storage {
  /** The name that tabs tell each other changes under; null: nobody else can have it open. */
  readonly name: string | null;
  /** Reads as of one moment. `work` may wait for nothing but the rows. */
  read<T>(work: (rows: Reading) => Promise<T>): Promise<T>;
  /** Reads, then writes, with nobody writing between. `work` may wait for nothing but the rows. */
  write<T>(durability: Durability, work: (rows: Reading) => Promise<Written<T>>): Promise<T>;
  /** Ends it; every call after that fails with `closed`. */
  close(): void;
}
