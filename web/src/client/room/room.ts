// What the shared things need of a connection to a room, and no more: so they also run over a room that is joined later.

import type { PushAction } from '../../protocol/room/action.ts';
import type { KeySummary, RoomEntry, StreamEntry } from '../../protocol/room/server_message.ts';
import { RoomsApi, type RoomsApiOptions } from './api.ts';
import { RoomConnection } from './connection.ts';
import type { KeyEvent, RoomOptions, RoomStatus, SentPush, Unsubscribe } from './types.ts';

/** The part of a connection's status that matters here. */
export type RoomState = Pick<RoomStatus, 'state' | 'connected' | 'readOnly' | 'seq'>;

/** The part of `RoomConnection` on which shared values, reducers and presence stand. */
export interface Room {
  readonly status: RoomState;
  push(key: string, value: unknown, action: PushAction): SentPush;
  will(key: string, value: unknown): Promise<void>;
  subscribe(key: string, listener: (event: KeyEvent) => void, options?: { replay?: boolean }): Unsubscribe;
  onStatus(listener: (status: RoomState) => void): Unsubscribe;
}

/** What a map and a log need besides: they read, and they trim. */
export interface ReadableRoom extends Room {
  trim(key: string, seq: number): SentPush;
  keys(): Promise<readonly KeySummary[]>;
  entries(): Promise<readonly RoomEntry[]>;
  get(key: string): Promise<readonly StreamEntry[]>;
  onEntry(listener: (key: string, entry: StreamEntry, own?: number) => void): Unsubscribe;
  onReset(listener: () => void): Unsubscribe;
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

  /** Connects to a room that there is: a server and a room's id. Rejects with `unknown_room` when there is none. */
  join(server: string, id: string, options: RoomOptions = {}): Promise<RoomConnection> {
    return connected(new RoomsApi(server).url(id), options);
  },
};
