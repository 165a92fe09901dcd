// What the page around the database is asked and tells: whether the network may be back, and whether it may close. All
// of it does nothing where there is no page.

/** How often coming back to a page counts, milliseconds. */
const VISIBLE_EVERY_MS = 10_000;

/** Calls this whenever the network may be back: the browser says so, or a person comes back to the page. */
export function onReturn(listener: () => void): () => void {
  if (typeof window === 'undefined' || typeof document === 'undefined') return () => undefined;
  let lastMs = 0;
  const visible = () => {
    if (document.visibilityState !== 'visible' || Date.now() - lastMs < VISIBLE_EVERY_MS) return;
    lastMs = Date.now();
    listener();
  };
  window.addEventListener('online', listener);
  document.addEventListener('visibilitychange', visible);
  return () => {
    window.removeEventListener('online', listener);
    document.removeEventListener('visibilitychange', visible);
  };
}

/** Whether the browser is sure that there is no network. */
export function isOffline(): boolean {
  return typeof navigator !== 'undefined' && navigator.onLine === false;
}

/** Makes the browser ask before it closes the page, as long as that is needed. */
export class ClosingGuard {
  readonly #ask = (event: BeforeUnloadEvent) => event.preventDefault();
  #on = false;

  /** Whether it is needed from now on. A listener that is always there would keep the page from being kept alive. */
  set(needed: boolean): void {
    if (typeof window === 'undefined' || needed === this.#on) return;
    this.#on = needed;
    if (needed) window.addEventListener('beforeunload', this.#ask);
    else window.removeEventListener('beforeunload', this.#ask);
  }
}
