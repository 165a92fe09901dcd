// What waits here, up to the host: sealed and pushed in batches, and, after a replay, whatever the host lacks. What is
// refused stays in the outbox, out of the way of the rest, and is tried again.

import type { Sealer } from '../../crypto/seal.ts';
import type { Fill } from '../../entdb/database.ts';
import type { Bag, BagSeq } from '../../protocol/host/bag.ts';
import type { Reader } from '../../protocol/host/bytes.ts';
import { hashOf, type Message, type MessageHead } from '../../protocol/host/message.ts';
import { type PushItem, readPushItems } from '../../protocol/host/push.ts';
import type { Quota } from '../../protocol/host/response.ts';
import { Status, StatusError } from '../../protocol/host/status.ts';
import { encodeHex } from '../../protocol/host/text.ts';
import { Backoff } from './backoff.ts';
import { readPart } from './call.ts';
import { below } from './chance.ts';
import { OLD_KIND_START, reset } from './history.ts';
import { setTrouble } from './recovery.ts';
import { type HostSession, report, type Turn } from './session.ts';

/** The most messages of one PUSH. */
const PUSH_ITEMS_MAX = 1_000;
/** The most bytes of bodies of one PUSH, unless one is larger by itself. */
const PUSH_BYTES_MAX = 4 * 1024 * 1024;
/** How long local writes wait for others to come along, milliseconds. */
const WRITE_DEBOUNCE_MS = 100;
/** How many messages are looked at before what was found is pushed. */
const FILL_MAX = 1_000;
/** The most refused messages that are remembered; with more, nothing is pushed until the retry. */
const REFUSED_MAX = 100_000;

/** What is under way to the host. */
export class Writing {
  /** Whether something may wait in the outbox. */
  dirty = false;
  /** No push before this time. */
  dueToPushMs = 0;
  /** When something was last pushed. */
  pushedMs: number | null = null;
  pushing: MessageHead[] = [];
  itemsMax = PUSH_ITEMS_MAX;
  /** What the host refused, by hash: it waits behind all others, and is left out until the retry. */
  readonly refused = new Set<string>();
  refusedRetryMs: number | null = null;
  readonly backoff = new Backoff();
  /** What the host last said about its room. */
  room: Quota = { quota: 0, usage: 0 };
  /** The same when it refused something for want of it. */
  roomRefused: Quota | null = null;
  stage: Fill = 'replay';
  /** When to begin to upload what the host lacks; null: it began. */
  uploadMs: number | null = null;

  get isDone(): boolean {
    return !this.dirty && this.pushing.length === 0 && this.stage === 'done';
  }

  get dueMs(): number | null {
    const pushMs = this.dirty ? this.dueToPushMs : null;
    const uploadMs = this.stage === 'upload' ? this.uploadMs : null;
    return pushMs === null || uploadMs === null ? (pushMs ?? uploadMs) : Math.min(pushMs, uploadMs);
  }

  /** Something was written here: pushed at once, or, when something was pushed a moment ago, soon. */
  written(nowMs: number): void {
    if (!this.dirty) this.dueToPushMs = this.pushedMs === null ? nowMs : this.pushedMs + WRITE_DEBOUNCE_MS;
    this.dirty = true;
  }

  resume(stage: Fill, nowMs: number): void {
    this.stage = stage;
    this.uploadMs = null;
    this.dirty = true;
    this.dueToPushMs = nowMs;
  }

  forgetAttempt(): void {
    this.dirty ||= this.pushing.length > 0;
    this.pushing = [];
  }

  /** What the host says about its room. If there is more than when it refused something, that is tried again. */
  hearRoom(room: Quota): void {
    this.room = room;
    const before = this.roomRefused;
    if (before !== null && (before.quota !== room.quota || before.usage > room.usage)) this.retryRefused();
  }

  /** What was refused may be taken now. */
  retryRefused(): void {
    this.roomRefused = null;
    if (this.refused.size > 0) this.refusedRetryMs = 0;
  }

  /** Whether it is time to try again what was refused. */
  tryRefused(nowMs: number): boolean {
    if (this.refusedRetryMs === null || this.refusedRetryMs > nowMs) return false;
    this.refusedRetryMs = null;
    this.refused.clear();
    this.dirty = true;
    return true;
  }

  /** What goes into the next push, of what waits. */
  batch(waiting: readonly Message[]): Message[] {
    if (this.refused.size === 0) return [...waiting];
    return waiting.filter(({ head }) => !this.refused.has(keyOf(head) ?? ''));
  }

