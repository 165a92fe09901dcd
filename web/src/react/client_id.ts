// `useUniqueClientId`: a name for this tab, or the one that the provider was given. It is no secret and proves nothing.

import { createContext, useContext, useSyncExternalStore } from 'react';
import { uniqueClientId } from '../client/room/driftdb/client_id.ts';

/** The name that the provider was given. */
export const ClientIdContext = createContext<string | null>(null);

/**
 * This client's name: the same over reloads of the tab. Empty on a server and in the first render of its page, because
 * there is no tab there.
 */
export function useUniqueClientId(): string {
  const given = useContext(ClientIdContext);
  const own = useSyncExternalStore(never, uniqueClientId, nameless);
  return given ?? own;
}

function never(): () => void {
  return () => undefined;
}

function nameless(): string {
  return '';
}
