// What somebody wrote for the types of driftdb and driftdb-react 1.0.12 is checked here against ours, by the type checker:
// every documented name with its arguments, defaults and results. Nothing of it is run.

import type * as published from 'driftdb';
import type { Context, ReactElement, ReactNode } from 'react';
import * as ours from '../../src/driftdb.ts';
import * as hooks from '../../src/react.ts';

/** Ours must do for theirs. What is private in a class cannot be asked for. */
type Fits<Theirs, Ours extends Theirs> = Ours;
type Of<Type, Names extends keyof Type> = Pick<Type, Names>;

/** What is not ours: how a connection is kept, which is another one. The guide for web developers says so. */
type Inner =
  | 'connection'
  | 'subscriptions'
  | 'sizeSubscriptions'
  | 'reconnectLoopHandle'
  | 'activeLatencyTest';
type ConnectionNames = Exclude<keyof published.DbConnection, Inner>;
type ValueNames = 'subscribe' | 'destroy' | 'setStateOptimistic' | 'lastValue' | 'callback' | 'key';

export type Checked = [
  Fits<Of<published.Api, keyof published.Api>, ours.Api>,
  Fits<Of<published.DbConnection, ConnectionNames>, ours.DbConnection>,
  Fits<Of<published.PresenceListener<number>, keyof published.PresenceListener<number>>, Presence>,
  Fits<Of<published.Reducer<number, string>, 'subscribe' | 'destroy' | 'dispatch'>, Machine>,
  Fits<Compactor, Machine['compactor']>,
  Fits<Of<published.StateListener<number>, ValueNames | 'debounceMillis'>, Value>,
  Fits<Readonly<Of<published.StateListener<number>, 'state'>>, Value>,
  Fits<typeof published.uniqueClientId, typeof ours.uniqueClientId>,
  Fits<published.RoomResult, ours.RoomResult>,
  Fits<published.ConnectionStatus, ours.ConnectionStatus>,
  Fits<published.MessageFromDb, ours.MessageFromDb>,
  Fits<ours.MessageToDb, published.MessageToDb>,
  Fits<published.SequenceValue, ours.SequenceValue>,
  Fits<published.PresenceMessage<number>, ours.PresenceMessage<number>>,
  Fits<published.WrappedPresenceMessage<number>, ours.WrappedPresenceMessage<number>>,
  // The other way too: our messages may be given to functions that were written for theirs.
  Fits<ours.MessageFromDb, published.MessageFromDb>,
  Fits<ours.ConnectionStatus, published.ConnectionStatus>,
];

type Presence = ours.PresenceListener<number>;
type Machine = ours.Reducer<number, string>;
type Value = ours.StateListener<number>;
type Compactor = Readonly<
  Of<
    published.Reducer<number, string>['compactor'],
    'state' | 'lastConfirmedState' | 'lastConfirmedSeq' | 'key' | 'callback' | 'sizeThreshold'
  >
>;
type ConstructorCall = ConstructorParameters<typeof published.PresenceListener<number>>[0];
type ReducerCall = ConstructorParameters<typeof published.Reducer<number, string>>[0];
type ValueCall = ConstructorParameters<typeof published.StateListener<number>>[0];

/** Never called: each line is what an application writes. */
export async function written(db: ours.DbConnection): Promise<unknown[]> {
  const presence: Omit<ConstructorCall, 'db'> = {
    initialState: 1,
    clientId: 'me',
    callback: () => undefined,
  };
  const machine: Omit<ReducerCall, 'db'> = {
    key: 'k',
    reducer: (state, action) => state + action.length,
    initialValue: 0,
    callback: () => undefined,
  };
  const value: Omit<ValueCall, 'db'> = { key: 'k', callback: () => undefined };
  const http = new ours.HttpConnection('http://127.0.0.1:1/room/x/send');
  const answer: published.MessageFromDb = await http.send({ type: 'get', key: 'k', seq: 0 });
  const pong: published.MessageFromDb = await http.send({ type: 'ping' });
  const connected: Promise<void> = db.connect('ws://127.0.0.1:1/room/x/connect', true);
  return [
    new ours.PresenceListener({ ...presence, db }),
    new ours.Reducer({ ...machine, db, sizeThreshold: 5 }),
    new ours.StateListener({ ...value, db, debounceMillis: 5 }),
    answer,
    pong,
    connected,
  ];
}

type ProviderProps = { children: ReactNode; api: string; room?: string; useBinary?: boolean };
type Reduce<State, Action> = (state: State, action: Action) => State;
type Setter<T> = (value: T | ((before: T) => T)) => void;

/** The shapes that driftdb-react 1.0.12 tells, in our words. */
export const shapes = {
  DriftDBProvider: hooks.DriftDBProvider satisfies (props: ProviderProps) => ReactElement,
  DatabaseContext: hooks.DatabaseContext satisfies Context<ours.DbConnection | null>,
  useDatabase: hooks.useDatabase satisfies () => ours.DbConnection,
  useSharedState: hooks.useSharedState satisfies <T>(key: string, initialValue: T) => [T, Setter<T>],
  useSharedReducer: hooks.useSharedReducer satisfies {
    <S, A>(key: string, reducer: Reduce<S, A>, initialValue: S): [S, (action: A) => void];
    <S, A, I>(
      key: string,
      reducer: Reduce<S, A>,
      initialValue: I,
      init: (initialValue: I) => S,
    ): [S, (action: A) => void];
  },
  usePresence: hooks.usePresence satisfies <T>(
    key: string,
    value: T,
  ) => Record<string, published.WrappedPresenceMessage<T>>,
  useUniqueClientId: hooks.useUniqueClientId satisfies () => string,
  useConnectionStatus: hooks.useConnectionStatus satisfies () => published.ConnectionStatus,
  useLatency: hooks.useLatency satisfies () => number | null,
  StatusIndicator: hooks.StatusIndicator satisfies () => ReactElement,
  RoomQRCode: hooks.RoomQRCode satisfies () => ReactNode,
};

/** Types are found without being said. */
export function useInferred(): [string, number, { at: number } | undefined] {
  const [name, setName] = hooks.useSharedState('name', 'nobody');
  setName((before) => before.toUpperCase());
  const [sum, add] = hooks.useSharedReducer('sum', (before: number, more: number) => before + more, 0);
  add(1);
  const others = hooks.usePresence('here', { at: 1 });
  return [name, sum, Object.values(others)[0]?.value];
}
