// The name of one history of an account. How hosts make it is their business.

import type { Reader } from './bytes.ts';

/** Bytes of an epoch's name. */
export const EPOCH_BYTES = 16;

/** Names one history of an account. A host that was wiped, or went back to a backup, has another. */
export type EpochId = Uint8Array;

/** Reads an epoch's name from the front; a copy, for it is kept. */
export function readEpochId(reader: Reader): EpochId {
  return reader.take(EPOCH_BYTES).slice();
}
