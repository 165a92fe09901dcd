// Which room the page's address names. The id is a secret, so it lives in the fragment, which is never sent to a
// server; a link in the old form (`?_driftdb_room=`) is understood and moved there. It opens no connection.

const FRAGMENT_NAME = 'room';
const OLD_QUERY_NAME = '_driftdb_room';

/** The room id that an address names, or null. The fragment wins over the old form. */
export function roomOfAddress(href: string): string | null {
  const url = new URL(href);
  return fragmentOf(url).get(FRAGMENT_NAME) || url.searchParams.get(OLD_QUERY_NAME) || null;
}

/** The same address, naming `room` in the fragment and nowhere else. Everything else in it stays. */
export function addressOfRoom(href: string, room: string): string {
  const url = new URL(href);
  url.searchParams.delete(OLD_QUERY_NAME);
  const fragment = fragmentOf(url);
  fragment.set(FRAGMENT_NAME, room);
  url.hash = fragment.toString();
  return url.href;
}

function fragmentOf(url: URL): URLSearchParams {
  return new URLSearchParams(url.hash.slice(1));
}

const listeners = new Set<() => void>();

/** The room id in this page's address now; null where there is no page. */
export function currentRoom(): string | null {
  return typeof window === 'undefined' ? null : roomOfAddress(window.location.href);
}

/** Writes `room` into this page's address without a new entry in the history, and tells who follows it. No page: nothing. */
export function showRoom(room: string): void {
  if (typeof window === 'undefined') return;
  const href = addressOfRoom(window.location.href, room);
  if (href === window.location.href) return;
  window.history.replaceState(window.history.state, '', href);
  for (const listener of [...listeners]) listener();
}

/** Calls `listener` whenever the page's address may name another room. */
export function followAddress(listener: () => void): () => void {
  listeners.add(listener);
  window.addEventListener('hashchange', listener);
  window.addEventListener('popstate', listener);
  return () => {
    listeners.delete(listener);
    window.removeEventListener('hashchange', listener);
    window.removeEventListener('popstate', listener);
  };
}
