// What users see: a private database of entities on this device, and the hosts that it syncs with. It puts database,
// seed, tabs and engine together, and has no rule of its own.

import {
  type Change,
  Database,
  DatabaseError,
  type Draft,
  type Durable,
  type Ent,
  LABEL_BYTES_MAX,
  type LinkId,
  type LinkSettings,
  type Live,
  type Page,
  type Query,
  type Selection,
  type Unsubscribe,
} from '../entdb/database.ts';
import { deleteIndexedDb, openIndexedDb } from '../entdb/storage/indexeddb.ts';
import { memoryStorage } from '../entdb/storage/memory.ts';
import { SeabagError } from '../protocol/error.ts';
import type { Eid } from '../protocol/host/eid.ts';
import type { Exported, ImportOutcome } from './archive.ts';
import { HostAddress } from './host/address.ts';
import {
  LABEL_DEFAULT,
  type LinkInfo,
  type LinkOptions,
  NAME_DEFAULT,
  type OpenOptions,
  type Patch,
} from './options.ts';
import { ClosingGuard, isOffline, onReturn, onTakenBack } from './page.ts';
import { type SyncStatus, statusOf } from './status.ts';
import { StatusBoard } from './status_board.ts';
import { Syncing } from './syncing.ts';
import { Tokens } from './tokens.ts';

export type { WebSocketConstructor } from './host/notice_socket.ts';
export {
  LABEL_DEFAULT,
  type LinkInfo,
  type LinkOptions,
  NAME_DEFAULT,
  type OpenOptions,
  type Patch,
} from './options.ts';

/** How long a stuck link still keeps a page from closing unasked, milliseconds: waiting would help nobody after that. */
const GUARD_STUCK_MS = 60_000;

/**
 * Opens a database, and begins to sync if it has links. Fails with `other_seed` if it belongs to another seed, and as
 * storage does (`storage_unavailable`, `blocked`, `too_new`, ...).
 */
export function openEntDB(options: OpenOptions): Promise<EntDB> {
  return EntDB.open(options);
}

/** A database of entities that syncs. Everything that is written is saved on this device first; hosts come later. */
export class EntDB {
  /** The fingerprint of its seed, by which people can tell seeds apart. */
  readonly fingerprint: string;
  readonly #database: Database;
  readonly #options: OpenOptions;
  /** Of IndexedDB; null: in memory. */
  readonly #name: string | null;
  readonly #tokens: Tokens;
  readonly #guard = new ClosingGuard();
  readonly #board: StatusBoard;
  readonly #syncing: Syncing;
  readonly #ends: Unsubscribe[] = [];
  #closing: Promise<void> | undefined;

