// A shared log: bounded, in order, told of what it skipped.

import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { RoomConnection } from '../../src/client/room/connection.ts';
import { SharedLog, type SharedLogOptions } from '../../src/client/room/log.ts';
import { Network, newRoom, untilLive, untilSent } from '../support/network.ts';
import { joining } from '../support/people.ts';
import { ModelServer, ModelSocket } from '../support/room_model.ts';
import { hello, scripted } from '../support/scripted_socket.ts';
import { Server } from '../support/server.ts';
import { until } from '../support/until.ts';

let server: Server;
const connect = joining();

beforeAll(async () => {
  server = await Server.start();
});
afterAll(() => server.remove());

function open(room: RoomConnection, options: SharedLogOptions = {}): SharedLog<number> {
  return new SharedLog<number>(room, 'log', options);
}

function values(log: SharedLog<number>): number[] {
  return log.current.map(({ value }) => value);
}

test('own entries show at once without a number, and stand in one order everywhere', async () => {
  const url = await newRoom(server);
  const rooms = [await connect(url), await connect(url)];
  const [one, other] = rooms.map((room) => open(room)) as [SharedLog<number>, SharedLog<number>];
  one.append(1);
  expect(one.current).toEqual([{ seq: null, value: 1 }]);
  other.append(2);
  one.append(3);
  await until('both are alike', () => {
    const same = JSON.stringify(one.current) === JSON.stringify(other.current);
    return same && one.current.length === 3 && one.current.every(({ seq }) => seq !== null);
  });
});

test('the view holds the last entries only, for newcomers too', async () => {
  const url = await newRoom(server);
  const one = open(await connect(url), { limit: 10 });
  for (let number = 0; number < 50; number += 1) one.append(number);
  const last = Array.from({ length: 10 }, (_, place) => 40 + place);
  expect(values(one)).toEqual(last);
  await until('all are stored', () => one.current.every(({ seq }) => seq !== null));
  const late = open(await connect(url), { limit: 10 });
  await until('the newcomer has them', () => late.current.length === 10);
  expect(values(late)).toEqual(last);
});

test('plain values that anybody appends are entries', async () => {
  const url = await newRoom(server);
  const log = open(await connect(url));
  await fetch(url.replace('ws', 'http').replace('/connect', '/send'), {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ type: 'push', key: 'log', value: 7, action: { type: 'append' } }),
  });
  await until('it is there', () => values(log).join() === '7');
});

test('each entry is there once, however often the connection is cut', async () => {
  const url = await newRoom(server);
  const network = new Network();
  const room = await connect(url, network);
  const log = open(room);
  for (let number = 0; number < 60; number += 1) {
    log.append(number);
    if (number % 10 === 5) {
      network.cut();
      await untilSent(room);
    }
  }
  await untilSent(room);
  await until('all have numbers', () => log.current.every(({ seq }) => seq !== null));
  expect(values(log)).toEqual(Array.from({ length: 60 }, (_, number) => number));
});

test('with keep the room holds no more than twice as many, and at least so many', async () => {
  const url = await newRoom(server);
  const room = await connect(url);
  const log = open(room, { limit: 5, keep: 10 });
  for (let number = 0; number < 100; number += 1) {
    log.append(number);
    if (number % 10 === 0) await untilSent(room);
  }
  await untilSent(room);
  const kept = await room.get('log');
  expect(kept.length).toBeGreaterThanOrEqual(10);
  expect(kept.length).toBeLessThanOrEqual(20);
  expect(kept.at(-1)?.value).toBe(99);
});

test('entries trimmed away while a client was cut off leave a gap, others do not', async () => {
  const url = await newRoom(server);
  const network = new Network();
  const away = await connect(url, network);
  const log = open(away);
  const room = await connect(url);
  const writer = open(room);
  const writeWhileAway = async (numbers: number[], trim: boolean) => {
    network.offline();
    await until('it knows', () => !away.status.connected);
    for (const number of numbers) writer.append(number);
    await untilSent(room);
    const entries = await room.get('log');
    if (trim) await room.trim('log', entries.at(-2)?.seq ?? 0).done;
    network.online();
    const last = numbers.at(-1) ?? 0;
    await until('the last is there', () => values(log).at(-1) === last);
    // Whether there is a gap is asked then; cut before the answer, none could say which cut left it.
    await untilLive(away);
    await away.keys();
  };
  writer.append(1);
  await until('it has the first', () => values(log).join() === '1');
  await writeWhileAway([2, 3], false);
  expect(values(log)).toEqual([1, 2, 3]);
  expect(log.current.some(({ gap }) => gap)).toBe(false);
  await writeWhileAway([4, 5, 6], true);
  await until('the gap is told', () => log.current.some(({ gap }) => gap));
  expect(values(log)).toEqual([1, 2, 3, 6]);
  expect(log.current.filter(({ gap }) => gap).map(({ value }) => value)).toEqual([6]);
});

