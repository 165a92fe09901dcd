// What a host has, down to here: learn its history, list what is new, fetch what is wanted, merge it.
//
// There are two positions. The stored cursor moves with what was listed under an epoch that the host named. `readTo` runs
// ahead of it over numbers that pushes and notices told of, which name no epoch; it is good as long as the connection on
// which notices come is. Whatever ends that makes reading begin at the stored cursor again, and every number behind it
// that the database believes the host holds is looked up once more: a host that went back to a backup may have given it
// to another bag, or to none.

import type { Arrived, Link } from '../../entdb/database.ts';
import type { BagSeq } from '../../protocol/host/bag.ts';
import { equalBytes, type Reader } from '../../protocol/host/bytes.ts';
import { type Cursor, readEpochAnswer } from '../../protocol/host/epoch.ts';
import type { MessageHead } from '../../protocol/host/message.ts';
import { readPageHead, readPeekItems } from '../../protocol/host/peek.ts';
import { readPullItems } from '../../protocol/host/pull.ts';
import { EPOCH_BYTES, type EpochId } from '../../protocol/host/record.ts';
import { Status, StatusError } from '../../protocol/host/status.ts';
import { BadAnswer, type Request, readPart } from './call.ts';
import { Backlog, type Chunk, fingerprint, type Listed, type Origin } from './chunk.ts';
import { mend } from './pruning.ts';
import { fail, poll } from './recovery.ts';
import type { Report, ResetReason } from './report.ts';
import { type HostSession, report, reportAll, type Turn } from './session.ts';
import { beginUpload, push } from './writing.ts';

/** The most heads of a page. */
const PAGE_ITEMS_MAX = 1_000;
/** How many pages are read before what waits here gets a turn. */
const PAGES_BEFORE_PUSH = 8;
/** How many pages in a row may bring nothing; and how often, between two failures or rests, a history may change. */
const FUTILE_MAX = 16;
/** How many numbers `readTo` may run ahead before the cursor is stored anew. */
const AHEAD_MAX = 256;
/** The most numbers that are looked up once more. */
const UNCONFIRMED_MAX = 1_000_000;
/** How often in a row a host may not show anything of what it said it stored, before that is a trouble. */
const LOSSES_MAX = 4;
/** The most bags that are remembered for having had no body. */
const MISSING_MAX = 1_000;
/** Stands before the first bag of a host that knows no epochs: see {@link fingerprint}. */
export const OLD_KIND_START: EpochId = new Uint8Array(EPOCH_BYTES);

/** How far reading has come. */
export class Reading {
  /** As the database has it. */
  cursor: Cursor | null = null;
  /** Everything up to here is dealt with, as far as this connection goes. */
  readTo: BagSeq = 0;
  /** When to look at the host's list, milliseconds; null: no need. */
  wantMs: number | null = null;
  /** Whether the cursor was found to belong to the host's history since the connection was last doubted. */
  checked = false;
  backlog: Backlog | undefined;
  chunk: Chunk | undefined;
  /** The last number that the host spoke of. */
  last: BagSeq = 0;
  /** What the host is believed to hold behind what was read, and has yet to show. */
  unconfirmed = new Set<BagSeq>();
  /** The same, stored since the last list was asked for: that list need not show it. */
  fresh = new Set<BagSeq>();
  /** Bags that were listed and had no body. They were pruned in between, or are withheld. */
  missing = new Map<BagSeq, MessageHead>();
  pages = 0;
  futile = 0;
  /** Whether the list that is being read lacks something that the host said it stored. */
  losing = false;
  /** How many lists in a row did, without showing anything of it. To upload it again each time would have no end. */
  losses = 0;
  /** Whether the call for the history is only to store the cursor. */
  settling = false;
  /** The host said that there is no such account. */
  accountGone = false;
  /** Whether the replay follows a reset, which other devices notice at the same time. */
  afterReset = false;
  /** Whether bodies are looked at although their messages are here. */
  audit = false;
  auditWanted = false;

  /** Looks at the host's list at this time at the latest, milliseconds. */
  want(atMs: number): void {
    this.wantMs = this.wantMs === null ? atMs : Math.min(this.wantMs, atMs);
  }

  get isDone(): boolean {
    return this.wantMs === null && this.#isBetweenChunks && this.missing.size === 0 && !this.auditWanted;
  }

