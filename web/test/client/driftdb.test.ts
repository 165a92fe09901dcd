// DriftDB's names: what its users call, alone and in one room with the published package.

import * as published from 'driftdb';
import { afterAll, afterEach, beforeAll, expect, test, vi } from 'vitest';
import WebSocket from 'ws';
import {
  Api,
  Compactable,
  Compactor,
  type ConnectionStatus,
  DbConnection,
  HttpConnection,
  type MessageFromDb,
  PresenceListener,
  Reducer,
  type SequenceValue,
  StateListener,
  uniqueClientId,
  type WrappedPresenceMessage,
} from '../../src/driftdb.ts';
import { Network } from '../support/network.ts';
import { Server } from '../support/server.ts';
import { until } from '../support/until.ts';

let server: Server;
let ends: (() => void)[] = [];

beforeAll(async () => {
  // The published package is written for browsers, and talks to the console.
  vi.stubGlobal('WebSocket', WebSocket);
  vi.stubGlobal('window', globalThis);
  vi.spyOn(console, 'log').mockImplementation(() => undefined);
  server = await Server.start();
});
afterAll(() => server.remove());
afterEach(() => {
  for (const end of ends) end();
  ends = [];
});

function newRoom(): Promise<{ room: string; socket_url: string; http_url: string }> {
  return new Api(server.url).newRoom();
}

async function ours(url: string, cbor = false, network = new Network()): Promise<DbConnection> {
  const db = new DbConnection({ websocketConstructor: network.webSocket });
  ends.push(() => db.disconnect());
  await db.connect(url, cbor);
  return db;
}

async function theirs(url: string, cbor = false): Promise<published.DbConnection> {
  const db = new published.DbConnection();
  ends.push(() => db.disconnect());
  await db.connect(url, cbor);
  return db;
}

type Heard = { seen: SequenceValue[]; listener: (value: SequenceValue) => void };

function hearing(): Heard {
  const seen: SequenceValue[] = [];
  return { seen, listener: (value) => seen.push(value) };
}

function append(
  key: string,
  value: unknown,
): { type: 'push'; key: string; value: unknown; action: { type: 'append' } } {
  return { type: 'push', key, value, action: { type: 'append' } };
}

test('the API makes rooms and finds them, and tells when there is none', async () => {
  const api = new Api(`${server.url}/`);
  const made = await api.newRoom();
  expect(await api.getRoom(made.room)).toEqual(made);
  expect(made.socket_url).toContain(`/room/${made.room}/connect`);
  await expect(api.getRoom('a'.repeat(22))).rejects.toMatchObject({ code: 'unknown_room' });
});

test('messages go over HTTP one by one, and a refusal rejects', async () => {
  const room = await newRoom();
  const http = new HttpConnection(room.http_url);
  expect(await http.send(append('k', 1))).toBeNull();
  expect(await http.send(append('k', 2))).toEqual({ type: 'stream_size', key: 'k', size: 2 });
  expect(await http.send({ type: 'get', key: 'k' })).toMatchObject({ type: 'init', key: 'k' });
  const nowhere = new HttpConnection(room.http_url.replace(room.room, 'a'.repeat(22)));
  await expect(nowhere.send({ type: 'ping' })).rejects.toMatchObject({ code: 'unknown_room' });
});

test('a connection tells its status with a link to our own inspector, and disconnecting is final', async () => {
  const room = await newRoom();
  const db = new DbConnection({ websocketConstructor: new Network().webSocket });
  const statuses: ConnectionStatus[] = [];
  db.statusListener.addListener((status) => statuses.push(status));
  expect(db.status).toEqual({ connected: false });
  await db.connect(room.socket_url);
  const up = { connected: true, debugUrl: `${server.url}/inspector#room=${room.room}` };
  expect(db.status).toEqual(up);
  db.disconnect();
  expect(db.status).toEqual({ connected: false });
  expect(statuses).toEqual([up, { connected: false }]);
});

