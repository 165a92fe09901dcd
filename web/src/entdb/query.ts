// Questions: which entities, in which order, how many at once.

import type { Eid } from '../protocol/host/eid.ts';
import type { Ent } from './ent.ts';

/** The most entities of one page; a greater limit means this one. */
export const PAGE_LIMIT_MAX = 10_000;

/** A time from and to, both ends included, milliseconds since 1970; a missing end is open. */
export interface TimeRange {
  readonly from?: number | undefined;
  readonly to?: number | undefined;
}

/** Which entities: those of a type for which all that is given holds. */
export interface Selection {
  /** Their type. */
  readonly type: string;
  /** The entity that they belong to. */
  readonly parent?: Eid | undefined;
  /** The group that they are in. */
  readonly group?: string | undefined;
  /** When they were created. */
  readonly created?: TimeRange | undefined;
  /** When they were last written. */
  readonly updated?: TimeRange | undefined;
}

/** A question for entities. */
export interface Query extends Selection {
  /** What they are ordered by, and among equals by id. `updated` if a time of that is given, else `created`. */
  readonly order?: 'created' | 'updated' | 'id' | undefined;
  /** From the greatest to the least. */
  readonly reverse?: boolean | undefined;
  /** How many at most; {@link PAGE_LIMIT_MAX} unless set, and at most. */
  readonly limit?: number | undefined;
  /** Only those behind this place: a page's `next`. It stays good when the entity there changes or goes. */
  readonly after?: string | undefined;
}

/** A page of entities. */
export interface Page {
  /** The entities, in order. */
  readonly ents: Ent[];
  /** Where the next page begins; null after the last one. */
  readonly next: string | null;
}