  get #isBetweenChunks(): boolean {
    return this.backlog === undefined && this.chunk === undefined;
  }

  forgetAttempt(): void {
    this.backlog = undefined;
    this.chunk = undefined;
    this.checked = false;
    this.settling = false;
    this.pages = 0;
  }

  /** Forgets all numbers: they are of a history that is over. */
  forgetHistory(): void {
    const auditWanted = this.audit || this.auditWanted;
    Object.assign(this, new Reading(), { auditWanted });
  }

  /** The host holds a message under this number, by its own word. */
  stored(seq: BagSeq): void {
    if (seq === this.readTo + 1 && this.#isBetweenChunks) this.readTo = seq;
    else if (seq > this.readTo) this.fresh.add(seq);
  }

  /** Whether a host that never gives out a number again did so. */
  goesBack(seq: BagSeq): boolean {
    return this.cursor !== null && seq <= this.cursor.seq;
  }

  get startSeq(): BagSeq {
    return this.cursor?.seq ?? 0;
  }

  /** The lowest number of a bag that had no body. */
  get firstMissing(): BagSeq | undefined {
    return this.missing.size === 0 ? undefined : Math.min(...this.missing.keys());
  }
}

/** Begins where the link is. */
export function beginReading(session: HostSession, link: Link, turn: Turn): void {
  const { reading } = session;
  reading.cursor = link.cursor;
  reading.readTo = reading.startSeq;
  reading.afterReset = link.cursor !== null;
  reading.want(turn.nowMs);
  session.writing.resume(link.stage, turn.nowMs);
}

/** What was said before may not be so any more: the next reading begins with the host's history. */
export function distrust(session: HostSession): void {
  session.reading.checked = false;
  if (session.kind === 'old') session.kind = 'unknown';
}

/** Everything is read again, bodies included. */
export function beginAudit(session: HostSession, turn: Turn): void {
  session.reading.auditWanted = true;
  session.reading.want(turn.nowMs);
  session.recovery.stir();
}

async function audit(session: HostSession, turn: Turn): Promise<void> {
  session.reading.auditWanted = false;
  const { cursor } = session.reading;
  if (cursor !== null) await goBack(session, cursor.epoch, turn);
  session.reading.audit = true;
  // Nobody else does the same at this moment: there is nothing to wait for.
  session.reading.afterReset = false;
}

// The list.

/** Asks for what is behind the position. */
export async function readOn(session: HostSession, turn: Turn): Promise<boolean> {
  if (session.reading.wantMs === null || session.reading.wantMs > turn.nowMs) return false;
  if (session.reading.auditWanted) await audit(session, turn);
  const { reading } = session;
  if (reading.pages >= PAGES_BEFORE_PUSH && session.writing.dirty && reading.checked) {
    reading.pages = 0;
    if ((await mend(session, turn)) || (await push(session, turn))) return true;
  }
  const request = await nextRequest(session, turn);
  if (request === undefined) return true;
  for (const seq of reading.fresh) reading.unconfirmed.add(seq);
  reading.fresh.clear();
  await session.call(request, turn);
  return true;
}

/** What to ask for; undefined: everything begins anew. */
async function nextRequest(session: HostSession, turn: Turn): Promise<Request | undefined> {
  const { reading, kind } = session;
  if (kind === 'unknown' || (kind === 'current' && !reading.checked)) {
    return { type: 'epoch', cursor: reading.cursor };
  }
  if (kind === 'current') return { type: 'page', after: reading.readTo, itemsMax: PAGE_ITEMS_MAX };
  if (reading.checked) return { type: 'peek', after: reading.readTo };
  if (reading.accountGone && reading.cursor !== null) {
    await reset(session, OLD_KIND_START, 'account_gone', turn);
    return undefined;
  }
  // The last bag that was read is asked for once more: if it is not there, this is another history.
  reading.readTo = reading.startSeq;
  await doubtNumbers(session, turn);
  return { type: 'peek', after: Math.max(reading.startSeq - 1, 0) };
}

/** Numbers behind the cursor that the database has for held will have to be shown. */
async function doubtNumbers(session: HostSession, turn: Turn): Promise<void> {
  const { reading } = session;
  const after = reading.startSeq;
  reading.unconfirmed = new Set(await turn.database.doubt(session.link, after, UNCONFIRMED_MAX));
  reading.fresh.clear();
  // These are listed again, and may be other bags by now: no reason to call a body withheld.
  for (const seq of [...reading.missing.keys()]) {
    if (seq > after) reading.missing.delete(seq);
  }
}

