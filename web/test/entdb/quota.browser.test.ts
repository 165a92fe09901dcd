// A full disk: Chromium is told to grant this origin little.

import { expect, onTestFinished, test } from 'vitest';
import { cdp } from 'vitest/browser';
import { everything } from './model.ts';
import { eid, host, update, World } from './support.ts';

const QUOTA_BYTES = 3_000_000;
/** What an earlier test made Chromium know of the quota it believes for a while, so that it is tried again. */
const ATTEMPTS_MAX = 40;

test('a full disk is told, and nothing is half written', async () => {
  const session = cdp();
  const { origin } = location;
  onTestFinished(async () => {
    await session.send('Storage.overrideQuotaForOrigin', { origin });
  });
  await session.send('Storage.overrideQuotaForOrigin', { origin, quotaSize: QUOTA_BYTES });
  const world = await World.create('indexeddb');
  const { database } = world;
  const link = await database.addLink(host(1));
  await database.put(eid(1), { type: 't', body: 'before' });
  let told = 0;
  database.onChange(() => {
    told += 1;
  });

  let failure: unknown;
  let before: unknown;
  for (let attempt = 1; attempt <= ATTEMPTS_MAX && failure === undefined; attempt += 1) {
    if (attempt > 1) await new Promise((resolve) => setTimeout(resolve, 1_000));
    before = await everything(database);
    told = 0;
    const bags = Array.from({ length: 10 }, (_, at) => {
      const message = update(eid(at + 20), attempt, 0, 't', new Uint8Array(600_000).fill(attempt));
      return [at + 1, { type: 'whole', message }] as const;
    });
    const caught = (error: unknown) => {
      failure = error;
    };
    await database.receive(link, { bags }).then(() => undefined, caught);
  }
  expect(failure).toMatchObject({ code: 'storage_full' });
  expect(await everything(database)).toEqual(before);
  expect(told).toBe(0);
  await world.remove();
});
