// Syncs a database with all of its links at once. Each link is a task of its own, so that a host that fails keeps no
// other waiting; what one brings goes on to the others. Everything that must last is in the database: an engine can be
// lost at any moment.

import { breathe } from '../crypto/breathe.ts';
import { Sealer } from '../crypto/seal.ts';
import type { Seed } from '../crypto/seed.ts';
import type { Database, Link, LinkId } from '../entdb/database.ts';
import { SeabagError } from '../protocol/error.ts';
import { HostAddress } from './host/address.ts';
import { HostDriver } from './host/driver.ts';
import type { WebSocketConstructor } from './host/notice_socket.ts';
import type { Report } from './host/report.ts';
import { FILL_WAIT_MS_MAX, HostSession, type SessionSettings } from './host/session.ts';
import { type Hearer, LinkTask } from './link_task.ts';
import { ACTIVITY_AT_FIRST, type LinkActivity, noted } from './status.ts';

/** How an engine goes about it. */
export interface EngineOptions {
  database: Database;
  seed: Seed;
  /** What a guarded host asks of a registration, by its origin. Asked anew whenever a link begins. */
  token?: (origin: string) => Promise<string | undefined>;
  /** Bring both sides together once, and then wait for commands and local writes: no notices, no looking again. */
  once?: boolean;
  /** The longest wait before a host that lost something is filled, milliseconds; 30,000 unless set. */
  fillWaitMsMax?: number | undefined;
  fetch?: typeof fetch | undefined;
  webSocket?: WebSocketConstructor | undefined;
  /** Milliseconds since 1970; `Date.now` unless set. */
  now?: () => number;
  random?: (length: number) => Uint8Array;
  /** Hears whenever a session said something, or a link came or went. */
  onSaid?: () => void;
  /** Hears every report. */
  onReport?: (link: LinkId, report: Report) => void;
}

/** A link that runs. */
interface Running {
  readonly task: LinkTask | undefined;
  activity: LinkActivity;
  /** The local writes that its session has seen. */
  seen: number;
}

/** Syncs until it is stopped. */
export class Engine {
  readonly #options: EngineOptions;
  readonly #links = new Map<LinkId, Running>();
  /** Counts local writes, and news that one link brought for the others. */
  #writes = 0;
  /** Links are begun and ended by one at a time, so that none is begun twice. */
  #following: Promise<void> = Promise.resolve();
  readonly #settledListeners = new Set<() => void>();
  #stopped = false;

  constructor(options: EngineOptions) {
    this.#options = options;
  }

