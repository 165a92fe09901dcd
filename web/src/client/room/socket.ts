// One WebSocket, and the question over HTTP why there is none. Once dropped it is silent: a half-open connection may
// take minutes to say that it has ended.

import { RoomError } from '../../protocol/error.ts';
import { ANSWER_MS_MAX } from '../../protocol/limits.ts';
import type { Frame } from '../../protocol/room/codec.ts';
import { readHttpRefusal } from './refusal.ts';
import type { Probe } from './session_action.ts';
import type { WebSocketConstructor, WebSocketLike } from './types.ts';

/** What a socket tells. */
export interface SocketEvents {
  opened(): void;
  received(frame: Frame): void;
  closed(code: number, reason: string): void;
}

/** The global `WebSocket`, if there is one. Throws `no_websocket`. */
export function defaultWebSocket(): WebSocketConstructor {
  const { WebSocket: found } = globalThis as { WebSocket?: WebSocketConstructor };
  if (found !== undefined) return found;
  throw new RoomError('no_websocket', 'there is no global WebSocket here: pass one as the option webSocket');
}

/** One WebSocket. */
export class Socket {
  readonly #socket: WebSocketLike;

  constructor(make: WebSocketConstructor, url: string, subprotocol: string, events: SocketEvents) {
    const socket = new make(url, [subprotocol]);
    this.#socket = socket;
    socket.binaryType = 'arraybuffer';
    socket.onopen = () => events.opened();
    socket.onmessage = ({ data }: { data: unknown }) => {
      if (typeof data === 'string') events.received(data);
      else if (data instanceof ArrayBuffer) events.received(new Uint8Array(data));
    };
    socket.onclose = ({ code, reason }: { code: number; reason: string }) => events.closed(code, reason);
    // What follows is a close event with all there is to know.
    socket.onerror = () => {};
  }

  /** Sends a frame, if the socket can still take one. */
  send(frame: Frame): void {
    try {
      this.#socket.send(frame);
    } catch {
      // It is closing: its close event tells the session, which sends again what counts.
    }
  }

  /** Says goodbye and is silent from here on. */
  drop(): void {
    const socket = this.#socket;
    socket.onopen = null;
    socket.onmessage = null;
    socket.onclose = null;
    try {
      socket.close(1000);
    } catch {
      // Not open yet, in an environment that minds.
    }
  }
}

/** Asks over HTTP whether there is such a room: a browser does not tell why a WebSocket could not be opened. */
export async function probeRoom(fetchIt: typeof fetch, url: string): Promise<Probe> {
  try {
    const response = await fetchIt(url, { signal: AbortSignal.timeout(ANSWER_MS_MAX), cache: 'no-store' });
    return { answered: true, error: response.ok ? null : await readHttpRefusal(response) };
  } catch {
    return { answered: false, error: null };
  }
}
