// `usePresence`: who is in the room and what they show. The rules are Presence's.

import { useEffect } from 'react';
import type { WrappedPresenceMessage } from '../client/room/driftdb/presence.ts';
import { equal } from '../client/room/equal.ts';
import { Presence } from '../client/room/presence.ts';
import { useUniqueClientId } from './client_id.ts';
import { useConnection } from './context.ts';
import { useHeld } from './use_held.ts';

const NOBODY: Record<string, never> = {};

/**
 * Shows `value` to everyone in the room, and returns what the others show, by their client ids.
 * Who leaves or loses the connection disappears at once. Nothing is stored. Components that use the same key are one to
 * the others: what one of them showed last.
 * A peer's `lastSeen` is kept up to date in place: signs of life alone do not render.
 */
export function usePresence<T>(key: string, value: T): Record<string, WrappedPresenceMessage<T>> {
  const db = useConnection('usePresence');
  const client = useUniqueClientId();
  const [others, held] = useHeld(db.room, ['presence', key, client], (room) => ({
    make: () => new Presence<T>(room, { key, client, initial: value }),
    read: recordOf<T>(),
    initial: NOBODY as Record<string, WrappedPresenceMessage<T>>,
  }));
  useEffect(() => held.found?.update(value), [held, value]);
  return others;
}

/** What a peer shows keeps its identity until it shows something else; the record, until any of them does. */
function recordOf<T>(): (presence: Presence<T>) => Record<string, WrappedPresenceMessage<T>> {
  let record: Record<string, WrappedPresenceMessage<T>> = NOBODY;
  return ({ current }) => {
    let changed = Object.keys(record).length !== current.size;
    const next = new Map<string, WrappedPresenceMessage<T>>();
    for (const [client, { value, lastSeen }] of current) {
      // Anybody may be called `constructor` or `__proto__`.
      const known = Object.hasOwn(record, client) ? record[client] : undefined;
      if (known !== undefined && equal(known.value, value)) {
        // A sign of life is no reason to render.
        known.lastSeen = lastSeen;
        next.set(client, known);
      } else {
        changed = true;
        next.set(client, { value, lastSeen });
      }
    }
    if (changed) record = Object.fromEntries(next);
    return record;
  };
}
