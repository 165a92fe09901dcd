// What hooks find above them in the tree: a connection to a room. It opens none.

import { createContext, useContext } from 'react';
import type { DbConnection } from '../client/room/driftdb/connection.ts';
import type { RoomSession } from './session.ts';

/** The connection to the room, from the nearest provider. May be provided by hand, with a connection made elsewhere. */
export const DatabaseContext = createContext<DbConnection | null>(null);

/** What the provider knows besides the connection; null under a connection that was provided by hand. */
export const SessionContext = createContext<RoomSession | null>(null);

/**
 * The connection to the room of the nearest provider. It may be used at once: what is pushed before it is open waits.
 * A new object when the provider's room or server changes. Throws outside of a provider.
 */
export function useDatabase(): DbConnection {
  const db = useContext(DatabaseContext);
  if (db === null) throw new Error('this hook needs a DriftDBProvider (or RoomProvider) above it');
  return db;
}
