// The entry `seabag/react`: hooks and components. A table of contents, without logic.

export type { WrappedPresenceMessage } from './client/room/driftdb/presence.ts';
export { useUniqueClientId } from './react/client-id.ts';
export { useConnectionStatus, useLatency, useRoomId, useRoomIdFromUrl } from './react/connection.ts';
export { DatabaseContext, useDatabase, useRoom } from './react/context.ts';
export { EntDBProvider, type EntDBProviderProps } from './react/entdb-provider.tsx';
export { useEnt, useEntDB, useEnts, useSyncStatus } from './react/ents.ts';
export { usePresence } from './react/presence.ts';
export {
  DriftDBProvider,
  DriftDBProvider as RoomProvider,
  type RoomProviderProps,
} from './react/provider.tsx';
export { RoomQRCode, type RoomQRCodeProps } from './react/room-qr-code.tsx';
export type { RoomConnectionStatus } from './react/session.ts';
export { useSharedLog } from './react/shared-log.ts';
export { type MapWriter, useSharedMap } from './react/shared-map.ts';
export { type SharedReducerHookOptions, useSharedReducer } from './react/shared-reducer.ts';
export { type SetterFunction, useSharedState } from './react/shared-state.ts';
export { StatusIndicator } from './react/status-indicator.tsx';
