// DriftDB's shared reducer by its names: a Compactor around one function.

import { Compactor } from './compactor.ts';
import type { DbConnection } from './connection.ts';

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
    const { reducer: applyAction, initialValue, ...others } = opts;
    const same = (state: unknown): T => state as T;
    const hooks = { applyAction, initialState: () => initialValue, packState: same, unpackState: same };
    this.compactor = new Compactor({ ...others, compactable: { ...hooks, optimistic: true, crdt: false } });
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
