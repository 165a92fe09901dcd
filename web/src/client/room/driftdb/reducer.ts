// DriftDB's shared reducer by its names: a Compactor around one function.

import { Compactable, Compactor } from './compactor.ts';
import type { DbConnection } from './connection.ts';

class ReducerCompactable<T, A> extends Compactable<T, A> {
  override optimistic = true;
  #reducer: (state: T, action: A) => T;
  #initial: T;

  constructor(reducer: (state: T, action: A) => T, initial: T) {
    super();
    this.#reducer = reducer;
    this.#initial = initial;
  }

  override applyAction(state: T, action: A): T {
    return this.#reducer(state, action);
  }

  override initialState(): T {
    return this.#initial;
  }
}

/** A shared state machine made of one function, which may change the state that it is given. */
export class Reducer<T, A> {
  compactor: Compactor<T, A>;

  constructor(opts: {
    key: string;
    reducer: (state: T, action: A) => T;
    initialValue: T;
    sizeThreshold?: number;
    db: DbConnection;
    callback: (state: T) => void;
  }) {
    const { key, db, callback, sizeThreshold } = opts;
    const compactable = new ReducerCompactable(opts.reducer, opts.initialValue);
    this.compactor = new Compactor({ key, db, callback, sizeThreshold, compactable });
    this.dispatch = this.dispatch.bind(this);
  }

  subscribe(): void {
    this.compactor.subscribe();
  }

  destroy(): void {
    this.compactor.destroy();
  }

  dispatch(action: A): void {
    this.compactor.dispatch(action);
  }
}
