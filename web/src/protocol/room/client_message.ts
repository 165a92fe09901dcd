// What a client says to a room, as it goes over the wire (docs/rooms.md, "Client to server").

import type { PushAction } from './action.ts';

/** One push. `value` is absent only in a `compact` that trims. */
export interface PushMessage {
  readonly type: 'push';
  readonly key: string;
  readonly value?: unknown;
  readonly action: PushAction;
  /** The outbox's number for it, from 1. */
  readonly id?: number;
}

/** A client message. */
export type ClientMessage =
  | PushMessage
  /** One stream's entries above `seq`. */
  | { readonly type: 'get'; readonly key: string; readonly seq: number }
  /** One page of the whole room above `seq`. */
  | { readonly type: 'get'; readonly seq: number; readonly limit?: number }
  | { readonly type: 'keys'; readonly after?: string; readonly limit?: number }
  /** What the server relays to `key` when this connection ends. Null takes it back. */
  | { readonly type: 'will'; readonly key: string; readonly value: unknown }
  | { readonly type: 'ping'; readonly nonce: number | null };
