// One face for the two ways in which messages are written down.

import type { ClientMessage } from './client_message.ts';
import type { ServerMessage } from './server_message.ts';

/** A WebSocket frame: text holds JSON, bytes hold CBOR, on any connection. */
export type Frame = string | Uint8Array<ArrayBuffer>;

/** Writes client messages and reads server messages. */
export interface Codec<Written extends Frame = Frame> {
  /** What to ask the server for when a WebSocket is opened. */
  readonly subprotocol: string;
  /** What an HTTP body is labelled with. */
  readonly contentType: string;
  /** Writes a message, or several as a list. Throws `bad_message` for a value that cannot be written. */
  encode(message: ClientMessage | readonly ClientMessage[]): Written;
  /** Reads a frame of either kind as a tree. Total: throws `bad_message` or returns. */
  decodeTree(frame: Frame): unknown;
  /** Reads a server message. Total: throws `bad_message` or returns. */
  decode(frame: Frame): ServerMessage;
}
