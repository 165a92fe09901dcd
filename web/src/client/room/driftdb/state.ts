// DriftDB's shared value by its names, over SharedValue: two that set at once end alike.

import { SharedValue, VALUE_DEBOUNCE_MS } from '../value.ts';
import type { DbConnection } from './connection.ts';

/** A value on a key, and a callback for its changes. */
export class StateListener<T> {
  db: DbConnection;
  key: string;
  callback: (value: T) => void;
  debounceMillis: number;
  /** What was set here last; null before that. */
  lastValue: T | null = null;
  /** Undefined while the room has none: null is a value. */
  #value: SharedValue<T | undefined> | undefined;

  constructor(opts: {
    callback: (value: T) => void;
    db: DbConnection;
    key: string;
    debounceMillis?: number;
  }) {
    this.callback = opts.callback;
    this.db = opts.db;
    this.key = opts.key;
    this.debounceMillis = opts.debounceMillis ?? VALUE_DEBOUNCE_MS;
    this.setStateOptimistic = this.setStateOptimistic.bind(this);
  }

  /** The value as this client sees it; null while there is none. */
  get state(): T | null {
    return this.#value?.current ?? null;
  }

  subscribe(): void {
    if (this.#value !== undefined) return;
    const options = { initial: undefined, debounceMs: this.debounceMillis };
    this.#value = new SharedValue<T | undefined>(this.db.room, this.key, options);
    this.#value.subscribe((value) => {
      if (value !== undefined) this.callback(value);
    });
  }

  destroy(): void {
    this.#value?.destroy();
    this.#value = undefined;
  }

  /** Sets it here at once, and in the room. */
  setStateOptimistic(value: T): void {
    this.subscribe();
    this.lastValue = value;
    this.#value?.set(() => value);
  }
}
