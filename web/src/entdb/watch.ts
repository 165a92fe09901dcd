// Live changes: lists and entities that are kept up to date, and everyone who listens.

import type { Eid } from '../protocol/host/eid.ts';
import type { Ent } from './ent.ts';

/** Ends what it was returned for. Calling it again does nothing. */
export type Unsubscribe = () => void;

/** One entity before and after a transaction. */
export interface Change {
  /** Which. */
  readonly eid: Eid;
  /** Before. Absent: it was not there, or the change was made by another tab. */
  readonly old?: Ent;
  /** After. Absent: it is gone. */
  readonly new?: Ent;
}

/** An answer that is kept up to date while someone listens. */
export interface Live<T> {
  /** The answer: the same object until it changes. Undefined until it was first asked. */
  readonly snapshot: T | undefined;
  /** Whether the snapshot is an answer already. */
  readonly loaded: boolean;
  /** Why asking failed, if it did; the last answer stays. */
  readonly error: unknown;
  /** Hears of every change of these three; the first listener makes it ask, the last one that goes makes it stop. */
  subscribe(listener: () => void): Unsubscribe;
}
