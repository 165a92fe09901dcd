// `useSharedState`: a value that everyone in the room sees and sets. The rules are SharedValue's.

import { useCallback } from 'react';
import { SharedValue } from '../client/room/value.ts';
import { useDatabase } from './context.ts';
import type { Plan } from './held.ts';
import { useHeld } from './use_held.ts';

/** Sets a value, or makes it from the current one. */
export type SetterFunction<T> = (value: T | ((current: T) => T)) => void;

/**
 * A value that everyone in the room sees and sets; the last write wins, and everyone ends with the same.
 * Own writes show at once. `initialValue` is what it is while nobody has set it; as with `useState`, only the first one
 * counts, until `key` or the room changes. The setter stays the same as long.
 */
export function useSharedState<T>(key: string, initialValue: T): [T, SetterFunction<T>] {
  const db = useDatabase();
  const [value, held] = useHeld(
    db.room,
    key,
    (room): Plan<SharedValue<T>, T> => ({
      make: () => new SharedValue<T>(room, key, { initial: initialValue }),
      read: (shared) => shared.current,
      initial: initialValue,
    }),
  );
  const set = useCallback((next: T | ((current: T) => T)) => held.forOwnChange().set(next), [held]);
  return [value, set];
}
