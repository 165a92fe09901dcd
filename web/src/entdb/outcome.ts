// What is made of messages and of heads: plain answers, never errors.

import type { StatusName } from '../protocol/host/status.ts';

/** What a message's head alone says about it. */
export type Judgement =
  /** This very message is here. */
  | { readonly type: 'known' }
  /** A greater message of the entity is here: the body is of no use. */
  | { readonly type: 'superseded' }
  /** Its body is needed. */
  | { readonly type: 'wanted' }
  /** It cannot be a message: `InvalidParam` for a time past the range. */
  | Refused;

/** What became of a message that was merged. */
export type Outcome =
  /** It is its entity's state now. */
  | { readonly type: 'applied' }
  /** Its body cannot be read; it waits for a version that can. */
  | { readonly type: 'set-aside' }
  /** This very message was here. */
  | { readonly type: 'known' }
  /** A greater one was here. */
  | { readonly type: 'superseded' }
  /** It is not kept: `InvalidParam` for a time past the range, `HashMismatch` for a body that is not its own. */
  | Refused;

/** It cannot be a message, for this reason. */
export interface Refused {
  readonly type: 'refused';
  readonly status: StatusName;
}

export const APPLIED: Outcome = { type: 'applied' };
export const SET_ASIDE: Outcome = { type: 'set-aside' };
export const KNOWN = { type: 'known' } as const satisfies Outcome & Judgement;
export const SUPERSEDED = { type: 'superseded' } as const satisfies Outcome & Judgement;
export const WANTED: Judgement = { type: 'wanted' };