/** The host told its history. */
export async function epochTold(
  session: HostSession,
  asked: Cursor | null,
  reader: Reader,
  turn: Turn,
): Promise<void> {
  const answer = readPart(() => {
    const read = readEpochAnswer(reader);
    reader.end();
    return read;
  });
  const { reading } = session;
  session.kind = 'current';
  const same = session.epoch !== null && equalBytes(session.epoch, answer.epoch);
  session.epoch = answer.epoch;
  const { settling, accountGone } = reading;
  reading.settling = false;
  if (!sameCursor(asked, reading.cursor)) return;
  reading.accountGone = false;
  const start = reading.startSeq;
  if (!answer.valid || answer.last < start || (accountGone && asked !== null)) {
    reading.last = answer.last;
    return await reset(session, answer.epoch, accountGone ? 'account_gone' : 'other_history', turn);
  }
  if (settling && same && reading.checked && answer.last >= reading.readTo) {
    await storeCursor(session, answer.epoch, turn);
  } else {
    reading.readTo = start;
    await doubtNumbers(session, turn);
  }
  reading.checked = true;
  reading.last = answer.last;
  if (reading.last === reading.readTo) {
    await storeCursor(session, answer.epoch, turn);
    return await readThrough(session, turn);
  }
  reading.want(turn.nowMs);
}

/** The host has the four calls only. */
export function hostIsOld(session: HostSession, turn: Turn): void {
  session.kind = 'old';
  session.epoch = null;
  session.reading.checked = false;
  session.reading.want(turn.nowMs);
}

/** A page of heads came. */
export async function pageTold(
  session: HostSession,
  after: BagSeq,
  reader: Reader,
  turn: Turn,
): Promise<void> {
  const [head, items] = readPart(() => [readPageHead(reader), readPeekItems(reader)] as const);
  const { reading } = session;
  if (reading.missing.has(after + 1) && reading.wantMs === null) {
    const shown = items.some((item) => item.seq === after + 1);
    return await looked(session, after + 1, shown, turn);
  }
  reading.pages += 1;
  if (session.epoch === null || !equalBytes(head.epoch, session.epoch) || head.last < after) {
    reading.checked = false;
    if (isTooFutile(reading)) throw new BadAnswer();
    return;
  }
  const progress = head.through > after || head.last === after;
  const sound = progress && head.through >= after && head.through <= head.last;
  const empty = items.length === 0 && head.through < head.last;
  if (!sound || (empty && isTooFutile(reading))) {
    report(turn, { type: 'odd', oddity: 'page_without_progress', seq: head.through });
    throw new BadAnswer();
  }
  reading.last = head.last;
  beginBacklog(session, items, after, head.through, { type: 'page', epoch: head.epoch }, turn);
}

/** Nothing came of it. That may happen, but not for ever. */
function isTooFutile(reading: Reading): boolean {
  reading.futile += 1;
  return reading.futile > FUTILE_MAX;
}

/** All heads behind a number came. */
export async function listTold(
  session: HostSession,
  asked: BagSeq,
  reader: Reader,
  turn: Turn,
): Promise<void> {
  const items = readPart(() => readPeekItems(reader));
  const { reading } = session;
  const { cursor, startSeq: start } = reading;
  const again = items.find((item) => item.seq === start);
  const same = again !== undefined && cursor !== null && equalBytes(fingerprint(again.sealed), cursor.epoch);
  if (!reading.checked && start > 0 && !same) {
    return await reset(session, OLD_KIND_START, 'numbers_go_back', turn);
  }
  reading.checked = true;
  // The bag that was asked for once more is no news.
  const after = Math.max(asked, reading.readTo);
  const news = items.filter((item) => item.seq !== start);
  const through = news.reduce((greatest, item) => Math.max(greatest, item.seq), after);
  reading.last = through;
  beginBacklog(session, news, after, through, { type: 'list' }, turn);
}

function beginBacklog(
  session: HostSession,
  listed: readonly Listed[],
  after: BagSeq,
  through: BagSeq,
  origin: Origin,
  turn: Turn,
): void {
  const reports: Report[] = [];
  session.reading.backlog = new Backlog(listed, after, through, origin, reports);
  reportAll(turn, reports);
}

