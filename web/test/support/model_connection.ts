// A real connection over the model of a server, whose frames move when the test moves them.

import { RoomConnection } from '../../src/client/room/connection.ts';
import type { RoomOptions } from '../../src/client/room/types.ts';
import { ModelServer, ModelSocket } from './room_model.ts';

/** No server has it. */
export const URL_OF_ROOM = `ws://model.invalid/room/${'a'.repeat(22)}/connect`;

/** A connection to the model, over a socket that the test moves. */
export function modelRoom(options: RoomOptions = {}) {
  const server = new ModelServer();
  const sockets: ModelSocket[] = [];
  class Socket extends ModelSocket {
    constructor(url: string) {
      super(server, url);
      sockets.push(this);
    }
  }
  const fetch = () => Promise.reject(new Error('no network'));
  const room = new RoomConnection(URL_OF_ROOM, { webSocket: Socket, fetch, random: () => 0.5, ...options });
  const moveAll = () => {
    for (let moved = true; moved; ) {
      moved = false;
      for (const socket of sockets) while (socket.moveUp() || socket.moveDown()) moved = true;
    }
  };
  return { server, sockets, room, moveAll, make: Socket };
}
