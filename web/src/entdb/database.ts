// The local database of entities: what a device keeps, asks and still has to upload. Each part of what it can do is
// beside its concept (write, merge, numbers, outbox, query, watch, ...); this file is the list of them. Nothing here
// opens a socket or runs in the background; only telling of changes by other tabs happens by itself.

import type { BagSeq } from '../protocol/host/bag.ts';
import { type Eid, newEid } from '../protocol/host/eid.ts';
import type { Cursor } from '../protocol/host/epoch.ts';
import type { Message, MessageHead } from '../protocol/host/message.ts';
import type { PrunePair } from '../protocol/host/prune.ts';
import { Elsewhere } from './elsewhere.ts';
import type { Draft, Ent, WriteOptions } from './ent.ts';
import { CURRENT_READER, type EnvelopeReader } from './envelope.ts';
import { DatabaseError } from './error.ts';
import {
  type Arrivals,
  addLink,
  checkLabel,
  type Durable,
  type Fill,
  type Link,
  type LinkId,
  type LinkSettings,
  linkOf,
  type Received,
  type Trouble,
  type Unreadable,
} from './link.ts';
import { apply, checkHead, checkMessage, judge } from './merge.ts';
import * as numbers from './numbers.ts';
import { fill, outbox, postpone, waiting } from './outbox.ts';
import type { Judgement, Outcome } from './outcome.ts';
import { checkQuery, count, type Page, page, type Query, type Selection, types } from './query.ts';
import { lastReader, setAside, tryAgain } from './set_aside.ts';
import { type DatabaseStatus, durableAt, type SetAside, status } from './status.ts';
import type { Durability, Key, Reading, Storage } from './storage/storage.ts';
import { type Context, Transaction } from './transaction.ts';
import { type MessagePage, messages } from './walk.ts';
import { type Change, Hub, type Live, LiveEnt, LiveQuery, type Unsubscribe } from './watch.ts';
import { entOf } from './winner.ts';
import { type Content, checkEid, contentOf, endEnt, writeEnt, writeNew } from './write.ts';

export type { BagSeq } from '../protocol/host/bag.ts';
export type { Cursor } from '../protocol/host/epoch.ts';
export type { PrunePair } from '../protocol/host/prune.ts';
export type { Draft, Ent, WriteOptions } from './ent.ts';
export { DatabaseError, type DatabaseErrorCode } from './error.ts';
export type {
  Arrivals,
  Arrived,
  Durable,
  Fill,
  Link,
  LinkId,
  LinkSettings,
  Received,
  Trouble,
  Unreadable,
} from './link.ts';
export { LABEL_BYTES_MAX, RECEIVE_MAX } from './link.ts';
export type { Judgement, Outcome } from './outcome.ts';
export type { Page, Query, Selection, TimeRange } from './query.ts';
export type { DatabaseStatus, LinkStatus, SetAside } from './status.ts';
export type { MessagePage } from './walk.ts';
export type { Change, Live, Unsubscribe } from './watch.ts';

/** What a database is given from outside. */
export interface DatabaseOptions {
  /** Milliseconds since 1970; `Date.now` unless set. */
  now?: () => number;
  /** So many random bytes; `crypto.getRandomValues` unless set. */
  random?: (length: number) => Uint8Array;
}

/** What a link brought, looked at. */
export interface CheckedArrivals {
  /** The bags. */
  readonly checked: readonly numbers.CheckedBag[];
  /** As of {@link Arrivals}. */
  readonly cursor: Cursor | null;
}

/** Random bytes of a new id. */
const RANDOM_BYTES = 8;

/** A database of entities. Several, in several tabs, may be open on one storage: each hears of the others' changes. */
export class Database {
  readonly #storage: Storage;
  readonly #now: () => number;
  readonly #random: (length: number) => Uint8Array;
  readonly #hub = new Hub();
  readonly #elsewhere: Elsewhere | null;
  readonly #reader: EnvelopeReader;
  /** Which history of each link's host this one knows of, of those that it follows. */
  readonly #histories = new Map<LinkId, number>();
  /** Transactions that write and are under way. */
  readonly #writing = new Set<Promise<unknown>>();

