// Links: the hosts that a database syncs with, and what each is known to hold. No secret is among it.

import type { BagSeq } from '../protocol/host/bag.ts';
import { utf8 } from '../protocol/host/bytes.ts';
import type { Cursor } from '../protocol/host/epoch.ts';
import type { Message, MessageHead } from '../protocol/host/message.ts';
import { DatabaseError } from './error.ts';
import type { Outcome } from './outcome.ts';
import type { LinkRow } from './storage/rows.ts';
import type { Transaction } from './transaction.ts';

/** Names a link in its database; never given out twice. */
export type LinkId = number;

/** Which account at which host. */
export interface LinkSettings {
  /** The label that the account's key is derived with: 1 to {@link LABEL_BYTES_MAX} bytes. */
  readonly label: string;
  /** The host's address. */
  readonly url: string;
  /** The index that the account's key is derived with. */
  readonly index: number;
}

/**
 * How far a link has come with bringing both sides together. A new link, a wiped host and an audit begin with `replay`:
 * all that the host has is being read, and messages that other links bring do not wait for this one yet. Then `upload`:
 * what the host lacks goes there. Then `done`: only news go to and fro.
 */
export type Fill = 'replay' | 'upload' | 'done';

/** Why a link is stuck. */
export interface Trouble {
  /** Machine-readable. */
  readonly code: string;
  /** For people. */
  readonly text: string;
  /** Since when, milliseconds since 1970. */
  readonly sinceMs: number;
  /** When it is tried again, milliseconds since 1970; absent: not by itself. */
  readonly retryMs?: number;
}

/** A link. */
export interface Link {
  /** Its name here. */
  readonly id: LinkId;
  /** Which account at which host. */
  readonly settings: LinkSettings;
  /** How far it has come. */
  readonly stage: Fill;
  /** What has been dealt with of the host's history. */
  readonly cursor: Cursor | null;
  /** Why it is stuck, if it is. */
  readonly trouble: Trouble | null;
}

/** What came of one bag. */
export type Arrived =
  /** Its message. */
  | { readonly type: 'whole'; readonly message: Message }
  /** Its head alone, which was judged known or superseded. */
  | { readonly type: 'head'; readonly head: MessageHead }
  /**
   * It, or its body, cannot be opened, for this reason (for people). When its message is here all the same, the bag is
   * offered for pruning as damaged, and the message waits to be uploaded again.
   */
  | { readonly type: 'unreadable'; readonly head: MessageHead | null; readonly reason: string };

/** What a link brought: {@link RECEIVE_MAX} bags at most is a good number. */
export interface Arrivals {
  /** The bags with their numbers, in any order. */
  readonly bags: readonly (readonly [BagSeq, Arrived])[];
  /** What has been dealt with when these have been. It never goes back: see {@link Database.reset}. */
  readonly cursor?: Cursor | null;
}

/** What became of arrivals. */
export interface Received {
  /** What became of each bag, in their order. Null: the bag was unreadable, or its body is missing. */
  readonly outcomes: readonly (Outcome | null)[];
  /**
   * Bags that came as heads but whose bodies are needed after all. While there are any, the cursor stays where it was:
   * fetch them and call again.
   */
  readonly missing: readonly BagSeq[];
}

/** Whether a link's host has an entity's state. */
export interface Durable {
  /** The link. */
  readonly link: LinkId;
  /** The host's number for it; null: the host is not known to have it. */
  readonly stored: BagSeq | null;
  /** Whether it waits to be uploaded. */
  readonly waiting: boolean;
}

/** A bag that could not be opened. */
export interface Unreadable {
  /** The host's number for it. */
  readonly seq: BagSeq;
  /** Why, for people. */
  readonly reason: string;
}

/** The most bytes of a label, as in the other clients of this project. */
export const LABEL_BYTES_MAX = 256;

/** The most bags of one transaction: so long may it keep others waiting. A caller's page size; more are accepted. */
export const RECEIVE_MAX = 1_000;

/** The link of a row. */
export function linkOf(row: LinkRow): Link {
  const { id, label, url, index, stage, cursor, trouble } = row;
  return { id, settings: { label, url, index }, stage, cursor, trouble };
}

/** `invalid_label` for a label that none may have: keys that follow from the empty one are those that seal bags. */
export function checkLabel(label: string): void {
  const { length } = utf8(label);
  if (length === 0 || length > LABEL_BYTES_MAX)
    throw new DatabaseError('invalid_label', `the label of a link has 1 to ${LABEL_BYTES_MAX} bytes`);
}

/** Links a host. */
export async function addLink(transaction: Transaction, settings: LinkSettings): Promise<LinkId> {
  const { label, url, index } = settings;
  if (transaction.links.some((link) => link.label === label && link.url === url && link.index === index))
    throw new DatabaseError('already_linked', 'this host is linked already, with this label and index');
  const [last] = await transaction.rows.get('meta', ['lastLink']);
  const id = Number(last?.value ?? 0) + 1;
  transaction.setMeta({ name: 'lastLink', value: id });
  const begun = { stage: 'replay', cursor: null, trouble: null, filled: null, history: 0 } as const;
  transaction.addLink({ id, label, url, index, ...begun });
  return id;
}
