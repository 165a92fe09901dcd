// The local database of entities: what a device keeps, asks and still has to upload. Each part of what it can do is
// beside its concept (write, merge, numbers, outbox, query, watch, ...); this file is the list of them. Nothing here
// opens a socket or runs in the background; only telling of changes by other tabs happens by itself.

import type { Eid } from '../protocol/host/eid.ts';
import type { Message, MessageHead } from '../protocol/host/message.ts';
import type { Draft, Ent, WriteOptions } from './ent.ts';
import type {
  Arrivals,
  BagSeq,
  Durable,
  Fill,
  Link,
  LinkId,
  LinkSettings,
  PrunePair,
  Received,
  Trouble,
  Unreadable,
} from './link.ts';
import type { Judgement, Outcome } from './outcome.ts';
import type { Page, Query, Selection } from './query.ts';
import type { DatabaseStatus, SetAside } from './status.ts';
import type { Storage } from './storage/storage.ts';
import type { MessagePage } from './walk.ts';
import type { Change, Live, Unsubscribe } from './watch.ts';

export type { Draft, Ent, WriteOptions } from './ent.ts';
export { DatabaseError, type DatabaseErrorCode } from './error.ts';
export type {
  Arrivals,
  Arrived,
  BagSeq,
  Cursor,
  Durable,
  Fill,
  Link,
  LinkId,
  LinkSettings,
  PrunePair,
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

const notYet = (): never => {
  throw new Error('not yet');
};

/** A database of entities. Several, in several tabs, may be open on one storage: each hears of the others' changes. */
export class Database {
  /** Opens the database on this storage. Messages that an earlier version set aside are tried again. */
  static open(_storage: Storage, _options?: DatabaseOptions): Promise<Database> {
    return notYet();
  }
  /** Ends watches and closes the storage. Calls after it fail with `closed`. */
  close(): Promise<void> {
    return notYet();
  }
  /** Whose the database is; null until somebody has claimed it. */
  owner(): Promise<string | null> {
    return notYet();
  }
  /**
   * Makes the database this owner's, unless it is somebody's already, and tells whose it is then. `owner` names a seed
   * without telling anything of it (its fingerprint).
   */
  claim(_owner: string): Promise<string> {
    return notYet();
  }

  /** Creates an entity under a new id. */
  insert(_draft: Draft): Promise<Ent> {
    return notYet();
  }
  /** Creates many in one transaction: all or none of them. */
  insertMany(_drafts: readonly Draft[]): Promise<Ent[]> {
    return notYet();
  }
  /** Writes an entity, old or new. */
  put(_eid: Eid, _draft: Draft, _options?: WriteOptions): Promise<Ent> {
    return notYet();
  }
  /** Writes many in one transaction: all or none of them. */
  putMany(_drafts: readonly (readonly [Eid, Draft])[], _options?: WriteOptions): Promise<Ent[]> {
    return notYet();
  }
  /** Writes an entity as this makes it of what is there, in one transaction. Undefined: there is none. */
  update(_eid: Eid, _change: (ent: Ent) => Draft, _options?: WriteOptions): Promise<Ent | undefined> {
    return notYet();
  }
  /** Ends an entity. Whether there was one. */
  delete(_eid: Eid, _options?: WriteOptions): Promise<boolean> {
    return notYet();
  }

  /** An entity. */
  get(_eid: Eid): Promise<Ent | undefined> {
    return notYet();
  }
  /** The entities of a query, in its order; 10,000 at most. */
  query(_query: Query): Promise<Ent[]> {
    return notYet();
  }
  /** As {@link query}, with the place where the next page begins. */
  page(_query: Query): Promise<Page> {
    return notYet();
  }
  /** How many entities a selection has. */
  count(_selection: Selection): Promise<number> {
    return notYet();
  }
  /** The types that have entities, in the order of their names, with how many each has. */
  types(): Promise<{ type: string; ents: number }[]> {
    return notYet();
  }

  /** A query whose result is kept up to date: from here, from other tabs, from hosts. For hooks. */
  live(_query: Query): Live<readonly Ent[]> {
    return notYet();
  }
  /** One entity that is kept up to date. */
  liveEnt(_eid: Eid): Live<Ent | undefined> {
    return notYet();
  }
  /** Hears the query's result now and after every change of it. */
  watch(_query: Query, _listener: (ents: readonly Ent[]) => void): Unsubscribe {
    return notYet();
  }
  /** Hears every change of entities, once a transaction. */
  onChange(_listener: (changes: readonly Change[]) => void): Unsubscribe {
    return notYet();
  }

  /** The links, oldest first. */
  links(): Promise<Link[]> {
    return notYet();
  }
  /** One link; `unknown_link` if there is none. */
  link(_id: LinkId): Promise<Link> {
    return notYet();
  }
  /**
   * One link, to sync with: from now on this `Database` writes what its numbers hold only as long as no other resets it.
   * After that every such call fails with `other_history`, until it is followed again.
   */
  follow(_id: LinkId): Promise<Link> {
    return notYet();
  }
  /** Links a host. It begins with `replay`. */
  addLink(_settings: LinkSettings): Promise<LinkId> {
    return notYet();
  }
  /** Forgets a link and what waits for it. Entities stay. */
  removeLink(_id: LinkId): Promise<void> {
    return notYet();
  }
  /** Sets how far a link has come. `upload` makes {@link fill} begin anew. */
  setStage(_id: LinkId, _stage: Fill): Promise<void> {
    return notYet();
  }
  /** Says why a link is stuck; null: it is not. */
  setTrouble(_id: LinkId, _trouble: Trouble | null): Promise<void> {
    return notYet();
  }
  /** What to do about bags whose heads are known, in their order. */
  judge(_heads: readonly MessageHead[]): Promise<Judgement[]> {
    return notYet();
  }
  /** Merges what a link brought, notes which number holds what, and moves the cursor: one transaction. */
  receive(_id: LinkId, _arrivals: Arrivals): Promise<Received> {
    return notYet();
  }
  /**
   * The host has stored these messages under these numbers. For each, whether it is settled: it waits no more. One that
   * is not has a number that is known for something else, and goes on waiting.
   */
  pushed(_id: LinkId, _stored: readonly (readonly [MessageHead, BagSeq])[]): Promise<boolean[]> {
    return notYet();
  }
  /** Bags that a link's host may let go of. */
  prunable(_id: LinkId, _max: number): Promise<PrunePair[]> {
    return notYet();
  }
  /** These bags are settled: the host let them go, or says that it never will. */
  pruned(_id: LinkId, _bags: readonly BagSeq[]): Promise<void> {
    return notYet();
  }
  /** The host does not hold these numbers, though it said so: their messages wait again. */
  lost(_id: LinkId, _bags: readonly BagSeq[]): Promise<void> {
    return notYet();
  }
  /** The numbers behind this one that are believed to hold messages, ascending, `max` at most. */
  heldAfter(_id: LinkId, _after: BagSeq, _max: number): Promise<BagSeq[]> {
    return notYet();
  }
  /**
   * Everything behind this number is about to be read again, perhaps at a host that went back to a backup: what was
   * thought to be superseded, damaged or unreadable there is forgotten. What is left is {@link heldAfter}.
   */
  doubt(_id: LinkId, _after: BagSeq, _max: number): Promise<BagSeq[]> {
    return notYet();
  }
  /**
   * The host's history is another one, of this epoch: what its numbers held is forgotten, the cursor is before its first
   * bag, and the link begins with `replay`. What waits goes on waiting.
   */
  reset(_id: LinkId, _epoch: Uint8Array): Promise<void> {
    return notYet();
  }
  /** The bags of a link that could not be opened, `max` at most. */
  unreadable(_id: LinkId, _max: number): Promise<Unreadable[]> {
    return notYet();
  }
  /**
   * What waits for a link, oldest first: `itemsMax` messages at most, and `bytesMax` of bodies unless the first is
   * larger by itself. They go on waiting until {@link pushed}.
   */
  outbox(_id: LinkId, _itemsMax: number, _bytesMax: number): Promise<Message[]> {
    return notYet();
  }
  /** How many messages wait for a link. */
  waiting(_id: LinkId): Promise<number> {
    return notYet();
  }
  /** The host did not take these for now: they go to the end, so that others get their turn. */
  postpone(_id: LinkId, _heads: readonly MessageHead[]): Promise<void> {
    return notYet();
  }
  /**
   * Looks at the next `max` messages here and lets those wait that no number at this link holds. Whether there are more
   * to look at. It goes on where it was until {@link setStage} makes it begin anew.
   */
  fill(_id: LinkId, _max: number): Promise<boolean> {
    return notYet();
  }

  /** Merges messages from a file, one transaction; a thousand at most is a good number. What is new waits for every link. */
  merge(_messages: readonly Message[]): Promise<Outcome[]> {
    return notYet();
  }
  /** All messages, page by page: entities' states and ends, and what is set aside. `after`: a page's `next`. */
  messages(_after: string | null, _limit: number): Promise<MessagePage> {
    return notYet();
  }
  /** The messages that this version cannot read, by entity; the first thousand. */
  setAside(): Promise<SetAside[]> {
    return notYet();
  }
  /** What the database has, and how its links are. */
  status(): Promise<DatabaseStatus> {
    return notYet();
  }
  /** Which links' hosts have an entity's state, or its end. Empty for an entity that was never here. */
  durableAt(_eid: Eid): Promise<Durable[]> {
    return notYet();
  }
}
