// A shared reducer: rewinds and reapplies what is pending, and packs its history together with others.

import { afterAll, beforeAll, expect, test } from 'vitest';
import type { RoomConnection } from '../../src/client/room/connection.ts';
import { SharedReducer, type SharedReducerOptions } from '../../src/client/room/reducer.ts';
import { Network, newRoom, untilLive, untilSent } from '../support/network.ts';
import { joining } from '../support/people.ts';
import { Server } from '../support/server.ts';
import { until } from '../support/until.ts';

let server: Server;
const connect = joining();

beforeAll(async () => {
  server = await Server.start();
});
afterAll(() => server.remove());

type Words = readonly string[];

/** Not commutative, and never the same twice. */
const words: SharedReducerOptions<Words, string> = {
  reducer: (state, word) => [...state, word],
  initial: [],
};

function reduce(room: RoomConnection, options: Partial<typeof words> = {}): SharedReducer<Words, string> {
  return new SharedReducer(room, 'words', { ...words, ...options });
}

function alike(reducers: readonly SharedReducer<Words, string>[], length: number): boolean {
  const [first = ''] = reducers.map(({ current }) => JSON.stringify(current));
  return reducers.every(({ current }) => JSON.stringify(current) === first && current.length === length);
}

test('an own action shows at once, and arrives at everybody', async () => {
  const url = await newRoom(server);
  const one = reduce(await connect(url));
  const other = reduce(await connect(url));
  one.dispatch('hello');
  expect(one.current).toEqual(['hello']);
  await until('the other has it', () => other.current.length === 1);
});

test('actions dispatched at the same time are in the same order everywhere, also while they are under way', async () => {
  for (let round = 0; round < 20; round += 1) {
    const url = await newRoom(server);
    const rooms = [await connect(url), await connect(url), await connect(url)];
    const reducers = rooms.map((room) => reduce(room));
    const shown: Words[] = [];
    reducers[0]?.subscribe((state) => shown.push(state));
    for (const [place, one] of reducers.entries()) {
      one.dispatch(`a${place}`);
      one.dispatch(`b${place}`);
    }
    await until('all are alike', () => alike(reducers, 6));
    // The own actions were never missing from what was shown.
    for (const state of shown.slice(1)) expect(state).toEqual(expect.arrayContaining(['a0', 'b0']));
  }
});

test('a foreign action goes before own ones that the room has later: rewound and applied again', async () => {
  const url = await newRoom(server);
  const network = new Network();
  const room = await connect(url, network);
  const one = reduce(room);
  const other = reduce(await connect(url));
  await until('it has begun', () => room.status.state === 'live');
  network.offline();
  await until('it knows', () => !room.status.connected);
  one.dispatch('mine');
  other.dispatch('theirs');
  await until('the room has theirs', async () => other.confirmed.length === 1);
  expect(one.current).toEqual(['mine']);
  network.online();
  await until('both are alike', () => alike([one, other], 2));
  expect(one.current).toEqual(['theirs', 'mine']);
});

test('each action counts once, however often the connection is cut', async () => {
  const url = await newRoom(server);
  const networks = [new Network(), new Network()];
  const rooms = await Promise.all(networks.map((network) => connect(url, network)));
  const reducers = rooms.map((room) => reduce(room, { threshold: 5 }));
  for (let round = 0; round < 60; round += 1) {
    reducers[round % 2]?.dispatch(`${round}`);
    if (round % 7 === 3) networks[round % 2]?.cut();
    if (round % 5 === 0)
      await until('some time has passed', () => new Promise((done) => setTimeout(done, 5, true)));
  }
  for (const room of rooms) await untilSent(room);
  const late = reduce(await connect(url));
  await until('all are alike', () => alike([...reducers, late], 60));
  const numbers = late.current.map(Number);
  expect([...numbers].sort((a, b) => a - b)).toEqual(Array.from({ length: 60 }, (_, number) => number));
  // Each client's own are in the order in which it made them.
  for (const place of [0, 1]) {
    const own = numbers.filter((number) => number % 2 === place);
    expect(own).toEqual([...own].sort((a, b) => a - b));
  }
});

test('a long stream is packed by whoever made it long, and newcomers see the same', async () => {
  const url = await newRoom(server);
  const rooms = [await connect(url), await connect(url)];
  const reducers = rooms.map((room) => reduce(room, { threshold: 10 }));
  for (let round = 0; round < 200; round += 1) reducers[round % 2]?.dispatch(`${round}`);
  const room = rooms[0] as RoomConnection;
  await until('all are alike', () => alike(reducers, 200));
  await until('the stream is short', async () => (await room.get('words')).length <= 11);
  const late = reduce(await connect(url));
  await until('the newcomer has it', () => alike([...reducers, late], 200));
  late.dispatch('more');
  await until('they go on', () => alike([...reducers, late], 201));
});