/** Bags that notices brought, which follow right after what was read. */
export function beginNoticed(session: HostSession, noticed: readonly Listed[], turn: Turn): void {
  const after = session.reading.readTo;
  beginBacklog(session, noticed, after, noticed.at(-1)?.seq ?? after, { type: 'notice' }, turn);
}

// The bags.

/** Goes on with the bags that were listed. */
export async function readChunk(session: HostSession, turn: Turn): Promise<boolean> {
  const { reading, sealer } = session;
  const { chunk, backlog } = reading;
  if (chunk !== undefined) {
    const pull = chunk.nextPull();
    if (pull !== undefined) await session.call({ type: 'pull', ...pull }, turn);
    else await receive(session, chunk, turn);
    return true;
  }
  if (backlog === undefined) return false;
  const reports: Report[] = [];
  const next = await backlog.nextChunk(sealer, reports);
  if (next !== undefined) {
    next.judge(await turn.database.judge(next.heads), reading.audit, sealer, reports);
    reading.chunk = next;
  } else {
    reading.backlog = undefined;
    if (backlog.isList) await listDone(session, turn);
  }
  reportAll(turn, reports);
  return true;
}

/** Bodies came. */
export async function bodiesTold(session: HostSession, reader: Reader, turn: Turn): Promise<void> {
  const items = readPart(() => readPullItems(reader));
  const reports: Report[] = [];
  await session.reading.chunk?.pulled(items, session.sealer, reports, session.settings.breathe);
  reportAll(turn, reports);
}

/** Tells the database of a chunk. */
async function receive(session: HostSession, chunk: Chunk, turn: Turn): Promise<void> {
  const { reading, writing, pruning } = session;
  reading.chunk = undefined;
  await confirm(session, chunk, turn);
  const { cursor, arrived: bags } = chunk;
  const damaged = bags.some(([, arrived]) => arrived.type === 'unreadable' && arrived.head !== null);
  const received = await turn.database.receive(session.link, { bags, cursor });
  if (received.missing.length > 0) {
    chunk.want(received.missing);
    reading.chunk = chunk;
    return;
  }
  const news = received.outcomes.filter(
    (outcome) => outcome?.type === 'applied' || outcome?.type === 'set-aside',
  );
  if (news.length > 0) report(turn, { type: 'received', messages: news.length });
  reading.readTo = chunk.through;
  reading.cursor = cursor ?? reading.cursor;
  for (const [seq, head] of chunk.missing) {
    if (reading.missing.size < MISSING_MAX) reading.missing.set(seq, head);
  }
  pruning.afterReading(damaged, turn.nowMs, session.settings);
  writing.dirty ||= damaged;
  session.recovery.stir();
}

/** What the host was believed to hold up to here and does not show waits to be uploaded again. */
async function confirm(session: HostSession, chunk: Chunk, turn: Turn): Promise<void> {
  const { reading } = session;
  // What it shows is there, however it was told; no later list has to show it once more.
  for (const seq of chunk.numbers) {
    reading.fresh.delete(seq);
    if (reading.unconfirmed.delete(seq)) reading.losses = 0;
  }
  if (!chunk.isList) return;
  const due = [...reading.unconfirmed].filter((seq) => seq <= chunk.through);
  for (const seq of due) reading.unconfirmed.delete(seq);
  reading.losing ||= due.length > 0;
  await lose(session, due, turn);
}

/** These numbers do not hold what they were believed to. */
export async function lose(session: HostSession, numbers: readonly BagSeq[], turn: Turn): Promise<void> {
  if (numbers.length === 0) return;
  session.writing.dirty = true;
  await turn.database.lost(session.link, numbers);
}

/** A list was gone through. */
async function listDone(session: HostSession, turn: Turn): Promise<void> {
  if (session.reading.readTo < session.reading.last) session.reading.want(turn.nowMs);
  else await readThrough(session, turn);
}

