// `useSharedReducer`: a state that everyone in the room changes by the same actions. The rules are SharedReducer's.

import { useCallback, useInsertionEffect, useRef } from 'react';
import { equal } from '../client/room/equal.ts';
import { SharedReducer, type SharedReducerOptions } from '../client/room/reducer.ts';
import type { SharedRoom } from '../client/room/shared_room.ts';
import { useConnection } from './context.ts';
import type { Plan } from './held.ts';
import { useHeld } from './use_held.ts';

/** What may be said about a shared reducer besides. */
export interface SharedReducerHookOptions {
  /** The stream's length above which this client packs it into a snapshot. Default 30. */
  threshold?: number;
  /** The reducer never changes a state in place, so no copies are made for it: for large states. Default false. */
  immutable?: boolean;
}

/**
 * A state that everyone in the room changes by actions, applied in the room's order by every client alike.
 * Own actions show at once; if others' come first in the order, they are taken back and applied again behind those.
 * The reducer must give the same result everywhere. It may change the state that it gets: that is a copy.
 * A new reducer is used for everything from its render on; the initial value counts until `key` or the room changes.
 * Components that use the same key share one state: they must give the same reducer, initial value and options.
 */
export function useSharedReducer<State, Action>(
  key: string,
  reducer: (state: State, action: Action) => State,
  initialValue: State,
  init?: undefined,
  options?: SharedReducerHookOptions,
): [State, (action: Action) => void];
/** The same, with the initial state made from `initialValue` by `init`. */
export function useSharedReducer<State, Action, InitialValue>(
  key: string,
  reducer: (state: State, action: Action) => State,
  initialValue: InitialValue,
  init: (initialValue: InitialValue) => State,
  options?: SharedReducerHookOptions,
): [State, (action: Action) => void];
export function useSharedReducer<State, Action>(
  key: string,
  reducer: (state: State, action: Action) => State,
  initialValue: State,
  init: (initialValue: State) => State = (value) => value,
  options: SharedReducerHookOptions = {},
): [State, (action: Action) => void] {
  const db = useConnection('useSharedReducer');
  const latest = useRef(reducer);
  const [state, held] = useHeld(
    db.room,
    ['reducer', key],
    (room): Plan<ReplaceableReducer<State, Action>, State> => {
      // Rendered states may be changed by careless components: the reducer's own must not be.
      const initial = options.immutable ? init(initialValue) : structuredClone(init(initialValue));
      return {
        make: () =>
          new ReplaceableReducer<State, Action>(room, key, {
            reducer: latest.current,
            initial,
            ...(options.threshold === undefined ? {} : { threshold: options.threshold }),
            ...(options.immutable ? {} : { clone: (state: State) => structuredClone(state) }),
          }),
        read: (shared) => shared.current,
        same: equal,
        initial: options.immutable ? initial : structuredClone(initial),
      };
    },
  );
  // Before all other effects, so that none of them dispatches to an old one.
  useInsertionEffect(() => {
    latest.current = reducer;
    held.found?.use(reducer);
  }, [held, reducer]);
  const dispatch = useCallback((action: Action) => held.forOwnChange().dispatch(action), [held]);
  return [state, dispatch];
}

/** A shared reducer whose function is that of the latest render. */
class ReplaceableReducer<State, Action> extends SharedReducer<State, Action> {
  readonly #reduce: { latest: (state: State, action: Action) => State };

  constructor(room: SharedRoom, key: string, options: SharedReducerOptions<State, Action>) {
    const reduce = { latest: options.reducer };
    super(room, key, { ...options, reducer: (state, action) => reduce.latest(state, action) });
    this.#reduce = reduce;
  }

  use(reducer: (state: State, action: Action) => State): void {
    this.#reduce.latest = reducer;
  }
}
