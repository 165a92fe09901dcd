// What users see: a private database of entities on this device, and the hosts that it syncs with. It puts database,
// seed, tabs and engine together, and has no rule of its own.

import type { Seed } from '../crypto/seed.ts';
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
import { Commands } from './commands.ts';
import { Engine } from './engine.ts';
import { HostAddress } from './host/address.ts';
import type { WebSocketConstructor } from './host/notice_socket.ts';
import { ClosingGuard, isOffline, onReturn, onTakenBack } from './page.ts';
import { type LinkActivity, type SyncStatus, statusOf } from './status.ts';
import { StatusBoard } from './status_board.ts';
import { type Command, type TabMessage, Tabs } from './tabs.ts';
import { Tokens } from './tokens.ts';

export type { WebSocketConstructor };

/** Where a database is kept unless it is named. */
export const NAME_DEFAULT = 'seabag';
/** The label of an account unless there is another: the command line's too. */
export const LABEL_DEFAULT = 'main';
/** How long after a write the tab that syncs is woken, milliseconds: a little more than writes wait for others. */
const WAKE_AFTER_MS = 150;
/** The longest time between two such reminders. */
const WAKE_EVERY_MS_MAX = 10_000;
/** How long a stuck link still keeps a page from closing unasked, milliseconds: waiting would help nobody after that. */
const GUARD_STUCK_MS = 60_000;

/** How a database is opened. */
export interface OpenOptions {
  /** Names the database in this origin. `seabag` unless there is a reason; one name belongs to one seed. */
  name?: string;
  /** The secret that seals everything that leaves this device. */
  seed: Seed;
  /** Where entities are kept. Unless set: `indexeddb` where there is one, else `memory`, which is gone with the page. */
  storage?: 'indexeddb' | 'memory';
  /** A constructor of WebSockets, where there is none built in: Node 20. Without one, hosts are asked once a minute. */
  webSocket?: WebSocketConstructor;
  /** In place of the built-in `fetch`. */
  fetch?: typeof fetch;
  /** Whether the browser asks before it closes a page with writes that are on their way. True unless set. */
  guardClosing?: boolean;
  /** The longest wait before a host that lost something is filled, milliseconds; 30,000 unless set. */
  fillWaitMsMax?: number;
  /** Milliseconds since 1970, for tests; `Date.now` unless set. */
  now?: () => number;
}

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