  /** What was being pushed, which is not under way any more. */
  takePushing(): MessageHead[] {
    const { pushing } = this;
    this.pushing = [];
    return pushing;
  }
}

/** A message's hash as text; undefined if it cannot have one. */
function keyOf(head: MessageHead): string | undefined {
  try {
    return encodeHex(hashOf(head));
  } catch {
    return undefined;
  }
}

/** A message that was not taken, and why. */
interface Refusal {
  head: MessageHead;
  status: Status;
}

/** Pushes a batch of what waits. */
export async function push(session: HostSession, turn: Turn): Promise<boolean> {
  const { writing, reading } = session;
  const again = writing.tryRefused(turn.nowMs);
  const full = writing.refused.size >= REFUSED_MAX;
  if (!writing.dirty || turn.nowMs < writing.dueToPushMs || full || session.pruning.holdsPushes) {
    if (full) writing.dirty = false;
    return false;
  }
  if (!reading.checked) {
    reading.want(turn.nowMs);
    return true;
  }
  const waiting = await turn.database.outbox(session.link, writing.itemsMax, PUSH_BYTES_MAX);
  const { bags, heads, broken } = await seal(session.sealer, writing.batch(waiting));
  await refuse(session, broken, turn);
  if (heads.length === 0) {
    const tried = broken.length > 0;
    writing.dirty = tried;
    // What was refused is gone by now: that trouble is over, without anything being pushed.
    if (again && !tried) session.recovery.stir();
    return tried;
  }
  writing.pushedMs = turn.nowMs;
  writing.pushing = heads;
  await session.call({ type: 'push', bags }, turn);
  return true;
}

/** Seals all that can be; what was damaged here keeps no other waiting. */
async function seal(
  sealer: Sealer,
  batch: readonly Message[],
): Promise<{ bags: Bag[]; heads: MessageHead[]; broken: Refusal[] }> {
  const bags: Bag[] = [];
  const heads: MessageHead[] = [];
  const broken: Refusal[] = [];
  const sealed = await sealer.seal(batch);
  batch.forEach(({ head }, at) => {
    const bag = sealed[at];
    if (bag === undefined || bag instanceof StatusError) {
      broken.push({ head, status: bag?.status ?? Status.InternalError });
    } else {
      bags.push(bag);
      heads.push(head);
    }
  });
  return { bags, heads, broken };
}

/** The request was too large for the host: fewer at a time, and what is too large by itself waits. */
export async function pushSmaller(session: HostSession, turn: Turn): Promise<void> {
  const { writing } = session;
  const pushed = writing.takePushing();
  writing.dirty = true;
  writing.dueToPushMs = 0;
  if (pushed.length > 1) {
    writing.itemsMax = Math.floor(pushed.length / 2);
    return;
  }
  await refuse(
    session,
    pushed.map((head) => ({ head, status: Status.HostError })),
    turn,
  );
}

/** The host said what became of a push. */
export async function pushTold(session: HostSession, reader: Reader, turn: Turn): Promise<void> {
  const { writing, reading } = session;
  const pushed = writing.takePushing();
  // Until the outbox is found to be empty.
  writing.dirty = true;
  const items = readPart(() => readPushItems(reader));
  const results = matchItems(items, pushed.length, turn);
  const stored: [MessageHead, BagSeq][] = [];
  const refused: Refusal[] = [];
  let goesBack = false;
  pushed.forEach((head, at) => {
    const result = results[at];
    if (result?.seq != null) {
      goesBack ||= session.kind === 'old' && reading.goesBack(result.seq);
      stored.push([head, result.seq]);
    } else {
      refused.push({ head, status: result?.status ?? Status.InvalidResponse });
    }
  });
  await settleStored(session, stored, turn);
  await refuse(session, refused, turn);
  if (goesBack) await reset(session, OLD_KIND_START, 'numbers_go_back', turn);
}

/** What the host says of each bag; what makes no sense is as if it had not been said. */
function matchItems(items: readonly PushItem[], count: number, turn: Turn): (PushItem | undefined)[] {
  const results: (PushItem | undefined)[] = new Array(count).fill(undefined);
  const numbers = new Set<BagSeq>();
  for (const item of items) {
    const { index, seq } = item;
    const sound = seq === null || (seq > 0 && !numbers.has(seq));
    if (seq !== null && seq > 0) numbers.add(seq);
    if (index < count && results[index] === undefined && sound) results[index] = item;
    else report(turn, { type: 'odd', oddity: 'forged_item', seq });
  }
  return results;
}

