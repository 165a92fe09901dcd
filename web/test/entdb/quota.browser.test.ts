// A full disk: a bucket of storage to which Chromium grants little, and which no other test has used.

import { expect, onTestFinished, test } from 'vitest';
import { everything } from './model.ts';
import { eid, host, update, World } from './support.ts';

const QUOTA_BYTES = 3_000_000;

/** What TypeScript's library does not know yet. */
interface Buckets {
  open(name: string, options: { quota: number }): Promise<{ indexedDB: IDBFactory }>;
  delete(name: string): Promise<void>;
}

function isBuckets(found: unknown): found is Buckets {
  return typeof found === 'object' && found !== null && 'open' in found && 'delete' in found;
}

/** IndexedDB has little room until the test ends. */
async function useSmallBucket(): Promise<void> {
  const buckets: unknown = Reflect.get(navigator, 'storageBuckets');
  if (!isBuckets(buckets)) throw new Error('this browser has no storage buckets');
  const name = `small-${crypto.randomUUID()}`;
  const { indexedDB: small } = await buckets.open(name, { quota: QUOTA_BYTES });
  const usual = indexedDB;
  const use = (value: IDBFactory) =>
    Object.defineProperty(window, 'indexedDB', { value, configurable: true });
  use(small);
  onTestFinished(async () => {
    use(usual);
    await buckets.delete(name);
  });
}

test('a full disk is told, and nothing is half written', async () => {
  await useSmallBucket();
  const world = await World.create('indexeddb');
  const { database } = world;
  const link = await database.addLink(host(1));
  await database.put(eid(1), { type: 't', body: 'before' });
  let told = 0;
  database.onChange(() => {
    told += 1;
  });

  const before = await everything(database);
  told = 0;
  const bags = Array.from({ length: 10 }, (_, at) => {
    const message = update(eid(at + 20), 1, 0, 't', new Uint8Array(600_000).fill(1));
    return [at + 1, { type: 'whole', message }] as const;
  });
  await expect(database.receive(link, { bags })).rejects.toMatchObject({ code: 'storage_full' });
  expect(await everything(database)).toEqual(before);
  expect(told).toBe(0);
  await world.remove();
});
