// The vectors of secrets and of the export file in Chromium.

import { testArchiveVectors } from './archive_vectors.ts';
import { testCryptoVectors } from './vectors.ts';

testCryptoVectors();
testArchiveVectors();