async function settleStored(
  session: HostSession,
  stored: readonly [MessageHead, BagSeq][],
  turn: Turn,
): Promise<void> {
  if (stored.length === 0) return;
  const { writing, reading, pruning, settings } = session;
  // Not told by how many wait before and after it: other tabs write meanwhile.
  const settled = await turn.database.pushed(session.link, stored);
  // A number that is known for something else: a damaged bag that the host took for a repeat, or a lie.
  if (settled.includes(false)) pruning.begin(turn.nowMs);
  if (!settled.includes(true)) {
    return await refuse(
      session,
      stored.map(([head]) => ({ head, status: Status.HashMismatch })),
      turn,
    );
  }
  const numbers = stored.map(([, seq]) => seq).sort((one, other) => one - other);
  for (const seq of numbers) reading.stored(seq);
  if ((numbers.at(-1) ?? 0) > reading.readTo) {
    // There is something in between that was not read.
    reading.want(turn.nowMs + (settings.live ? WRITE_DEBOUNCE_MS : 0));
  }
  if (writing.refused.size === 0) writing.backoff.succeed();
  writing.itemsMax = Math.min(PUSH_ITEMS_MAX, writing.itemsMax * 2);
  pruning.afterWriting(turn.nowMs, settings);
  session.recovery.stir();
  report(turn, { type: 'pushed', messages: stored.length });
}

/** Messages stay in the outbox for now, behind all others. */
async function refuse(session: HostSession, refused: readonly Refusal[], turn: Turn): Promise<void> {
  if (refused.length === 0) return;
  const { writing } = session;
  const heads = refused.map(({ head }) => head);
  await turn.database.postpone(session.link, heads);
  for (const head of heads) {
    const key = keyOf(head);
    if (key !== undefined) writing.refused.add(key);
  }
  const has = (status: Status) => refused.some((one) => one.status === status);
  if (has(Status.StorageError)) writing.roomRefused = writing.room;
  if (has(Status.InvalidSignature)) report(turn, { type: 'odd', oddity: 'refused_signature', seq: null });
  await sayRefused(session, turn);
}

/** Says that something was refused, once for all of it, and sets the time of the retry. */
async function sayRefused(session: HostSession, turn: Turn): Promise<void> {
  const { writing } = session;
  if (writing.refusedRetryMs !== null && writing.refusedRetryMs > turn.nowMs) return;
  const retryMs = turn.nowMs + writing.backoff.fail(turn.random);
  writing.refusedRetryMs = retryMs;
  if (writing.roomRefused === null) {
    const text = `the host refuses ${writing.refused.size} messages`;
    report(turn, { type: 'trouble', code: 'refused', text, retryMs: session.clockTime(retryMs) });
    return await setTrouble(session, 'refused', text, retryMs, turn);
  }
  const { quota, usage } = writing.roomRefused;
  report(turn, { type: 'quota_reached', quota, usage });
  const text = `the host has no room: ${usage} of ${quota} bytes are used`;
  await setTrouble(session, 'quota', text, retryMs, turn);
}

// What the host lacks.

/** A replay is over: when to begin to upload. */
export function beginUpload(session: HostSession, turn: Turn): void {
  const { writing, reading, settings } = session;
  writing.stage = 'upload';
  const wait = settings.live && reading.afterReset;
  writing.uploadMs = wait ? turn.nowMs + below(turn.random, settings.fillWaitMsMax + 1) : null;
  reading.afterReset = false;
  session.pruning.begin(turn.nowMs);
}

/** Looks for what the host lacks. */
export async function upload(session: HostSession, turn: Turn): Promise<boolean> {
  const { writing, reading, link } = session;
  if (writing.stage !== 'upload' || reading.wantMs !== null) return false;
  if (writing.uploadMs !== null) {
    if (writing.uploadMs > turn.nowMs) return false;
    // Others may have filled it meanwhile: look once more first.
    writing.uploadMs = null;
    reading.want(turn.nowMs);
    return true;
  }
  if (writing.dirty || session.pruning.holdsPushes) return false;
  const before = await turn.database.waiting(link);
  const more = await turn.database.fill(link, FILL_MAX);
  if (!more) await turn.database.setStage(link, 'done');
  const after = await turn.database.waiting(link);
  if (after > before) {
    report(turn, { type: 'filled', messages: after - before });
    writing.dirty = true;
  }
  if (!more) writing.stage = 'done';
  return true;
}
