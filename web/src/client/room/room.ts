// The first minute: a connected room from a server's URL, or from a room's.

import { currentRoom, showRoom } from './address.ts';
import { RoomsApi, type RoomsApiOptions } from './api.ts';
import { RoomConnection } from './connection.ts';
import { part } from './part.ts';
import type { RoomOptions } from './types.ts';

async function makeOne(server: string, options: RoomsApiOptions): Promise<string> {
  const { makeRoom } = await part(import('./make.ts'));
  return makeRoom(server, options);
}

async function connected(url: string, options: RoomOptions): Promise<RoomConnection> {
  const room = new RoomConnection(url, options);
  try {
    await room.connect();
    return room;
  } catch (error) {
    room.close();
    throw error;
  }
}

/**
 * The way in.
 *
 * ```ts
 * const room = await Room.create('http://127.0.0.1:8080');
 * location.hash = room.id; // whoever has it is in
 * const same = await Room.join('http://127.0.0.1:8080', location.hash.slice(1));
 * ```
 */
export const Room = {
  /** Makes a room on a server and connects to it. `token`: where the server asks for one. */
  async create(
    server: string,
    options: RoomOptions & Pick<RoomsApiOptions, 'token'> = {},
  ): Promise<RoomConnection> {
    const api = new RoomsApi(server, options);
    const { room } = await api.createRoom();
    return connected(api.url(room), options);
  },

  /**
   * For pages: joins the room that the page's address names (`#room=…`). If it names none, makes one and shows it there,
   * so that the address invites others.
   */
  async open(
    server: string,
    options: RoomOptions & Pick<RoomsApiOptions, 'token'> = {},
  ): Promise<RoomConnection> {
    const room = currentRoom() ?? (await makeOne(server, options));
    showRoom(room);
    return connected(new RoomsApi(server).url(room), options);
  },

  /** Connects to a room that there is: a server and a room's id. Rejects with `unknown_room` when there is none. */
  join(server: string, id: string, options: RoomOptions = {}): Promise<RoomConnection> {
    return connected(new RoomsApi(server).url(id), options);
  },
};
