// DriftDB's way into a room without a WebSocket: one message a request, tried once.

import { parseRoomUrl, roomUrl } from '../../../protocol/room/name.ts';
import { loadRequest } from '../part.ts';
import { defaultFetch } from '../refusal.ts';
import type { MessageFromDb, MessageToDb } from './types.ts';

/** What always has an answer. */
type Question = Extract<MessageToDb, { type: 'ping' | 'get' }>;

/** A room over HTTP. */
export class HttpConnection {
  readonly #url: string;

  /** The `http_url` of a room. Throws a `RoomError` if it is none. */
  constructor(httpUrl: string) {
    this.#url = roomUrl(parseRoomUrl(httpUrl), '/send');
  }

  /** Sends one message; its direct answer, null if it has none, as most pushes. Rejects with a `RoomError`. */
  send(message: Question): Promise<MessageFromDb>;
  send(message: MessageToDb): Promise<MessageFromDb | null>;
  async send(message: MessageToDb): Promise<MessageFromDb | null> {
    const { postJson } = await loadRequest();
    const { tree } = await postJson(defaultFetch, this.#url, JSON.stringify(message));
    return tree as MessageFromDb | null;
  }
}
