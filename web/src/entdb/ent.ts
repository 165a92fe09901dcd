// Entities, and what a local write says of one. Knows nothing of storage.

import type { Eid } from '../protocol/host/eid.ts';

/** An entity, as its winning message has it. What a query returned must not be changed: others share it. */
export interface Ent<Body = unknown> {
  /** Its id. */
  readonly eid: Eid;
  /** Its type. */
  readonly type: string;
  /** The entity that it belongs to. Nothing checks that there is one. */
  readonly parent?: Eid;
  /** The group that it is in. */
  readonly group?: string;
  /** When it was created, milliseconds since 1970: part of its id. */
  readonly createdMs: number;
  /** When it was last written, milliseconds since 1970. */
  readonly updatedMs: number;
  /** How many messages its last writer knew before. */
  readonly counter: number;
  /** Its content. */
  readonly body: Body;
}

/** What a local write says of an entity: all of it, every time. */
export interface Draft {
  /** Its type. */
  type: string;
  /**
   * Its content: null, booleans, numbers, big integers of 64 bits, text, bytes, dates, arrays, plain objects and maps of
   * these. `undefined` is written as null.
   */
  body: unknown;
  /** The entity that it belongs to. */
  parent?: Eid | undefined;
  /** The group that it is in. */
  group?: string | undefined;
}

/** How a local write meets a state that was written later than now, by a clock ahead of ours. */
export interface WriteOptions {
  /** `force` (unless set): write one millisecond after it. `fail`: refuse with `clock_out_of_sync`. */
  skew?: 'force' | 'fail';
}
