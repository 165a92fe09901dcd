// The entry `seabag/entdb`: a private database of entities that syncs sealed. A table of contents, no logic.

export type { Exported, ImportOutcome } from './client/archive.ts';
export {
  EntDB,
  LABEL_DEFAULT,
  type LinkInfo,
  type LinkOptions,
  NAME_DEFAULT,
  type OpenOptions,
  openEntDB,
  type Patch,
  type WebSocketConstructor,
} from './client/entdb.ts';
export type { Oddity, TroubleCode } from './client/host/report.ts';
export type { LinkActivity, LinkStatus, Phase, Role, StuckStatus, SyncStatus } from './client/status.ts';
export { PhraseError } from './crypto/phrase.ts';
export { Seed } from './crypto/seed.ts';
export type {
  Change,
  Draft,
  Durable,
  Ent,
  LinkId,
  Live,
  Page,
  Query,
  Selection,
  TimeRange,
  Unsubscribe,
} from './entdb/database.ts';
export { DatabaseError, type DatabaseErrorCode } from './entdb/database.ts';
export { SeabagError } from './protocol/error.ts';
export { createdMsOf, type Eid, parseEid, singletonEid } from './protocol/host/eid.ts';
