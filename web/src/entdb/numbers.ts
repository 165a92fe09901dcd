// Which number of a link holds what, and so: what has arrived, what is stored there, what may be pruned. A host is
// believed about its own storage only: no number that it names can change an entity.

import type { BagSeq } from '../protocol/host/bag.ts';
import { equalBytes } from '../protocol/host/bytes.ts';
import type { Eid } from '../protocol/host/eid.ts';
import type { Cursor } from '../protocol/host/epoch.ts';
import { isDelete, type MessageHead } from '../protocol/host/message.ts';
import type { PrunePair } from '../protocol/host/prune.ts';
import type { EnvelopeReader } from './envelope.ts';
import type { Arrivals, Arrived, LinkId, Received, Unreadable } from './link.ts';
import { apply, type Checked, checkHead, checkMessage, judge, locate } from './merge.ts';
import type { Outcome } from './outcome.ts';
import { type HeldBag, type IdleBag, type Which, WINNER } from './storage/rows.ts';
import { LAST, prefix, type Reading, type Span } from './storage/storage.ts';
import { type BagState, bagEid, type Dossier, type Transaction } from './transaction.ts';
import { isBelow } from './winner.ts';

/** Most unreadable bags of a link that are noted: a host may make up any number of them. */
const UNREADABLE_MAX = 1_000;
/** Rows that are looked at in one step. */
const STEP = 256;

/** One bag, looked at before the transaction. */
export interface CheckedBag {
  readonly seq: BagSeq;
  readonly arrived: Arrived;
  /** Its message, if it came whole. */
  readonly message: Checked | null;
}

/** Looks at what a link brought. */
export function checkBags(bags: Arrivals['bags'], reader: EnvelopeReader): CheckedBag[] {
  return bags.map(([seq, arrived]) => {
    const message = arrived.type === 'whole' ? checkMessage(arrived.message, reader) : null;
    return { seq, arrived, message };
  });
}

/** Merges what a link brought, notes which number holds what, and moves the cursor. */
export async function receive(
  transaction: Transaction,
  link: LinkId,
  bags: readonly CheckedBag[],
  cursor: Cursor | null,
): Promise<Received> {
  transaction.current(link);
  await transaction.loadBags(
    link,
    bags.map((bag) => bag.seq),
  );
  await transaction.load(bags.flatMap(({ arrived }) => arrivedEid(arrived) ?? []));
  const outcomes = bags.map((bag) => receiveOne(transaction, link, bag));
  const missing = bags.flatMap(({ seq, arrived }, at) =>
    outcomes[at] === null && arrived.type === 'head' ? [seq] : [],
  );
  if (cursor !== null && missing.length === 0) advance(transaction, link, cursor);
  return { outcomes, missing };
}

/** The entity of a head that can be looked up: of another there is nothing here. */
function arrivedEid(arrived: Arrived): Eid | undefined {
  const head = arrived.type === 'whole' ? arrived.message.head : arrived.head;
  return head !== null && checkHead(head) === null ? head.eid : undefined;
}

/** One bag. Null: it could not be read, or its body is needed. */
function receiveOne(
  transaction: Transaction,
  link: LinkId,
  { seq, arrived, message }: CheckedBag,
): Outcome | null {
  if (arrived.type === 'unreadable') {
    receiveUnreadable(transaction, link, seq, arrived.head, arrived.reason);
    return null;
  }
  const outcome = message !== null ? apply(transaction, message, link) : judgeHead(transaction, arrived);
  if (outcome === null) return null;
  if (outcome.type === 'refused') {
    noteUnreadable(transaction, link, seq, undefined, `refused: ${outcome.status}`);
    return outcome;
  }
  const head = arrived.type === 'whole' ? arrived.message.head : arrived.head;
  if (head !== null) number(transaction, link, seq, head, placeOf(transaction, head, outcome));
  return outcome;
}

function judgeHead(transaction: Transaction, arrived: Arrived): Outcome | null {
  const head = arrived.type === 'whole' ? arrived.message.head : arrived.head;
  if (head === null) return null;
  const judged = checkHead(head) ?? judge(transaction.dossier(head.eid), head);
  return judged.type === 'wanted' ? null : judged;
}

function placeOf(transaction: Transaction, head: MessageHead, outcome: Outcome): Which | undefined {
  if (outcome.type === 'applied') return WINNER;
  if (outcome.type === 'superseded') return undefined;
  return locate(transaction.dossier(head.eid), head);
}

