// `useSharedState`: a value that everyone in the room sees and sets. The rules are SharedValue's.

import { useCallback, useMemo } from 'react';
import { SharedValue } from '../client/room/value.ts';
import { useConnection } from './context.ts';
import type { Plan } from './held.ts';
import { useHeld } from './use_held.ts';

/** Sets a value, or makes it from the current one. */
export type SetterFunction<T> = (value: T | ((current: T) => T)) => void;

/** What the room has while nobody has set it. Each component then shows its own initial value. */
const UNSET = Symbol('unset');

/**
 * A value that everyone in the room sees and sets; the last write wins, and everyone ends with the same.
 * Own writes show at once. `initialValue` is what it is while nobody has set it; as with `useState`, only the first one
 * counts, until `key` or the room changes. The setter stays the same as long.
 */
export function useSharedState<T>(key: string, initialValue: T): [T, SetterFunction<T>] {
  const db = useConnection('useSharedState');
  // biome-ignore lint/correctness/useExhaustiveDependencies: the first one counts
  const orInitial = useMemo(
    () => (value: T | typeof UNSET) => (value === UNSET ? initialValue : value),
    [db, key],
  );
  const [value, held] = useHeld(
    db.room,
    ['value', key],
    (room): Plan<SharedValue<T | typeof UNSET>, T> => ({
      make: () => new SharedValue<T | typeof UNSET>(room, key, { initial: UNSET }),
      read: (shared) => orInitial(shared.current),
      initial: initialValue,
    }),
  );
  const set = useCallback(
    (next: T | ((current: T) => T)) =>
      held.forOwnChange().set(next instanceof Function ? (current) => next(orInitial(current)) : () => next),
    [held, orInitial],
  );
  return [value, set];
}
