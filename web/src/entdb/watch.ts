// Live changes: lists and entities that are kept up to date, and everyone who listens. Knows when to ask again, and asks
// only then; what storage there is it does not know.

import type { Eid } from '../protocol/host/eid.ts';
import type { Ent } from './ent.ts';
import { type CheckedQuery, compareEnts, isAsked } from './query.ts';

/** Ends what it was returned for. Calling it again does nothing. */
export type Unsubscribe = () => void;

/** One entity before and after a transaction. */
export interface Change {
  /** Which. */
  readonly eid: Eid;
  /** Before. Absent: it was not there, or the change was made by another tab. */
  readonly old?: Ent;
  /** After. Absent: it is gone. */
  readonly new?: Ent;
}

/** An answer that is kept up to date while someone listens. */
export interface Live<T> {
  /** The answer: the same object until it changes. Undefined until it was first asked. */
  readonly snapshot: T | undefined;
  /** Whether the snapshot is an answer already. */
  readonly loaded: boolean;
  /** Why asking failed, if it did; the last answer stays. */
  readonly error: unknown;
  /** Hears of every change of these three; the first listener makes it ask, the last one that goes makes it stop. */
  subscribe(listener: () => void): Unsubscribe;
}

/** Someone who is told of every transaction. */
interface Watcher {
  /** Whether changes of entities of these types, or of this one, are of interest. */
  wants(types: readonly string[], eid: Eid): boolean;
  changed(changes: readonly Change[]): void;
  /** So much changed that it is better to ask again. */
  reload(): void;
}

/**
 * Calls listeners: one that throws does not keep the others from hearing, and its error is the page's. One that another
 * one takes away meanwhile is not called.
 */
export function callAll<T>(listeners: ReadonlySet<(value: T) => void>, value: T): void {
  for (const listener of [...listeners]) {
    if (!listeners.has(listener)) continue;
    try {
      listener(value);
    } catch (error) {
      queueMicrotask(() => {
        throw error;
      });
    }
  }
}

/** Everyone who watches a database. */
export class Hub {
  readonly #watchers = new Set<Watcher>();
  readonly #listeners = new Set<(changes: readonly Change[]) => void>();

  /** Whether somebody would hear of such a change. */
  wants(types: readonly string[], eid: Eid): boolean {
    return this.#listeners.size > 0 || [...this.#watchers].some((watcher) => watcher.wants(types, eid));
  }

