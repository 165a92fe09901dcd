// Hooks about the connection itself: how it is, how fast it is, and which room it is of.

import { useCallback, useContext, useEffect, useState, useSyncExternalStore } from 'react';
import { currentRoom, followAddress } from '../client/room/address.ts';
import type { DbConnection } from '../client/room/driftdb/connection.ts';
import { SessionContext, useDatabase } from './context.ts';
import type { RoomConnectionStatus } from './session.ts';

/** How often the latency is measured, milliseconds. */
export const LATENCY_INTERVAL_MS = 5000;

const NOT_CONNECTED: RoomConnectionStatus = { connected: false };

/** Whether there is a connection, where to look into the room, and else why there is none. */
export function useConnectionStatus(): RoomConnectionStatus {
  const db = useDatabase();
  const session = useContext(SessionContext);
  // Under a connection that was provided by hand, only DriftDB's part is known.
  const own = session?.db === db ? session : null;
  const subscribe = useCallback(
    (listener: () => void) => own?.subscribe(listener) ?? listenTo(db, listener),
    [own, db],
  );
  return useSyncExternalStore(subscribe, own?.status ?? (() => db.status), () => NOT_CONNECTED);
}

/** The id of the room, null before there is one. Who knows it can read and write: treat it as a secret. */
export function useRoomId(): string | null {
  const session = useContext(SessionContext);
  return useSyncExternalStore(session?.subscribe ?? followAddress, session?.room ?? currentRoom, () => null);
}

/** The room's id in the page's address, or null. Works without a provider. */
export function useRoomIdFromUrl(): string | null {
  return useSyncExternalStore(followAddress, currentRoom, () => null);
}

/** The round trip to the server in milliseconds, measured every five seconds; null before the first, and when cut off. */
export function useLatency(): number | null {
  const db = useDatabase();
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
