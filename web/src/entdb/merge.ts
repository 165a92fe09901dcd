// The one rule of merging: the greatest message of an entity is its state. Whence a message came decides only for whom
// it waits. All entities that are looked at here were loaded into the transaction before.

import { equalBytes } from '../protocol/host/bytes.ts';
import { createdMsOf, TIME_MS_MAX } from '../protocol/host/eid.ts';
import { checkBody, type Message, type MessageHead } from '../protocol/host/message.ts';
import { Status, StatusError } from '../protocol/host/status.ts';
import type { Envelope, EnvelopeReader, Unreadable } from './envelope.ts';
import type { LinkId } from './link.ts';
import {
  APPLIED,
  type Judgement,
  KNOWN,
  type Outcome,
  type Refused,
  SET_ASIDE,
  SUPERSEDED,
  WANTED,
} from './outcome.ts';
import { type LogRow, type Which, WINNER } from './storage/rows.ts';
import type { Dossier, Transaction } from './transaction.ts';
import {
  compareStamps,
  entRow,
  headHash,
  isBelow,
  tombstoneRow,
  type Winner,
  winnerMessage,
  winnerStamp,
} from './winner.ts';

/** A message whose head and body were looked at, before any transaction: that needs nothing of what is here. */
export type Checked = Refused | CheckedMessage;

/** A message that can be one. */
export interface CheckedMessage {
  readonly type: 'message';
  readonly head: MessageHead;
  /** When its entity was created. */
  readonly createdMs: number;
  /** Null: the entity's end. */
  readonly content: { readonly raw: Uint8Array; readonly envelope: Envelope | Unreadable } | null;
}

/**
 * Whence a message came. From `here`, or from a file: it waits for every link. From a link: it waits for the others, but
 * for those that will be filled later anyway, so that devices that have no host in common hear of each other through
 * those that do. From `aside`, where it was set: what waits for whom stays as it is.
 */
export type Source = 'here' | 'aside' | LinkId;

/** Looks at a message. */
export function checkMessage(message: Message, reader: EnvelopeReader): Checked {
  const { head } = message;
  const refused = checkHead(head);
  if (refused !== null) return refused;
  try {
    checkBody(head, message.body);
  } catch (error) {
    return refusal(error);
  }
  const raw = message.body;
  const content = raw === null || raw.length === 0 ? null : { raw, envelope: reader.read(raw) };
  return { type: 'message', head, createdMs: createdMsOf(head.eid), content };
}

/** Why a head cannot be that of a message; null if it can. */
export function checkHead(head: MessageHead): Refused | null {
  try {
    for (const number of [head.offsetMs, head.counter, head.length])
      if (!Number.isSafeInteger(number) || number < 0) throw new StatusError(Status.VarLimitExceeded);
    if (createdMsOf(head.eid) + head.offsetMs > TIME_MS_MAX) throw new StatusError(Status.InvalidParam);
    return null;
  } catch (error) {
    return refusal(error);
  }
}

function refusal(error: unknown): Refused {
  if (error instanceof StatusError) return { type: 'refused', status: error.code };
  throw error;
}

/** Where a message stands among those that are here: which one of them it is, or less or greater than the winner. */
type Standing = { readonly here: Which } | 'less' | 'greater';

/** Where a message stands. */
export function standing(dossier: Dossier, head: MessageHead): Standing {
  const { winner, asides } = dossier;
  let order = winner === undefined ? 1 : compareStamps(head, winnerStamp(winner));
  if (winner !== undefined && order === 0) {
    const theirs = winnerMessage(winner).head;
    if (isSame(head, theirs)) return { here: WINNER };
    // Hashing heads is for ties of different messages, and for what is set aside.
    order = headHash(head) < headHash(theirs) ? -1 : 1;
  }
  const same = asides.filter((row) => row.off === head.offsetMs && row.ctr === head.counter);
  if (same.length > 0) {
    const hash = headHash(head);
    if (same.some((row) => row.hash === hash)) return { here: hash };
  }
  return order < 0 ? 'less' : 'greater';
}

/** Whether two heads of one entity, one time and one counter are the same. */
function isSame(a: MessageHead, b: MessageHead): boolean {
  if (a.hash === null || b.hash === null) return a.hash === b.hash && a.length === b.length;
  return a.length === b.length && equalBytes(a.hash, b.hash);
}

