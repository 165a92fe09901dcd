// Messages as CBOR: binary frames. Bytes, dates, typed arrays and great integers survive; a tag that is not among the
// ones below stays a `Tag`, so that no peer's value can make this side build something unexpected, or fail.
// Loaded only when CBOR is asked for.

import { type DecodeOptions, decode as decodeCbor, encode as encodeCbor, Tag } from 'cbor2';
import { badMessage } from '../error.ts';
import { DEPTH_MAX } from '../limits.ts';
import type { ClientMessage } from './client_message.ts';
import type { Codec, Frame } from './codec.ts';
import { parseJson } from './json.ts';
import { readServerMessage } from './server_message.ts';

/** Dates (0, 1), great integers (2, 3), byte strings in the npm clients' writing and typed arrays (64-87, RFC 8746), sets. */
const TAGS_READ = [0, 1, 2, 3, ...Array.from({ length: 24 }, (_, index) => 64 + index), 258];

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

function encode(message: ClientMessage | readonly ClientMessage[]): Uint8Array<ArrayBuffer> {
  try {
    return new Uint8Array(encodeCbor(message));
  } catch {
    throw badMessage('the value cannot be written as CBOR: it holds itself, a function or something as odd');
  }
}

function decodeTree(frame: Frame): unknown {
  if (typeof frame === 'string') return parseJson(frame);
  try {
    return decodeCbor(frame, DECODING);
  } catch {
    throw badMessage('the message is not CBOR');
  }
}

/** The codec of `seabag.v1.cbor`. */
export const cborCodec: Codec = {
  subprotocol: 'seabag.v1.cbor',
  contentType: 'application/cbor',
  encode,
  decodeTree,
  decode: (frame) => readServerMessage(decodeTree(frame)),
};
