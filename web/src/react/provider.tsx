// The component that gives its children a room. Which one: the property, else the page's address, else a new one.

import { type ReactElement, type ReactNode, useEffect, useState, useSyncExternalStore } from 'react';
import { currentRoom, followAddress, showRoom } from '../client/room/address.ts';
import type { RoomError } from '../protocol/error.ts';
import { ClientIdContext } from './client_id.ts';
import { DatabaseContext, SessionContext } from './context.ts';
import { RoomSession, type SessionPlan } from './session.ts';
import { useLatest } from './use_latest.ts';

/** What a provider is told. All of it may change at any time. */
export interface RoomProviderProps {
  children?: ReactNode;
  /** The server's address, as `https://rooms.example.org`, or its path on the page's own, as `/rooms`. */
  api: string;
  /**
   * The room's id. Without it: the one in the page's address (`#room=…`), else a new room, which is then shown there.
   * Give it when the fragment belongs to a router.
   */
  room?: string | undefined;
  /** Whether values may hold bytes, dates and typed arrays (CBOR). Default false (JSON). */
  useBinary?: boolean | undefined;
  /** What a guarded server asks of those who make rooms. */
  token?: string | undefined;
  /** This user's name in `usePresence` and `useUniqueClientId`. Default: one that stays with the tab. */
  client?: string | undefined;
  /**
   * Hears why there is no room or no connection: once for each cause. For an error boundary, throw
   * `useConnectionStatus().error` in a component instead.
   */
  onError?: ((error: RoomError) => void) | undefined;
}

/** Joins a room for all hooks below. Leaves it when it goes, or when `api` or `room` change. */
export function DriftDBProvider(props: RoomProviderProps): ReactElement {
  const { children, api, useBinary = false, token, client, onError } = props;
  // An empty one is none: so says a router before it knows.
  const room = props.room || undefined;
  const addressed = useSyncExternalStore(followAddress, currentRoom, noRoom);
  const session = useSession({
    api,
    room: room ?? addressed,
    given: room !== undefined,
    binary: useBinary,
    token,
  });
  useEffect(() => session.hold(), [session]);
  useEffect(() => {
    // A link in the old form becomes one in ours: what is in the query, servers see.
    if (room === undefined && addressed !== null) showRoom(addressed);
  }, [room, addressed]);
  useOnError(session, onError);
  return (
    <SessionContext.Provider value={session}>
      <ClientIdContext.Provider value={client ?? null}>
        <DatabaseContext.Provider value={session.db}>{children}</DatabaseContext.Provider>
      </ClientIdContext.Provider>
    </SessionContext.Provider>
  );
}

function noRoom(): null {
  return null;
}

function useSession(plan: SessionPlan): RoomSession {
  const [session, setSession] = useState(() => new RoomSession(plan));
  if (session.serves(plan)) return session;
  // Making one has no effects: it begins when it is held.
  const next = new RoomSession(plan);
  setSession(next);
  return next;
}

function useOnError(session: RoomSession, onError: ((error: RoomError) => void) | undefined): void {
  const latest = useLatest(onError);
  useEffect(() => {
    let told: string | undefined;
    const look = () => {
      const { error } = session.status();
      if (error !== undefined && error.code !== told) latest.current?.(error);
      told = error?.code;
    };
    look();
    return session.subscribe(look);
  }, [session, latest]);
}
