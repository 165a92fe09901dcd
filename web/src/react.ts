// The entry `seabag/react`: hooks and components. A table of contents, without logic.

export type { WrappedPresenceMessage } from './client/room/driftdb/presence.ts';
export { useUniqueClientId } from './react/client_id.ts';
export { useConnectionStatus, useLatency, useRoomId, useRoomIdFromUrl } from './react/connection.ts';
export { DatabaseContext, useDatabase, useRoom } from './react/context.ts';
export { EntDBProvider, type EntDBProviderProps } from './react/entdb_provider.tsx';
export { useEnt, useEntDB, useEnts, useSyncStatus } from './react/ents.ts';
export { usePresence } from './react/presence.ts';
export {
  DriftDBProvider,
  DriftDBProvider as RoomProvider,
  type RoomProviderProps,
} from './react/provider.tsx';
export { RoomQRCode, type RoomQRCodeProps } from './react/room_qr_code.tsx';
export type { RoomConnectionStatus } from './react/session.ts';
export { useSharedLog } from './react/shared_log.ts';
export { type MapWriter, useSharedMap } from './react/shared_map.ts';
export { type SharedReducerHookOptions, useSharedReducer } from './react/shared_reducer.ts';
export { type SetterFunction, useSharedState } from './react/shared_state.ts';
export { StatusIndicator } from './react/status_indicator.tsx';
export { useWebRtcPresence } from './react/webrtc_presence.ts';
