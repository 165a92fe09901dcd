// A full disk: Chromium is told to grant this origin no more.

import { expect, test } from 'vitest';
import { cdp } from 'vitest/browser';
import type { Received } from '../../src/entdb/database.ts';
import { everything } from './model.ts';
import { eid, host, update, World } from './support.ts';

/** Chromium believes for up to half a minute what it knew of the quota. */
const ATTEMPTS_MAX = 90;

test('a full disk is told, and nothing is half written', async () => {
  const world = await World.create('indexeddb');
  const { database } = world;
  const link = await database.addLink(host(1));
  await database.put(eid(1), { type: 't', body: 'before' });
  const heard: unknown[] = [];
  database.onChange((changes) => heard.push(changes));
  const session = cdp();
  await session.send('Storage.overrideQuotaForOrigin', { origin: location.origin, quotaSize: 1_000 });

  let [failure, before, told]: [unknown, unknown, number] = [undefined, undefined, 0];
  for (let attempt = 1; attempt <= ATTEMPTS_MAX && failure === undefined; attempt += 1) {
    [before, told] = [await everything(database), heard.length];
    const bags = Array.from({ length: 20 }, (_, at) => {
      const body = crypto.getRandomValues(new Uint8Array(30_000));
      return [
        attempt * 100 + at,
        { type: 'whole', message: update(eid(at + 1, attempt), 0, 0, 't', body) },
      ] as const;
    });
    const caught = (error: unknown) => {
      failure = error;
    };
    await database.receive(link, { bags }).then((_: Received) => undefined, caught);
    await new Promise((resolve) => setTimeout(resolve, failure === undefined ? 500 : 0));
  }
  expect(failure).toMatchObject({ code: 'storage_full' });
  expect(await everything(database)).toEqual(before);
  expect(heard).toHaveLength(told);
  await session.send('Storage.overrideQuotaForOrigin', { origin: location.origin });
  await world.remove();
});
