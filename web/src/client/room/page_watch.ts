// What the page around a connection tells: the network or the user is back, or the page goes away. Does nothing where there
// is no page.

import type { Unsubscribe } from './types.ts';

/**
 * Tells when the network or the user is back, and when the page goes away; where there is a page. `kept`: the browser
 * keeps the page as it is, perhaps for the user's way back. That is told last, because others have last words too.
 */
export function watchPage(back: () => void, leaving: (kept: boolean) => void): Unsubscribe {
  const { addEventListener, document } = globalThis as Partial<Pick<Window, 'addEventListener' | 'document'>>;
  const page = addEventListener === undefined ? undefined : globalThis;
  const watching = new AbortController();
  const { signal } = watching;
  let kept = false;
  const leave = (): void => leaving(kept);
  const hide = (event: Event): void => {
    leaving(false);
    kept = 'persisted' in event && event.persisted === true;
    setTimeout(leave);
  };
  const show = (): void => {
    kept = false;
    back();
  };
  const look = (): void => (document?.visibilityState === 'visible' ? back() : leave());
  page?.addEventListener('online', back, { signal });
  page?.addEventListener('pageshow', show, { signal });
  page?.addEventListener('pagehide', hide, { signal });
  document?.addEventListener('freeze', leave, { signal });
  document?.addEventListener('visibilitychange', look, { signal });
  return () => watching.abort();
}
