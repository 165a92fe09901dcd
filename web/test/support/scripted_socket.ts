// A socket whose other side is the test, word by word: what no server would say can be said.

import { RoomConnection } from '../../src/client/room/connection.ts';
import type { RoomOptions, WebSocketLike } from '../../src/client/room/types.ts';
import { URL_OF_ROOM } from './model_connection.ts';

/** What a server greets with; `more` takes the place of parts of it. */
export function hello(more: object = {}): object {
  const limits = { message_bytes: 1_000_000, key_bytes: 1_000, pushes_per_second: 0 };
  return {
    type: 'hello',
    epoch: 'e',
    seq: 0,
    last_id: null,
    read_only: false,
    closed: false,
    limits,
    ...more,
  };
}

/** One socket. */
export class ScriptedSocket implements WebSocketLike {
  binaryType = 'blob';
  bufferedAmount = 0;
  onopen: ((event: never) => unknown) | null = null;
  onmessage: ((event: never) => unknown) | null = null;
  onclose: ((event: never) => unknown) | null = null;
  onerror: ((event: never) => unknown) | null = null;
  readonly url: string;
  /** What it asked for. */
  readonly subprotocol: string;
  /** What the client sent. */
  readonly sent: Record<string, unknown>[] = [];
  dropped = false;

  constructor(url: string, [subprotocol = '']: readonly string[] = []) {
    this.url = url;
    this.subprotocol = subprotocol;
  }

  send(data: string | Uint8Array<ArrayBuffer>): void {
    this.sent.push(JSON.parse(String(data)));
  }

  close(): void {
    this.dropped = true;
  }

  /** It opens, and the server says these. */
  open(...messages: object[]): void {
    this.onopen?.({} as never);
    this.say(...messages);
  }

  say(...messages: object[]): void {
    for (const message of messages) this.onmessage?.({ data: JSON.stringify(message) } as never);
  }

  end(code = 1006, reason = ''): void {
    this.onclose?.({ code, reason } as never);
  }
}

/** A connection over such sockets. The newest is the last. */
export function scripted(
  options: RoomOptions = {},
  url: string | null = URL_OF_ROOM,
): { room: RoomConnection; sockets: ScriptedSocket[] } {
  const sockets: ScriptedSocket[] = [];
  class Socket extends ScriptedSocket {
    constructor(url: string, subprotocols: readonly string[]) {
      super(url, subprotocols);
      sockets.push(this);
    }
  }
  const fetch = () => Promise.reject(new Error('no network'));
  const room = new RoomConnection(url, { webSocket: Socket, fetch, random: () => 0, ...options });
  return { room, sockets };
}
