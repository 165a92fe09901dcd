// The vectors of secrets and of the export file in Chromium.

import { expect, test } from 'vitest';
import { chooseProvider } from '../../src/crypto/ed25519.ts';
import { testArchiveVectors } from './archive_vectors.ts';
import { testCryptoVectors } from './vectors.ts';

testCryptoVectors();
testArchiveVectors();

test('who computes signatures is found out, and this browser does', async () => {
  expect(await chooseProvider()).toBe('webcrypto');
});
