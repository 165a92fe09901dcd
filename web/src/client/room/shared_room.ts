// What the shared things need of a connection to a room, and no more: so they also run over a room that is joined later.

import type { PushAction } from '../../protocol/room/action.ts';
import type { KeySummary, RoomEntry, StreamEntry } from '../../protocol/room/server_message.ts';
import type { KeyEvent, RoomStatus, SentPush, Unsubscribe } from './types.ts';

/** The part of a connection's status that matters here. */
export type RoomState = Pick<RoomStatus, 'state' | 'connected' | 'readOnly' | 'seq'>;

/** The part of `RoomConnection` on which shared values, reducers and presence stand. */
export interface SharedRoom {
  readonly status: RoomState;
  push(key: string, value: unknown, action: PushAction): SentPush;
  will(key: string, value: unknown): Promise<void>;
  subscribe(key: string, listener: (event: KeyEvent) => void, options?: { replay?: boolean }): Unsubscribe;
  onStatus(listener: (status: RoomState) => void): Unsubscribe;
}

/** What a map and a log need besides: they read, and they trim. */
export interface ReadableRoom extends SharedRoom {
  trim(key: string, seq: number): SentPush;
  keys(): Promise<readonly KeySummary[]>;
  entries(): Promise<readonly RoomEntry[]>;
  get(key: string): Promise<readonly StreamEntry[]>;
  onEntry(listener: (key: string, entry: StreamEntry, own?: number) => void): Unsubscribe;
  onReset(listener: () => void): Unsubscribe;
}
