// The entry `seabag/entdb`: a private database of entities that syncs sealed. A table of contents, no logic.

export type { Exported, ImportOutcome } from './client/archive.ts';
export {
  type EntDB,
  type LinkInfo,
  type LinkOptions,
  type OpenOptions,
  openEntDB,
  type Patch,
  type Unsubscribe,
  type WebSocketConstructor,
} from './client/entdb.ts';
export type { LinkActivity, LinkStatus, Phase, Role, StuckStatus, SyncStatus } from './client/status.ts';
