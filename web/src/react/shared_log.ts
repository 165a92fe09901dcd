// `useSharedLog`: a list that only grows, as a chat; shown are its last entries. The rules are SharedLog's.

import { useCallback } from 'react';
import { type LogEntry, SharedLog, type SharedLogOptions } from '../client/room/log.ts';
import { useConnection } from './context.ts';
import type { Plan } from './held.ts';
import { useHeld } from './use_held.ts';

const NOTHING: readonly never[] = [];

/** The last entries of a list that everyone in the room sees and appends to. */
export function useSharedLog<T>(
  key: string,
  options?: SharedLogOptions,
): [readonly LogEntry<T>[], (value: T) => void] {
  const db = useConnection('useSharedLog');
  const [entries, held] = useHeld(
    db.room,
    ['log', key, options],
    (room): Plan<SharedLog<T>, readonly LogEntry<T>[]> => ({
      make: () => new SharedLog<T>(room, key, options),
      read: (shared) => shared.current,
      initial: NOTHING,
      same: (one, other) => one.length === 0 && other.length === 0,
    }),
  );
  const append = useCallback((value: T) => held.forOwnChange().append(value), [held]);
  return [entries, append];
}
