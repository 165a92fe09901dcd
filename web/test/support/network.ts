// Connections of a test to a real server over sockets that it can break and keep broken.

import WebSocket from 'ws';
import { RoomConnection } from '../../src/client/room/connection.ts';
import type { RoomOptions, WebSocketConstructor } from '../../src/client/room/types.ts';
import type { Server } from './server.ts';
import { until } from './until.ts';

/** Nothing listens there. */
const NOWHERE = 'ws://127.0.0.1:1/';

/** One client's way to the server. */
export class Network {
  /** What a connection is made with. */
  readonly webSocket: WebSocketConstructor;
  #sockets = new Set<WebSocket>();
  #offline = false;

  constructor() {
    const network = this;
    this.webSocket = class extends WebSocket {
      constructor(url: string, protocols: string[]) {
        super(network.#offline ? NOWHERE : url, protocols);
        network.#sockets.add(this);
        this.addEventListener('close', () => network.#sockets.delete(this));
      }
    } as unknown as WebSocketConstructor;
  }

  /** Breaks all connections; new ones can be made. */
  cut(): void {
    for (const socket of this.#sockets) socket.terminate();
  }

  /** Breaks all connections, and none can be made until `online`. */
  offline(): void {
    this.#offline = true;
    this.cut();
  }

  online(): void {
    this.#offline = false;
  }
}

/** Makes a room; its `socket_url`. */
export async function newRoom(server: Server): Promise<string> {
  const answer = await fetch(`${server.url}/new`, { method: 'POST' });
  const { socket_url: url } = (await answer.json()) as { socket_url: string };
  return url;
}

/** Joins a room, live. */
export async function join(
  url: string,
  network = new Network(),
  options: RoomOptions = {},
): Promise<RoomConnection> {
  const room = new RoomConnection(url, { webSocket: network.webSocket, ...options });
  await room.connect();
  return room;
}

/** Waits until a connection is live again, or the first time. */
export async function untilLive(room: RoomConnection): Promise<void> {
  await until('the connection is live', () => room.status.state === 'live');
}

/** Waits until everything that a connection has pushed is answered. */
export async function untilSent(room: RoomConnection): Promise<void> {
  await until('all pushes are answered', () => {
    const { state, queued, unacknowledged } = room.status;
    return state === 'live' && queued + unacknowledged === 0;
  });
}
