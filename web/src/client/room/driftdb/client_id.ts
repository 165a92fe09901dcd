// A name for this tab that survives a reload. A duplicated tab copies it: it is for showing people, never for outboxes.

const STORAGE_KEY = '_driftdb_client_id';
let withoutStorage: string | undefined;

/** A random name, kept in the session storage where there is one. */
export function uniqueClientId(): string {
  try {
    const kept = sessionStorage.getItem(STORAGE_KEY);
    if (kept !== null && kept !== '') return kept;
    const fresh = randomId();
    sessionStorage.setItem(STORAGE_KEY, fresh);
    return fresh;
  } catch {
    // No storage: on a server, in Node, or forbidden by the browser.
    withoutStorage ??= randomId();
    return withoutStorage;
  }
}

/** 128 random bits. `randomUUID` is missing on pages without TLS. */
function randomId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}