test('a room that is not there rejects', async () => {
  const db = new DbConnection({ websocketConstructor: new Network().webSocket });
  const nowhere = `${server.url.replace('http', 'ws')}/room/${'a'.repeat(22)}/connect`;
  await expect(db.connect(nowhere)).rejects.toMatchObject({ code: 'unknown_room' });
  db.disconnect();
});

test('each listener hears each value once, until it unsubscribes', async () => {
  const { socket_url: url } = await newRoom();
  const writer = await ours(url);
  writer.send(append('k', 'old'));
  await until('it is stored', async () => (await writer.connection?.get('k'))?.length === 1);
  const db = await ours(url);
  const [one, two, late] = [hearing(), hearing(), hearing()];
  db.subscribe('k', one.listener);
  db.subscribe('k', two.listener);
  db.subscribe('k', late.listener, undefined, { replay: false });
  await until('the old one is there', () => one.seen.length === 1 && two.seen.length === 1);
  writer.send(append('k', 'new'));
  await until('the new one is there', () => one.seen.length === 2 && two.seen.length === 2);
  db.unsubscribe('k', one.listener);
  writer.send(append('k', 'newer'));
  await until('the newest is there', () => two.seen.length === 3);
  expect(one.seen.map(({ value }) => value)).toEqual(['old', 'new']);
  expect(two.seen.map(({ value }) => value)).toEqual(['old', 'new', 'newer']);
  expect(late.seen.map(({ value }) => value)).toEqual(['new', 'newer']);
});

test('what is sent and subscribed before connecting is done then, in order', async () => {
  const { socket_url: url } = await newRoom();
  const db = new DbConnection({ websocketConstructor: new Network().webSocket });
  ends.push(() => db.disconnect());
  const { seen, listener } = hearing();
  db.subscribe('k', listener);
  for (const number of [1, 2, 3]) db.send(append('k', number));
  await db.connect(url);
  await until('all are there', () => seen.length === 3);
  expect(seen.map(({ value }) => value)).toEqual([1, 2, 3]);
});

test('answers and lengths are told in the shapes of DriftDB', async () => {
  const { socket_url: url } = await newRoom();
  const db = await ours(url);
  const messages: MessageFromDb[] = [];
  db.messageListener.addListener((message) => messages.push(message));
  const sizes: number[] = [];
  db.subscribe(
    'k',
    () => undefined,
    (size) => sizes.push(size),
  );
  db.send(append('k', 1));
  db.send(append('k', 2));
  await until('the length is told', () => sizes.length === 1);
  expect(sizes).toEqual([2]);
  db.send({ type: 'get', key: 'k', seq: 1 });
  db.send({ type: 'ping', nonce: 7 });
  db.send({ type: 'push', key: 'k', value: 0, action: { type: 'compact', seq: 1000 } });
  await until('all answers came', () => messages.some(({ type }) => type === 'error'));
  await until('the pong came', () => messages.some(({ type }) => type === 'pong'));
  expect(messages).toContainEqual({ type: 'push', key: 'k', value: 2, seq: 2 });
  expect(messages).toContainEqual({ type: 'stream_size', key: 'k', size: 2 });
  expect(messages).toContainEqual({ type: 'init', key: 'k', data: [{ seq: 2, value: 2 }] });
  expect(messages).toContainEqual({ type: 'pong', nonce: 7 });
});

test('latency is a time with a connection, and null without', async () => {
  const { socket_url: url } = await newRoom();
  const db = await ours(url);
  expect(await db.testLatency()).toBeGreaterThan(0);
  db.disconnect();
  expect(db.testLatency()).toBeNull();
});

test('after a cut and a restart of the server nothing is missed, in both encodings', async () => {
  const own = await Server.start();
  try {
    for (const cbor of [false, true]) {
      const { socket_url: url } = await new Api(own.url).newRoom();
      const network = new Network();
      const db = await ours(url, cbor, network);
      const writer = await ours(url);
      const { seen, listener } = hearing();
      db.subscribe('k', listener);
      writer.send(append('k', 1));
      await until('the first is there', () => seen.length === 1);
      network.offline();
      await until('it knows', () => !db.status.connected);
      writer.send(append('k', 2));
      db.send(append('k', 'own'));
      await until('the second is stored', async () => (await writer.connection?.get('k'))?.length === 2);
      network.online();
      await until('all are there', () => seen.length === 3);
      await own.kill();
      await own.restart();
      writer.send(append('k', 4));
      await until('the last is there', () => seen.length === 4);
      expect(seen.map(({ value }) => value)).toEqual([1, 2, 'own', 4]);
    }
  } finally {
    for (const end of ends.splice(0)) end();
    await own.remove();
  }
});

