// Node has no IndexedDB: that is told, not met as a crash.

import { expect, test } from 'vitest';
import { deleteIndexedDb, openIndexedDb } from '../../src/entdb/storage/indexeddb.ts';

test('where there is no IndexedDB it says so', async () => {
  await expect(openIndexedDb('any')).rejects.toMatchObject({ code: 'storage_unavailable' });
  await expect(deleteIndexedDb('any')).rejects.toMatchObject({ code: 'storage_unavailable' });
});
