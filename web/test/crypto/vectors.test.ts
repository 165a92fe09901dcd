// The vectors of secrets and of the export file in Node.

import { testArchiveVectors } from './archive_vectors.ts';
import { testCryptoVectors } from './vectors.ts';

testCryptoVectors();
testArchiveVectors();