/** Everything that the host has was dealt with. */
async function readThrough(session: HostSession, turn: Turn): Promise<void> {
  const { reading, writing } = session;
  // An audit that was asked for while this was under way still has to begin.
  reading.wantMs = reading.auditWanted ? turn.nowMs : null;
  reading.pages = 0;
  reading.futile = 0;
  const nowhere = [...reading.unconfirmed];
  reading.unconfirmed.clear();
  const losing = reading.losing || nowhere.length > 0;
  await lose(session, nowhere, turn);
  if (writing.stage === 'replay') {
    await turn.database.setStage(session.link, 'upload');
    reading.audit = false;
    beginUpload(session, turn);
  }
  reading.losing = false;
  reading.losses += losing ? 1 : 0;
  if (reading.losses > LOSSES_MAX) {
    await fail(session, 'answer', 'the host does not show what it said it stored', turn);
  }
}

async function storeCursor(session: HostSession, epoch: EpochId, turn: Turn): Promise<void> {
  const cursor: Cursor = { epoch, seq: session.reading.readTo };
  if (sameCursor(session.reading.cursor, cursor)) return;
  await turn.database.receive(session.link, { bags: [], cursor });
  session.reading.cursor = cursor;
}

function sameCursor(one: Cursor | null, other: Cursor | null): boolean {
  if (one === null || other === null) return one === other;
  return one.seq === other.seq && equalBytes(one.epoch, other.epoch);
}

// The history.

/** The host's history is another one: everything is read from the start. */
export async function reset(
  session: HostSession,
  epoch: EpochId,
  reason: ResetReason,
  turn: Turn,
): Promise<void> {
  if (isTooFutile(session.reading)) {
    return await fail(session, 'answer', new StatusError(Status.InvalidResponse).message, turn);
  }
  await goBack(session, epoch, turn);
  report(turn, { type: 'reset', reason });
}

async function goBack(session: HostSession, epoch: EpochId, turn: Turn): Promise<void> {
  await turn.database.reset(session.link, epoch);
  const { last, futile, losses, audit, auditWanted } = session.reading;
  const known = session.epoch !== null && equalBytes(session.epoch, epoch);
  session.reading = Object.assign(new Reading(), {
    cursor: { epoch, seq: 0 },
    last,
    futile,
    losses,
    // The next list begins at the start, whatever it shows.
    checked: known || session.kind === 'old',
    afterReset: true,
    // What was asked for is not done by reading from the start: bodies that are here are not fetched.
    audit,
    auditWanted,
    wantMs: turn.nowMs,
  });
  session.writing.resume('replay', turn.nowMs);
  session.recovery.stir();
}

// Second looks.

/**
 * Looks at what there is to look at when all else is done: bags without bodies, a cursor far behind, a host that has
 * been quiet for long.
 */
export async function lookAgain(session: HostSession, turn: Turn): Promise<boolean> {
  const { reading } = session;
  const seq = reading.firstMissing;
  if (seq !== undefined) {
    await lookAt(session, seq, turn);
    return true;
  }
  poll(session, turn);
  if (reading.wantMs !== null && reading.wantMs <= turn.nowMs) return true;
  const ahead = reading.readTo - reading.startSeq;
  if (ahead < AHEAD_MAX || !reading.checked || !session.settings.live) return false;
  if (session.kind === 'old') {
    // Its list brings the cursor along.
    reading.checked = false;
    reading.want(turn.nowMs);
  } else {
    reading.settling = true;
    await session.call({ type: 'epoch', cursor: reading.cursor }, turn);
  }
  return true;
}

async function lookAt(session: HostSession, seq: BagSeq, turn: Turn): Promise<void> {
  const { reading, kind } = session;
  if (kind === 'current' && reading.checked) {
    await session.call({ type: 'page', after: Math.max(seq - 1, 0), itemsMax: 1 }, turn);
  } else if (kind === 'old') {
    // Nothing is ever pruned there.
    await looked(session, seq, true, turn);
  } else {
    reading.want(turn.nowMs);
  }
}

/** Whether the host still lists a bag that it had no body for. */
async function looked(session: HostSession, seq: BagSeq, shown: boolean, turn: Turn): Promise<void> {
  const head = session.reading.missing.get(seq);
  session.reading.missing.delete(seq);
  if (head === undefined || !shown) return;
  report(turn, { type: 'odd', oddity: 'body_withheld', seq });
  const arrived: Arrived = { type: 'unreadable', head, reason: 'the host lists it and does not hand it out' };
  await turn.database.receive(session.link, { bags: [[seq, arrived]], cursor: null });
  session.pruning.afterReading(true, turn.nowMs, session.settings);
}
