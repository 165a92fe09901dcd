// A lasting connection to one room: it reconnects, resumes from where it was, and sends each push once.
// The rules are session.ts's; here are the socket, the clock and the listeners.

import type { PushAction } from '../../protocol/room/action.ts';
import type { Cursor } from '../../protocol/room/name.ts';
import type { KeySummary, RoomEntry } from '../../protocol/room/server_message.ts';
import type {
  Acknowledgement,
  KeyEvent,
  RoomOptions,
  RoomStatus,
  SentPush,
  UncertainPush,
  Unsubscribe,
} from './types.ts';

/** SKELETON: signatures are final, bodies follow. */
export class RoomConnection {
  constructor(_url: string, _options: RoomOptions = {}) {
    throw new Error('not yet');
  }
  declare readonly status: RoomStatus;
  declare readonly cursor: Cursor | null;
  declare connect: () => Promise<void>;
  declare push: (key: string, value: unknown, action?: PushAction) => SentPush;
  declare trim: (key: string, seq: number) => SentPush;
  declare will: (key: string, value: unknown) => Promise<void>;
  declare keys: () => Promise<readonly KeySummary[]>;
  declare entries: () => Promise<readonly RoomEntry[]>;
  declare get: (key: string) => Promise<readonly { seq: number; value: unknown }[]>;
  declare subscribe: (
    key: string,
    listener: (event: KeyEvent) => void,
    options?: { replay?: boolean },
  ) => Unsubscribe;
  declare onEntry: (
    listener: (key: string, entry: { seq: number; value: unknown }, own?: number) => void,
  ) => Unsubscribe;
  declare onSize: (key: string, listener: (size: number) => void) => Unsubscribe;
  declare onStatus: (listener: (status: RoomStatus) => void) => Unsubscribe;
  declare onReset: (listener: () => void) => Unsubscribe;
  declare onUncertain: (listener: (pushes: readonly UncertainPush[]) => void) => Unsubscribe;
  declare latency: () => Promise<number>;
  declare close: () => void;
}
export type { Acknowledgement };
