// What goes wrong with DriftDB's own client, one test for each, by its names and over a real server. Its faults with data
// channels are in webrtc.browser.test.ts, those of its hooks in ../react.

import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import WebSocket from 'ws';
import type { WebSocketConstructor } from '../../src/client/room/types.ts';
import {
  Api,
  type ConnectionStatus,
  DbConnection,
  type MessageToDb,
  PresenceListener,
  Reducer,
  StateListener,
} from '../../src/driftdb.ts';
import { Network } from '../support/network.ts';
import { Server } from '../support/server.ts';
import { until } from '../support/until.ts';

let server: Server;
let url: string;
const ends: (() => void)[] = [];

beforeAll(async () => {
  server = await Server.start();
});
afterAll(() => server.remove());
afterEach(() => {
  for (const end of ends.splice(0)) end();
});

async function connected(network = new Network(), cbor = false): Promise<DbConnection> {
  const db = new DbConnection({ websocketConstructor: network.webSocket });
  ends.push(() => db.disconnect());
  await db.connect(url, cbor);
  return db;
}

async function room(): Promise<void> {
  url = (await new Api(server.url).newRoom()).socket_url;
}

const append = (key: string, value: unknown): MessageToDb => ({
  type: 'push',
  key,
  value,
  action: { type: 'append' },
});

/** The values that a listener of a key hears. */
function heard(
  db: DbConnection,
  key: string,
): { values: unknown[]; listener: (event: { value: unknown }) => void } {
  const values: unknown[] = [];
  const listener = ({ value }: { value: unknown }) => values.push(value);
  db.subscribe(key, listener);
  return { values, listener };
}

/** Tells the addresses that were asked for. */
function recording(urls: string[], network: Network): WebSocketConstructor {
  const Base = network.webSocket;
  return class extends Base {
    constructor(address: string, protocols: string[]) {
      super(address, protocols);
      urls.push(address);
    }
  };
}

test('after a drop it hears on, what it missed too, and attempts that fail are nobody’s unhandled rejection', async () => {
  await room();
  const unhandled: unknown[] = [];
  const note = (error: unknown) => unhandled.push(error);
  process.on('unhandledRejection', note);
  const network = new Network();
  const [db, writer] = [await connected(network), await connected()];
  const { values } = heard(db, 'k');
  writer.send(append('k', 'before'));
  await until('it is heard', () => values.length === 1);
  network.offline();
  await until('attempts fail', () => db.connection?.status.state === 'waiting');
  writer.send(append('k', 'missed'));
  await until('it is stored', async () => (await writer.connection?.get('k'))?.length === 2);
  network.online();
  await until('the missed one is heard', () => values.length === 2);
  writer.send(append('k', 'after'));
  await until('the later one is heard', () => values.length === 3);
  process.off('unhandledRejection', note);
  expect([values, unhandled]).toEqual([['before', 'missed', 'after'], []]);
});

test('with CBOR it comes back again and again, and its address does not grow', async () => {
  await room();
  const urls: string[] = [];
  const network = new Network();
  const db = new DbConnection({ websocketConstructor: recording(urls, network) });
  ends.push(() => db.disconnect());
  await db.connect(url, true);
  const { values } = heard(db, 'k');
  for (let round = 1; round <= 3; round += 1) {
    // After a mere cut it may be back before anybody looks.
    network.offline();
    await until('the cut is noticed', () => !db.status.connected);
    db.send(append('k', new Uint8Array([round])));
    network.online();
    await until('it is back', () => values.length === round);
  }
  expect(values.at(-1)).toEqual(new Uint8Array([3]));
  expect(urls.length).toBeGreaterThan(3);
  for (const one of urls) expect([one.split('?').length, one.length < 200]).toEqual([2, true]);
});

test('unsubscribing ends what it should and nothing else', async () => {
  await room();
  const db = await connected();
  const [one, other] = [heard(db, 'k'), heard(db, 'k')];
  db.unsubscribe('k', one.listener);
  db.send(append('k', 1));
  await until('the other hears', () => other.values.length === 1);
  expect(one.values).toEqual([]);
});

test('who subscribes twice to a key hears the stream once for each, and each push once', async () => {
  await room();
  const db = await connected();
  db.send(append('k', 'kept'));
  const first = heard(db, 'k');
  await until('the first has the stream', () => first.values.length === 1);
  const second = heard(db, 'k');
  await until('the second has the stream', () => second.values.length === 1);
  db.send(append('k', 'new'));
  await until('both hear', () => first.values.length + second.values.length >= 4);
  expect([first.values, second.values]).toEqual([
    ['kept', 'new'],
    ['kept', 'new'],
  ]);
});