test('a client that slept through actions and their packing catches up', async () => {
  const url = await newRoom(server);
  const network = new Network();
  const asleep = await connect(url, network);
  const sleeper = reduce(asleep);
  const room = await connect(url);
  const writer = reduce(room, { threshold: 10 });
  writer.dispatch('before');
  await until('it has the first', () => sleeper.current.length === 1);
  network.offline();
  await until('it knows', () => !asleep.status.connected);
  sleeper.dispatch('asleep');
  for (let round = 0; round < 50; round += 1) writer.dispatch(`${round}`);
  await until('the stream is short', async () => (await room.get('words')).length <= 11);
  network.online();
  await until('both are alike', () => alike([sleeper, writer], 52));
});

test('an action on which the reducer throws is skipped by everybody, and not sent by whoever sees it', async () => {
  const url = await newRoom(server);
  const options: Partial<typeof words> = {
    reducer: (state, word) => {
      if (state.includes(word)) throw new Error('twice');
      return [...state, word];
    },
  };
  const rooms = [await connect(url), await connect(url)];
  const reducers = rooms.map((room) => reduce(room, options));
  for (const one of reducers) one.dispatch('same');
  for (const room of rooms) await untilSent(room);
  await until('all are alike', () => alike(reducers, 1));
  expect(await rooms[0]?.get('words')).toHaveLength(2);
  expect(() => reducers[0]?.dispatch('same')).toThrow('twice');
  expect(await rooms[0]?.get('words')).toHaveLength(2);
});

test('an action that the room refuses is taken back and told', async () => {
  const url = await newRoom(server);
  const closer = await connect(url);
  const one = reduce(await connect(url));
  one.dispatch('kept');
  await until('it is there', () => one.confirmed.length === 1);
  await closer.push('end', true, { type: 'close' }).done;
  const codes: string[] = [];
  one.onRefused(({ code }) => codes.push(code));
  one.dispatch('too late');
  expect(one.current).toEqual(['kept', 'too late']);
  await until('it is taken back', () => one.current.length === 1);
  expect(codes).toEqual(['closed']);
});

test('undefined is refused', async () => {
  const room = await connect(await newRoom(server));
  const one = new SharedReducer<number, undefined>(room, 'n', { reducer: (state) => state + 1, initial: 0 });
  expect(() => one.dispatch(undefined)).toThrow(/undefined/);
  expect(one.current).toBe(0);
});

test('a snapshot that cannot be unpacked is skipped, and nobody packs over it', async () => {
  const url = await newRoom(server);
  const room = await connect(url);
  const options: Partial<typeof words> = {
    threshold: 2,
    unpack: (packed) => {
      if (!Array.isArray(packed)) throw new Error('no words');
      return packed.map(String);
    },
  };
  const first = await room.push('words', { apply: 'x', i: 'raw' }, { type: 'append' }).done;
  await room.push('words', { reset: 5 }, { type: 'compact', seq: first.seq ?? 0 }).done;
  const one = reduce(room, options);
  for (let round = 0; round < 8; round += 1) one.dispatch(`${round}`);
  await untilSent(room);
  await new Promise((done) => setTimeout(done, 400));
  const entries = await room.get('words');
  expect(entries).toHaveLength(9);
  expect(entries[0]?.value).toEqual({ reset: 5 });
});

test('a server that was killed and has lost nothing goes on; one that was wiped starts anew', async () => {
  const own = await Server.start();
  try {
    const url = await newRoom(own);
    const room = await connect(url);
    const one = reduce(room);
    one.dispatch('first');
    await untilSent(room);
    await own.kill();
    one.dispatch('second');
    await own.restart();
    await untilLive(room);
    await untilSent(room);
    const late = reduce(await connect(url));
    await until('both are alike', () => alike([one, late], 2));
    await own.kill();
    await own.restart({ wipe: true });
    const id = url.split('/').at(-2) ?? '';
    await fetch(`${own.url}/room/${id}`, { method: 'PUT' });
    const again = reduce(await connect(url));
    again.dispatch('anew');
    await until('the newcomer has it', () => again.confirmed.length === 1);
    expect(again.current).toEqual(['anew']);
  } finally {
    await own.remove();
  }
});

test('reducers that change the state in place work with a copy', async () => {
  const url = await newRoom(server);
  const options = {
    reducer: (state: { words: string[] }, word: string) => {
      state.words.push(word);
      return state;
    },
    initial: { words: [] as string[] },
    clone: (state: { words: string[] }) => structuredClone(state),
    threshold: 5,
  };
  const rooms = [await connect(url), await connect(url)];
  const reducers = rooms.map((room) => new SharedReducer(room, 'words', options));
  for (let round = 0; round < 20; round += 1) reducers[round % 2]?.dispatch(`${round}`);
  await until('all are alike', () => {
    const [a, b] = reducers.map(({ current }) => current.words.join());
    return a === b && a?.split(',').length === 20;
  });
  expect(options.initial.words).toEqual([]);
});

test('the state keeps its identity until something changes', async () => {
  const room = await connect(await newRoom(server));
  const one = reduce(room);
  const before = one.current;
  expect(one.current).toBe(before);
  one.dispatch('x');
  const after = one.current;
  expect(after).not.toBe(before);
  expect(one.current).toBe(after);
});
