// Bags on their way in. While one chunk is merged, the bodies of the next one are fetched and opened and the heads behind
// that are listed: storage, network and processor work side by side. Chunks are merged in their order, one at a time, and
// the cursor moves with each: what is fetched ahead is in memory only, and whoever ends in the middle fetches it again.

import type { CheckedArrivals, Judgement, Received } from '../../entdb/database.ts';
import { checkHead } from '../../entdb/merge.ts';
import { WANTED } from '../../entdb/outcome.ts';
import type { BagSeq } from '../../protocol/host/bag.ts';
import type { Reader } from '../../protocol/host/bytes.ts';
import type { MessageHead } from '../../protocol/host/message.ts';
import { readPullItems } from '../../protocol/host/pull.ts';
import { readPart } from './call.ts';
import { Backlog, type Chunk, type Listed, type Origin } from './chunk.ts';
import { listAhead, listDone } from './reading.ts';
import type { Report } from './report.ts';
import { type HostSession, report, reportAll, type Turn } from './session.ts';

/** The most chunks in memory besides the one that is merged: one whose bodies are fetched, one whose heads are open. */
const CHUNKS_MAX = 2;
/** So many bags at least say something about those behind them. */
const TELLING_MIN = 256;
/** The most bags that are remembered for having had no body. */
const MISSING_MAX = 1_000;

/** What came of a merge. */
type Ended = { received: Received } | { error: unknown };

/** What was listed and is not merged yet. */
export class Intake {
  /** What is in no chunk yet. */
  backlog: Backlog | undefined;
  /** In their order: the bodies of the first are fetched, the heads of the others are open. */
  chunks: Chunk[] = [];
  /** Whether all that was looked at last was new here. Then what comes next is not looked up: fetching it costs less. */
  allNew = false;
  /** Whose bodies were asked for last. */
  asked: Chunk | undefined;
  /** The chunk that is being merged. The promise never fails. */
  merging: { chunk: Chunk; ended: Promise<Ended> } | undefined;
  /** Where the last list came from; undefined: what came of all lists was noted. */
  origin: Origin['type'] | undefined;
  /** Everything up to here was listed. */
  listedTo: BagSeq = 0;

  get isEmpty(): boolean {
    const { backlog, chunks, merging, origin } = this;
    return backlog === undefined && chunks.length === 0 && merging === undefined && origin === undefined;
  }

  /** What was listed next; what came before was taken into chunks. */
  begin(listed: readonly Listed[], after: BagSeq, through: BagSeq, origin: Origin): Report[] {
    const reports: Report[] = [];
    this.backlog = new Backlog(listed, after, through, origin, reports);
    this.origin = origin.type;
    this.listedTo = through;
    return reports;
  }
}

/** Goes on with the bags that were listed. */
export async function readChunk(session: HostSession, turn: Turn): Promise<boolean> {
  const { intake } = session.reading;
  const [chunk] = intake.chunks;
  if (chunk === undefined) return await beginOrEnd(session, turn);
  if (!chunk.isJudged) {
    await judge(session, chunk, turn);
    return true;
  }
  const pull = chunk.nextPull();
  if (pull !== undefined) {
    intake.asked = chunk;
    await session.call({ type: 'pull', ...pull }, turn);
    return true;
  }
  if (
    intake.chunks.length < CHUNKS_MAX &&
    ((await openNext(session, turn)) || (await listAhead(session, turn)))
  )
    return true;
  // Looked at while the one before is still being merged.
  const arrivals = turn.database.check({ bags: chunk.arrived, cursor: chunk.cursor });
  await merged(session, turn);
  // The one before may lack bodies that are needed after all: then it is first again.
  if (intake.chunks[0] === chunk) await merge(session, chunk, arrivals, turn);
  return true;
}

