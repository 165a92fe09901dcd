// A shared value: everybody ends with the last one in the order of the room.

import { afterAll, beforeAll, expect, test } from 'vitest';
import type { RoomConnection } from '../../src/client/room/connection.ts';
import { SharedValue } from '../../src/client/room/value.ts';
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
function value<T>(room: RoomConnection, initial: T, debounceMs = 0): SharedValue<T> {
  return new SharedValue<T>(room, 'value', { initial, debounceMs });
}

/** What the room has. */
async function stored(room: RoomConnection): Promise<unknown> {
  const [entry] = await room.get('value');
  return (entry?.value as { v: unknown } | undefined)?.v;
}

test('a value shows what was set before it joined, and its initial value before that', async () => {
  const url = await newRoom(server);
  const first = value(await connect(url), 'nothing');
  expect(first.current).toBe('nothing');
  first.set('something');
  expect(first.current).toBe('something');
  const second = value(await connect(url), 'nothing');
  await until('the second has it', () => second.current === 'something');
});

test('clients that set at the same time end with the same value, the last one in the order of the room', async () => {
  for (let round = 0; round < 20; round += 1) {
    const url = await newRoom(server);
    const three = [await connect(url), await connect(url), await connect(url)];
    const values = three.map((room) => value(room, -1));
    for (const [place, one] of values.entries()) one.set(place);
    for (const room of three) await untilSent(room);
    const last = await stored(three[0] as RoomConnection);
    await until('all show the last one', () => values.every(({ current }) => current === last));
  }
});

test('a setter function gets the current value, also one that is not sent yet', async () => {
  const url = await newRoom(server);
  const room = await connect(url);
  const counter = value(room, 0, 20);
  for (let count = 0; count < 10; count += 1) counter.set((current) => current + 1);
  expect(counter.current).toBe(10);
  await until('the last write is stored', async () => (await stored(room)) === 10);
});

test('of many writes in a short time the last one is stored, and not all are sent', async () => {
  const url = await newRoom(server);
  const room = await connect(url);
  const writer = value(room, 0, 20);
  let pushes = 0;
  room.onEntry(() => {
    pushes += 1;
  });
  for (let count = 1; count <= 200; count += 1) writer.set(count);
  await until('the last write is stored', async () => (await stored(room)) === 200);
  expect(pushes).toBeLessThan(200);
});

test('undefined is a value, for who comes later too', async () => {
  const url = await newRoom(server);
  const make = async () =>
    new SharedValue<number | undefined>(await connect(url), 'value', { initial: 1, debounceMs: 0 });
  const [one, other] = [await make(), await make()];
  one.set(2);
  one.set(undefined);
  expect(one.current).toBeUndefined();
  await until('the other has it', () => other.current === undefined);
  const late = await make();
  await until('a late one has it', () => late.current === undefined);
  expect(one.current).toBeUndefined();
  other.set(3);
  await until('it is set again', () => one.current === 3);
});

test('what is no value is not read as undefined', async () => {
  const url = await newRoom(server);
  const room = await connect(url);
  const one = new SharedValue<number | undefined>(await connect(url), 'value', { initial: 1 });
  for (const other of [{}, { apply: 1, i: 'x' }, { d: true, i: 'x' }, [], 'text']) {
    await room.push('value', other, { type: 'append' }).done;
  }
  await room.push('value', { v: 2, i: 'x' }, { type: 'append' }).done;
  const heard: unknown[] = [];
  one.subscribe((value) => heard.push(value));
  await until('the value is heard', () => one.current === 2);
  expect(heard.every((value) => value === 2)).toBe(true);
});

test('null is a value', async () => {
  const url = await newRoom(server);
  const one = new SharedValue<number | null>(await connect(url), 'value', { initial: 1 });
  const other = new SharedValue<number | null>(await connect(url), 'value', { initial: 1 });
  one.set(null);
  await until('the other has it', () => other.current === null);
});

test('a write over a link that only reads is taken back and told', async () => {
  const url = await newRoom(server);
  const writer = value(await connect(url), 'before');
  writer.set('set');
  const body = (await (await fetch(url.replace('ws', 'http').replace('/connect', ''))).json()) as {
    read_only: string;
  };
  const room = await connect(url.replace(/room\/[^/]+/, `room/${body.read_only}`));
  const reader = value(room, 'before');
  await until('the reader has it', () => reader.current === 'set');
  const codes: string[] = [];
  const shown: string[] = [];
  reader.onRefused(({ code }) => codes.push(code));
  reader.subscribe((now) => shown.push(now));
  reader.set('mine');
  await until('it is taken back', () => reader.current === 'set');
  expect(codes).toEqual(['read_only']);
  expect(shown).toEqual(['mine', 'set']);
  expect(await stored(room)).toBe('set');
});

test('what is set without a connection is sent once there is one, and only the last of it', async () => {
  const url = await newRoom(server);
  const network = new Network();
  const room = await connect(url, network);
  const one = value(room, 0);
  const watcher = await connect(url);
  const other = value(watcher, 0);
  const heard: number[] = [];
  other.subscribe((now) => heard.push(now));
  network.offline();
  await until('it knows', () => !room.status.connected);
  for (let count = 1; count <= 50; count += 1) one.set(count);
  expect(one.current).toBe(50);
  network.online();
  await until('the other has it', () => other.current === 50);
  expect(heard).toEqual([50]);
});

test('a value whose answer was lost in a cut is not shown forever over later ones', async () => {
  const url = await newRoom(server);
  const network = new Network();
  const room = await connect(url, network);
  const one = value(room, 0);
  const other = value(await connect(url), 0);
  for (let round = 1; round <= 10; round += 1) {
    one.set(round);
    network.cut();
    other.set(-round);
    await untilLive(room);
    await untilSent(room);
    const last = await stored(room);
    await until('both show what the room has', () => one.current === last && other.current === last);
  }
});

test('a destroyed value sends what waited, and hears nothing more', async () => {
  const url = await newRoom(server);
  const room = await connect(url);
  const one = value(room, 0, 60_000);
  const other = value(await connect(url), 0);
  let calls = 0;
  one.subscribe(() => {
    calls += 1;
  });
  one.set(1);
  one.set(2);
  one.destroy();
  await until('the other has the last', () => other.current === 2);
  other.set(3);
  await until('the room has three', async () => (await stored(room)) === 3);
  expect(one.current).toBe(2);
  expect(calls).toBe(2);
  one.set(9);
  expect(one.current).toBe(2);
});

test('values that nobody wrote as a value are not read', async () => {
  const url = await newRoom(server);
  const room = await connect(url);
  const one = value(room, 'initial');
  for (const junk of [5, 'text', [1], { w: 1 }, true])
    await room.push('value', junk, { type: 'replace' }).done;
  await untilSent(room);
  expect(one.current).toBe('initial');
});