test('connected to another room, everything that was subscribed hears that one', async () => {
  const [first, second] = [await newRoom(), await newRoom()];
  const elsewhere = await ours(second.socket_url);
  elsewhere.send(append('raw', 'two'));
  const other = new Reducer<string[], string>({
    key: 'r',
    reducer: (state, word) => [...state, word],
    initialValue: [],
    db: elsewhere,
    callback: () => undefined,
  });
  other.dispatch('there');
  const db = await ours(first.socket_url);
  const { seen, listener } = hearing();
  db.subscribe('raw', listener);
  db.send(append('raw', 'one'));
  const shown: string[][] = [];
  const reducer = new Reducer<string[], string>({
    key: 'r',
    reducer: (state, word) => [...state, word],
    initialValue: [],
    db,
    callback: (state) => shown.push(state),
  });
  reducer.subscribe();
  reducer.dispatch('here');
  await until('the first room is heard', () => seen.length === 1);
  await db.connect(second.socket_url);
  await until('the second room is heard', () => seen.length === 2 && shown.at(-1)?.join() === 'there');
  expect(seen.map(({ value }) => value)).toEqual(['one', 'two']);
});

test('a name for the tab stays the same', () => {
  expect(uniqueClientId()).toMatch(/^[0-9a-f]{32}$/);
  expect(uniqueClientId()).toBe(uniqueClientId());
});

test('a listener for lengths need not be named to unsubscribe', async () => {
  const { socket_url: url } = await newRoom();
  const db = await ours(url);
  const { seen, listener } = hearing();
  const sizes: number[] = [];
  db.subscribe('k', listener, (size) => sizes.push(size));
  db.unsubscribe('k', listener);
  const other = hearing();
  db.subscribe('k', other.listener);
  db.send(append('k', 1));
  db.send(append('k', 2));
  await until('the other hears', () => other.seen.length === 2);
  await db.testLatency();
  expect([seen, sizes]).toEqual([[], []]);
});

test('what needs a connection waits for one: a relay, a question, a ping', async () => {
  const { socket_url: url } = await newRoom();
  const { seen, listener } = hearing();
  const hearer = await ours(url);
  hearer.subscribe('k', listener);
  const network = new Network();
  const db = new DbConnection({ websocketConstructor: network.webSocket });
  ends.push(() => db.disconnect());
  const messages: MessageFromDb[] = [];
  db.messageListener.addListener((message) => messages.push(message));
  const relay = (value: string) =>
    db.send({ type: 'push', key: 'k', value, action: { type: 'relay' } } as const);
  relay('early');
  db.send({ type: 'get', key: 'k' });
  db.send({ type: 'ping', nonce: 3 });
  await db.connect(url);
  await until('it is answered', () => messages.length >= 2);
  expect(messages).toContainEqual({ type: 'init', key: 'k', data: [] });
  expect(messages).toContainEqual({ type: 'pong', nonce: 3 });
  network.offline();
  await until('it knows', () => !db.status.connected);
  relay('cut off');
  network.online();
  await until('both are heard', () => seen.length === 2);
  expect(seen.map(({ value }) => value)).toEqual(['early', 'cut off']);
});

