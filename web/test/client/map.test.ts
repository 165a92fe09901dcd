// A shared map: last write wins, deletes go everywhere, cuts cost nothing.

import { afterAll, beforeAll, expect, test } from 'vitest';
import type { RoomConnection } from '../../src/client/room/connection.ts';
import { SharedMap } from '../../src/client/room/map.ts';
import { SharedValue } from '../../src/client/room/value.ts';
import { Network, newRoom, untilSent } from '../support/network.ts';
import { joining } from '../support/people.ts';
import { Server } from '../support/server.ts';
import { until } from '../support/until.ts';

let server: Server;
const connect = joining();

beforeAll(async () => {
  server = await Server.start();
});
afterAll(() => server.remove());

async function open(room: RoomConnection, name = 'map'): Promise<SharedMap<number>> {
  const map = new SharedMap<number>(room, name);
  await until('the map is loaded', () => map.loaded);
  return map;
}

function text(map: SharedMap<number>): string {
  return JSON.stringify([...map.entries()].sort());
}

test('entries arrive at everybody, also at newcomers, and those of other names do not', async () => {
  const url = await newRoom(server);
  const one = await open(await connect(url));
  const other = await open(await connect(url));
  const foreign = await open(await connect(url), 'another');
  one.set('a', 1);
  other.set('b/c', 2);
  foreign.set('a', 3);
  expect(one.get('a')).toBe(1);
  await until('both have both', () => one.size === 2 && other.size === 2);
  const late = await open(await connect(url));
  expect(text(late)).toBe('[["a",1],["b/c",2]]');
  expect(late.has('b/c')).toBe(true);
  expect(late.has('b')).toBe(false);
});

test('of two writes at the same time the later in the order of the room stays, everywhere', async () => {
  const url = await newRoom(server);
  const rooms = [await connect(url), await connect(url), await connect(url)];
  const maps = await Promise.all(rooms.map((room) => open(room)));
  for (let round = 0; round < 20; round += 1) {
    for (const [place, map] of maps.entries()) {
      if ((round + place) % 3 === 2) map.delete(`k${round}`);
      else map.set(`k${round}`, place);
    }
  }
  for (const room of rooms) await untilSent(room);
  const late = await open(await connect(url));
  await until('all are alike', () => maps.every((map) => text(map) === text(late)));
});

test('a deleted entry is gone everywhere, and its key leaves the room', async () => {
  const url = await newRoom(server);
  const room = await connect(url);
  const one = await open(room);
  const other = await open(await connect(url));
  one.set('a', 1);
  one.set('b', 2);
  await until('the other has both', () => other.size === 2);
  expect(other.delete('a')).toBe(true);
  expect(other.delete('a')).toBe(false);
  expect(other.has('a')).toBe(false);
  await until('it is gone', () => !one.has('a'));
  await until('its key is gone', async () => (await room.keys()).map(({ key }) => key).join() === 'map/b');
  one.set('a', 3);
  await until('it is there again', () => other.get('a') === 3);
});

test('a client that was away learns what was set and deleted, and keeps what it set itself', async () => {
  const url = await newRoom(server);
  const network = new Network();
  const away = await connect(url, network);
  const one = await open(away);
  const room = await connect(url);
  const other = await open(room);
  for (const key of ['a', 'b', 'c']) other.set(key, 1);
  await until('it has all', () => one.size === 3);
  network.offline();
  await until('it knows', () => !away.status.connected);
  one.set('mine', 5);
  other.delete('a');
  other.set('b', 2);
  other.set('d', 4);
  await until('the room has forgotten', async () => (await room.keys()).every(({ key }) => key !== 'map/a'));
  network.online();
  await until('both are alike', () => text(one) === text(other) && one.size === 4);
  expect(text(one)).toBe('[["b",2],["c",1],["d",4],["mine",5]]');
});

test('the map keeps its identity until something changes, and each change is told', async () => {
  const url = await newRoom(server);
  const one = await open(await connect(url));
  const other = await open(await connect(url));
  let told = 0;
  other.subscribe(() => {
    told += 1;
  });
  const before = other.current;
  expect(other.current).toBe(before);
  one.set('a', 1);
  await until('it is told', () => told > 0);
  expect(other.current).not.toBe(before);
  expect(other.current.get('a')).toBe(1);
  expect(before.size).toBe(0);
});

test('an entry of a map can be used as a value', async () => {
  const url = await newRoom(server);
  const map = await open(await connect(url));
  const value = new SharedValue<number>(await connect(url), 'map/a', { initial: 0 });
  map.set('a', 1);
  await until('the value has it', () => value.current === 1);
  value.set(2);
  await until('the map has it', () => map.get('a') === 2);
});

test('undefined is refused, and what a link that only reads writes is taken back', async () => {
  const url = await newRoom(server);
  const one = await open(await connect(url));
  expect(() => one.set('a', undefined as unknown as number)).toThrow(/undefined/);
  one.set('a', 1);
  const body = (await (await fetch(url.replace('ws', 'http').replace('/connect', ''))).json()) as {
    read_only: string;
  };
  const reader = await open(await connect(url.replace(/room\/[^/]+/, `room/${body.read_only}`)));
  await until('the reader has it', () => reader.get('a') === 1);
  const codes: string[] = [];
  reader.onRefused(({ code }) => codes.push(code));
  reader.set('a', 2);
  reader.delete('a');
  await until('both are taken back', () => codes.length === 2);
  expect(codes).toEqual(['read_only', 'read_only']);
  expect(reader.get('a')).toBe(1);
});

test('a map over many pages is loaded whole', async () => {
  const url = await newRoom(server);
  const room = await connect(url);
  const one = await open(room);
  for (let number = 0; number < 2500; number += 1) one.set(`${number}`, number);
  await untilSent(room);
  const late = await open(await connect(url));
  expect(late.size).toBe(2500);
});