  /** Tells of what was committed. */
  publish(changes: readonly Change[]): void {
    if (changes.length === 0) return;
    for (const watcher of [...this.#watchers]) watcher.changed(changes);
    callAll(this.#listeners, changes);
  }

  /** Makes every live answer be asked again. */
  reload(): void {
    for (const watcher of [...this.#watchers]) watcher.reload();
  }

  onChange(listener: (changes: readonly Change[]) => void): Unsubscribe {
    // Its own function, so that a listener that is given twice hears twice.
    const own = (changes: readonly Change[]) => listener(changes);
    this.#listeners.add(own);
    return () => void this.#listeners.delete(own);
  }

  watch(watcher: Watcher): Unsubscribe {
    this.#watchers.add(watcher);
    return () => void this.#watchers.delete(watcher);
  }

  /** Nobody hears anything any more. */
  close(): void {
    this.#watchers.clear();
    this.#listeners.clear();
  }
}

/** What live answers have in common: listeners, asking, and changes that come while an answer is on its way. */
abstract class LiveAnswer<T> implements Live<T>, Watcher {
  snapshot: T | undefined = undefined;
  loaded = false;
  error: unknown = undefined;
  readonly #hub: Hub;
  readonly #ask: () => Promise<T>;
  readonly #listeners = new Set<(value: undefined) => void>();
  #stop: Unsubscribe | null = null;
  /** Changes since the answer was asked for; null: none is on its way. */
  #pending: Change[] | null = null;
  /** Counts what is asked, so that an answer that came too late is not taken. */
  #asked = 0;

  constructor(hub: Hub, ask: () => Promise<T>) {
    this.#hub = hub;
    this.#ask = ask;
  }

  abstract wants(types: readonly string[], eid: Eid): boolean;

  /** The answer after these changes; the same one if they do not matter; undefined: only asking can tell. */
  protected abstract after(
    snapshot: T | undefined,
    changes: readonly Change[],
  ): { value: T | undefined } | undefined;

  subscribe(listener: () => void): Unsubscribe {
    const own = () => listener();
    this.#listeners.add(own);
    if (this.#stop === null) {
      this.#stop = this.#hub.watch(this);
      this.reload();
    }
    return () => {
      if (!this.#listeners.delete(own) || this.#listeners.size > 0) return;
      this.#stop?.();
      this.#stop = null;
      this.#pending = null;
      this.#asked += 1;
    };
  }

  changed(changes: readonly Change[]): void {
    if (this.#pending !== null) this.#pending.push(...changes);
    else this.#apply(changes);
  }

  reload(): void {
    this.#asked += 1;
    this.#pending = [];
    void this.#load(this.#asked);
  }

  async #load(asked: number): Promise<void> {
    let answer: { value: T } | { error: unknown };
    try {
      answer = { value: await this.#ask() };
    } catch (error) {
      answer = { error };
    }
    if (asked !== this.#asked) return;
    const pending = this.#pending ?? [];
    this.#pending = null;
    if ('error' in answer) return this.#set(this.snapshot, this.loaded, answer.error);
    const after = this.after(answer.value, pending);
    if (after === undefined) return this.reload();
    this.#set(after.value, true, undefined);
  }

  #apply(changes: readonly Change[]): void {
    // An answer that could not be had anew is from before changes that are not known any more.
    const known = this.loaded && this.error === undefined;
    const after = known ? this.after(this.snapshot, changes) : undefined;
    if (after === undefined) this.reload();
    else if (after.value !== this.snapshot) this.#set(after.value, true, undefined);
  }

  #set(snapshot: T | undefined, loaded: boolean, error: unknown): void {
    this.snapshot = snapshot;
    this.loaded = loaded;
    this.error = error;
    callAll(this.#listeners, undefined);
  }
}

/** One entity that is kept up to date. */
export class LiveEnt extends LiveAnswer<Ent | undefined> {
  readonly #eid: Eid;

  constructor(hub: Hub, ask: () => Promise<Ent | undefined>, eid: Eid) {
    super(hub, ask);
    this.#eid = eid;
  }

  wants(_types: readonly string[], eid: Eid): boolean {
    return eid === this.#eid;
  }

  protected after(snapshot: Ent | undefined, changes: readonly Change[]): { value: Ent | undefined } {
    let value = snapshot;
    for (const change of changes) if (change.eid === this.#eid && !isStale(change, value)) value = change.new;
    return { value };
  }
}

/** A query whose result is kept up to date. */
export class LiveQuery extends LiveAnswer<readonly Ent[]> {
  readonly #query: CheckedQuery;

  constructor(hub: Hub, ask: () => Promise<readonly Ent[]>, query: CheckedQuery) {
    super(hub, ask);
    this.#query = query;
  }

  wants(types: readonly string[]): boolean {
    return types.includes(this.#query.selection.type);
  }

  protected after(
    snapshot: readonly Ent[] | undefined = [],
    changes: readonly Change[],
  ): { value: readonly Ent[] } | undefined {
    const query = this.#query;
    const asked = (ent: Ent | undefined): boolean => ent !== undefined && isAsked(query, ent);
    const known = new Map(snapshot.map((ent) => [ent.eid, ent]));
    const last = new Map(changes.map((change) => [change.eid, change]));
    const current = [...last.values()].filter((change) => !isStale(change, known.get(change.eid)));
    const touched = new Set(
      current.flatMap(({ eid, new: now }) => (known.has(eid) || asked(now) ? [eid] : [])),
    );
    if (touched.size === 0) return { value: snapshot };
    const kept = snapshot.filter((ent) => !touched.has(ent.eid));
    // Behind a full list there may be others, of which nothing is known: only what comes before its end is certain.
    const end = snapshot.length >= query.limit ? snapshot.at(-1) : undefined;
    const isCertain = (ent: Ent): boolean => end === undefined || compareEnts(query, ent, end) <= 0;
    const come = current.flatMap(({ new: now }) =>
      now !== undefined && asked(now) && isCertain(now) ? [now] : [],
    );
    if (end !== undefined && kept.length + come.length < query.limit) return undefined;
    come.sort((a, b) => compareEnts(query, a, b));
    return { value: mergeSorted(kept, come, (a, b) => compareEnts(query, a, b)).slice(0, query.limit) };
  }
}

/** Whether a change is from before what is known already: states of an entity only become later. */
function isStale({ new: now }: Change, known: Ent | undefined): boolean {
  if (now === undefined || known === undefined) return false;
  return (
    now.updatedMs < known.updatedMs || (now.updatedMs === known.updatedMs && now.counter < known.counter)
  );
}

function mergeSorted(a: readonly Ent[], b: readonly Ent[], compare: (a: Ent, b: Ent) => number): Ent[] {
  const merged: Ent[] = [];
  let next = 0;
  for (const ent of a) {
    for (let come = b[next]; come !== undefined && compare(come, ent) < 0; come = b[next]) {
      merged.push(come);
      next += 1;
    }
    merged.push(ent);
  }
  return [...merged, ...b.slice(next)];
}
