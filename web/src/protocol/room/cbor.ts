// Values as CBOR, by the library cbor2. Bytes, dates, typed arrays and great integers survive; a tag that is not among
// the ones below stays a `Tag`, so that no peer's value can make this side build something unexpected, or fail.
// Loaded only when CBOR is asked for, and imports nothing of this package, so that it is a bundle of its own.

import { type DecodeOptions, decode, encode, Tag } from 'cbor2';

/** Dates (0, 1), great integers (2, 3), byte strings in the npm clients' writing and typed arrays (64-87, RFC 8746), sets. */
const TAGS_READ = [0, 1, 2, 3, ...Array.from({ length: 24 }, (_, index) => 64 + index), 258];
/** Nesting that is followed: the deepest value of the server, 250, and what is around it. */
const DEPTH_MAX = 300;

type TagDecoder = NonNullable<ReturnType<typeof Tag.getDecoder>>;

/** A tag around something that it should not be around is kept as it is. */
function gently(read: TagDecoder): TagDecoder {
  return (tag, options) => {
    try {
      return read(tag, options);
    } catch {
      return tag;
    }
  };
}

function readers(): Map<number, TagDecoder> {
  const map = new Map<number, TagDecoder>();
  for (const number of TAGS_READ) {
    const read = Tag.getDecoder(number);
    if (read !== undefined) map.set(number, gently(read));
  }
  return map;
}

const DECODING: DecodeOptions = { tags: readers(), ignoreGlobalTags: true, maxDepth: DEPTH_MAX };

/** Writes any value. Throws some error for one that cannot be written. */
export function writeCbor(tree: unknown): Uint8Array<ArrayBuffer> {
  return new Uint8Array(encode(tree));
}

/** Reads any bytes. Throws some error for those that are no CBOR. */
export function readCbor(bytes: Uint8Array): unknown {
  return decode(bytes, DECODING);
}
