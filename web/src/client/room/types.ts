// The shapes that users of a room connection meet. Types only.

import type { PushAction } from '../../protocol/room/action.ts';
import type { Cursor } from '../../protocol/room/name.ts';
import type { StreamEntry } from '../../protocol/room/server_message.ts';

/** Ends what made it. Calling it again does nothing. */
export type Unsubscribe = () => void;

/** What a subscriber of a key hears. */
export type KeyEvent =
  /** The key's whole retained stream: forget what was before and build anew. First of all, and after a reset. */
  | { readonly type: 'init'; readonly entries: readonly StreamEntry[] }
  /** One more message, live or caught up after a cut. `own`: the id of this connection's push that it is. */
  | { readonly type: 'push'; readonly seq: number; readonly value: unknown; readonly own?: number };

/** The server's word that a push is done. */
export interface Acknowledgement {
  /** The push's id. */
  readonly id: number;
  /** Its number in the room (for a compact: the compact's). Null when it was found stored after a cut. */
  readonly seq: number | null;
  /** How many entries its key retains now. Null when it was found stored after a cut. */
  readonly size: number | null;
  /** It was a compact that came too late to have an effect. */
  readonly stale: boolean;
  /** It had been stored before the cut after which it was sent again. */
  readonly repeat: boolean;
}

/** A push on its way. */
export interface SentPush {
  /** Rises by one with each push of a connection; `own` of its echo. */
  readonly id: number;
  /** Fulfilled when it is stored (relay: heard). Rejects with a `RoomError`. May be left alone: ignoring it is safe. */
  readonly done: Promise<Acknowledgement>;
}

/** A push of which nobody can say whether it is stored. */
export interface UncertainPush {
  readonly id: number;
  readonly key: string;
  readonly action: PushAction;
}

/** How a connection is doing. A new object at each change, the same one in between. */
export interface RoomStatus {
  /** `connecting`; `catching-up` after a cut; `live`; `waiting` to try again at `retryAt`; `closed` for good. */
  readonly state: 'connecting' | 'catching-up' | 'live' | 'waiting' | 'closed';
  /** The server has said hello and the connection has not ended since. */
  readonly connected: boolean;
  /** The link only reads: pushes reject with `read_only`. */
  readonly readOnly: boolean;
  /** The room takes no more pushes. */
  readonly roomClosed: boolean;
  /** The room's epoch at the last hello. */
  readonly epoch: string | null;
  /** The last number heard. */
  readonly seq: number;
  /** Pushes that wait to be sent. */
  readonly queued: number;
  /** Pushes sent and not yet acknowledged. */
  readonly unacknowledged: number;
  /** Why it waits or is closed. */
  readonly reason?: { readonly code: string; readonly message: string };
  /** When the next attempt comes, milliseconds since 1970. */
  readonly retryAt?: number;
}

/** What the package needs of a WebSocket: the browser's own, or that of the package `ws`. */
export interface WebSocketLike {
  binaryType: string;
  readonly bufferedAmount: number;
  onopen: ((event: never) => unknown) | null;
  onmessage: ((event: never) => unknown) | null;
  onclose: ((event: never) => unknown) | null;
  onerror: ((event: never) => unknown) | null;
  send(data: string | Uint8Array<ArrayBuffer>): void;
  close(code?: number, reason?: string): void;
}

/** A constructor of WebSockets: `WebSocket`, or `ws`'s for Node 20. */
export type WebSocketConstructor = new (url: string, protocols: string[]) => WebSocketLike;

/** How to connect. All may be left out in a browser. */
export interface RoomOptions {
  /** `json` (default), or `cbor` for bytes, dates and typed arrays. CBOR's code is loaded when it is asked for. */
  readonly encoding?: 'json' | 'cbor';
  /** Names the outbox, 16 to 64 of `A-Za-z0-9_-`. Default: fresh and random, right for an outbox in memory. */
  readonly client?: string;
  /** Where to go on from: everything after it is heard. Default: live only. `{epoch: null, seq: 0}`: from the start. */
  readonly cursor?: Cursor;
  /** Default: the global `WebSocket`. */
  readonly webSocket?: WebSocketConstructor | undefined;
  /** Default: the global `fetch`. Asked only why a connection could not be opened. */
  readonly fetch?: typeof fetch;
  /** Milliseconds since 1970. Default: `Date.now`. */
  readonly now?: () => number;
  /** 0 up to 1, for waits. Default: `Math.random`. */
  readonly random?: () => number;
}
