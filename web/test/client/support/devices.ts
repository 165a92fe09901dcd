// Devices of one person in Node: each a database in memory with everything that belongs to it, ended with the test.

import { expect, onTestFinished } from 'vitest';
import { WebSocket } from 'ws';
import { type EntDB, type OpenOptions, openEntDB } from '../../../src/client/entdb.ts';
import { Sealer } from '../../../src/crypto/seal.ts';
import { Seed } from '../../../src/crypto/seed.ts';
import type { Bag } from '../../../src/protocol/host/bag.ts';
import { Reader } from '../../../src/protocol/host/bytes.ts';
import { PEEK_PATH, USER_PATH } from '../../../src/protocol/host/path.ts';
import { type PeekItem, peekRequest, readPeekItems } from '../../../src/protocol/host/peek.ts';
import { readResponseHead } from '../../../src/protocol/host/response.ts';
import { until } from '../../support/until.ts';

export type { Bag };

/** A person's seed for one test. */
export function newSeed(): Seed {
  return Seed.generate();
}

/** A device of this person, linked to these hosts, the first under the usual label. */
export async function openDevice(
  seed: Seed,
  urls: readonly string[],
  options: Partial<OpenOptions> = {},
): Promise<EntDB> {
  const device = await openEntDB({
    seed,
    storage: 'memory',
    webSocket: WebSocket,
    fillWaitMsMax: 300,
    ...options,
  });
  onTestFinished(() => device.close());
  for (const [at, url] of urls.entries()) await device.link(url, at === 0 ? {} : { label: `host ${at}` });
  return device;
}

/** All that a device shows: every entity of every type, in one order for all devices. */
export async function shown(device: EntDB): Promise<string[]> {
  const all: string[] = [];
  for (const { type } of await device.types()) {
    for (const ent of await device.query({ type })) all.push(JSON.stringify(ent, plain));
  }
  return all.sort();
}

function plain(_key: string, value: unknown): unknown {
  if (value instanceof Uint8Array) return { bytes: [...value] };
  return typeof value === 'bigint' ? `${value}n` : value;
}

/** Whether a device has so many entities of a type. */
export async function has(device: EntDB, type: string, count: number): Promise<boolean> {
  return (await device.count({ type })) === count;
}

/** Waits until all of them are in sync, with nothing waiting, and show the same. */
export async function untilConverged(...devices: EntDB[]): Promise<void> {
  await until('the devices converge', async () => {
    const settled = devices.every(({ status }) => status.state === 'in_sync' && status.waiting === 0);
    if (!settled) return false;
    const [first, ...others] = await Promise.all(devices.map(shown));
    return others.every((other) => JSON.stringify(other) === JSON.stringify(first));
  });
}

/** The bags of a person's usual account at a host, asked as any client would. */
export async function bagsAt(url: string, seed: Seed, label = 'main'): Promise<PeekItem[]> {
  const { keys } = await Sealer.create(seed, label, 0);
  const request = peekRequest(await keys.timestamp(Date.now()), 0);
  const response = await fetch(url + PEEK_PATH, { method: 'POST', body: request });
  const reader = new Reader(new Uint8Array(await response.arrayBuffer()));
  const { status } = readResponseHead(reader);
  expect(status, `${USER_PATH} was never called`).toBe(0);
  return readPeekItems(reader);
}
