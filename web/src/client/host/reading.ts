// Reading: how far it has come, and the lists that it asks for. What is listed goes through `intake.ts`.
//
// There are two positions. The stored cursor moves with what was listed under an epoch that the host named. `readTo` runs
// ahead of it over numbers that pushes and notices told of, which name no epoch; it is good as long as the connection on
// which notices come is. Whatever ends that makes reading begin at the stored cursor again, and every number behind it
// that the database believes the host holds is looked up once more: a host that went back to a backup may have given it
// to another bag, or to none.

import type { Link } from '../../entdb/database.ts';
import type { BagSeq } from '../../protocol/host/bag.ts';
import { equalBytes, type Reader } from '../../protocol/host/bytes.ts';
import type { Cursor } from '../../protocol/host/epoch.ts';
import type { MessageHead } from '../../protocol/host/message.ts';
import { readPageHead, readPeekItems } from '../../protocol/host/peek.ts';
import { BadAnswer, type Request, readPart } from './call.ts';
import { fingerprint, type Listed } from './chunk.ts';
import { audit, doubtNumbers, OLD_KIND_START, reset } from './history.ts';
import { Intake, lose } from './intake.ts';
import { mend } from './pruning.ts';
import { fail } from './recovery.ts';
import { looked } from './second_look.ts';
import { type HostSession, report, reportAll, type Turn } from './session.ts';
import { beginUpload, push } from './writing.ts';

/** The most heads of a page. */
const PAGE_ITEMS_MAX = 1_000;
/** How many pages are read before what waits here gets a turn. */
const PAGES_BEFORE_PUSH = 8;
/** How many pages in a row may bring nothing; and how often, between two failures or rests, a history may change. */
const FUTILE_MAX = 16;
/** How often in a row a host may not show anything of what it said it stored, before that is a trouble. */
const LOSSES_MAX = 4;

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
  /** What was listed and is on its way in. */
  intake = new Intake();
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
    return this.wantMs === null && this.intake.isEmpty && this.missing.size === 0 && !this.auditWanted;
  }

  forgetAttempt(): void {
    this.intake = new Intake();
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
    if (seq === this.readTo + 1 && this.intake.isEmpty) this.readTo = seq;
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
  await askList(session, request, turn);
  return true;
}

async function askList(session: HostSession, request: Request, turn: Turn): Promise<void> {
  const { reading } = session;
  for (const seq of reading.fresh) reading.unconfirmed.add(seq);
  reading.fresh.clear();
  await session.call(request, turn);
}

/** Asks for the next page while bags of the one before are on their way in. Whether there is one to ask for. */
export async function listAhead(session: HostSession, turn: Turn): Promise<boolean> {
  const { reading, writing, kind } = session;
  const { origin, listedTo } = reading.intake;
  if (origin !== 'page' || listedTo >= reading.last || kind !== 'current' || !reading.checked) return false;
  // What waits here gets its turn between two pages, and so does an audit.
  if (reading.auditWanted || (reading.pages >= PAGES_BEFORE_PUSH && writing.dirty)) return false;
  await askList(session, { type: 'page', after: listedTo, itemsMax: PAGE_ITEMS_MAX }, turn);
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
  const origin = { type: 'page', epoch: head.epoch } as const;
  reportAll(turn, reading.intake.begin(items, after, head.through, origin));
}

/** Nothing came of it. That may happen, but not for ever. */
export function isTooFutile(reading: Reading): boolean {
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
  // Distrust may have come up meanwhile: a list that begins behind the start says nothing for or against it.
  const tells = asked < Math.max(start, 1);
  if (tells && !reading.checked && start > 0 && !same) {
    return await reset(session, OLD_KIND_START, 'numbers_go_back', turn);
  }
  reading.checked ||= tells;
  // The bag that was asked for once more is no news.
  const after = Math.max(asked, reading.readTo);
  const news = items.filter((item) => item.seq !== start);
  const through = news.reduce((greatest, item) => Math.max(greatest, item.seq), after);
  reading.last = through;
  reportAll(turn, reading.intake.begin(news, after, through, { type: 'list' }));
}

/** Bags that notices brought, which follow right after what was read. */
export function beginNoticed(session: HostSession, noticed: readonly Listed[], turn: Turn): void {
  const after = session.reading.readTo;
  const through = noticed.at(-1)?.seq ?? after;
  reportAll(turn, session.reading.intake.begin(noticed, after, through, { type: 'notice' }));
}

/** A list was gone through. */
export async function listDone(session: HostSession, turn: Turn): Promise<void> {
  if (session.reading.readTo < session.reading.last) session.reading.want(turn.nowMs);
  else await readThrough(session, turn);
}

/** Everything that the host has was dealt with. */
export async function readThrough(session: HostSession, turn: Turn): Promise<void> {
  const { reading, writing } = session;
  // An audit that was asked for while this was under way still has to begin; and what came up meanwhile (the network is
  // back, notices come anew) asks for a list that is later than these.
  reading.wantMs = reading.auditWanted || !reading.checked ? turn.nowMs : null;
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
