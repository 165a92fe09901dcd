// The package's main entry: rooms. A table of contents, without logic.
export { RoomConnection } from './client/room/connection.ts';
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
export { RoomError, SeabagError } from './protocol/error.ts';
export type { PushAction } from './protocol/room/action.ts';
export { type Cursor, formatCursor, parseCursor } from './protocol/room/name.ts';
export type { KeySummary, RoomEntry, StreamEntry } from './protocol/room/server_message.ts';
