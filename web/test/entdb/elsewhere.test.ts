// Two databases on the same rows, as two tabs have them: neither misses what the other wrote, whatever fails between.

import { expect, onTestFinished, test } from 'vitest';
import { Database } from '../../src/entdb/database.ts';
import { memoryStorage } from '../../src/entdb/storage/memory.ts';
import type { Storage } from '../../src/entdb/storage/storage.ts';
import { until } from '../support/until.ts';

let names = 0;

/** A tab's storage: rows in memory that others have too, of which so many readings fail. */
class SharedStorage implements Storage {
  readonly name: string;
  readonly #rows: Storage;
  failures = 0;

  constructor(name: string, rows: Storage) {
    this.name = name;
    this.#rows = rows;
  }

  read: Storage['read'] = (work) => {
    this.failures -= 1;
    return this.failures >= 0 ? Promise.reject(new Error('the disk')) : this.#rows.read(work);
  };

  write: Storage['write'] = (durability, work) => this.#rows.write(durability, work);

  close(): void {
    this.failures = 0;
  }
}

async function openTabs() {
  names += 1;
  const rows = memoryStorage();
  const tabs = await Promise.all(
    [0, 1].map(async () => {
      const storage = new SharedStorage(`shared ${names}`, rows);
      const database = await Database.open(storage);
      onTestFinished(() => database.close());
      return { storage, database };
    }),
  );
  const [here, there] = tabs;
  if (here === undefined || there === undefined) throw new Error('no tabs');
  return { here, there };
}

test('what another tab wrote shows although looking at it failed once', async () => {
  const { here, there } = await openTabs();
  const live = here.database.live({ type: 't' });
  live.subscribe(() => undefined);
  await until('it is asked', () => live.loaded);
  here.storage.failures = 1;
  await there.database.insert({ type: 't', body: 1 });
  await until('it shows', () => live.snapshot?.length === 1);
  expect(live.error).toBeUndefined();
});

test('an answer that could not be asked again is asked again at the next change', async () => {
  const { here, there } = await openTabs();
  const live = here.database.live({ type: 't' });
  live.subscribe(() => undefined);
  await until('it is asked', () => live.loaded);
  here.storage.failures = 2;
  await there.database.insert({ type: 't', body: 1 });
  await until('it failed', () => live.error !== undefined);
  await here.database.insert({ type: 't', body: 2 });
  await until('both show', () => live.snapshot?.length === 2);
  expect(live.error).toBeUndefined();
});

test('a tab that closes while it writes still tells the others', async () => {
  const { here, there } = await openTabs();
  const live = here.database.live({ type: 't' });
  live.subscribe(() => undefined);
  await until('it is asked', () => live.loaded);
  const writing = there.database.insert({ type: 't', body: 1 });
  await there.database.close();
  await writing;
  await until('it shows', () => live.snapshot?.length === 1);
});
