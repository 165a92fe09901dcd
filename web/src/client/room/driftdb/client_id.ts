// A name for this tab that survives a reload. A duplicated tab copies it: it is for showing people, never for outboxes.

import { randomClient } from '../../../protocol/room/name.ts';

const STORAGE_KEY = '_driftdb_client_id';
let withoutStorage: string | undefined;

/** A random name, kept in the session storage where there is one. */
export function uniqueClientId(): string {
  try {
    const kept = sessionStorage.getItem(STORAGE_KEY);
    if (kept) return kept;
    const fresh = randomClient();
    sessionStorage.setItem(STORAGE_KEY, fresh);
    return fresh;
  } catch {
    // No storage: on a server, in Node, or forbidden by the browser.
    withoutStorage ??= randomClient();
    return withoutStorage;
  }
}
