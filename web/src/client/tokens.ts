// What guarded hosts ask of a registration, by origin: kept beside the database, since a host that was wiped asks again.
// A token lets register and nothing else. Where nothing can be kept, it is remembered as long as the page.

/** Tokens of one database. */
export class Tokens {
  readonly #prefix: string;
  readonly #kept = new Map<string, string>();
  readonly #persistent: boolean;

  /** Of the database of this name; null: in memory. */
  constructor(name: string | null) {
    this.#prefix = `seabag:${name ?? ''}:token:`;
    this.#persistent = name !== null;
  }

  get(origin: string): string | undefined {
    // What is stored may be newer: another tab may have been told.
    return this.#storage()?.getItem(this.#prefix + origin) ?? this.#kept.get(origin);
  }

  set(origin: string, token: string): void {
    this.#kept.set(origin, token);
    try {
      this.#storage()?.setItem(this.#prefix + origin, token);
    } catch {
      // Full, or forbidden: then it has to be given again after a reload, and an older one must not come before it.
      this.#storage()?.removeItem(this.#prefix + origin);
    }
  }

  /** Forgets all of them. */
  clear(): void {
    this.#kept.clear();
    const storage = this.#storage();
    if (storage === undefined) return;
    const keys = Array.from({ length: storage.length }, (_, at) => storage.key(at));
    for (const key of keys) {
      if (key?.startsWith(this.#prefix)) storage.removeItem(key);
    }
  }

  #storage(): Storage | undefined {
    try {
      return this.#persistent && typeof window !== 'undefined' ? window.localStorage : undefined;
    } catch {
      return undefined;
    }
  }
}