  private constructor(storage: Storage, options: DatabaseOptions, reader: EnvelopeReader) {
    this.#storage = storage;
    this.#now = options.now ?? Date.now;
    this.#random = options.random ?? ((length) => crypto.getRandomValues(new Uint8Array(length)));
    this.#reader = reader;
    const get = (eids: readonly Eid[]) => this.#getMany(eids);
    this.#elsewhere = storage.name === null ? null : new Elsewhere(storage.name, this.#hub, get);
  }

  /**
   * Opens the database on this storage. Messages that an earlier version set aside are tried again; only tests give
   * another reader.
   */
  static async open(
    storage: Storage,
    options: DatabaseOptions = {},
    reader: EnvelopeReader = CURRENT_READER,
  ): Promise<Database> {
    const database = new Database(storage, options, reader);
    const last = await storage.read(lastReader);
    if (last >= reader.version) return database;
    let after: Key | null = null;
    do {
      const from: Key | null = after;
      after = await database.#transact('written', (transaction) => tryAgain(transaction, from));
    } while (after !== null);
    return database;
  }

  /**
   * Ends watches and closes the storage at once: calls after it fail with `closed`. Resolves when what was being written
   * is over, and other tabs were told of it.
   */
  async close(): Promise<void> {
    this.#hub.close();
    this.#elsewhere?.deafen();
    this.#storage.close();
    await Promise.allSettled(this.#writing);
    this.#elsewhere?.close();
  }

  /** Whose the database is; null until somebody has claimed it. */
  owner(): Promise<string | null> {
    return this.#storage.read(ownerOf);
  }

  /**
   * Makes the database this owner's, unless it is somebody's already, and tells whose it is then. `owner` names a seed
   * without telling anything of it (its fingerprint): two people's entities in one database would be uploaded to both of
   * their accounts.
   */
  async claim(owner: string): Promise<string> {
    return this.#transact('synced', async (transaction) => {
      const found = await ownerOf(transaction.rows);
      if (found === null) transaction.setMeta({ name: 'owner', value: owner });
      return found ?? owner;
    });
  }

  /** Creates an entity under a new id. */
  async insert(draft: Draft): Promise<Ent> {
    const [ent] = await this.insertMany([draft]);
    return present(ent);
  }
  /** Creates many in one transaction: all or none of them. */
  async insertMany(drafts: readonly Draft[]): Promise<Ent[]> {
    const nowMs = this.#now();
    const news = drafts.map((draft) => [this.#newEid(nowMs), contentOf(draft, this.#reader)] as const);
    return this.#transact('synced', async (transaction) => {
      await transaction.load(news.map(([eid]) => eid));
      return news.map(([eid, content]) => writeNew(transaction, eid, nowMs, content));
    });
  }
  /** Writes an entity, old or new. */
  async put(eid: Eid, draft: Draft, options: WriteOptions = {}): Promise<Ent> {
    const [ent] = await this.putMany([[eid, draft]], options);
    return present(ent);
  }
  /** Writes many in one transaction: all or none of them. */
  async putMany(drafts: readonly (readonly [Eid, Draft])[], options: WriteOptions = {}): Promise<Ent[]> {
    const nowMs = this.#now();
    const contents = drafts.map(([eid, draft]): [Eid, Content] => {
      checkEid(eid);
      return [eid, contentOf(draft, this.#reader)];
    });
    return this.#transact('synced', async (transaction) => {
      await transaction.load(contents.map(([eid]) => eid));
      return contents.map(([eid, content]) => writeEnt(transaction, eid, nowMs, content, options));
    });
  }
  /** Writes an entity as this makes it of what is there, in one transaction. Undefined: there is none. */
  async update(eid: Eid, change: (ent: Ent) => Draft, options: WriteOptions = {}): Promise<Ent | undefined> {
    checkEid(eid);
    return this.#transact('synced', async (transaction) => {
      await transaction.load([eid]);
      const { winner } = transaction.dossier(eid);
      if (winner?.type !== 'ent') return undefined;
      const content = contentOf(change(entOf(winner.row)), this.#reader);
      return writeEnt(transaction, eid, this.#now(), content, options);
    });
  }
  /** Ends an entity. Whether there was one. */
  async delete(eid: Eid, options: WriteOptions = {}): Promise<boolean> {
    checkEid(eid);
    return this.#transact('synced', async (transaction) => {
      await transaction.load([eid]);
      return endEnt(transaction, eid, this.#now(), options);
    });
  }

  /** An entity. */
  async get(eid: Eid): Promise<Ent | undefined> {
    const [ent] = await this.#getMany([eid]);
    return ent;
  }
  /** The entities of a query, in its order; 10,000 at most. */
  async query(query: Query): Promise<Ent[]> {
    return (await this.page(query)).ents;
  }
  /** As {@link query}, with the place where the next page begins. */
  async page(query: Query): Promise<Page> {
    const checked = checkQuery(query);
    return this.#storage.read((rows) => page(rows, checked));
  }
  /** How many entities a selection has. */
  count(selection: Selection): Promise<number> {
    return this.#storage.read((rows) => count(rows, selection));
  }
  /** The types that have entities, in the order of their names, with how many each has. */
  types(): Promise<{ type: string; ents: number }[]> {
    return this.#storage.read(types);
  }

  /** A query whose result is kept up to date: from here, from other tabs, from hosts. For hooks. */
  live(query: Query): Live<readonly Ent[]> {
    const checked = checkQuery(query);
    const ask = async () => (await this.#storage.read((rows) => page(rows, checked))).ents;
    return new LiveQuery(this.#hub, ask, checked);
  }
  /** One entity that is kept up to date. */
  liveEnt(eid: Eid): Live<Ent | undefined> {
    return new LiveEnt(this.#hub, () => this.get(eid), eid);
  }
  /** Hears the query's result now and after every change of it; `failed` hears why it cannot be asked. */
  watch(
    query: Query,
    listener: (ents: readonly Ent[]) => void,
    failed?: (error: unknown) => void,
  ): Unsubscribe {
    const live = this.live(query);
    let told: readonly Ent[] | undefined;
    return live.subscribe(() => {
      if (live.error !== undefined) failed?.(live.error);
      if (live.snapshot === undefined || live.snapshot === told) return;
      told = live.snapshot;
      listener(told);
    });
  }
  /** Makes everything that is watched be asked again: for a page that could not hear of changes for a while. */
  reload(): void {
    this.#hub.reload();
  }
  /** Hears every change of entities, once a transaction. */
  onChange(listener: (changes: readonly Change[]) => void): Unsubscribe {
    return this.#hub.onChange(listener);
  }

  /** The links, oldest first. */
  async links(): Promise<Link[]> {
    return (await this.#storage.read((rows) => rows.list('links', {}))).map(linkOf);
  }
  /** One link; `unknown_link` if there is none. */
  async link(id: LinkId): Promise<Link> {
    return linkOf(await this.#linkRow(id));
  }
  /**
   * One link, to sync with: from now on this `Database` writes what its numbers hold only as long as no other resets it.
   * After that every such call fails with `other_history`, until it is followed again.
   */
  async follow(id: LinkId): Promise<Link> {
    const row = await this.#linkRow(id);
    this.#histories.set(id, row.history);
    return linkOf(row);
  }
  /** Links a host. It begins with `replay`. */
  async addLink(settings: LinkSettings): Promise<LinkId> {
    checkLabel(settings.label);
    return this.#transact('synced', (transaction) => addLink(transaction, settings));
  }
  /** Forgets a link and what waits for it. Entities stay. */
  async removeLink(id: LinkId): Promise<void> {
    await this.#transact('synced', async (transaction) => transaction.removeLink(id));
  }
  /** Sets how far a link has come. `upload` makes {@link fill} begin anew. */
  async setStage(id: LinkId, stage: Fill): Promise<void> {
    await this.#transact('written', async (transaction) => {
      transaction.current(id);
      transaction.updateLink(id, { stage, filled: null });
    });
  }
  /** Says why a link is stuck; null: it is not. */
  async setTrouble(id: LinkId, trouble: Trouble | null): Promise<void> {
    await this.#transact('written', async (transaction) => transaction.updateLink(id, { trouble }));
  }
  /** What to do about bags whose heads are known, in their order. */
  judge(heads: readonly MessageHead[]): Promise<Judgement[]> {
    return this.#look(async (transaction) => {
      await transaction.loadMessages(heads.flatMap((head) => (checkHead(head) === null ? [head.eid] : [])));
      return heads.map((head) => checkHead(head) ?? judge(transaction.dossier(head.eid), head));
    });
  }
  /** Looks at what a link brought, before {@link receive}: that takes a while, and needs nothing of what is here. */
  check({ bags, cursor = null }: Arrivals): CheckedArrivals {
    return { checked: numbers.checkBags(bags, this.#reader), cursor };
  }
  /** Merges what a link brought, notes which number holds what, and moves the cursor: one transaction. */
  async receive(id: LinkId, arrivals: Arrivals | CheckedArrivals): Promise<Received> {
    const { checked: bags, cursor } = 'checked' in arrivals ? arrivals : this.check(arrivals);
    return this.#transact('written', (transaction) => numbers.receive(transaction, id, bags, cursor));
  }
  /**
   * The host has stored these messages under these numbers. For each, whether it is settled: it waits no more. One that
   * is not has a number that is known for something else, and goes on waiting.
   */
  pushed(id: LinkId, stored: readonly (readonly [MessageHead, BagSeq])[]): Promise<boolean[]> {
    return this.#transact('written', (transaction) => numbers.pushed(transaction, id, stored));
  }
  /** Bags that a link's host may let go of. */
  prunable(id: LinkId, max: number): Promise<PrunePair[]> {
    return this.#storage.read((rows) => numbers.prunable(rows, id, max));
  }
  /** These bags are settled: the host let them go, or says that it never will. */
  pruned(id: LinkId, bags: readonly BagSeq[]): Promise<void> {
    return this.#transact('written', (transaction) => numbers.pruned(transaction, id, bags));
  }
  /** The host does not hold these numbers, though it said so: their messages wait again. */
  lost(id: LinkId, bags: readonly BagSeq[]): Promise<void> {
    return this.#transact('written', (transaction) => numbers.lost(transaction, id, bags));
  }
  /** The numbers behind this one that are believed to hold messages, ascending, `max` at most. */
  heldAfter(id: LinkId, after: BagSeq, max: number): Promise<BagSeq[]> {
    return this.#storage.read((rows) => numbers.heldAfter(rows, id, after, max));
  }
  /**
   * Everything behind this number is about to be read again, perhaps at a host that went back to a backup: what was
   * thought to be superseded, damaged or unreadable there is forgotten. What is left is {@link heldAfter}.
   */
  doubt(id: LinkId, after: BagSeq, max: number): Promise<BagSeq[]> {
    return this.#transact('written', (transaction) => numbers.doubt(transaction, id, after, max));
  }
  /**
   * The host's history is another one, of this epoch: what its numbers held is forgotten, the cursor is before its first
   * bag, and the link begins with `replay`. What waits goes on waiting.
   */
  async reset(id: LinkId, epoch: Uint8Array): Promise<void> {
    const reset = async (transaction: Transaction) => numbers.reset(transaction, id, epoch);
    const history = await this.#transact('written', reset);
    // Who did not follow it goes on not doing so.
    if (this.#histories.has(id)) this.#histories.set(id, history);
  }
  /** The bags of a link that could not be opened, `max` at most. */
  unreadable(id: LinkId, max: number): Promise<Unreadable[]> {
    return this.#storage.read((rows) => numbers.unreadable(rows, id, max));
  }
  /**
   * What waits for a link, oldest first: `itemsMax` messages at most, and `bytesMax` of bodies unless the first is
   * larger by itself. They go on waiting until {@link pushed}.
   */
  outbox(id: LinkId, itemsMax: number, bytesMax: number): Promise<Message[]> {
    return this.#storage.read((rows) => outbox(rows, id, itemsMax, bytesMax));
  }
  /** How many messages wait for a link. */
  waiting(id: LinkId): Promise<number> {
    return this.#storage.read((rows) => waiting(rows, id));
  }
  /** The host did not take these for now: they go to the end, so that others get their turn. */
  postpone(id: LinkId, heads: readonly MessageHead[]): Promise<void> {
    return this.#transact('written', (transaction) => postpone(transaction, id, heads));
  }
  /**
   * Looks at the next `max` messages here and lets those wait that no number at this link holds. Whether there are more
   * to look at. It goes on where it was until {@link setStage} makes it begin anew.
   */
  fill(id: LinkId, max: number): Promise<boolean> {
    return this.#transact('written', (transaction) => fill(transaction, id, max));
  }

  /** Merges messages from a file, one transaction; a thousand at most is a good number. What is new waits for every link. */
  async merge(messages: readonly Message[]): Promise<Outcome[]> {
    const checked = messages.map((message) => checkMessage(message, this.#reader));
    return this.#transact('synced', async (transaction) => {
      await transaction.load(
        checked.flatMap((message) => (message.type === 'message' ? [message.head.eid] : [])),
      );
      return checked.map((message) => apply(transaction, message, 'here'));
    });
  }
  /** All messages, page by page: entities' states and ends, and what is set aside. `after`: a page's `next`. */
  messages(after: string | null, limit: number): Promise<MessagePage> {
    return this.#storage.read((rows) => messages(rows, after, limit));
  }
  /** The messages that this version cannot read, by entity; the first thousand. */
  setAside(): Promise<SetAside[]> {
    return this.#storage.read(setAside);
  }
  /** What the database has, and how its links are. */
  status(): Promise<DatabaseStatus> {
    return this.#storage.read(status);
  }
  /** Which links' hosts have an entity's state, or its end. Empty for an entity that was never here. */
  durableAt(eid: Eid): Promise<Durable[]> {
    return this.#storage.read((rows) => durableAt(rows, eid));
  }

  #newEid(nowMs: number): Eid {
    if (!Number.isSafeInteger(nowMs) || nowMs < 0)
      throw new DatabaseError('out_of_range', 'the time is past the range of messages');
    return newEid(this.#random(RANDOM_BYTES), nowMs);
  }

  async #getMany(eids: readonly Eid[]): Promise<(Ent | undefined)[]> {
    const rows = await this.#storage.read((reading) => reading.get('entities', eids));
    return rows.map((row) => row && entOf(row));
  }

  async #linkRow(id: LinkId) {
    const [row] = await this.#storage.read((rows) => rows.get('links', [id]));
    if (row === undefined) throw new DatabaseError('unknown_link', `there is no link ${id}`);
    return row;
  }

  get #context(): Context {
    return { reader: this.#reader, histories: this.#histories };
  }

  /** Looks at what is here by the rules, without writing. */
  #look<T>(work: (transaction: Transaction) => Promise<T>): Promise<T> {
    return this.#storage.read(async (rows) => work(await Transaction.begin(rows, this.#context)));
  }

  /** Does this in one transaction: all of it, or nothing. Watchers hear of it after the commit. */
  async #transact<T>(durability: Durability, work: (transaction: Transaction) => Promise<T>): Promise<T> {
    const writing = this.#write(durability, work);
    this.#writing.add(writing);
    try {
      return await writing;
    } finally {
      this.#writing.delete(writing);
    }
  }

  async #write<T>(durability: Durability, work: (transaction: Transaction) => Promise<T>): Promise<T> {
    const done = await this.#storage.write(durability, async (rows) => {
      const transaction = await Transaction.begin(rows, this.#context);
      const answer = await work(transaction);
      return { answer: { answer, changes: transaction.changes() }, writes: transaction.writes() };
    });
    this.#elsewhere?.tell(done.changes);
    this.#hub.publish(done.changes);
    return done.answer;
  }
}

async function ownerOf(rows: Reading): Promise<string | null> {
  const [row] = await rows.get('meta', ['owner']);
  return row === undefined ? null : String(row.value);
}

function present(ent: Ent | undefined): Ent {
  if (ent === undefined) throw new DatabaseError('damaged', 'what was written is not there');
  return ent;
}
