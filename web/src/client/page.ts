// What the page around the database is asked and tells: whether the network may be back, and whether it may close. All
// of it does nothing where there is no page.

/** How often coming back to a page counts, milliseconds. */
const VISIBLE_EVERY_MS = 10_000;

/** Calls this whenever the network may be back: the browser says so, or a person comes back to the page. */
export function onReturn(listener: () => void): () => void {
  if (typeof window === 'undefined' || typeof document === 'undefined') return () => undefined;
  // By a clock that nobody sets.
  let lastMs = Number.NEGATIVE_INFINITY;
  const visible = () => {
    const nowMs = performance.now();
    if (document.visibilityState !== 'visible' || nowMs - lastMs < VISIBLE_EVERY_MS) return;
    lastMs = nowMs;
    listener();
  };
  window.addEventListener('online', listener);
  document.addEventListener('visibilitychange', visible);
  return () => {
    window.removeEventListener('online', listener);
    document.removeEventListener('visibilitychange', visible);
  };
}

/** Calls this when the browser had put the page aside and takes it back: meanwhile it was told nothing. */
export function onTakenBack(listener: () => void): () => void {
  if (typeof window === 'undefined') return () => undefined;
  const shown = (event: PageTransitionEvent) => {
    if (event.persisted) listener();
  };
  window.addEventListener('pageshow', shown);
  return () => window.removeEventListener('pageshow', shown);
}

/** Whether the browser is sure that there is no network. */
export function isOffline(): boolean {
  return typeof navigator !== 'undefined' && navigator.onLine === false;
}

/** Makes the browser ask before it closes the page, as long as that is needed. */
export class ClosingGuard {
  readonly #ask = (event: BeforeUnloadEvent) => event.preventDefault();
  #on = false;
  #closed = false;

  /** Whether it is needed from now on. A listener that is always there would keep the page from being kept alive. */
  set(needed: boolean): void {
    if (typeof window === 'undefined' || needed === this.#on || (needed && this.#closed)) return;
    this.#on = needed;
    if (needed) window.addEventListener('beforeunload', this.#ask);
    else window.removeEventListener('beforeunload', this.#ask);
  }

  /** It is never needed again. */
  close(): void {
    this.#closed = true;
    this.set(false);
  }
}
