// The laws of the database in Chromium: on both kinds of storage.

import { testLaws } from './laws/all.ts';

testLaws('memory');
testLaws('indexeddb');
