// `usePresence`: who is in the room and what they show. The rules are Presence's.

import { useEffect } from 'react';
import type { WrappedPresenceMessage } from '../client/room/driftdb/presence.ts';
import { Presence } from '../client/room/presence.ts';
import { useUniqueClientId } from './client-id.ts';
import { useDatabase } from './context.ts';
import { useHeld } from './use-held.ts';

const NOBODY: Record<string, never> = {};

/**
 * Shows `value` to everyone in the room, and returns what the others show, by their client ids.
 * Who leaves or loses the connection disappears at once. Nothing is stored. Use a key in one component only.
 */
export function usePresence<T>(key: string, value: T): Record<string, WrappedPresenceMessage<T>> {
  const db = useDatabase();
  const client = useUniqueClientId();
  const [others, held] = useHeld(
    db.room,
    key,
    (room) => ({
      make: () => new Presence<T>(room, { key, client, initial: value }),
      read: recordOf<T>(),
      initial: NOBODY as Record<string, WrappedPresenceMessage<T>>,
    }),
    client,
  );
  useEffect(() => held.object().update(value), [held, value]);
  return others;
}

/** The same map gives the same record. */
function recordOf<T>(): (presence: Presence<T>) => Record<string, WrappedPresenceMessage<T>> {
  let seen: Presence<T>['current'] | undefined;
  let record: Record<string, WrappedPresenceMessage<T>> = {};
  return ({ current }) => {
    if (current !== seen) record = Object.fromEntries(current);
    seen = current;
    return record;
  };
}
