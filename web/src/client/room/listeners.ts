// A set of listeners that cannot hurt each other or their caller.

import type { Unsubscribe } from './types.ts';

/** Calls what belongs to the user. What it throws is reported as an uncaught error and stops nothing here. */
export function callSafely(call: () => unknown): void {
  try {
    call();
  } catch (error) {
    if (typeof reportError === 'function') reportError(error);
  }
}

/** Listeners of one thing. */
export class Listeners<Arguments extends readonly unknown[]> {
  readonly #listeners = new Set<{ readonly call: (...values: Arguments) => unknown }>();

  /** Adds one; the same function may be added twice. */
  add(call: (...values: Arguments) => unknown): Unsubscribe {
    const listener = { call };
    this.#listeners.add(listener);
    return () => {
      this.#listeners.delete(listener);
    };
  }

  /** Whether nobody listens. */
  get empty(): boolean {
    return this.#listeners.size === 0;
  }

  /** Removes all. */
  clear(): void {
    this.#listeners.clear();
  }

  /** Calls those who listen now. One that is removed on the way is not called. */
  call(...values: Arguments): void {
    for (const listener of [...this.#listeners]) {
      if (this.#listeners.has(listener)) callSafely(() => listener.call(...values));
    }
  }
}