/** A number has this message, which is here as this one; undefined: it is superseded. */
function number(
  transaction: Transaction,
  link: LinkId,
  seq: BagSeq,
  head: MessageHead,
  which: Which | undefined,
): void {
  const { eid } = head;
  // The bag of an end is never offered for pruning: nothing is noted.
  const superseded: BagState = isDelete(head) ? null : { eid, damaged: false };
  if (which === undefined) {
    setBag(transaction, link, seq, superseded);
    return;
  }
  const dossier = transaction.dossier(eid);
  const holds = { held: eid, which };
  transaction.unqueue(link, dossier, which);
  const [lowest] = transaction.holders(link, dossier, which);
  const other = lowest === seq ? undefined : lowest;
  // The same message under several numbers: the lowest one is its own, the others may go.
  const isExtra = which === WINNER && other !== undefined;
  setBag(transaction, link, isExtra ? Math.min(seq, other) : seq, holds);
  if (isExtra) setBag(transaction, link, Math.max(seq, other), superseded);
}

/** Sets or clears what a number holds. If it was thought to hold another message, that one is not there. */
function setBag(transaction: Transaction, link: LinkId, seq: BagSeq, state: BagState): void {
  const before = transaction.bag(link, seq);
  transaction.setBag(link, seq, state);
  const stillHeld =
    before !== null &&
    'held' in before &&
    state !== null &&
    'held' in state &&
    state.held === before.held &&
    state.which === before.which;
  if (before !== null && 'held' in before && !stillHeld) uploadAgain(transaction, link, before);
}

/** Lets the message of a number wait that turned out not to hold it, unless another does. */
function uploadAgain(transaction: Transaction, link: LinkId, { held, which }: HeldBag): void {
  const dossier = transaction.dossier(held);
  // A message that cannot be read and is less than the winner is of no use to anybody.
  const aside = dossier.asides.find((row) => row.hash === which);
  const isPast =
    which !== WINNER &&
    (aside === undefined || (dossier.winner !== undefined && isBelow(aside, dossier.winner)));
  if (!isPast) queueUnlessHeld(transaction, link, dossier, which);
}

/** Lets a message wait unless a number holds it. */
export function queueUnlessHeld(
  transaction: Transaction,
  link: LinkId,
  dossier: Dossier,
  which: Which,
): void {
  if (transaction.holders(link, dossier, which).length === 0) transaction.queue(link, dossier, which);
}

/** A bag that cannot be opened, or cannot be a message. */
function receiveUnreadable(
  transaction: Transaction,
  link: LinkId,
  seq: BagSeq,
  head: MessageHead | null,
  reason: string,
): void {
  if (head === null || checkHead(head) !== null) {
    noteUnreadable(transaction, link, seq, undefined, reason);
    return;
  }
  const dossier = transaction.dossier(head.eid);
  const which = locate(dossier, head);
  if (which !== undefined) {
    setBag(transaction, link, seq, { eid: head.eid, damaged: true });
    queueUnlessHeld(transaction, link, dossier, which);
  } else if (judge(dossier, head).type === 'superseded') number(transaction, link, seq, head, undefined);
  else noteUnreadable(transaction, link, seq, head.eid, reason);
}

/** Notes a bag that nobody here can use, for the user to see; only the first are noted. */
function noteUnreadable(
  transaction: Transaction,
  link: LinkId,
  seq: BagSeq,
  eid: Eid | undefined,
  reason: string,
): void {
  const known = transaction.bag(link, seq) !== null;
  if (!known && transaction.closedBags(link) >= UNREADABLE_MAX) return;
  setBag(transaction, link, seq, eid === undefined ? { reason } : { eid, reason });
}

/** Moves the cursor forward. */
function advance(transaction: Transaction, link: LinkId, cursor: Cursor): void {
  const now = transaction.link(link).cursor;
  const same = now !== null && now.seq === cursor.seq && equalBytes(now.epoch, cursor.epoch);
  if (now !== null && (now.seq > cursor.seq || same)) return;
  transaction.updateLink(link, { cursor: { epoch: new Uint8Array(cursor.epoch), seq: cursor.seq } });
}

/** The host has stored these messages under these numbers. For each, whether it waits no more. */
export async function pushed(
  transaction: Transaction,
  link: LinkId,
  stored: readonly (readonly [MessageHead, BagSeq])[],
): Promise<boolean[]> {
  transaction.current(link);
  await transaction.loadBags(
    link,
    stored.map(([, seq]) => seq),
  );
  await transaction.load(
    stored.flatMap(([head]) => (checkHead(head) === null ? [head.eid] : [])),
    { near: true },
  );
  return stored.map(([head, seq]) => storedOne(transaction, link, head, seq));
}

function storedOne(transaction: Transaction, link: LinkId, head: MessageHead, seq: BagSeq): boolean {
  if (checkHead(head) !== null) return true;
  const dossier = transaction.dossier(head.eid);
  const judged = judge(dossier, head).type;
  if (judged !== 'known' && judged !== 'superseded') return true;
  const which = locate(dossier, head);
  const before = transaction.bag(link, seq);
  if (before === null) {
    number(transaction, link, seq, head, which);
    return true;
  }
  // It was superseded while it was on its way: what waits now is what superseded it.
  if (which === undefined) return true;
  if ('closed' in before || ('idle' in before && before.damaged)) {
    // The host took the message for one that it has, which nobody can open: that one has to go first.
    transaction.setBag(link, seq, { eid: head.eid, damaged: true });
    return false;
  }
  const same = bagEid(before) === head.eid && (!('held' in before) || before.which === which);
  // What is known of that number says otherwise: a host that errs or lies. The message goes on waiting.
  if (!same) return false;
  // It is noted already; or it was taken for one bag too many, and the other one has been lost since.
  number(transaction, link, seq, head, which);
  return true;
}

