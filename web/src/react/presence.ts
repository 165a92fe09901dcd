// `usePresence`: who is in the room and what they show. The rules are Presence's.

import { useEffect } from 'react';
import type { WrappedPresenceMessage } from '../client/room/driftdb/presence.ts';
import { Presence } from '../client/room/presence.ts';
import { useUniqueClientId } from './client-id.ts';
import { useDatabase } from './context.ts';
import { equal } from './equal.ts';
import { useHeld } from './use-held.ts';

const NOBODY: Record<string, never> = {};

/**
 * Shows `value` to everyone in the room, and returns what the others show, by their client ids.
 * Who leaves or loses the connection disappears at once. Nothing is stored. Use a key in one component only.
 * A peer's `lastSeen` is kept up to date in place: signs of life alone do not render.
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

/** What a peer shows keeps its identity until it shows something else; the record, until any of them does. */
function recordOf<T>(): (presence: Presence<T>) => Record<string, WrappedPresenceMessage<T>> {
  let record: Record<string, WrappedPresenceMessage<T>> = NOBODY;
  return ({ current }) => {
    let changed = Object.keys(record).length !== current.size;
    const next: Record<string, WrappedPresenceMessage<T>> = {};
    for (const [client, { value, lastSeen }] of current) {
      const known = record[client];
      if (known !== undefined && equal(known.value, value)) {
        // A sign of life is no reason to render.
        known.lastSeen = lastSeen;
        next[client] = known;
      } else {
        changed = true;
        next[client] = { value, lastSeen };
      }
    }
    if (changed) record = next;
    return record;
  };
}
