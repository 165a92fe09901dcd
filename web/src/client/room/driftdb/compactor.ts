// DriftDB's state machine with hooks, by its names, over SharedReducer: own actions are rewound and reapplied.

import { SharedReducer } from '../reducer.ts';
import type { DbConnection } from './connection.ts';

/** What a state machine is. */
export abstract class Compactable<T, A> {
  /** Own actions show before the room has them. */
  optimistic = false;
  /** Actions commute and may be applied twice: the state is one object that is changed in place and never copied. */
  crdt = false;

  abstract applyAction(state: T, action: A): T;

  abstract initialState(): T;

  /** From what a room can hold. */
  unpackState(state: unknown): T {
    return state as T;
  }

  /** To what a room can hold. */
  packState(state: T): unknown {
    return state;
  }
}

/** A state machine on a key, and a callback for its changes. */
export class Compactor<T, A> {
  db: DbConnection;
  key: string;
  callback: (state: T) => void;
  sizeThreshold: number;
  compactable: Compactable<T, A>;
  #initial: T;
  /** The last one, also when it is destroyed. */
  #reducer: SharedReducer<T, A> | undefined;
  #hearing = false;

  constructor(opts: {
    key: string;
    compactable: Compactable<T, A>;
    /** The stream's length above which it is packed. Default: 30. */
    sizeThreshold?: number | undefined;
    db: DbConnection;
    callback: (state: T) => void;
  }) {
    this.compactable = opts.compactable;
    this.db = opts.db;
    this.key = opts.key;
    this.callback = opts.callback;
    this.sizeThreshold = opts.sizeThreshold || 30;
    this.#initial = this.compactable.initialState();
    this.dispatch = this.dispatch.bind(this);
  }

  /** The state as this client sees it. */
  get state(): T {
    return this.#reducer === undefined ? this.#initial : this.#reducer.current;
  }

  /** The state that the room's order gives, without own actions still under way; null before `subscribe`. */
  get lastConfirmedState(): T | null {
    return this.#reducer?.confirmed ?? null;
  }

  /** The number in the room's order up to which that is; 0 before the first. */
  get lastConfirmedSeq(): number {
    return this.#reducer?.confirmedSeq ?? 0;
  }

  subscribe(): void {
    this.#begin(this.#initial);
  }

  /** Ends hearing it. What is dispatched later is still sent. */
  destroy(): void {
    this.#reducer?.destroy();
    this.#hearing = false;
  }

  /** Applies an action here and in the room. */
  dispatch(action: A): void {
    const destroyed = this.#reducer !== undefined && !this.#hearing;
    this.#begin(this.state);
    this.#reducer?.dispatch(action);
    if (destroyed) this.destroy();
  }

  #begin(initial: T): void {
    if (this.#hearing) return;
    this.#hearing = true;
    const { compactable } = this;
    this.#reducer = new SharedReducer<T, A>(this.db.room, this.key, {
      reducer: (state, action) => compactable.applyAction(state, action),
      initial,
      threshold: this.sizeThreshold,
      pack: (state) => compactable.packState(state),
      unpack: (packed) => compactable.unpackState(packed),
      optimistic: compactable.optimistic,
      clone: compactable.crdt ? undefined : (state) => structuredClone(state),
    });
    this.#reducer.subscribe((state) => this.callback(state));
  }
}
