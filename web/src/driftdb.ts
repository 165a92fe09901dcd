// The entry `seabag/driftdb`: rooms by DriftDB's names, so that changing the import is all that its users do. A table of
// contents, without logic.
export { Api, type RoomResult } from './client/room/driftdb/api.ts';
export { uniqueClientId } from './client/room/driftdb/client_id.ts';
export { Compactable, Compactor } from './client/room/driftdb/compactor.ts';
export { DbConnection, type DbConnectionParams } from './client/room/driftdb/connection.ts';
export { HttpConnection } from './client/room/driftdb/http.ts';
export {
  PresenceListener,
  type PresenceMessage,
  type WrappedPresenceMessage,
} from './client/room/driftdb/presence.ts';
export { Reducer } from './client/room/driftdb/reducer.ts';
export { StateListener } from './client/room/driftdb/state.ts';
export type * from './client/room/driftdb/types.ts';