test('disconnecting while it waits to try again tells so once, makes no socket any more, and is not the end of the object', async () => {
  await room();
  const urls: string[] = [];
  const network = new Network();
  const db = new DbConnection({ websocketConstructor: recording(urls, network) });
  ends.push(() => db.disconnect());
  const told: ConnectionStatus['connected'][] = [];
  db.statusListener.addListener(({ connected: is }) => told.push(is));
  await db.connect(url);
  network.offline();
  await until('it waits', () => db.connection?.status.state === 'waiting');
  const { retryAt = 0 } = db.connection?.status ?? {};
  db.disconnect();
  expect([db.closed, told]).toEqual([true, [true, false]]);
  const made = urls.length;
  await until('the time of the next attempt is past', () => Date.now() > retryAt + 100);
  expect(urls.length).toBe(made);
  network.online();
  await db.connect(url);
  expect([db.closed, db.status.connected, told]).toEqual([false, true, [true, false, true]]);
});

test('what is sent while the socket closes arrives, in its order, and what a status listener sends does not overtake it', async () => {
  await room();
  const network = new Network();
  const db = await connected(network);
  network.offline();
  for (let number = 0; number < 50; number += 1) db.send(append('k', number));
  await until('the cut is noticed', () => !db.status.connected);
  for (let number = 50; number < 100; number += 1) db.send(append('k', number));
  db.statusListener.addListener(({ connected: is }) => {
    if (is) db.send(append('k', 'from a listener'));
  });
  network.online();
  const reader = await connected();
  const { values } = heard(reader, 'k');
  await until('all are there', () => values.length === 101);
  expect(values).toEqual([...Array.from({ length: 100 }, (_, number) => number), 'from a listener']);
});

test('two who set a value at the same time end with the same one, and each can ask what it is', async () => {
  await room();
  const shown: number[][] = [[], []];
  const states: StateListener<number>[] = [];
  for (const mine of shown) {
    const db = await connected();
    const state = new StateListener<number>({
      db,
      key: 'v',
      callback: (value) => mine.push(value),
      debounceMillis: 0,
    });
    state.subscribe();
    states.push(state);
  }
  for (let round = 0; round < 20; round += 1) {
    for (const [who, state] of states.entries()) state.setStateOptimistic(round * 2 + who);
  }
  const late = await connected();
  await until('all is stored', () => states.every(({ db }) => db.connection?.status.unacknowledged === 0));
  const stored = (await late.connection?.get('v'))?.at(-1)?.value as { v: number };
  await until('both show it', () => states.every(({ state }) => state === stored.v));
  expect(shown.map((values) => values.at(-1))).toEqual([stored.v, stored.v]);
  for (const state of states) state.destroy();
});

test('an own action that a foreign one came before is taken back and applied again behind it', async () => {
  await room();
  const reducers: Reducer<string[], string>[] = [];
  for (let who = 0; who < 2; who += 1) {
    const reducer = new Reducer<string[], string>({
      key: 'r',
      reducer: (state, word) => [...state, word],
      initialValue: [],
      sizeThreshold: 1_000,
      db: await connected(),
      callback: () => undefined,
    });
    reducer.subscribe();
    reducers.push(reducer);
  }
  for (let round = 0; round < 20; round += 1) {
    for (const [who, reducer] of reducers.entries()) reducer.dispatch(`${who}:${round}`);
  }
  await until('both have all', () =>
    reducers.every(({ compactor }) => compactor.lastConfirmedState?.length === 40),
  );
  const [one, other] = reducers.map(({ compactor }) => compactor.state);
  expect(one).toEqual(other);
  expect(one).toEqual(reducers[0]?.compactor.lastConfirmedState);
  for (const reducer of reducers) reducer.destroy();
});

test('who leaves is told to the callback at once, whether it says goodbye or is cut off', async () => {
  await room();
  const network = new Network();
  let seen: string[] = [];
  const calls: string[] = [];
  const watching = new PresenceListener<number>({
    initialState: 0,
    clientId: 'watching',
    db: await connected(),
    callback: (presence) => {
      seen = Object.keys(presence);
      calls.push(seen.join());
    },
  });
  watching.subscribe();
  const polite = new PresenceListener<number>({ initialState: 1, clientId: 'polite', db: await connected() });
  polite.subscribe();
  const cut = new PresenceListener<number>({
    initialState: 1,
    clientId: 'cut',
    db: await connected(network),
  });
  cut.subscribe();
  await until('both are here', () => seen.length === 2);
  polite.destroy();
  await until('one has left', () => seen.join() === 'cut');
  network.offline();
  await until('the other is gone', () => seen.length === 0);
  expect(calls.at(-1)).toBe('');
  for (const one of [watching, cut]) one.destroy();
});

test('it runs where there is no window, with a WebSocket that it is given', async () => {
  await room();
  expect(typeof (globalThis as { window?: unknown }).window).toBe('undefined');
  const db = new DbConnection({ websocketConstructor: WebSocket as unknown as WebSocketConstructor });
  ends.push(() => db.disconnect());
  await db.connect(url);
  const state = new StateListener<string>({ db, key: 'v', callback: () => undefined });
  state.setStateOptimistic('set');
  await until('it is stored', async () => (await db.connection?.get('v'))?.length === 1);
  state.destroy();
});