test('destroyed, a value and a reducer keep their state, write still, and hear nothing more', async () => {
  const { socket_url: url } = await newRoom();
  const [db, elsewhere] = [await ours(url), await ours(url)];
  const heard: unknown[] = [];
  const callback = (state: unknown) => heard.push(state);
  const reducer = (state: number, by: number) => state + by;
  const value = (its: DbConnection) =>
    new StateListener<number>({ db: its, key: 'v', debounceMillis: 0, callback });
  const machine = (its: DbConnection) =>
    new Reducer<number, number>({ db: its, key: 'r', reducer, initialValue: 0, callback });
  const [mine, sum] = [value(db), machine(db)];
  mine.subscribe();
  sum.subscribe();
  mine.setStateOptimistic(1);
  sum.dispatch(1);
  mine.destroy();
  sum.destroy();
  expect([mine.state, sum.compactor.state]).toEqual([1, 1]);
  mine.setStateOptimistic(2);
  sum.dispatch(10);
  expect([mine.state, sum.compactor.state]).toEqual([2, 11]);
  const [other, otherSum] = [value(elsewhere), machine(elsewhere)];
  other.subscribe();
  otherSum.subscribe();
  await until('it was written', () => other.state === 2 && otherSum.compactor.state === 11);
  heard.length = 0;
  other.callback = () => undefined;
  otherSum.compactor.callback = () => undefined;
  other.setStateOptimistic(3);
  otherSum.dispatch(100);
  await until('it is stored', async () => (await db.connection?.get('r'))?.length === 3);
  expect(heard).toEqual([]);
  mine.subscribe();
  sum.subscribe();
  await until('it is heard again', () => mine.state === 3 && sum.compactor.state === 111);
});

// ---- In one room with the published package ----

for (const cbor of [false, true]) {
  const encoding = cbor ? 'CBOR' : 'JSON';

  test(`shared values of both kinds converge (${encoding})`, async () => {
    const { socket_url: url } = await newRoom();
    const shown: Record<string, unknown> = {};
    const options = (who: string) => ({
      key: 'v',
      debounceMillis: 0,
      callback: (value: number | undefined) => {
        shown[who] = value;
      },
    });
    const mine = new StateListener<number | undefined>({ ...options('ours'), db: await ours(url, cbor) });
    const other = new published.StateListener<number | undefined>({
      ...options('theirs'),
      db: await theirs(url, cbor),
    });
    mine.subscribe();
    other.subscribe();
    mine.setStateOptimistic(1);
    await until('theirs has ours', () => shown.theirs === 1);
    mine.setStateOptimistic(undefined);
    await until('theirs has none', () => 'theirs' in shown && shown.theirs === undefined);
    expect('ours' in shown && shown.ours).toBeUndefined();
    mine.setStateOptimistic(1);
    await until('theirs has one again', () => shown.theirs === 1);
    other.setStateOptimistic(2);
    await until('ours has theirs', () => shown.ours === 2);
    expect(mine.state).toBe(2);
    mine.destroy();
    other.destroy();
  });

  test(`reducers of both kinds converge, and pack for each other (${encoding})`, async () => {
    const { socket_url: url } = await newRoom();
    const options = {
      key: 'r',
      reducer: (state: string[], word: string) => [...state, word],
      initialValue: [] as string[],
      sizeThreshold: 5,
      callback: () => undefined,
    };
    const mine = new Reducer<string[], string>({ ...options, db: await ours(url, cbor) });
    const other = new published.Reducer<string[], string>({ ...options, db: await theirs(url, cbor) });
    mine.subscribe();
    other.subscribe();
    for (let round = 0; round < 20; round += 1) {
      mine.dispatch(`o${round}`);
      other.dispatch(`t${round}`);
      if (round % 4 === 0) await new Promise((done) => setTimeout(done, 20));
    }
    const state = () => JSON.stringify(mine.compactor.state);
    await until('both have all', () => mine.compactor.state.length === 40);
    // What the published package shows may be wrong for good; what it has confirmed is not.
    await until('both agree', () => JSON.stringify(other.compactor.lastConfirmedState) === state());
    const late = new published.Reducer<string[], string>({ ...options, db: await theirs(url, cbor) });
    late.subscribe();
    await until(
      'a late one of theirs agrees',
      () => JSON.stringify(late.compactor.lastConfirmedState) === state(),
    );
    const lateOurs = new Reducer<string[], string>({ ...options, db: await ours(url, cbor) });
    lateOurs.subscribe();
    await until('a late one of ours agrees', () => JSON.stringify(lateOurs.compactor.state) === state());
  });

  test(`presence of both kinds sees each other, and who leaves is gone (${encoding})`, async () => {
    const { socket_url: url } = await newRoom();
    let seenByUs: Record<string, WrappedPresenceMessage<string>> = {};
    let seenByThem: Record<string, WrappedPresenceMessage<string>> = {};
    const leaver = await theirs(url, cbor);
    const other = new published.PresenceListener<string>({
      initialState: 'their first',
      clientId: 'theirs',
      db: leaver,
      callback: (presence) => {
        seenByThem = presence;
      },
    });
    other.subscribe();
    const mine = new PresenceListener<string>({
      initialState: 'our first',
      clientId: 'ours',
      db: await ours(url, cbor),
      callback: (presence) => {
        seenByUs = presence;
      },
    });
    mine.subscribe();
    await until('we see them', () => seenByUs.theirs?.value === 'their first');
    await until('they see us', () => seenByThem.ours?.value === 'our first');
    mine.updateState('our second');
    other.updateState('their second');
    await until('we see the change', () => seenByUs.theirs?.value === 'their second');
    await until('they see the change', () => seenByThem.ours?.value === 'our second');
    // Their package drops whom it has not heard for two seconds: it must hear from us.
    const { lastSeen } = seenByThem.ours ?? { lastSeen: 0 };
    await until(
      'they hear from us again and again',
      () => (seenByThem.ours?.lastSeen ?? 0) > lastSeen + 2000,
    );
    leaver.disconnect();
    other.destroy();
    await until('they are gone', () => !('theirs' in seenByUs));
    mine.destroy();
  });
}

