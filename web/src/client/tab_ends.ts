// Notices when another tab of a database ends, however it does: each holds a Web Lock of its own for as long as it lives,
// and who waits for that lock gets it when the browser has freed it. It knows nothing of what tabs do.

/** The most tabs that are watched at a time. */
const WATCHED_MAX = 256;

/** This tab's lock, and those of others that are waited for. */
export class TabEnds {
  /** Names this tab. */
  readonly tab: string;
  readonly #locks: LockManager;
  readonly #name: string;
  readonly #ended: () => void;
  readonly #closing = new AbortController();
  readonly #watched = new Set<string>();
  #release: (() => void) | undefined;

  /** Locks are called by this name; the listener hears of each watched tab's end. */
  constructor(locks: LockManager, name: string, ended: () => void) {
    this.#locks = locks;
    this.#name = name;
    this.#ended = ended;
    this.tab = crypto.randomUUID();
    const held = new Promise<void>((resolve) => {
      this.#release = resolve;
    });
    // Where locks are refused, nobody hears of this tab's end by them.
    locks.request(this.#lockOf(this.tab), () => held).catch(() => undefined);
  }

  /** Waits for the end of this tab, unless it is this one. */
  watch(tab: string): void {
    if (tab === this.tab || this.#watched.has(tab) || this.#watched.size >= WATCHED_MAX) return;
    this.#watched.add(tab);
    const { signal } = this.#closing;
    const over = () => {
      this.#watched.delete(tab);
      if (!signal.aborted) this.#ended();
    };
    // It is rejected when this tab closes first.
    this.#locks.request(this.#lockOf(tab), { signal }, over).catch(() => this.#watched.delete(tab));
  }

  /** Lets go of this tab's lock, and waits for no others. */
  close(): void {
    this.#closing.abort();
    this.#release?.();
  }

  #lockOf(tab: string): string {
    return `${this.#name}:${tab}`;
  }
}