/** What a head says; its entity was loaded. */
export function judge(dossier: Dossier, head: MessageHead): Judgement {
  const refused = checkHead(head);
  if (refused !== null) return refused;
  const stands = standing(dossier, head);
  if (typeof stands === 'object') return KNOWN;
  return stands === 'greater' ? WANTED : SUPERSEDED;
}

/** Which message of those that are here this is. */
export function locate(dossier: Dossier, head: MessageHead): Which | undefined {
  if (checkHead(head) !== null) return undefined;
  const stands = standing(dossier, head);
  return typeof stands === 'object' ? stands.here : undefined;
}

/** Merges one message. */
export function apply(transaction: Transaction, message: Checked, source: Source): Outcome {
  if (message.type === 'refused') return message;
  const { head, content, createdMs } = message;
  const dossier = transaction.dossier(head.eid);
  const stands = standing(dossier, head);
  if (typeof stands === 'object') return KNOWN;
  if (stands === 'less') return SUPERSEDED;
  if (content === null)
    return replace(transaction, dossier, { type: 'tombstone', row: tombstoneRow(head) }, source);
  const { raw, envelope } = content;
  if ('reason' in envelope) return setAside(transaction, dossier, head, raw, envelope.reason, source);
  return replace(transaction, dossier, { type: 'ent', row: entRow(head, createdMs, raw, envelope) }, source);
}

/** A message whose body cannot be read, greater than its entity's winner. */
function setAside(
  transaction: Transaction,
  dossier: Dossier,
  head: MessageHead,
  raw: Uint8Array,
  reason: string,
  source: Source,
): Outcome {
  const hash = headHash(head);
  // A copy: a view would be stored with all that is around it.
  const body = new Uint8Array(raw);
  const { version } = transaction.reader;
  const row = { eid: head.eid, off: head.offsetMs, ctr: head.counter, hash, body, reason, reader: version };
  transaction.putLog(dossier, row);
  wait(transaction, dossier, hash, source);
  return SET_ASIDE;
}

/** A message that is greater than its entity's winner takes its place. */
function replace(transaction: Transaction, dossier: Dossier, winner: Winner, source: Source): Outcome {
  const old = dossier.winner;
  if (old !== undefined)
    for (const link of transaction.links)
      renumber(transaction, link.id, dossier, WINNER, undefined, old.type === 'tombstone');
  // What was set aside and is less than a message that can be read is superseded for good.
  for (const row of dossier.asides) if (isBelow(row, winner)) dropLogged(transaction, dossier, row);
  transaction.setWinner(dossier, winner);
  wait(transaction, dossier, WINNER, source);
  return APPLIED;
}

function dropLogged(transaction: Transaction, dossier: Dossier, row: LogRow): void {
  transaction.removeLog(dossier, row);
  for (const link of transaction.links) renumber(transaction, link.id, dossier, row.hash, undefined, false);
}

/** At a link, a message is called otherwise from now on, or is superseded. */
export function renumber(
  transaction: Transaction,
  link: LinkId,
  dossier: Dossier,
  from: Which,
  to: Which | undefined,
  isEnd: boolean,
): void {
  const { eid } = dossier;
  // The bag of an end is never offered for pruning.
  const state = to !== undefined ? { held: eid, which: to } : isEnd ? null : { eid, damaged: false };
  for (const seq of transaction.holders(link, dossier, from)) transaction.setBag(link, seq, state);
  // What waits as the winner goes on waiting: as the one that takes its place.
  if (from === WINNER && to === undefined) return;
  if (!transaction.isQueued(link, dossier, from)) return;
  transaction.unqueue(link, dossier, from);
  if (to !== undefined) transaction.queue(link, dossier, to);
}

/** Lets a message that is new here wait for those who lack it. */
function wait(transaction: Transaction, dossier: Dossier, which: Which, source: Source): void {
  if (source === 'aside') return;
  if (source !== 'here') transaction.unqueue(source, dossier, which);
  for (const link of transaction.links)
    if (source === 'here' || (link.id !== source && link.stage !== 'replay'))
      transaction.queue(link.id, dossier, which);
}
