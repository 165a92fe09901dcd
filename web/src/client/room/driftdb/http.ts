// DriftDB's way into a room without a WebSocket: one message a request, tried once.

import { parseRoomUrl, roomUrl } from '../../../protocol/room/name.ts';
import { defaultFetch, request } from '../request.ts';
import type { MessageFromDb, MessageToDb } from './types.ts';

/** A room over HTTP. */
export class HttpConnection {
  readonly #url: string;

  /** The `http_url` of a room. Throws a `RoomError` if it is none. */
  constructor(httpUrl: string) {
    this.#url = roomUrl(parseRoomUrl(httpUrl), '/send');
  }

  /** Sends one message; its direct answer, null if it has none. Rejects with a `RoomError`. */
  async send(message: MessageToDb): Promise<MessageFromDb | null> {
    const { tree } = await request(defaultFetch, this.#url, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(message),
    });
    return tree as MessageFromDb | null;
  }
}
