// Hooks over a database of entities: lists, single entities and the state of syncing, always up to date.

import { createContext, useContext, useMemo, useSyncExternalStore } from 'react';
import type { EntDB } from '../client/entdb.ts';
import type { SyncStatus } from '../client/status.ts';
import type { Ent, Live, Query } from '../entdb/database.ts';
import type { Eid } from '../protocol/host/eid.ts';

/** The database, from the nearest provider. */
export const EntDBContext = createContext<EntDB | null>(null);

/** The database of the nearest `EntDBProvider`: for writing. Throws outside of one. */
export function useEntDB(): EntDB {
  return useOpened('useEntDB');
}

function useOpened(hook: string): EntDB {
  const db = useContext(EntDBContext);
  if (db === null) throw new Error(`${hook} needs an EntDBProvider above it`);
  return db;
}

/**
 * The entities that a query finds, kept up to date; undefined until they were first read. The query may be written out
 * in place: only what it says counts. If it cannot be read, that error is thrown, for an error boundary.
 */
export function useEnts<Body = unknown>(query: Query): readonly Ent<Body>[] | undefined {
  const db = useOpened('useEnts');
  const said = JSON.stringify(query);
  const live = useMemo(() => db.live(JSON.parse(said)), [db, said]);
  return useLive(live).snapshot as readonly Ent<Body>[] | undefined;
}

/** One entity, kept up to date; undefined until it was first read, null if there is none. Errors as in `useEnts`. */
export function useEnt<Body = unknown>(eid: Eid): Ent<Body> | null | undefined {
  const db = useOpened('useEnt');
  const live = useMemo(() => db.liveEnt(eid), [db, eid]);
  const { snapshot, loaded } = useLive(live);
  return loaded ? ((snapshot as Ent<Body> | undefined) ?? null) : undefined;
}

/** What is saved here, what waits for which host, and what is stuck and why. */
export function useSyncStatus(): SyncStatus {
  const db = useOpened('useSyncStatus');
  const subscribe = useMemo(() => (listener: () => void) => db.onStatus(listener), [db]);
  const status = () => db.status;
  return useSyncExternalStore(subscribe, status, status);
}

type Answer<T> = Pick<Live<T>, 'snapshot' | 'loaded' | 'error'>;

const UNANSWERED: Answer<never> = { snapshot: undefined, loaded: false, error: undefined };

function useLive<T>(live: Live<T>): Answer<T> {
  const [subscribe, answer] = useMemo(
    () => [(listener: () => void) => live.subscribe(listener), answerOf(live)],
    [live],
  );
  const { snapshot, loaded, error } = useSyncExternalStore(subscribe, answer, () => UNANSWERED);
  if (error !== undefined && !loaded) throw error;
  return { snapshot, loaded, error };
}

/** "There is none" and "not read yet" are both undefined: the answer as one object, the same until any of it changes. */
function answerOf<T>(live: Live<T>): () => Answer<T> {
  let last: Answer<T> = UNANSWERED;
  return () => {
    const { snapshot, loaded, error } = live;
    if (last.snapshot !== snapshot || last.loaded !== loaded || last.error !== error) {
      last = { snapshot, loaded, error };
    }
    return last;
  };
}
