// What a room's session tells its driver to do, and what the driver finds out for it. Types only.

import type { RoomError } from '../../protocol/error.ts';
import type { Frame } from '../../protocol/room/codec.ts';
import type { Cursor } from '../../protocol/room/name.ts';
import type { RoomEntry } from '../../protocol/room/server_message.ts';
import type { Delivery } from './subscriptions.ts';
import type { Acknowledgement, UncertainPush } from './types.ts';

/** What the driver is to do, in this order. */
export type SessionAction =
  /** Open a socket; an older one is dropped already. */
  | { readonly type: 'open'; readonly query: string; readonly subprotocol: string }
  /** The codec is missing: load it, then `codecLoaded`. */
  | { readonly type: 'load' }
  | { readonly type: 'send'; readonly frame: Frame }
  /** Close the socket and hear nothing of it any more. */
  | { readonly type: 'drop' }
  /** Ask over HTTP why no socket could be opened. */
  | { readonly type: 'probe' }
  | ({ readonly type: 'deliver' } & Delivery)
  /** What follows brings whoever hears it to here. */
  | { readonly type: 'reached'; readonly cursor: Cursor }
  | { readonly type: 'entry'; readonly entry: RoomEntry; readonly own: number | undefined }
  | { readonly type: 'size'; readonly key: string; readonly size: number }
  | { readonly type: 'settle'; readonly id: number; readonly outcome: Acknowledgement | RoomError }
  | { readonly type: 'answer'; readonly token: number; readonly outcome: unknown }
  | { readonly type: 'reset' }
  | { readonly type: 'uncertain'; readonly pushes: readonly UncertainPush[] }
  | { readonly type: 'live' }
  | { readonly type: 'end'; readonly error: RoomError };

/** Puts an action behind those before it. */
export type Tell = (action: SessionAction) => void;

/** What the HTTP question about a room brought. */
export interface Probe {
  readonly answered: boolean;
  /** What the server refused with; null: it refused nothing. */
  readonly error: RoomError | null;
}