  /** Tells that something was written to the database, here or in another tab. */
  written(): void {
    this.#writes += 1;
    for (const { task } of this.#links.values()) task?.written(this.#writes);
  }

  /** Tells that time has passed, which a tab in the background may not notice by itself. */
  wake(): void {
    for (const { task } of this.#links.values()) task?.tell({ type: 'wake' });
  }

  /** Tells that the network may be back: nobody waits any longer. */
  online(): void {
    for (const { task } of this.#links.values()) task?.tell({ type: 'online' });
  }

  /** The same, and all links count as working until each has said how it stands. */
  tryNow(): void {
    for (const [link, { activity, task }] of [...this.#links]) {
      if (task === undefined || activity.phase.type === 'ended') continue;
      this.#change(link, { ...activity, phase: { type: 'working' } });
      task.tell({ type: 'online' });
    }
  }

  /** Begins with links that were added, and ends those that were removed. Fails as the database does. */
  followLinks(): Promise<void> {
    const next = this.#following.then(() => this.#follow());
    this.#following = next.catch(() => undefined);
    return next;
  }

  /** Looks at every bag of a link's host, and mends what is damaged there. `unknown_link` if it does not run. */
  audit(link: LinkId): void {
    const task = this.#hurry(link);
    // In this order: it begins with the history that was learned then.
    task.tell({ type: 'online' });
    task.tell({ type: 'audit' });
  }

  /**
   * Removes the account of a link from its host, with all that it holds. What is here stays. Resolves when the host said
   * that it is done; fails with the code of what kept it from that, and goes on trying then.
   */
  async deleteAccount(link: LinkId): Promise<void> {
    const task = this.#hurry(link);
    task.tell({ type: 'delete_account' });
    task.tell({ type: 'online' });
    await this.#until(() => {
      const phase = this.#links.get(link)?.activity.phase;
      return phase === undefined || phase.type === 'ended' || phase.type === 'stuck';
    });
    if (this.#stopped) throw new SeabagError('closed', 'syncing ended before the host answered');
    const phase = this.#links.get(link)?.activity.phase;
    if (phase?.type === 'stuck') throw new SeabagError(phase.code, phase.text);
  }

  /** What sessions did so far. */
  get activity(): ReadonlyMap<LinkId, LinkActivity> {
    return new Map([...this.#links].map(([link, { activity }]) => [link, activity]));
  }

  /** Whether every link is in sync or in trouble, with all that was written before. */
  get isSettled(): boolean {
    return [...this.#links.values()].every(({ activity, seen }) => {
      if (activity.phase.type === 'working') return false;
      return activity.phase.type !== 'in_sync' || seen === this.#writes;
    });
  }

  /** Whether it was stopped. */
  get isStopped(): boolean {
    return this.#stopped;
  }

  /** Resolves when {@link isSettled}, or when the engine is stopped. */
  async settled(): Promise<void> {
    await this.#following;
    await this.#until(() => this.isSettled);
  }

  /** Ends all sessions. What waits is in the database. */
  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#following;
    await Promise.all([...this.#links.values()].map(({ task }) => task?.stop()));
    this.#said();
  }

  #running(link: LinkId): Running {
    const running = this.#links.get(link);
    if (running === undefined) throw new SeabagError('unknown_link', 'there is no such link');
    return running;
  }

  /** A link that runs, which has something to do from now on. */
  #hurry(link: LinkId): LinkTask {
    const { activity, task } = this.#running(link);
    if (task === undefined || activity.phase.type === 'ended') {
      throw new SeabagError('unknown_link', 'the link does not run');
    }
    this.#change(link, { ...activity, phase: { type: 'working' } });
    return task;
  }

  async #until(met: () => boolean): Promise<void> {
    while (!this.#stopped && !met()) {
      await new Promise<void>((resolve) => {
        this.#settledListeners.add(resolve);
      });
    }
  }

  /** Makes the tasks those of the database's links. */
  async #follow(): Promise<void> {
    const links = await this.#options.database.links();
    for (const [id, { task }] of [...this.#links]) {
      if (links.some((link) => link.id === id)) continue;
      await task?.stop();
      this.#links.delete(id);
    }
    for (const link of links) {
      if (this.#stopped) return;
      if (!this.#links.has(link.id)) await this.#begin(link, links);
    }
    this.#said();
  }

  /** Begins with a link. An address that is none is that link's trouble. */
  async #begin(link: Link, links: readonly Link[]): Promise<void> {
    const other = links.find((one) => sharesKey(one, link));
    const first = other === undefined ? {} : { sharesKeyWith: other.id };
    const running = { activity: { ...ACTIVITY_AT_FIRST, ...first }, seen: this.#writes, task: undefined };
    this.#links.set(link.id, running);
    try {
      const task = await this.#task(link);
      const begun = { ...this.#running(link.id), task };
      this.#links.set(link.id, begun);
      // What was written while it was being made nobody told it.
      if (begun.seen !== this.#writes) task.written(this.#writes);
    } catch (error) {
      const text = error instanceof Error ? error.message : 'the link cannot be used';
      const phase = { type: 'stuck', code: 'address', text, retryMs: null } as const;
      this.#change(link.id, { ...running.activity, phase });
    }
  }

  async #task(link: Link): Promise<LinkTask> {
    const { label, index, url } = link.settings;
    // Its keys would be those that seal bags. No link is made like this; another program may have written it.
    if (label === '') throw new SeabagError('invalid_label', 'the label of a link has 1 to 256 bytes');
    const options = this.#options;
    const address = HostAddress.parse(url);
    const settings: SessionSettings = {
      origin: address.origin,
      live: options.once !== true,
      fillWaitMsMax: options.fillWaitMsMax ?? FILL_WAIT_MS_MAX,
      breathe,
    };
    const sealer = await Sealer.create(options.seed, label, index);
    return new LinkTask({
      session: new HostSession(link.id, sealer, settings),
      driver: new HostDriver(address, {
        token: async () => options.token?.(address.origin),
        fetch: options.fetch,
      }),
      database: options.database,
      hearer: this.#hearer(link.id),
      webSocket: options.webSocket ?? globalThis.WebSocket,
      now: options.now ?? Date.now,
      random: options.random ?? ((length) => crypto.getRandomValues(new Uint8Array(length))),
    });
  }

  #hearer(link: LinkId): Hearer {
    return {
      hear: (report) => this.#hear(link, report),
      sawWrites: (count) => {
        const running = this.#links.get(link);
        if (running === undefined) return;
        running.seen = count;
        if (running.activity.phase.type === 'in_sync') {
          this.#change(link, { ...running.activity, phase: { type: 'working' } });
        }
      },
      ended: () => {
        const running = this.#links.get(link);
        if (running !== undefined) this.#change(link, { ...running.activity, phase: { type: 'ended' } });
      },
    };
  }

  #hear(link: LinkId, report: Report): void {
    const running = this.#links.get(link);
    if (running === undefined) return;
    // What is new here may be new to the other links' hosts.
    if (report.type === 'received' && this.#links.size > 1) this.written();
    this.#change(link, noted(running.activity, report));
    this.#options.onReport?.(link, report);
  }

  #change(link: LinkId, activity: LinkActivity): void {
    const running = this.#links.get(link);
    if (running === undefined) return;
    running.activity = activity;
    this.#said();
  }

  #said(): void {
    const listeners = [...this.#settledListeners];
    this.#settledListeners.clear();
    for (const listener of listeners) listener();
    this.#options.onSaid?.();
  }
}

/** Whether the keys of two links are the same. */
function sharesKey(one: Link, other: Link): boolean {
  const same = one.settings.label === other.settings.label && one.settings.index === other.settings.index;
  return one.id !== other.id && same;
}
