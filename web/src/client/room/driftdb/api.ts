// DriftDB's room API: makes and finds rooms. Unlike DriftDB's own client it looks at the HTTP status.

import { RoomError } from '../../../protocol/error.ts';

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
    this.apiUrl = apiUrl.endsWith('/') ? apiUrl : `${apiUrl}/`;
  }

  /** Makes a room under a random id. Rejects with a `RoomError`. */
  newRoom(): Promise<RoomResult> {
    return this.#ask('new', 'POST');
  }

  /** Finds a room. Rejects with a `RoomError`, `unknown_room` if there is none. */
  getRoom(roomId: string): Promise<RoomResult> {
    return this.#ask(`room/${encodeURIComponent(roomId)}`, 'GET');
  }

  #ask(_path: string, _method: string): Promise<RoomResult> {
    throw new RoomError('internal', 'not yet');
  }
}
