// What hooks find above them in the tree: a connection to a room. It opens none.

import { createContext, useContext } from 'react';
import type { DbConnection } from '../client/room/driftdb/connection.ts';
import type { ReadableRoom } from '../client/room/shared_room.ts';
import type { RoomSession } from './session.ts';

/** The connection to the room, from the nearest provider. May be provided by hand, with a connection made elsewhere. */
export const DatabaseContext = createContext<DbConnection | null>(null);

/** What the provider knows besides the connection; null under a connection that was provided by hand. */
export const SessionContext = createContext<RoomSession | null>(null);

/**
 * The room of the nearest provider, for everything that has no hook: `subscribe`, `push`, `onEntry` and the like, or
 * `new SharedMap(room, …)`. It is there before the connection is.
 */
export function useRoom(): ReadableRoom {
  return useConnection('useRoom').room;
}

/**
 * The connection to the room of the nearest provider. It may be used at once: what is pushed before it is open waits.
 * A new object when the provider's room or server changes. Throws outside of a provider.
 */
export function useDatabase(): DbConnection {
  return useConnection('useDatabase');
}

/** The same, for the hook of this name. */
export function useConnection(hook: string): DbConnection {
  const db = useContext(DatabaseContext);
  if (db === null) throw new Error(`${hook} needs a DriftDBProvider (or RoomProvider) above it`);
  return db;
}

/** What is known besides of the connection above; null if that was provided by hand. */
export function useSessionAbove(): RoomSession | null {
  const db = useContext(DatabaseContext);
  const session = useContext(SessionContext);
  return session?.db === db ? session : null;
}
