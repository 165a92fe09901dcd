// `useSharedMap`: many values under one name, which everyone in the room sees and changes. The rules are SharedMap's.

import { useMemo } from 'react';
import { equal } from '../client/room/equal.ts';
import { SharedMap } from '../client/room/map.ts';
import { useConnection } from './context.ts';
import type { Plan } from './held.ts';
import { useHeld } from './use_held.ts';

/** Changes a shared map. The same object until `name` or the room changes. */
export interface MapWriter<V> {
  set(key: string, value: V): void;
  delete(key: string): boolean;
}

/** A map that everyone in the room sees and changes; for each of its keys the last write wins. */
export function useSharedMap<V>(name: string): [ReadonlyMap<string, V>, MapWriter<V>] {
  const db = useConnection('useSharedMap');
  const [map, held] = useHeld(
    db.room,
    ['map', name],
    (room): Plan<SharedMap<V>, ReadonlyMap<string, V>> => ({
      make: () => new SharedMap<V>(room, name),
      read: (shared) => shared.current,
      initial: new Map(),
      same: sameEntries,
    }),
  );
  const writer = useMemo(
    () => ({
      set: (key: string, value: V) => held.forOwnChange().set(key, value),
      delete: (key: string) => held.forOwnChange().delete(key),
    }),
    [held],
  );
  return [map, writer];
}

function sameEntries<V>(one: ReadonlyMap<string, V>, other: ReadonlyMap<string, V>): boolean {
  if (one.size !== other.size) return false;
  return [...other].every(([key, value]) => one.has(key) && equal(one.get(key), value));
}
