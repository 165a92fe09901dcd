// A room over plain HTTP: for scripts and servers that only send, or read a page at a time. What it does is loaded when it
// is first asked for something.

import type { PushAction } from '../../protocol/room/action.ts';
import { type Cursor, checkClient, parseRoomUrl, roomUrl } from '../../protocol/room/name.ts';
import type { RoomEntry, StreamEntry } from '../../protocol/room/server_message.ts';
import type { HttpRoom } from './http_room.ts';
import { part } from './part.ts';
import type { Acknowledgement } from './types.ts';

/** One push of a list. */
export interface HttpPush {
  readonly key: string;
  readonly value: unknown;
  /** Default: append. A relay cannot be in a list that is tried again. */
  readonly action?: PushAction;
}

/** A page of a room, and where the next begins. */
export interface StreamPage {
  readonly data: readonly RoomEntry[];
  /** Where to go on from. */
  readonly cursor: Cursor;
  /** Whether there is more already. */
  readonly more: boolean;
  /** The cursor was not of this room's history: this page starts from the beginning. */
  readonly reset: boolean;
}

/** Which page. */
export interface StreamQuery {
  /** Default: the room's beginning. */
  readonly since?: Cursor;
  /** Only this key. */
  readonly key?: string;
  /** The most entries. */
  readonly limit?: number;
  /** Seconds to wait for news when there are none, at most 30. */
  readonly wait?: number;
  /** Gives up when it fires; the promise then rejects with its reason. */
  readonly signal?: AbortSignal;
}

/** How to ask. */
export interface RoomHttpOptions {
  /** Names the outbox, 16 to 64 of `A-Za-z0-9_-`. Default: fresh and random. */
  readonly client?: string;
  /** Default: the global `fetch`. */
  readonly fetch?: typeof fetch;
}

/** A room over HTTP. Every method rejects with a `RoomError`: the server's code, `network`, or `uncertain`. */
export class RoomHttp {
  readonly #url: string;
  readonly #options: RoomHttpOptions;
  #room: Promise<HttpRoom> | undefined;

  /** `url`: the room's page, `http_url` or `socket_url`. Throws `bad_parameter`. */
  constructor(url: string, options: RoomHttpOptions = {}) {
    this.#url = roomUrl(parseRoomUrl(url));
    if (options.client !== undefined) checkClient(options.client);
    this.#options = options;
  }

  /**
   * Sends one value to a key; appends it unless `action` says otherwise. A relay is tried once, all else until it is
   * stored or `HTTP_RETRY_MS_MAX` have passed.
   */
  async push(key: string, value: unknown, action?: PushAction): Promise<Acknowledgement> {
    return (await this.#load()).push(key, value, action);
  }

  /** Sends up to 1,000 values: all are stored, with consecutive numbers, or none. */
  async pushAll(pushes: readonly HttpPush[]): Promise<readonly Acknowledgement[]> {
    return (await this.#load()).pushAll(pushes);
  }

  /** What a key retains above `seq`; all of it without one. */
  async get(key: string, seq?: number): Promise<readonly StreamEntry[]> {
    return (await this.#load()).get(key, seq);
  }

  /** One page of the room, or of one key. */
  async stream(query?: StreamQuery): Promise<StreamPage> {
    return (await this.#load()).stream(query);
  }

  /** Calls that come meanwhile wait for the same promise, and so keep their order. */
  #load(): Promise<HttpRoom> {
    this.#room ??= part(import('./http_room.ts')).then(
      ({ HttpRoom }) => new HttpRoom(this.#url, this.#options),
      (error) => {
        // The next call tries again.
        this.#room = undefined;
        throw error;
      },
    );
    return this.#room;
  }
}