test('a client that is cut off again while it catches up marks the gap of each cut', async () => {
  const server = new ModelServer();
  const sockets: ModelSocket[] = [];
  class Socket extends ModelSocket {
    constructor(url: string) {
      super(server, url);
      sockets.push(this);
    }
  }
  const room = new RoomConnection(`ws://model.invalid/room/${'a'.repeat(22)}/connect`, {
    webSocket: Socket,
    fetch: () => Promise.reject(new Error('no network')),
  });
  onTestFinished(() => room.close());
  const moveAll = () => {
    for (let moved = true; moved; ) {
      moved = false;
      for (const socket of sockets) while (socket.moveUp() || socket.moveDown()) moved = true;
    }
  };
  const again = (count: number) => until('it connects again', () => sockets.length === count);
  const log = open(room);
  room.connect().catch(() => undefined);
  server.machine.push('log', 1, { type: 'append' });
  moveAll();
  expect(values(log)).toEqual([1]);
  sockets.at(-1)?.cut();
  for (const value of [2, 3]) server.machine.push('log', value, { type: 'append' });
  await again(2);
  // It hears the hello and what it missed, but not that this was all.
  sockets.at(-1)?.moveUp();
  for (const frame of ['hello', 'entries']) expect(sockets.at(-1)?.moveDown(), frame).toBe(true);
  expect([values(log), room.status.state]).toEqual([[1, 2, 3], 'catching-up']);
  sockets.at(-1)?.cut();
  for (const value of [4, 5, 6]) server.machine.push('log', value, { type: 'append' });
  server.machine.push('log', undefined, { type: 'compact', seq: 5 });
  await again(3);
  await until('the gap is told', () => {
    moveAll();
    return log.current.some(({ gap }) => gap);
  });
  expect(values(log)).toEqual([1, 2, 3, 6]);
  expect(log.current.at(-1)?.gap).toBe(true);
});

test('after a cut the room is asked once what it lost, however much is said meanwhile, and a list trimmed to nothing is a gap', async () => {
  const { room, sockets } = scripted();
  onTestFinished(() => room.close());
  const log = open(room);
  room.connect().catch(() => undefined);
  sockets[0]?.open(hello({ seq: 1 }), { type: 'init', key: 'log', data: [{ seq: 1, value: 1 }] });
  sockets[0]?.end();
  await until('it connects again', () => sockets.length === 2);
  const [, socket = expect.fail()] = sockets;
  socket.open(hello({ seq: 5 }), { type: 'live', seq: 5 });
  const chat = (from: number) => {
    for (let seq = from; seq < from + 10; seq += 1)
      socket.say({ type: 'push', key: 'chat', seq, value: seq });
  };
  const asked = () => socket.sent.filter(({ type }) => type === 'keys').length;
  chat(6);
  expect(asked()).toBe(1);
  socket.say({ type: 'keys', data: [], next: null });
  await new Promise((resolve) => setTimeout(resolve, 0));
  chat(16);
  expect(asked()).toBe(1);
  socket.say(
    { type: 'push', key: 'log', seq: 26, value: 2 },
    { type: 'push', key: 'log', seq: 27, value: 3 },
  );
  await until('they are shown', () => log.current.length === 3);
  expect(log.current.map(({ gap }) => gap ?? false)).toEqual([false, true, false]);
});

test('a cut while the room is being asked about the one before is asked about too', async () => {
  const { room, sockets } = scripted();
  onTestFinished(() => room.close());
  const log = open(room);
  room.connect().catch(() => undefined);
  sockets[0]?.open(hello({ seq: 1 }), { type: 'init', key: 'log', data: [{ seq: 1, value: 1 }] });
  sockets[0]?.end();
  await until('it connects again', () => sockets.length === 2);
  sockets[1]?.open(hello({ seq: 2 }), { type: 'entries', data: [{ key: 'log', seq: 2, value: 2 }] });
  sockets[1]?.say({ type: 'live', seq: 2 });
  sockets[1]?.end();
  await until('it connects once more', () => sockets.length === 3);
  const [, , socket = expect.fail()] = sockets;
  socket.open(hello({ seq: 9 }), { type: 'entries', data: [{ key: 'log', seq: 9, value: 3 }] });
  socket.say({ type: 'live', seq: 9 });
  const answer = { key: 'log', size: 1, bytes: 1, first: 9, last: 9 };
  for (let answered = 0; answered < 2; answered += 1) {
    await until('it asks', () => socket.sent.filter(({ type }) => type === 'keys').length > answered);
    socket.say({ type: 'keys', data: [answer], next: null });
  }
  await until('the gap is told', () => log.current.at(-1)?.gap === true);
});
