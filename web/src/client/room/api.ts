// Rooms as things: making, looking, deleting. What is in them is connection.ts's and http.ts's.

import { RoomError } from '../../protocol/error.ts';
import { isRoomAddress } from '../../protocol/room/name.ts';
import { object, text } from '../../protocol/room/server_message.ts';
import { loadRequest } from './part.ts';
import { defaultFetch } from './refusal.ts';
import type { Answer } from './request.ts';

/** What a server tells of a room. `room` is a secret; who came with a read-only id sees that one everywhere. */
export interface RoomInfo {
  readonly room: string;
  /** The id that lets its holder read and not write. */
  readonly readOnly: string;
  readonly socketUrl: string;
  readonly httpUrl: string;
  readonly epoch: string;
}

/** How to ask. */
export interface RoomsApiOptions {
  /** Sent as `Authorization: Bearer …` when a room is made, where the server asks for it. */
  readonly token?: string;
  /** Default: the global `fetch`. */
  readonly fetch?: typeof fetch;
}

/** The rooms of one server. Every method rejects with a `RoomError`: the server's code, or `network`. */
export class RoomsApi {
  readonly #server: string;
  readonly #options: RoomsApiOptions;

  /** `server`: its URL, `http` or `https`, perhaps with a path. Throws `bad_parameter`. */
  constructor(server: string, options: RoomsApiOptions = {}) {
    const trimmed = server.trim().replace(/\/+$/, '');
    if (!/^https?:\/\/[^\s?#]+$/.test(trimmed)) {
      throw new RoomError('bad_parameter', 'a server is http:// or https:// and its name');
    }
    this.#server = trimmed;
    this.#options = options;
  }

  /** Makes a room under a random id. */
  async createRoom(): Promise<RoomInfo> {
    return readInfo(await this.#ask('POST', '/new'));
  }

  /** Looks at a room. `unknown_room` when there is none. */
  async room(id: string): Promise<RoomInfo> {
    return readInfo(await this.#ask('GET', roomPath(id)));
  }

  /** Makes a room under an id that its holder knows already, if there is none: how a room comes back after a wipe. */
  async putRoom(id: string): Promise<RoomInfo & { readonly created: boolean }> {
    const answer = await this.#ask('PUT', roomPath(id));
    return { ...readInfo(answer), created: answer.status === 201 };
  }

  /** Deletes a room with all that is in it. `closed` for a closed room, which goes by age only. */
  async deleteRoom(id: string): Promise<void> {
    await this.#ask('DELETE', roomPath(id));
  }

  /** The URL with which a `RoomConnection` or a `RoomHttp` reaches a room on this server. */
  url(id: string): string {
    return this.#server + roomPath(id);
  }

  async #ask(method: string, path: string): Promise<Answer> {
    const { request } = await loadRequest();
    const { token, fetch: fetchIt = defaultFetch } = this.#options;
    const headers: Record<string, string> = token === undefined ? {} : { authorization: `Bearer ${token}` };
    return request(fetchIt, this.#server + path, { method, headers });
  }
}

function roomPath(id: string): string {
  if (!isRoomAddress(id)) {
    throw new RoomError('unknown_room', 'this is no room id');
  }
  return `/room/${id}`;
}

function readInfo({ tree }: Answer): RoomInfo {
  const fields = object(tree, 'the answer');
  return {
    room: text(fields, 'room'),
    readOnly: text(fields, 'read_only'),
    socketUrl: text(fields, 'socket_url'),
    httpUrl: text(fields, 'http_url'),
    epoch: text(fields, 'epoch'),
  };
}
