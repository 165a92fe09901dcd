// The laws of the database in Node: on storage in memory, for there is no IndexedDB.

import { testLaws } from './laws/all.ts';

testLaws('memory');
