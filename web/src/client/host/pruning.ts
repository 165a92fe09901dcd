// What the host may let go of: superseded bags, and damaged ones whose messages are here. Damaged ones go before
// anything is pushed: the host takes a bag of the same message for a repeat as long as it has the damaged one.

import type { BagSeq } from '../../protocol/host/bag.ts';
import type { Reader } from '../../protocol/host/bytes.ts';
import { type PruneItem, type PrunePair, readPruneItems } from '../../protocol/host/prune.ts';
import { Status } from '../../protocol/host/status.ts';
import { readPart } from './call.ts';
import { distrust } from './history.ts';
import { lose } from './intake.ts';
import { fail } from './recovery.ts';
import { type HostSession, report, type SessionSettings, type Turn } from './session.ts';

/** The most pairs of one PRUNE. */
const PRUNE_PAIRS_MAX = 1_000;
/** How long superseded bags wait for others to come along, milliseconds. */
const PRUNE_DEBOUNCE_MS = 2_000;
/** How long until pairs that a host did not take are offered again, milliseconds. */
const PRUNE_RETRY_MS = 5 * 60_000;
/** How often in a row a host may deny all that supersedes what it is offered. */
const DENIALS_MAX = 3;
/** How often in a row a host may refuse a whole request before that is a trouble. */
const REFUSALS_MAX = 1;

/** What is to be pruned. */
export class Pruning {
  dueMs: number | null = null;
  /** Whether there may be damaged bags, which pushing would meet. */
  mend = false;
  refusals = 0;
  /** How many requests in a row brought nothing but denials: what supersedes is uploaded again each time. */
  #denials = 0;
  /** No superseded bag is offered before this time. */
  #pausedToMs = 0;

  /** There may be a damaged bag. */
  begin(nowMs: number): void {
    this.dueMs = nowMs;
    this.mend = true;
  }

  get isDone(): boolean {
    return !this.mend;
  }

  /** Whether pushing would meet damaged bags. */
  get holdsPushes(): boolean {
    return this.mend;
  }

  /** Bags came, which may supersede others. */
  afterReading(damaged: boolean, nowMs: number, settings: SessionSettings): void {
    this.mend ||= damaged;
    this.afterWriting(nowMs, settings);
  }