/** What `update` changes: parts that are absent or undefined stay; `null` takes parent or group away, and is a body. */
export interface Patch {
  type?: string | undefined;
  body?: unknown;
  parent?: Eid | null | undefined;
  group?: string | null | undefined;
}

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
  readonly #commands = new Commands((message) => this.#tabs?.post(message));
  readonly #guard = new ClosingGuard();
  readonly #board: StatusBoard;
  readonly #ends: Unsubscribe[] = [];
  #tabs: Tabs | undefined;
  /** Only in the tab that syncs. */
  #engine: Engine | undefined;
  /** What the tab that syncs told of its sessions; in that tab itself the engine knows. */
  #told: ReadonlyMap<LinkId, LinkActivity> = new Map();
  /** Whether the other tabs have not heard yet what the sessions did last. */
  #untold = false;
  /** Until the tab that syncs is woken. */
  #wake: ReturnType<typeof setTimeout> | undefined;
  #closing: Promise<void> | undefined;

  private constructor(database: Database, options: OpenOptions, name: string | null, fingerprint: string) {
    this.#database = database;
    this.#options = options;
    this.#name = name;
    this.fingerprint = fingerprint;
    this.#tokens = new Tokens(name);
    const nothing = { ents: 0, tombstones: 0, setAside: 0, links: [] };
    this.#board = new StatusBoard(() => this.#readStatus(), statusOf('alone', nothing, new Map()));
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
      return entdb;
    } catch (error) {
      // Held open by nobody, it would be in the way of other tabs.
      storage.close();
      throw error;
    }
  }

  async #start(): Promise<void> {
    this.#tabs = await Tabs.open(this.#name, {
      hear: (message) => this.#hear(message),
      lead: () => this.#lead(),
      follow: () => this.#follow(),
    });
    this.#ends.push(onReturn(() => this.#engine?.online()));
    this.#ends.push(onTakenBack(() => this.#takenBack()));
    if (this.#engine === undefined) this.#tabs.greet();
    else this.#tabs.post({ type: 'leading' });
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
    await this.#do({ type: 'sync' });
    await this.#board.refresh();
  }

  /** Looks at every bag of a host, and mends what is damaged there: {@link sync} after it waits for the end. */
  audit(id: LinkId): Promise<void> {
    return this.#do({ type: 'audit', link: id });
  }

  /** Removes the account from its host with all that it holds, and the link. Entities here stay. */
  async deleteAccount(id: LinkId): Promise<void> {
    await this.#do({ type: 'delete_account', link: id });
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
    this.#tabs?.post({ type: 'wipe' });
    this.#tokens.clear();
    await this.close();
    if (this.#name !== null) await deleteIndexedDb(this.#name);
  }

  async #end(): Promise<void> {
    for (const end of this.#ends.splice(0)) end();
    this.#guard.close();
    clearTimeout(this.#wake);
    this.#board.close();
    this.#commands.close();
    // First: who takes over must not meet sessions that still run.
    await this.#engine?.stop();
    await this.#database.close();
    // Of what was being written meanwhile.
    this.#tabs?.post({ type: 'written' });
    this.#tabs?.close();
  }

  /** Something was written: hosts and other tabs are told. Gives back what it is given. */
  #wrote<T>(result: T): T {
    this.#engine?.written();
    this.#tabs?.post({ type: 'written' });
    if (this.#wake === undefined) this.#wakeLater(WAKE_AFTER_MS);
    this.#board.changed();
    return result;
  }

  /** Wakes the tab that syncs, again and again and ever more seldom, until nothing waits any more. */
  #wakeLater(ms: number): void {
    this.#wake = undefined;
    if (this.#engine !== undefined || this.#closing !== undefined) return;
    this.#wake = setTimeout(() => {
      this.#wake = undefined;
      this.#tabs?.post({ type: 'wake' });
      const { state, waiting } = this.status;
      if (waiting > 0 || state === 'syncing' || state === 'stuck')
        this.#wakeLater(Math.min(2 * ms, WAKE_EVERY_MS_MAX));
    }, ms);
  }

  async #linksChanged(): Promise<void> {
    await this.#engine?.followLinks();
    this.#tabs?.post({ type: 'links' });
    await this.#board.refresh();
  }

  // Tabs.

  /** This tab syncs from now on. */
  #lead(): void {
    if (this.#closing !== undefined) return;
    const { seed, fillWaitMsMax, fetch, webSocket, now } = this.#options;
    const engine = new Engine({
      database: this.#database,
      seed,
      fillWaitMsMax,
      fetch,
      webSocket,
      token: async (origin) => this.#tokens.get(origin),
      onSaid: () => this.#said(),
      ...(now && { now }),
    });
    this.#engine = engine;
    // What fails with the database shows when it is used.
    engine.followLinks().catch(() => undefined);
    this.#tabs?.post({ type: 'leading' });
    this.#database.reload();
    for (const { command, resolve, reject } of this.#commands.take()) {
      this.#do(command).then(resolve, reject);
    }
    this.#board.changed();
  }

  /** Another tab syncs from now on. */
  #follow(): void {
    const engine = this.#engine;
    this.#told = engine?.activity ?? this.#told;
    this.#engine = undefined;
    void engine?.stop();
    this.#board.changed();
  }

  /** The page could not hear for a while. */
  #takenBack(): void {
    this.#database.reload();
    this.#tabs?.greet();
    this.#board.changed();
  }

  /** Has it done by whichever tab syncs. */
  async #do(command: Command): Promise<void> {
    for (;;) {
      const engine = this.#engine;
      if (engine === undefined) return await this.#commands.ask(command);
      try {
        return await this.#obey(engine, command);
      } catch (error) {
        // Its turn was taken away in the middle: the tab that has it is asked.
        if (!engine.isStopped || this.#closing !== undefined) throw error;
      }
    }
  }

  async #obey(engine: Engine, command: Command): Promise<void> {
    await engine.followLinks();
    switch (command.type) {
      case 'sync':
        engine.tryNow();
        await engine.settled();
        if (engine.isStopped) throw new SeabagError('closed', 'syncing ended before all was in sync');
        return;
      case 'audit':
        return engine.audit(command.link);
      case 'delete_account':
        await engine.deleteAccount(command.link);
        return await this.unlink(command.link);
    }
  }

  #hear(message: TabMessage): void {
    switch (message.type) {
      case 'written':
        this.#engine?.written();
        break;
      case 'wake':
        this.#engine?.wake();
        return;
      case 'links':
        this.#engine?.followLinks().catch(() => undefined);
        break;
      case 'activity':
        if (this.#engine !== undefined) return;
        this.#told = new Map(message.links);
        break;
      case 'ended':
        // It may have been killed between a commit and its word to the others.
        this.#database.reload();
        this.#engine?.written();
        break;
      case 'leading':
        // The one that synced before may have ended like that.
        this.#database.reload();
        this.#commands.askAgain();
        break;
      case 'command':
        this.#serve(message.id, message.command);
        break;
      case 'done':
        this.#commands.done(message.id, message.error);
        break;
      case 'wipe':
        void this.close();
        return;
      case 'hello':
        this.#tellActivity();
    }
    this.#board.changed();
  }

  /** Does what another tab asked for. */
  #serve(id: string, command: Command): void {
    // Without locks every tab syncs by itself, and nobody asks.
    if (this.#engine === undefined) return;
    const engine = this.#engine;
    const done = (error?: { code: string; message: string }) => {
      // When it stopped in the middle, whoever syncs next is asked for it again.
      if (!engine.isStopped) this.#tabs?.post({ type: 'done', id, ...(error && { error }) });
    };
    this.#obey(engine, command).then(
      () => done(),
      (error: unknown) => done(plainError(error)),
    );
  }

  // How it stands.

  async #readStatus(): Promise<SyncStatus> {
    const database = await this.#database.status().catch((error: unknown) => this.#failed(error));
    const activity = this.#engine?.activity ?? this.#told;
    const status = statusOf(this.#tabs?.role ?? 'alone', database, activity);
    this.#guard.set(this.#options.guardClosing !== false && this.#isOnItsWay(status));
    return status;
  }

  /** A database that a later version took over is of no use here: another tab has to be able to sync. */
  #failed(error: unknown): never {
    if (error instanceof Error && 'code' in error && error.code === 'closed') void this.close();
    throw error;
  }

  /** A session said something: the other tabs are told once for all that is said at the same moment. */
  #said(): void {
    this.#board.changed();
    if (this.#untold) return;
    this.#untold = true;
    queueMicrotask(() => this.#tellActivity());
  }

  #tellActivity(): void {
    this.#untold = false;
    if (this.#engine === undefined) return;
    this.#tabs?.post({ type: 'activity', links: [...this.#engine.activity] });
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

/** An error as it can be sent to another tab. */
function plainError(error: unknown): { code: string; message: string } {
  const message = error instanceof Error ? error.message : 'it failed';
  const code = error instanceof Error && 'code' in error ? String(error.code) : 'failed';
  return { code, message };
}
