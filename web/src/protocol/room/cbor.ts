// Values as CBOR, written by the library cbor2. Bytes, dates, typed arrays and great integers survive; a tag that is not
// among the ones below stays a `Tag`, so that no peer's value can make this side build something unexpected, fail or hang.
// Loaded only when CBOR is asked for, and shares no module with the rest of the package, so that it is a bundle of its own.

import { defaultDecodeOptions, encode, Simple, Tag } from 'cbor2';
import { CborReader } from './cbor_reader.ts';

/** Dates (0, 1), great integers (2, 3), byte strings in the npm clients' writing and typed arrays (64-87, RFC 8746), sets. */
const TAGS_READ = new Set([0, 1, 2, 3, ...Array.from({ length: 24 }, (_, index) => 64 + index), 258]);
/** Nesting that is followed: the deepest value of the server, 250, and what is around it. */
const DEPTH_MAX = 300;
/** Great integers of more bytes stay as they came: who adds up, prints or compares them would be busy for minutes. */
const INTEGER_BYTES_MAX = 1_024;

const DATE_SECONDS = 1;

/** A tag around something that it should not be around is kept as it is. */
function readTag(number: number | bigint, contents: unknown): unknown {
  const tag = new Tag(number, contents);
  const known = typeof number === 'number' && TAGS_READ.has(number);
  const tooGreat = (number === 2 || number === 3) && isLong(contents);
  if (!known || tooGreat) return tag;
  // Seconds are written as a fraction, of which a part of a millisecond may be missing.
  if (number === DATE_SECONDS && typeof contents === 'number') return new Date(Math.round(contents * 1_000));
  try {
    return tag.decode(defaultDecodeOptions);
  } catch {
    return tag;
  }
}

function isLong(contents: unknown): boolean {
  return contents instanceof Uint8Array && contents.length > INTEGER_BYTES_MAX;
}

/** Writes any value. Throws some error for one that cannot be written. */
export function writeCbor(tree: unknown): Uint8Array<ArrayBuffer> {
  return new Uint8Array(encode(tree));
}

/** Reads any bytes. Throws some error for those that are no CBOR. */
export function readCbor(bytes: Uint8Array): unknown {
  return new CborReader(bytes, DEPTH_MAX, readTag, (number) => new Simple(number)).whole();
}
