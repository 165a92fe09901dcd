// DriftDB's shared value by its names, over SharedValue: two that set at once end alike.

import { SharedValue, VALUE_DEBOUNCE_MS } from '../value.ts';
import type { DbConnection } from './connection.ts';

/** What it is while the room has no value: all that can be set is one, undefined too. */
const UNSET = Symbol();

/** A value on a key, and a callback for its changes. */
export class StateListener<T> {
  db: DbConnection;
  key: string;
  callback: (value: T) => void;
  debounceMillis: number;
  /** What was set here last; null before that. */
  lastValue: T | null = null;
  /** The last one, also when it is destroyed. */
  #value: SharedValue<T | typeof UNSET> | undefined;
  #hearing = false;

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
    const state = this.#value === undefined ? UNSET : this.#value.current;
    return state === UNSET ? null : state;
  }

  subscribe(): void {
    if (this.#hearing) return;
    this.#hearing = true;
    this.#value = new SharedValue<T | typeof UNSET>(this.db.room, this.key, {
      initial: UNSET,
      debounceMs: this.debounceMillis,
    });
    this.#value.subscribe((value) => {
      if (value !== UNSET) this.callback(value);
    });
  }

  /** Ends hearing it. What is set later is still sent. */
  destroy(): void {
    this.#value?.destroy();
    this.#hearing = false;
  }

  /** Sets it here at once, and in the room. */
  setStateOptimistic(value: T): void {
    const destroyed = this.#value !== undefined && !this.#hearing;
    this.subscribe();
    this.lastValue = value;
    this.#value?.set(() => value);
    if (destroyed) this.destroy();
  }
}
