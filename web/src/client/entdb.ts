// What users see: a private database of entities on this device, and the hosts that it syncs with. It puts database,
// seed, tabs and engine together, and has no rule of its own.

import type { Seed } from '../crypto/seed.ts';
import type { Change, Durable, LinkId, Selection } from '../entdb/database.ts';
import type { Draft, Ent, Query } from '../entdb/database.ts';
import type { Eid } from '../protocol/host/eid.ts';
import type { Exported, ImportOutcome } from './archive.ts';
import type { SyncStatus } from './status.ts';

/** Ends what it was returned for. */
export type Unsubscribe = () => void;

/** How a database is opened. */
export interface OpenOptions {
  /** Names the database in this origin. `seabag` unless there is a reason; one name belongs to one seed. */
  name?: string;
  /** The secret that seals everything that leaves this device. */
  seed: Seed;
  /** Where entities are kept: `indexeddb` where there is one, else `memory`, which is gone with the page. */
  storage?: 'indexeddb' | 'memory';
  /** A constructor of WebSockets, where there is none built in: Node 20. */
  webSocket?: WebSocketConstructor;
  /** In place of the built-in `fetch`. */
  fetch?: typeof fetch;
  /** Whether the browser asks before it closes a tab with writes that are on their way. True unless set. */
  guardClosing?: boolean;
  /** The longest wait before a host that lost something is filled, milliseconds; 30,000 unless set. */
  fillWaitMsMax?: number;
}

/** As the built-in one. */
export type WebSocketConstructor = new (url: string) => WebSocket;

/** How a host is linked. */
export interface LinkOptions {
  /** Names the account: the same on every device. `main` unless set. 1 to 256 bytes; the host does not learn it. */
  label?: string;
  /** For several accounts under one label. 0 unless set. */
  index?: number;
  /** What the host asks of a registration, if it is guarded. It is kept on this device. */
  token?: string;
}

/** A link, as it is stored. */
export interface LinkInfo {
  readonly id: LinkId;
  /** The host's origin. */
  readonly url: string;
  readonly label: string;
  readonly index: number;
}

/** What `update` changes: parts that are not there stay as they are; `null` takes parent or group away. */
export interface Patch {
  type?: string;
  body?: unknown;
  parent?: Eid | null;
  group?: string | null;
}

/** Opens a database, and begins to sync if it has links. Fails with `other_seed` if it belongs to another seed. */
export async function openEntDB(_options: OpenOptions): Promise<EntDB> {
  throw new Error('not yet');
}

/** A database of entities that syncs. Everything that is written is saved on this device first; hosts come later. */
export interface EntDB {
  /** The fingerprint of its seed, by which people can tell seeds apart. */
  readonly fingerprint: string;

  /** Writes a new entity. */
  insert(draft: Draft): Promise<Ent>;
  /** Writes an entity as a whole, whether it is there or not. */
  put(eid: Eid, draft: Draft): Promise<Ent>;
  /** Changes an entity that is there; type, parent and group stay unless given. Undefined: there is none. */
  update(eid: Eid, patch: Patch): Promise<Ent | undefined>;
  /** Deletes an entity. Whether it was there. */
  delete(eid: Eid): Promise<boolean>;
  /** Writes many new entities, all or none of them. */
  insertMany(drafts: readonly Draft[]): Promise<Ent[]>;
  get(eid: Eid): Promise<Ent | undefined>;
  query(query: Query): Promise<Ent[]>;
  count(selection: Selection): Promise<number>;
  /** Hears the query's result now and after every change of it, from here, other tabs and hosts. */
  watch(query: Query, listener: (ents: readonly Ent[]) => void): Unsubscribe;
  /** Hears every change of entities. */
  onChange(listener: (changes: readonly Change[]) => void): Unsubscribe;
  /** Which hosts have an entity's state, or its end. */
  durableAt(eid: Eid): Promise<Durable[]>;

  /** Links a host and begins to sync with it. The same again is the same link. Fails with the code of a wrong address. */
  link(url: string, options?: LinkOptions): Promise<LinkId>;
  /** Forgets a host. Entities stay, here and there. */
  unlink(id: LinkId): Promise<void>;
  links(): Promise<LinkInfo[]>;
  /** Tries every host now. Resolves when each is in sync or stuck, with all that was written before. */
  sync(): Promise<void>;
  /** Looks at every bag of a host, and mends what is damaged there. Resolves when the session has begun with it. */
  audit(id: LinkId): Promise<void>;
  /** Removes the account from its host with all that it holds, and the link. Entities here stay. */
  deleteAccount(id: LinkId): Promise<void>;
  /** How it stands; the same object until something changes. */
  readonly status: SyncStatus;
  onStatus(listener: (status: SyncStatus) => void): Unsubscribe;

  /** Everything in one file, sealed with the seed. The listener hears how many messages were written. */
  exportFile(onProgress?: (messages: number) => void): Promise<Exported>;
  /** Takes a file in; what is newer here stays. The listener hears bytes of its index: dealt with, and all. */
  importFile(file: Blob, onProgress?: (done: number, all: number) => void): Promise<ImportOutcome>;
  /** Asks the browser never to evict the database by itself. Whether it agreed. */
  persist(): Promise<boolean>;
  /** Ends syncing in this tab and closes the database. What waits is saved. */
  close(): Promise<void>;
  /** Closes it and deletes everything that is on this device. Hosts keep what they have. */
  wipe(): Promise<void>;
}
