// Hooks about the connection itself: how it is, how fast it is, and which room it is of.

import { useCallback, useContext, useEffect, useState, useSyncExternalStore } from 'react';
import { currentRoom, followAddress } from '../client/room/address.ts';
import type { DbConnection } from '../client/room/driftdb/connection.ts';
import { DatabaseContext, useConnection, useSessionAbove } from './context.ts';
import type { RoomConnectionStatus } from './session.ts';

/** How often the latency is measured, milliseconds. */
export const LATENCY_INTERVAL_MS = 5000;

const NOT_CONNECTED: RoomConnectionStatus = { connected: false };

/** Whether there is a connection, where to look into the room, and else why there is none. */
export function useConnectionStatus(): RoomConnectionStatus {
  const db = useConnection('useConnectionStatus');
  // Under a connection that was provided by hand, only DriftDB's part is known.
  const session = useSessionAbove();
  const subscribe = useCallback(
    (listener: () => void) => session?.subscribe(listener) ?? listenTo(db, listener),
    [session, db],
  );
  return useSyncExternalStore(subscribe, session?.status ?? (() => db.status), () => NOT_CONNECTED);
}

/** The id of the room, null before there is one. Who knows it can read and write: treat it as a secret. */
export function useRoomId(): string | null {
  const db = useContext(DatabaseContext);
  const session = useSessionAbove();
  const subscribe = useCallback(
    (listener: () => void) => {
      if (session !== null) return session.subscribe(listener);
      return db === null ? followAddress(listener) : listenTo(db, listener);
    },
    [session, db],
  );
  const room = () => {
    if (session !== null) return session.room();
    return db === null ? currentRoom() : (db.connection?.id ?? null);
  };
  return useSyncExternalStore(subscribe, room, () => null);
}

/** The room's id in the page's address, or null. Works without a provider. */
export function useRoomIdFromUrl(): string | null {
  return useSyncExternalStore(followAddress, currentRoom, () => null);
}

/** The round trip to the server in milliseconds, measured every five seconds; null before the first, and when cut off. */
export function useLatency(): number | null {
  const db = useConnection('useLatency');
  const { connected } = useConnectionStatus();
  const [latency, setLatency] = useState<number | null>(null);
  useEffect(() => {
    if (!connected) return;
    let here = true;
    const measure = async () => {
      const ms = await Promise.resolve(db.testLatency()).catch(() => null);
      if (here) setLatency(ms);
    };
    void measure();
    const timer = setInterval(measure, LATENCY_INTERVAL_MS);
    return () => {
      here = false;
      clearInterval(timer);
      setLatency(null);
    };
  }, [db, connected]);
  return latency;
}

function listenTo(db: DbConnection, listener: () => void): () => void {
  db.statusListener.addListener(listener);
  return () => db.statusListener.removeListener(listener);
}