  /** The host has something new, which may supersede what it had. */
  afterWriting(nowMs: number, settings: SessionSettings): void {
    const waitMs = settings.live ? PRUNE_DEBOUNCE_MS : 0;
    const dueMs = Math.max(nowMs + waitMs, this.#pausedToMs);
    if (Number.isFinite(dueMs)) this.dueMs ??= dueMs;
  }

  /** A request was answered: whether bags were settled, and whether what supersedes them was denied. */
  answered(settled: boolean, denied: boolean, nowMs: number, live: boolean): void {
    this.#denials = settled ? 0 : this.#denials + (denied ? 1 : 0);
    const pausedToMs = live ? nowMs + PRUNE_RETRY_MS : Number.POSITIVE_INFINITY;
    this.#pausedToMs = this.#denials >= DENIALS_MAX ? pausedToMs : 0;
  }

  /** Not again at once: a host that never takes them must not keep a session busy. */
  putOff(nowMs: number, live: boolean): void {
    this.mend = false;
    this.dueMs = live ? nowMs + PRUNE_RETRY_MS : null;
  }
}

/** Lets go of damaged bags. While everything is read anew, nothing is let go of. */
export async function mend(session: HostSession, turn: Turn): Promise<boolean> {
  if (!session.pruning.mend) return false;
  const pairs = await turn.database.prunable(session.link, PRUNE_PAIRS_MAX);
  const damaged = pairs.filter((pair) => pair.supersededBy === null);
  if (damaged.length === 0 && pairs.length < PRUNE_PAIRS_MAX) {
    session.pruning.mend = false;
    return true;
  }
  if (session.writing.stage === 'replay') return false;
  // None among so many: they go first, and those behind them are looked at after that.
  await sendPrune(session, damaged.length === 0 ? together(pairs) : damaged, turn);
  return true;
}

/** Lets go of a batch of superseded bags. */
export async function prune(session: HostSession, turn: Turn): Promise<boolean> {
  const { pruning } = session;
  if (pruning.dueMs === null || pruning.dueMs > turn.nowMs) return false;
  if (session.writing.stage === 'replay') {
    pruning.dueMs = null;
    return false;
  }
  const pairs = together(await turn.database.prunable(session.link, PRUNE_PAIRS_MAX));
  if (pairs.length === 0) {
    pruning.dueMs = null;
    return false;
  }
  await sendPrune(session, pairs, turn);
  return true;
}

async function sendPrune(session: HostSession, pairs: readonly PrunePair[], turn: Turn): Promise<void> {
  const { kind, epoch, reading } = session;
  if (kind === 'old') {
    // It never lets go of anything, and takes nothing for a repeat.
    await turn.database.pruned(
      session.link,
      pairs.map((pair) => pair.bag),
    );
  } else if (kind === 'current' && epoch !== null && reading.checked) {
    await session.call({ type: 'prune', pairs, epoch }, turn);
  } else {
    reading.want(turn.nowMs);
  }
}

/** What became of the pairs of a request. */
interface Sorted {
  settled: BagSeq[];
  superseded: number;
  mended: number;
  /** Superseding bags that the host does not hold. */
  lost: BagSeq[];
}

/** The host said what became of each pair. */
export async function pruneTold(
  session: HostSession,
  pairs: readonly PrunePair[],
  reader: Reader,
  turn: Turn,
): Promise<void> {
  const items = readPart(() => readPruneItems(reader));
  const { pruning } = session;
  pruning.refusals = 0;
  const { settled, superseded, mended, lost } = sortItems(items, pairs, turn);
  pruning.answered(settled.length > 0, lost.length > 0, turn.nowMs, session.settings.live);
  await lose(session, lost, turn);
  if (settled.length > 0) {
    await turn.database.pruned(session.link, settled);
    session.writing.dirty = true;
  }
  if (settled.length === pairs.length) pruning.dueMs = turn.nowMs;
  else pruning.putOff(turn.nowMs, session.settings.live);
  if (superseded > 0) report(turn, { type: 'pruned', bags: superseded });
  if (mended > 0) {
    session.writing.retryRefused();
    report(turn, { type: 'mended', bags: mended });
  }
}

function sortItems(items: readonly PruneItem[], pairs: readonly PrunePair[], turn: Turn): Sorted {
  const sorted: Sorted = { settled: [], superseded: 0, mended: 0, lost: [] };
  for (const { index, status } of items) {
    const pair = pairs[index];
    if (pair === undefined) {
      report(turn, { type: 'odd', oddity: 'forged_item', seq: null });
    } else if (status === Status.Success) {
      if (pair.supersededBy === null) sorted.mended += 1;
      else sorted.superseded += 1;
      sorted.settled.push(pair.bag);
    } else if (status === Status.InvalidRequest) {
      // It is a delete by its length, and stays for ever.
      sorted.settled.push(pair.bag);
    } else if (status === Status.NotFound && pair.supersededBy !== null) {
      sorted.lost.push(pair.supersededBy);
    }
  }
  return sorted;
}

/** The host refused the whole request: most likely its history has a new epoch. */
export async function pruneRefused(session: HostSession, text: string, turn: Turn): Promise<void> {
  const { pruning } = session;
  pruning.refusals += 1;
  if (pruning.refusals > REFUSALS_MAX) {
    pruning.refusals = 0;
    pruning.putOff(turn.nowMs, session.settings.live);
    return await fail(session, 'refused', text, turn);
  }
  distrust(session);
  session.reading.want(turn.nowMs);
}

/** Pairs that one request may name. A host keeps a bag whose superseding one is named as well: its turn comes later. */
function together(pairs: readonly PrunePair[]): PrunePair[] {
  const named = new Set(pairs.map((pair) => pair.bag));
  return pairs.filter((pair) => pair.supersededBy === null || !named.has(pair.supersededBy));
}
