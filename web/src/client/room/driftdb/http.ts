// DriftDB's way into a room without a WebSocket: one message a request.

import { RoomError } from '../../../protocol/error.ts';
import type { MessageFromDb, MessageToDb } from './types.ts';

/** A room over HTTP. */
export class HttpConnection {
  #httpUrl: string;

  /** The `http_url` of a room. */
  constructor(httpUrl: string) {
    this.#httpUrl = httpUrl;
  }

  /** Sends one message; its direct answer, null if it has none. Rejects with a `RoomError`. */
  async send(_message: MessageToDb): Promise<MessageFromDb | null> {
    void this.#httpUrl;
    throw new RoomError('internal', 'not yet');
  }
}