class Sketch extends Compactable<{ points: Set<number> }, number> {
  override crdt = true;
  override optimistic = true;

  override initialState(): { points: Set<number> } {
    return { points: new Set() };
  }

  override applyAction(state: { points: Set<number> }, point: number): { points: Set<number> } {
    state.points.add(point);
    return state;
  }

  override packState(state: { points: Set<number> }): unknown {
    return Uint8Array.from(state.points);
  }

  override unpackState(packed: unknown): { points: Set<number> } {
    return { points: new Set(packed as Uint8Array) };
  }
}

test('state machines with hooks of their own pack to bytes and back', async () => {
  const { socket_url: url } = await newRoom();
  const make = async () => {
    const db = await ours(url, true);
    const options = { key: 's', compactable: new Sketch(), sizeThreshold: 5, callback: () => undefined };
    const compactor = new Compactor({ ...options, db });
    compactor.subscribe();
    return compactor;
  };
  const [one, other] = [await make(), await make()];
  for (let point = 0; point < 40; point += 1) (point % 2 ? one : other).dispatch(point);
  await until('both have all', () => one.state.points.size === 40 && other.state.points.size === 40);
  await until('it is packed', async () => ((await one.db.connection?.get('s'))?.length ?? 99) < 20);
  const late = await make();
  await until('a late one has all', () => late.state.points.size === 40);
});

test('hooks are called back for own and foreign changes, each time with another state', async () => {
  const { socket_url: url } = await newRoom();
  const [one, other] = [await ours(url), await ours(url)];
  const shown: { n: number }[] = [];
  const options = {
    key: 'c',
    // In place, as some do.
    reducer: (state: { n: number }, by: number) => {
      state.n += by;
      return state;
    },
    initialValue: { n: 0 },
  };
  const mine = new Reducer({ ...options, db: one, callback: (state) => shown.push(state) });
  const foreign = new Reducer({ ...options, db: other, callback: () => undefined });
  mine.subscribe();
  foreign.subscribe();
  mine.dispatch(1);
  expect(shown.at(-1)).toEqual({ n: 1 });
  foreign.dispatch(10);
  await until('it has both', () => mine.compactor.state.n === 11 && foreign.compactor.state.n === 11);
  expect(new Set(shown).size).toBe(shown.length);
  expect(options.initialValue).toEqual({ n: 0 });
});

test('without a constructor the global WebSocket is used', async () => {
  const { socket_url: url } = await newRoom();
  const db = new DbConnection();
  ends.push(() => db.disconnect());
  await db.connect(url);
  expect(db.status.connected).toBe(true);
});
