// Which tab syncs, and what the tabs do for each other: the one whose turn it is has an engine, the others tell it what
// they wrote and ask it for what they want done. It has no rule of syncing: those are the sessions'.

import type { Database, LinkId } from '../entdb/database.ts';
import { SeabagError } from '../protocol/error.ts';
import { Commands } from './commands.ts';
import { Engine } from './engine.ts';
import type { OpenOptions } from './options.ts';
import type { LinkActivity, Role, SyncStatus } from './status.ts';
import { type Command, type TabMessage, Tabs } from './tabs.ts';
import type { Tokens } from './tokens.ts';

/** How long after a write the tab that syncs is woken, milliseconds: a little more than writes wait for others. */
const WAKE_AFTER_MS = 150;
/** The longest time between two such reminders. */
const WAKE_EVERY_MS_MAX = 10_000;

/** What syncing is given. */
export interface SyncingParts {
  database: Database;
  /** Of IndexedDB; null: in memory. */
  name: string | null;
  options: OpenOptions;
  tokens: Tokens;
  /** How it stands, as far as this tab knows. */
  status: () => SyncStatus;
  /** Hears that it may stand otherwise now. */
  changed: () => void;
  /** Another tab is about to delete everything: this one has to close the database. */
  wiped: () => void;
}

/** This tab's part in syncing. */
export class Syncing {
  readonly #parts: SyncingParts;
  readonly #commands = new Commands((message) => this.#tabs?.post(message));
  #tabs: Tabs | undefined;
  /** Only in the tab that syncs. */
  #engine: Engine | undefined;
  /** What the tab that syncs told of its sessions; in that tab itself the engine knows. */
  #told: ReadonlyMap<LinkId, LinkActivity> = new Map();
  /** Whether the other tabs have not heard yet what the sessions did last. */
  #untold = false;
  /** Until the tab that syncs is woken. */
  #wake: ReturnType<typeof setTimeout> | undefined;
  #stopped = false;

  constructor(parts: SyncingParts) {
    this.#parts = parts;
  }

  /** Begins. It is known then who syncs. */
  async start(): Promise<void> {
    this.#tabs = await Tabs.open(this.#parts.name, {
      hear: (message) => this.#hear(message),
      lead: () => this.#lead(),
      follow: () => this.#follow(),
    });
    // Everything was deleted meanwhile: the next tab must not wait for a turn that nobody uses.
    if (this.#stopped) this.leave();
    else if (this.#engine === undefined) this.#tabs.greet();
    else this.#tabs.post({ type: 'leading' });
  }

  /** Which part this tab has. */
  get role(): Role {
    return this.#tabs?.role ?? 'alone';
  }

  /** What the sessions did, as far as this tab knows. */
  get activity(): ReadonlyMap<LinkId, LinkActivity> {
    return this.#engine?.activity ?? this.#told;
  }

  /** The network may be back. */
  online(): void {
    this.#engine?.online();
  }

  /** Something was written in this tab. */
  wrote(): void {
    this.#engine?.written();
    this.#tabs?.post({ type: 'written' });
    if (this.#wake === undefined) this.#wakeLater(WAKE_AFTER_MS);
  }

  /** Links came or went. */
  async linksChanged(): Promise<void> {
    await this.#engine?.followLinks();
    this.#tabs?.post({ type: 'links' });
  }

  /** The page could not hear for a while. */
  takenBack(): void {
    this.#parts.database.reload();
    this.#tabs?.greet();
  }

  /** Has it done by whichever tab syncs. */
  async do(command: Command): Promise<void> {
    for (;;) {
      const engine = this.#engine;
      if (engine === undefined) return await this.#commands.ask(command);
      try {
        return await this.#obey(engine, command);
      } catch (error) {
        // Its turn was taken away in the middle: the tab that has it is asked.
        if (!engine.isStopped || this.#stopped) throw error;
      }
    }
  }

  /** Tells the other tabs that everything is about to be deleted. */
  wipe(): void {
    this.#tabs?.post({ type: 'wipe' });
  }

  /** Ends the sessions, if they are this tab's. */
  async stop(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#wake);
    this.#commands.close();
    // Before the turn is given away: who takes over must not meet sessions that still run.
    await this.#engine?.stop();
  }

  /** Leaves the other tabs; one of them may take over. */
  leave(): void {
    // Of what was being written meanwhile.
    this.#tabs?.post({ type: 'written' });
    this.#tabs?.close();
  }

  /** Wakes the tab that syncs, again and again and ever more seldom, until nothing waits any more. */
  #wakeLater(ms: number): void {
    this.#wake = undefined;
    if (this.#engine !== undefined || this.#stopped) return;
    this.#wake = setTimeout(() => {
      this.#wake = undefined;
      this.#tabs?.post({ type: 'wake' });
      const { state, waiting } = this.#parts.status();
      if (waiting > 0 || state === 'syncing' || state === 'stuck')
        this.#wakeLater(Math.min(2 * ms, WAKE_EVERY_MS_MAX));
    }, ms);
  }

  /** This tab syncs from now on. */
  #lead(): void {
    if (this.#stopped) return;
    const { database, options, tokens } = this.#parts;
    const { seed, fillWaitMsMax, fetch, webSocket, now } = options;
    const engine = new Engine({
      database,
      seed,
      fillWaitMsMax,
      fetch,
      webSocket,
      token: async (origin) => tokens.get(origin),
      onSaid: () => this.#said(),
      ...(now && { now }),
    });
    this.#engine = engine;
    // What fails with the database shows when it is used.
    engine.followLinks().catch(() => undefined);
    this.#tabs?.post({ type: 'leading' });
    // The one before may have been killed between a commit and its word to the others.
    database.reload();
    for (const { command, resolve, reject } of this.#commands.take()) {
      this.do(command).then(resolve, reject);
    }
    this.#parts.changed();
  }

  /** Another tab syncs from now on. */
  #follow(): void {
    const engine = this.#engine;
    this.#told = engine?.activity ?? this.#told;
    this.#engine = undefined;
    void engine?.stop();
    this.#parts.changed();
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
        await this.#parts.database.removeLink(command.link);
        return await this.linksChanged();
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
        this.#parts.database.reload();
        this.#engine?.written();
        break;
      case 'leading':
        this.#parts.database.reload();
        this.#commands.askAgain();
        break;
      case 'command':
        this.#serve(message.id, message.command);
        break;
      case 'done':
        this.#commands.done(message.id, message.error);
        break;
      case 'wipe':
        this.#parts.wiped();
        return;
      case 'hello':
        this.#tellActivity();
    }
    this.#parts.changed();
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

  /** A session said something: the other tabs are told once for all that is said at the same moment. */
  #said(): void {
    this.#parts.changed();
    if (this.#untold) return;
    this.#untold = true;
    queueMicrotask(() => this.#tellActivity());
  }

  #tellActivity(): void {
    this.#untold = false;
    if (this.#engine === undefined) return;
    this.#tabs?.post({ type: 'activity', links: [...this.#engine.activity] });
  }
}

/** An error as it can be sent to another tab. */
function plainError(error: unknown): { code: string; message: string } {
  const message = error instanceof Error ? error.message : 'it failed';
  const code = error instanceof Error && 'code' in error ? String(error.code) : 'failed';
  return { code, message };
}
