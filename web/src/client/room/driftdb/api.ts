// DriftDB's room API by its names: makes and finds rooms. Unlike DriftDB's own client it looks at the HTTP status.

import { type RoomInfo, RoomsApi } from '../api.ts';
import { serverUrl } from './server_url.ts';

/** A room, as the server tells of it. */
export interface RoomResult {
  /** The room's id: whoever knows it may read and write. */
  room: string;
  /** Where to connect. */
  socket_url: string;
  /** Where to POST messages. */
  http_url: string;
}

/** Makes and finds rooms on a server. */
export class Api {
  apiUrl: string;

  /** The server's address, with or without a slash at its end. */
  constructor(apiUrl: string) {
    this.apiUrl = apiUrl.replace(/\/?$/, '/');
  }

  /** Makes a room under a random id. Rejects with a `RoomError`. */
  async newRoom(): Promise<RoomResult> {
    return asResult(await this.#rooms().createRoom());
  }

  /** Finds a room. Rejects with a `RoomError`, `unknown_room` if there is none. */
  async getRoom(roomId: string): Promise<RoomResult> {
    return asResult(await this.#rooms().room(roomId));
  }

  #rooms(): RoomsApi {
    return new RoomsApi(serverUrl(this.apiUrl));
  }
}

function asResult({ room, socketUrl, httpUrl }: RoomInfo): RoomResult {
  return { room, socket_url: socketUrl, http_url: httpUrl };
}
