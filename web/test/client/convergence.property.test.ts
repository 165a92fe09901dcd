// Random edits on three devices with random cuts through one real server: all equal at the end, and equal to a device
// that comes only then. `SEABAG_SEEDS` sets how many runs, `SEABAG_SEED` which one alone.

import { afterAll, beforeAll, expect, test } from 'vitest';
import type { EntDB } from '../../src/client/entdb.ts';
import { Server } from '../support/server.ts';
import { bagsAt, newSeed, openDevice, shown, untilConverged } from './support/devices.ts';

const STEPS = 120;

let server: Server;

beforeAll(async () => {
  server = await Server.start();
});

afterAll(() => server.remove());

/** Chance from a seed. */
class Chance {
  #state: number;

  constructor(seed: number) {
    this.#state = seed + 1;
  }

  below(bound: number): number {
    this.#state = (Math.imul(this.#state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((this.#state / 2 ** 32) * bound);
  }

  of<T>(items: readonly T[]): T {
    const item = items[this.below(items.length)];
    if (item === undefined) throw new Error('there is nothing to choose from');
    return item;
  }
}

async function toggleLink(device: EntDB): Promise<void> {
  const [link] = await device.links();
  if (link === undefined) await device.link(server.url);
  else await device.unlink(link.id);
}

async function step(chance: Chance, device: EntDB, eids: string[], at: number): Promise<void> {
  const kind = chance.below(20);
  if (kind < 6 || eids.length === 0) {
    const parent = eids.length > 0 && chance.below(2) === 0 ? chance.of(eids) : undefined;
    eids.push((await device.insert({ type: chance.of(['a', 'b']), body: at, parent })).eid);
  } else if (kind < 13) {
    await device.update(chance.of(eids), { body: `edit ${at}`, group: chance.of(['x', 'y', null]) });
  } else if (kind < 16) {
    await device.delete(chance.of(eids));
  } else if (kind === 16) {
    await device.put(chance.of(eids), { type: 'c', body: `again ${at}` });
  } else if (kind === 17) {
    await toggleLink(device);
  } else if (kind === 18) {
    await device.sync();
  } else if (chance.below(3) === 0) {
    await server.kill();
    await server.restart();
  }
}

async function run(seed: number): Promise<void> {
  const chance = new Chance(seed);
  const person = newSeed();
  const devices: EntDB[] = [];
  for (let at = 0; at < 3; at += 1) devices.push(await openDevice(person, [server.url]));
  const eids: string[] = [];
  for (let at = 0; at < STEPS; at += 1) await step(chance, chance.of(devices), eids, at);
  for (const device of devices) await device.link(server.url);
  // Twice: what the last one brought is news to the first.
  for (const device of [...devices, ...devices]) await device.sync();
  await untilConverged(...devices);
  const late = await openDevice(person, [server.url]);
  await late.sync();
  const [first] = devices;
  if (first === undefined) throw new Error('no device');
  expect(await shown(late)).toEqual(await shown(first));
  expect((await bagsAt(server.url, person)).length).toBeGreaterThanOrEqual(first.status.savedHere);
  for (const device of [...devices, late]) await device.close();
}

const only = process.env.SEABAG_SEED;
const seeds = Array.from({ length: Number(process.env.SEABAG_SEEDS ?? 4) }, (_, seed) => seed);

test.each(only === undefined ? seeds : [Number(only)])(
  'three devices with random edits and cuts are equal in the end (seed %i)',
  run,
);
