// One syncing tab at a time. Tabs of one database agree by a Web Lock on who syncs, and talk over a BroadcastChannel.
// When the one that syncs closes or crashes, the browser frees its lock and the next takes over. It knows nothing of
// what is synced. Without Web Locks (a page that came over plain HTTP) each tab syncs by itself, which is more work for
// all and harms nothing.

import type { LinkId } from '../entdb/database.ts';
import type { LinkActivity, Role } from './status.ts';
import { TabEnds } from './tab_ends.ts';

/** What any tab may ask of the one that syncs. */
export type Command =
  | { type: 'sync' }
  | { type: 'audit'; link: LinkId }
  | { type: 'delete_account'; link: LinkId };

/** What tabs tell each other. */
export type TabMessage =
  /** Something was written. */
  | { type: 'written' }
  /** A moment has passed: timers of a tab in the background stand almost still, and those of this one do not. */
  | { type: 'wake' }
  /** Links came or went. */
  | { type: 'links' }
  /** A tab is here: it would like to know how it stands, and to be missed when it ends. */
  | { type: 'hello'; tab?: string }
  /** A tab ended. What it wrote last it may have told nobody. */
  | { type: 'ended' }
  /** This tab syncs from now on. What was asked of the one before is to be asked again. */
  | { type: 'leading' }
  /** How the sessions stand. */
  | { type: 'activity'; links: [LinkId, LinkActivity][] }
  /** Something is asked of the tab that syncs. */
  | { type: 'command'; id: string; command: Command }
  /** It was done, or why not. */
  | { type: 'done'; id: string; error?: { code: string; message: string } }
  /** Everything is about to be deleted: whoever has the database open closes it. */
  | { type: 'wipe' };

/** What tabs are told. */
export interface TabHearer {
  /** Another tab said this. */
  hear(message: TabMessage): void;
  /** This tab is the one that syncs from now on. */
  lead(): void;
  /** It is so no more: the browser gave its turn to another one. */
  follow(): void;
}

/** This tab among the others of its database. */
export class Tabs {
  readonly #channel: BroadcastChannel | undefined;
  readonly #hearer: TabHearer;
  readonly #closing = new AbortController();
  #ends: TabEnds | undefined;
  #closed = false;
  #release: (() => void) | undefined;
  #role: Role;

  private constructor(name: string | null, hearer: TabHearer) {
    this.#hearer = hearer;
    this.#role = 'alone';
    if (name === null || typeof BroadcastChannel === 'undefined') return;
    this.#channel = new BroadcastChannel(`seabag:sync:${name}`);
    this.#channel.onmessage = ({ data }: MessageEvent<unknown>) => {
      if (isMessage(data)) this.#hear(data);
    };
  }

  /** Among the tabs with the database of this name; null: nobody else can have it open. It is known then who syncs. */
  static async open(name: string | null, hearer: TabHearer): Promise<Tabs> {
    const tabs = new Tabs(name, hearer);
    const locks = typeof navigator === 'undefined' ? undefined : navigator.locks;
    if (tabs.#channel === undefined || name === null || locks === undefined) hearer.lead();
    else {
      tabs.#ends = new TabEnds(locks, `seabag:tab:${name}`, () => tabs.#ended());
      await tabs.#compete(locks, `seabag:sync:${name}`);
    }
    return tabs;
  }

  /** Which part this tab has in syncing. */
  get role(): Role {
    return this.#role;
  }

  /** Tells the other tabs, unless this one has left. */
  post(message: TabMessage): void {
    if (!this.#closed) this.#channel?.postMessage(message);
  }

  /** Asks the tab that syncs how it stands. */
  greet(): void {
    this.post({ type: 'hello', ...(this.#ends && { tab: this.#ends.tab }) });
  }

  #hear(message: TabMessage): void {
    // Who syncs is who has to know when another one ends.
    if (message.type === 'hello' && message.tab !== undefined && this.#role === 'leader')
      this.#ends?.watch(message.tab);
    if (message.type === 'leading' && this.#role === 'follower') this.greet();
    this.#hearer.hear(message);
  }

  /** Another tab ended, by being closed or killed. All are told, and this one too. */
  #ended(): void {
    this.post({ type: 'ended' });
    this.#hearer.hear({ type: 'ended' });
  }

  /** Leaves. Whoever waits takes over at once: the engine has to be stopped before. */
  close(): void {
    this.#closed = true;
    this.#closing.abort();
    this.#release?.();
    this.#ends?.close();
    this.#channel?.close();
  }

  async #compete(locks: LockManager, name: string): Promise<void> {
    this.#role = 'follower';
    await new Promise<void>((resolve) => {
      const decided = locks.request(name, { ifAvailable: true }, (lock) => {
        const held = lock === null ? undefined : this.#lead();
        resolve();
        return held;
      });
      decided.catch(() => {
        if (this.#role === 'leader') return this.#stepDown(locks, name);
        // Locks can be refused, for documents that are no pages of their own for instance.
        this.#role = 'alone';
        this.#hearer.lead();
        resolve();
      });
    });
    if (this.#role === 'follower') this.#queue(locks, name);
  }

  /** Waits in line. */
  #queue(locks: LockManager, name: string): void {
    const { signal } = this.#closing;
    // It is rejected when this tab closes before its turn, and when its turn is taken away.
    locks.request(name, { signal }, () => this.#lead()).catch(() => this.#stepDown(locks, name));
  }

  /** Its lock was stolen. Two that sync would be more work for all: this one stops, and waits in line again. */
  #stepDown(locks: LockManager, name: string): void {
    if (this.#role !== 'leader' || this.#closing.signal.aborted) return;
    this.#role = 'follower';
    this.#hearer.follow();
    this.#queue(locks, name);
  }

  /** Resolves when this tab does not want to lead any more. */
  #lead(): Promise<void> {
    if (this.#closing.signal.aborted) return Promise.resolve();
    this.#role = 'leader';
    const held = new Promise<void>((resolve) => {
      this.#release = resolve;
    });
    this.#hearer.lead();
    return held;
  }
}

const TYPES: readonly string[] = [
  'written',
  'wake',
  'links',
  'hello',
  'ended',
  'leading',
  'activity',
  'command',
  'done',
  'wipe',
] satisfies TabMessage['type'][];

/** Only this program's pages can post here; another version of it may say other things. */
function isMessage(data: unknown): data is TabMessage {
  return typeof data === 'object' && data !== null && 'type' in data && TYPES.includes(String(data.type));
}
