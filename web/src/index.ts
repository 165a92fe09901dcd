// The package's main entry: rooms, and rooms by DriftDB's names. A table of contents, without logic.
export { type RoomInfo, RoomsApi, type RoomsApiOptions } from './client/room/api.ts';
export { RoomConnection } from './client/room/connection.ts';
export { type HttpPush, RoomHttp, type RoomHttpOptions, type StreamPage } from './client/room/http.ts';
export { LatencyMeter } from './client/room/latency.ts';
export { type LogEntry, SharedLog, type SharedLogOptions } from './client/room/log.ts';
export { SharedMap } from './client/room/map.ts';
export type { Page } from './client/room/pages.ts';
export { type Peer, Presence, type PresenceOptions } from './client/room/presence.ts';
export { SharedReducer, type SharedReducerOptions } from './client/room/reducer.ts';
export { Room } from './client/room/room.ts';
export type { ReadableRoom, SharedRoom } from './client/room/shared_room.ts';
export type {
  Acknowledgement,
  KeyEvent,
  RoomOptions,
  RoomStatus,
  SentPush,
  UncertainPush,
  Unsubscribe,
  WebSocketConstructor,
  WebSocketLike,
} from './client/room/types.ts';
export { SharedValue, type SharedValueOptions } from './client/room/value.ts';
export * from './driftdb.ts';
export { RoomError, SeabagError } from './protocol/error.ts';
export type { PushAction } from './protocol/room/action.ts';
export { CURSOR_START, type Cursor, formatCursor, parseCursor } from './protocol/room/name.ts';
export type { KeySummary, RoomEntry, StreamEntry } from './protocol/room/server_message.ts';
