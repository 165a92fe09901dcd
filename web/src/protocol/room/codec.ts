// The two ways in which messages are written down, with one face. CBOR's reader and writer are passed in (cbor.ts).

import { badMessage } from '../error.ts';
import type { ClientMessage } from './client_message.ts';
import { readServerMessage, type ServerMessage } from './server_message.ts';

/** A WebSocket frame: text holds JSON, bytes hold CBOR, on any connection. */
export type Frame = string | Uint8Array<ArrayBuffer>;

/** Writes client messages and reads server messages. */
export interface Codec<Written extends Frame = Frame> {
  /** What to ask the server for when a WebSocket is opened. */
  readonly subprotocol: string;
  /** Writes a message, or several as a list. Throws `bad_message` for a value that cannot be written. */
  encode(message: ClientMessage | readonly ClientMessage[]): Written;
  /** Reads a server message from a frame of either kind. Total: throws `bad_message` or returns. */
  decode(frame: Frame): ServerMessage;
}

/** What cbor.ts offers. */
export interface CborFunctions {
  writeCbor(tree: unknown): Uint8Array<ArrayBuffer>;
  readCbor(bytes: Uint8Array): unknown;
}

/** An error's own words may hold parts of a value, so none are repeated. */
function orBadMessage<Outcome>(act: () => Outcome, message: string): Outcome {
  try {
    return act();
  } catch {
    throw badMessage(message);
  }
}

function codec<Written extends Frame>(
  subprotocol: string,
  write: (tree: unknown) => Written,
  readBytes: (bytes: Uint8Array) => unknown,
): Codec<Written> {
  const read = (frame: Frame): unknown => (typeof frame === 'string' ? JSON.parse(frame) : readBytes(frame));
  return {
    subprotocol,
    encode: (message) => orBadMessage(() => write(message), 'the value cannot be written down'),
    decode: (frame) => readServerMessage(orBadMessage(() => read(frame), 'the message cannot be read')),
  };
}

/** `seabag.v1`: JSON in text frames and HTTP bodies. */
export const jsonCodec: Codec<string> = codec('seabag.v1', JSON.stringify, () => {
  throw badMessage('bytes on a JSON connection');
});

/** `seabag.v1.cbor`: CBOR in binary frames. */
export function cborCodec({ writeCbor, readCbor }: CborFunctions): Codec {
  return codec('seabag.v1.cbor', writeCbor, readCbor);
}
