// Messages as JSON: text frames and HTTP bodies.

import { badMessage } from '../error.ts';
import type { ClientMessage } from './client_message.ts';
import type { Codec, Frame } from './codec.ts';
import { readServerMessage } from './server_message.ts';

function encode(message: ClientMessage | readonly ClientMessage[]): string {
  try {
    return JSON.stringify(message);
  } catch {
    // The error's own words may hold parts of the value.
    throw badMessage('the value cannot be written as JSON: it holds itself or a bigint');
  }
}

/** Reads JSON text as a tree. Throws `bad_message`. */
export function parseJson(frame: Frame): unknown {
  try {
    if (typeof frame === 'string') return JSON.parse(frame);
  } catch {
    // As below; the parser's words would repeat the text.
  }
  throw badMessage('the message is not JSON');
}

/** The codec of `seabag.v1`. */
export const jsonCodec: Codec<string> = {
  subprotocol: 'seabag.v1',
  contentType: 'application/json',
  encode,
  decodeTree: parseJson,
  decode: (frame) => readServerMessage(parseJson(frame)),
};