  private constructor(database: Database, options: OpenOptions, name: string | null, fingerprint: string) {
    this.#database = database;
    this.#options = options;
    this.#name = name;
    this.fingerprint = fingerprint;
    this.#tokens = new Tokens(name);
    const nothing = { ents: 0, tombstones: 0, setAside: 0, links: [] };
    this.#board = new StatusBoard(() => this.#readStatus(), statusOf('alone', nothing, new Map()));
    this.#syncing = new Syncing({
      database,
      name,
      options,
      tokens: this.#tokens,
      status: () => this.status,
      changed: () => this.#board.changed(),
      wiped: () => void this.close(),
    });
  }

  /** As {@link openEntDB}. */
  static async open(options: OpenOptions): Promise<EntDB> {
    const kept = options.storage ?? (typeof indexedDB === 'undefined' ? 'memory' : 'indexeddb');
    const name = kept === 'memory' ? null : (options.name ?? NAME_DEFAULT);
    const storage = name === null ? memoryStorage() : await openIndexedDb(name);
    const { now } = options;
    try {
      const database = await Database.open(storage, now === undefined ? {} : { now });
      const fingerprint = await options.seed.fingerprint();
      if ((await database.claim(fingerprint)) !== fingerprint)
        throw new SeabagError('other_seed', 'this database belongs to another seed');
      const entdb = new EntDB(database, options, name, fingerprint);
      await entdb.#start();
      if (entdb.#closing !== undefined)
        throw new SeabagError('closed', 'the database was closed while it was being opened');
      return entdb;
    } catch (error) {
      // Held open by nobody, it would be in the way of other tabs.
      storage.close();
      throw error;
    }
  }

  async #start(): Promise<void> {
    await this.#syncing.start();
    this.#ends.push(onReturn(() => this.#syncing.online()));
    this.#ends.push(onTakenBack(() => this.#takenBack()));
    await this.#board.refresh();
  }

  // Entities.

  /** Writes a new entity. */
  async insert(draft: Draft): Promise<Ent> {
    return this.#wrote(await this.#database.insert(draft));
  }

  /** Writes many new entities, all or none of them. */
  async insertMany(drafts: readonly Draft[]): Promise<Ent[]> {
    return this.#wrote(await this.#database.insertMany(drafts));
  }

  /** Writes an entity as a whole, whether it is there or not. */
  async put(eid: Eid, draft: Draft): Promise<Ent> {
    return this.#wrote(await this.#database.put(eid, draft));
  }

  /** Changes an entity that is there; type, body, parent and group stay unless given. Undefined: there is none. */
  async update(eid: Eid, patch: Patch): Promise<Ent | undefined> {
    return this.#wrote(await this.#database.update(eid, (ent) => patched(ent, patch)));
  }

  /** Deletes an entity. Whether it was there. */
  async delete(eid: Eid): Promise<boolean> {
    return this.#wrote(await this.#database.delete(eid));
  }

  /** An entity; undefined if there is none. */
  get(eid: Eid): Promise<Ent | undefined> {
    return this.#database.get(eid);
  }

  /** The entities of a query, in its order. */
  query(query: Query): Promise<Ent[]> {
    return this.#database.query(query);
  }

  /** As {@link query}, with the place where the next page begins. */
  page(query: Query): Promise<Page> {
    return this.#database.page(query);
  }

  /** How many entities a selection has. */
  count(selection: Selection): Promise<number> {
    return this.#database.count(selection);
  }

  /** The types that have entities, and how many. */
  types(): Promise<{ type: string; ents: number }[]> {
    return this.#database.types();
  }

  /** Hears the query's result now and after every change of it, from here, other tabs and hosts. */
  watch(query: Query, listener: (ents: readonly Ent[]) => void): Unsubscribe {
    return this.#database.watch(query, listener);
  }

  /** A query whose result is kept up to date: for hooks. */
  live(query: Query): Live<readonly Ent[]> {
    return this.#database.live(query);
  }

  /** One entity that is kept up to date: for hooks. */
  liveEnt(eid: Eid): Live<Ent | undefined> {
    return this.#database.liveEnt(eid);
  }

  /** Hears every change of entities. */
  onChange(listener: (changes: readonly Change[]) => void): Unsubscribe {
    return this.#database.onChange(listener);
  }

  /** Which hosts have an entity's state, or its end. */
  durableAt(eid: Eid): Promise<Durable[]> {
    return this.#database.durableAt(eid);
  }

  // Hosts.

  /**
   * Links a host and begins to sync with it. The same again is the same link. Fails for a wrong address (`no_url`,
   * `scheme`, `credentials`, `not_root`), a label that none may have (`invalid_label`), or one that another link has
   * (`label_in_use`): a second host needs a label of its own.
   */
  async link(url: string, options: LinkOptions = {}): Promise<LinkId> {
    const { origin } = HostAddress.parse(url);
    const { label = LABEL_DEFAULT, index = 0, token } = options;
    const bytes = new TextEncoder().encode(label).length;
    if (bytes === 0 || bytes > LABEL_BYTES_MAX) {
      throw new SeabagError('invalid_label', `a label has 1 to ${LABEL_BYTES_MAX} bytes`);
    }
    if (token !== undefined) this.#tokens.set(origin, token);
    const id = await this.#addLink({ label, url: origin, index });
    await this.#linksChanged();
    return id;
  }

  async #addLink(settings: LinkSettings): Promise<LinkId> {
    const known = (await this.#database.links()).find((link) => link.settings.label === settings.label);
    if (known === undefined) {
      try {
        return await this.#database.addLink(settings);
      } catch (error) {
        // Another tab did the same at the same moment.
        if (error instanceof DatabaseError && error.code === 'already_linked')
          return await this.#addLink(settings);
        throw error;
      }
    }
    if (known.settings.url === settings.url && known.settings.index === settings.index) return known.id;
    throw new SeabagError('label_in_use', 'another host is linked under this label already');
  }

  /** Forgets a host. Entities stay, here and there, and so does the account. */
  async unlink(id: LinkId): Promise<void> {
    await this.#database.removeLink(id);
    await this.#linksChanged();
  }

  /** The links, oldest first. */
  async links(): Promise<LinkInfo[]> {
    const links = await this.#database.links();
    return links.map(({ id, settings }) => ({ id, ...settings }));
  }

  /** Tries every host now. Resolves when each is in sync or stuck, with all that was written before. */
  async sync(): Promise<void> {
    await this.#syncing.do({ type: 'sync' });
    await this.#board.refresh();
  }

  /** Looks at every bag of a host, and mends what is damaged there: {@link sync} after it waits for the end. */
  audit(id: LinkId): Promise<void> {
    return this.#syncing.do({ type: 'audit', link: id });
  }

  /** Removes the account from its host with all that it holds, and the link. Entities here stay. */
  async deleteAccount(id: LinkId): Promise<void> {
    await this.#syncing.do({ type: 'delete_account', link: id });
    await this.#board.refresh();
  }

  /** How it stands; the same object until something changes. */
  get status(): SyncStatus {
    return this.#board.current;
  }

  /** Hears how it stands, whenever that changes. */
  onStatus(listener: (status: SyncStatus) => void): Unsubscribe {
    return this.#board.subscribe(listener);
  }

  // The whole of it.

  /** Everything in one file, sealed with the seed. The listener hears how many messages were written so far. */
  async exportFile(onProgress?: (messages: number) => void): Promise<Exported> {
    // Loaded when it is needed: most pages never do.
    const { exportAll } = await import('./archive.ts');
    return await exportAll(this.#database, this.#options.seed, onProgress);
  }

  /** Takes a file in; what is newer here stays. The listener hears bytes of its index: dealt with, and all. */
  async importFile(file: Blob, onProgress?: (done: number, all: number) => void): Promise<ImportOutcome> {
    const { importAll } = await import('./archive.ts');
    try {
      return await importAll(this.#database, this.#options.seed, file, onProgress);
    } finally {
      // A part of it may be in.
      this.#wrote(undefined);
    }
  }

  /** Asks the browser never to evict the database by itself. Whether it agreed; false in memory. */
  async persist(): Promise<boolean> {
    const storage = typeof navigator === 'undefined' ? undefined : navigator.storage;
    return this.#name !== null && storage?.persist !== undefined ? await storage.persist() : false;
  }

  /** Ends syncing in this tab and closes the database. What waits is saved. */
  close(): Promise<void> {
    this.#closing ??= this.#end();
    return this.#closing;
  }

  /** Closes it, in other tabs too, and deletes everything that is on this device. Hosts keep what they have. */
  async wipe(): Promise<void> {
    this.#syncing.wipe();
    this.#tokens.clear();
    await this.close();
    if (this.#name !== null) await deleteIndexedDb(this.#name);
  }

  async #end(): Promise<void> {
    for (const end of this.#ends.splice(0)) end();
    this.#guard.close();
    this.#board.close();
    await this.#syncing.stop();
    await this.#database.close();
    this.#syncing.leave();
  }

  /** Something was written: hosts and other tabs are told. Gives back what it is given. */
  #wrote<T>(result: T): T {
    this.#syncing.wrote();
    this.#board.changed();
    return result;
  }

  async #linksChanged(): Promise<void> {
    await this.#syncing.linksChanged();
    await this.#board.refresh();
  }

  /** The page could not hear for a while. */
  #takenBack(): void {
    this.#syncing.takenBack();
    this.#board.changed();
  }

  // How it stands.

  async #readStatus(): Promise<SyncStatus> {
    const database = await this.#database.status().catch((error: unknown) => this.#failed(error));
    const { role, activity } = this.#syncing;
    const status = statusOf(role, database, activity);
    this.#guard.set(this.#options.guardClosing !== false && this.#isOnItsWay(status));
    return status;
  }

  /** A database that a later version took over is of no use here: another tab has to be able to sync. */
  #failed(error: unknown): never {
    if (error instanceof Error && 'code' in error && error.code === 'closed') void this.close();
    throw error;
  }

  /** Whether closing the page now would keep something from the hosts that is about to reach them. */
  #isOnItsWay(status: SyncStatus): boolean {
    const now = this.#options.now?.() ?? Date.now();
    const moves = ({ phase, stuck }: SyncStatus['links'][number]) =>
      phase !== 'ended' && (stuck === undefined || now - (stuck.sinceMs ?? 0) < GUARD_STUCK_MS);
    return !isOffline() && status.links.some((link) => link.waiting > 0 && moves(link));
  }
}

function patched(ent: Ent, patch: Patch): Draft {
  const { type = ent.type, parent = ent.parent, group = ent.group } = patch;
  const body = patch.body === undefined ? ent.body : patch.body;
  return { type, body, parent: parent ?? undefined, group: group ?? undefined };
}
