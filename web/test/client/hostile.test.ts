// Devices with a hostile host beside an honest one: nothing here is lost or changed, the honest one is not held up, it is
// said what is wrong, and all is well once the host is honest.

import { afterAll, beforeAll, expect, test } from 'vitest';
import { HostileHost, type Mood } from '../support/hostile_host.ts';
import { Server } from '../support/server.ts';
import { until } from '../support/until.ts';
import { bagsAt, has, newSeed, openDevice, shown, untilConverged } from './support/devices.ts';

let honest: Server;
let behind: Server;
let hostile: HostileHost;

beforeAll(async () => {
  honest = await Server.start();
  behind = await Server.start();
  hostile = await HostileHost.start(behind.url);
});

afterAll(async () => {
  await hostile.close();
  await Promise.all([honest.remove(), behind.remove()]);
});

test.each<[Mood, string]>([
  ['truncating', 'network'],
  ['flooding', 'answer'],
  ['page', 'answer'],
  ['failing', 'http'],
  ['redirecting', 'network'],
])('a %s host is said to be, and holds up no other', async (mood, code) => {
  const seed = newSeed();
  hostile.mood = mood;
  const one = await openDevice(seed, [honest.url, hostile.url]);
  const other = await openDevice(seed, [honest.url, hostile.url]);
  await one.insertMany([1, 2, 3].map((body) => ({ type: 'note', body })));
  await until('the honest host brings it', () => has(other, 'note', 3));
  await until('it is said', () => one.status.links[1]?.stuck?.code === code);
  await until('nothing waits for the honest one', () => one.status.links[0]?.waiting === 0);
  expect(one.status.links[1]?.waiting).toBe(3);
  const calls = hostile.calls.length;
  await one.sync();
  expect(hostile.calls.length - calls, 'one attempt at a time').toBeLessThan(5);
  hostile.mood = 'honest';
  await Promise.all([one.sync(), other.sync()]);
  await untilConverged(one, other);
  expect(await bagsAt(behind.url, seed, 'host 1')).toHaveLength(3);
});

test('a host that damages answers loses and changes nothing, and is mended', async () => {
  const seed = newSeed();
  hostile.mood = 'honest';
  const one = await openDevice(seed, [hostile.url]);
  await one.insertMany(Array.from({ length: 60 }, (_, at) => ({ type: 'note', body: `note ${at}` })));
  await one.sync();
  hostile.mood = 'damaging';
  const other = await openDevice(seed, [hostile.url]);
  for (let at = 0; at < 12; at += 1) {
    await one.insert({ type: 'note', body: `more ${at}` });
    await other.insert({ type: 'note', body: `own ${at}` });
    await Promise.all([one.sync(), other.sync()]);
  }
  const here = new Set(await shown(one));
  for (const ent of await shown(other)) expect(here.has(ent) || /own/.test(ent)).toBe(true);
  hostile.mood = 'honest';
  for (const device of [one, other, one]) {
    const [link] = await device.links();
    await device.audit(link?.id ?? 0);
    await device.sync();
  }
  await untilConverged(one, other);
  expect(await one.count({ type: 'note' })).toBe(84);
});