async function beginOrEnd(session: HostSession, turn: Turn): Promise<boolean> {
  const { intake } = session.reading;
  if (await openNext(session, turn)) return true;
  await merged(session, turn);
  if (intake.isEmpty) return false;
  if (intake.chunks.length > 0) return true;
  const isList = intake.origin !== 'notice';
  intake.origin = undefined;
  if (isList) await listDone(session, turn);
  return true;
}

/** Opens the heads of the next chunk. Whether there is one. */
async function openNext(session: HostSession, turn: Turn): Promise<boolean> {
  const { intake } = session.reading;
  const reports: Report[] = [];
  const next = await intake.backlog?.nextChunk(session.sealer, reports);
  if (next === undefined) intake.backlog = undefined;
  else intake.chunks.push(next);
  reportAll(turn, reports);
  return next !== undefined;
}

/** Finds out which bodies are needed. These may be more than are: merging looks again. */
async function judge(session: HostSession, chunk: Chunk, turn: Turn): Promise<void> {
  const reports: Report[] = [];
  const { heads } = chunk;
  const judgements = await judgeHeads(session.reading.intake, heads, turn);
  chunk.judge(judgements, session.reading.audit, session.sealer, reports);
  reportAll(turn, reports);
}

async function judgeHeads(
  intake: Intake,
  heads: readonly MessageHead[],
  turn: Turn,
): Promise<readonly Judgement[]> {
  if (heads.length === 0) return [];
  if (intake.allNew) return heads.map((head) => checkHead(head) ?? WANTED);
  const judgements = await turn.database.judge(heads);
  intake.allNew = heads.length >= TELLING_MIN && judgements.every(({ type }) => type === 'wanted');
  return judgements;
}

/** Bodies came. */
export async function bodiesTold(session: HostSession, reader: Reader, turn: Turn): Promise<void> {
  const items = readPart(() => readPullItems(reader));
  const reports: Report[] = [];
  const { intake } = session.reading;
  await intake.asked?.pulled(items, session.sealer, reports, session.settings.breathe);
  reportAll(turn, reports);
}

/** Begins to merge the first chunk, whose bodies are here. None is being merged. */
async function merge(
  session: HostSession,
  chunk: Chunk,
  arrivals: CheckedArrivals,
  turn: Turn,
): Promise<void> {
  const { intake } = session.reading;
  await confirm(session, chunk, turn);
  intake.chunks.shift();
  const [next] = intake.chunks;
  // Asked before the storage is busy with merging: its bodies can be fetched meanwhile.
  const judging = next === undefined || next.isJudged ? undefined : judge(session, next, turn);
  const ended = turn.database.receive(session.link, arrivals).then(
    (received): Ended => ({ received }),
    (error: unknown): Ended => ({ error }),
  );
  intake.merging = { chunk, ended };
  await judging;
}

/** Waits for the merge that is under way, and notes what came of it. Fails as the database did. */
export async function merged(session: HostSession, turn: Turn): Promise<void> {
  const { reading, writing, pruning } = session;
  const { merging } = reading.intake;
  if (merging === undefined) return;
  const { chunk } = merging;
  const ended = await merging.ended;
  reading.intake.merging = undefined;
  if ('error' in ended) throw ended.error;
  const { outcomes, missing } = ended.received;
  if (missing.length > 0) {
    // Nothing behind it may be merged before: the cursor would go past what is missing.
    chunk.want(missing);
    reading.intake.chunks.unshift(chunk);
    return;
  }
  if (outcomes.some((outcome) => outcome?.type === 'known' || outcome?.type === 'superseded'))
    reading.intake.allNew = false;
  const news = outcomes.filter((outcome) => outcome?.type === 'applied' || outcome?.type === 'set-aside');
  if (news.length > 0) report(turn, { type: 'received', messages: news.length });
  reading.readTo = chunk.through;
  reading.cursor = chunk.cursor ?? reading.cursor;
  for (const [seq, head] of chunk.missing) {
    if (reading.missing.size < MISSING_MAX) reading.missing.set(seq, head);
  }
  const damaged = chunk.isDamaged;
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