/** Bags that a link's host may let go of: superseded ones whose entity's state it holds elsewhere, and damaged ones. */
export async function prunable(rows: Reading, link: LinkId, max: number): Promise<PrunePair[]> {
  const pairs: PrunePair[] = [];
  let after = 0;
  for (;;) {
    const idle = await idleBags(rows, link, after, STEP);
    const last = idle.at(-1);
    if (last === undefined) return pairs;
    after = last.seq;
    const holders = await winnerHolders(rows, link, idle);
    for (const [index, row] of idle.entries()) {
      if (pairs.length >= max) return pairs;
      const supersededBy = holders[index] ?? null;
      if (row.damaged) pairs.push({ bag: row.seq, supersededBy: null });
      else if (supersededBy !== null) pairs.push({ bag: row.seq, supersededBy });
    }
  }
}

async function winnerHolders(
  rows: Reading,
  link: LinkId,
  idle: readonly IdleBag[],
): Promise<(BagSeq | undefined)[]> {
  const spans = idle.map(({ eid }) => holderSpan(link, eid, 1));
  return (await rows.lists('bags', spans)).map((found) => found[0]?.seq);
}

/** The rows of the numbers that hold an entity's winner, the lowest first. */
export function holderSpan(link: LinkId, eid: Eid, limit: number): Span {
  const key = [link, eid, WINNER];
  return { index: 'held', lower: { key }, upper: { key }, limit };
}

async function idleBags(rows: Reading, link: LinkId, after: BagSeq, limit: number): Promise<IdleBag[]> {
  const found = await rows.list('bags', { ...behind('idle', link, after), limit });
  return found.flatMap((row) => ('idle' in row ? [row] : []));
}

function behind(index: string | undefined, link: LinkId, after: BagSeq): Span {
  return { index, lower: { key: [link, after], open: true }, upper: { key: [link, LAST] } };
}

/** These bags are settled: the host let them go, or says that it never will. */
export async function pruned(transaction: Transaction, link: LinkId, bags: readonly BagSeq[]): Promise<void> {
  transaction.current(link);
  await transaction.loadBags(link, bags);
  for (const seq of bags) {
    const row = transaction.bag(link, seq);
    if (row !== null && !('held' in row)) transaction.setBag(link, seq, null);
  }
}

/** The host does not hold these numbers, though it said so: their messages wait again, unless another holds them. */
export async function lost(transaction: Transaction, link: LinkId, bags: readonly BagSeq[]): Promise<void> {
  transaction.current(link);
  await transaction.loadBags(link, bags);
  for (const seq of bags) if (transaction.bag(link, seq) !== null) setBag(transaction, link, seq, null);
}

/** The numbers behind this one that are believed to hold messages, ascending. */
export async function heldAfter(rows: Reading, link: LinkId, after: BagSeq, max: number): Promise<BagSeq[]> {
  const held: BagSeq[] = [];
  let from = after;
  while (held.length < max) {
    const found = await rows.list('bags', { ...behind(undefined, link, from), limit: STEP });
    const last = found.at(-1);
    if (last === undefined) break;
    from = last.seq;
    held.push(...found.flatMap((row) => ('held' in row ? [row.seq] : [])));
  }
  return held.slice(0, max);
}

/** Forgets what was thought to be superseded, damaged or unreadable behind this number; then as {@link heldAfter}. */
export async function doubt(
  transaction: Transaction,
  link: LinkId,
  after: BagSeq,
  max: number,
): Promise<BagSeq[]> {
  transaction.current(link);
  const closed = await transaction.rows.list('bags', behind('closed', link, after));
  const idle = await transaction.rows.list('bags', behind('idle', link, after));
  for (const row of [...closed, ...idle]) transaction.forgetBag(link, row.seq);
  return heldAfter(transaction.rows, link, after, max);
}

/** The host's history is another one: its numbers are forgotten. How often that happened by now. */
export function reset(transaction: Transaction, link: LinkId, epoch: Uint8Array): number {
  const history = transaction.current(link).history + 1;
  const cursor = { epoch: new Uint8Array(epoch), seq: 0 };
  transaction.updateLink(link, { cursor, stage: 'replay', filled: null, history });
  transaction.clearBags(link);
  return history;
}

/** The bags of a link that could not be opened. */
export async function unreadable(rows: Reading, link: LinkId, max: number): Promise<Unreadable[]> {
  const found = await rows.list('bags', { ...prefix('closed', [link]), limit: max });
  return found.flatMap((row) => ('closed' in row ? [{ seq: row.seq, reason: row.reason }] : []));
}
