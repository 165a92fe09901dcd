// Notices: what was stored a moment ago, by whichever device. They save asking; nothing is lost without them.

import { sealedHeadLength } from '../../protocol/host/bag.ts';
import { decodeNotice, type NoticeItem } from '../../protocol/host/notice.ts';
import { Backoff } from './backoff.ts';
import { noticesQuery } from './call.ts';
import type { Listed } from './chunk.ts';
import { distrust } from './history.ts';
import { beginNoticed } from './reading.ts';
import { type HostSession, report, type SessionSettings, type Turn } from './session.ts';

/** The most bags of notices that wait for a call to end. */
const QUEUE_ITEMS_MAX = 1_024;
/** The most bytes of them. */
const QUEUE_BYTES_MAX = 4 * 1024 * 1024;
/** How long a gap in the numbers waits for others to come along, milliseconds. */
const GAP_DEBOUNCE_MS = 100;
/** How long notices must have been open to count as working, milliseconds. */
const STEADY_MS = 30_000;
/** How long until the list is looked at after notices ended, milliseconds: they may come back before. */
const POLL_AFTER_CLOSE_MS = 60_000;

type Socket = { type: 'closed'; retryMs: number } | { type: 'opening' } | { type: 'open'; sinceMs: number };

/** Whether notices come, and those that came. */
export class Listening {
  state: Socket = { type: 'closed', retryMs: 0 };
  backoff = new Backoff();
  /** Whether the host has answered anything: before that there is no point in listening. */
  reached = false;
  queue: NoticeItem[] = [];
  #queueBytes = 0;
  /** Whether something came that is not in the queue. */
  gap = false;

  get isOpen(): boolean {
    return this.state.type === 'open';
  }

  stop(): void {
    this.state = { type: 'closed', retryMs: 0 };
    this.backoff = new Backoff();
    this.reached = false;
    this.gap = false;
    this.clear();
  }

  forgetAttempt(): void {
    this.gap ||= this.queue.length > 0;
    this.clear();
  }

  tryNow(): void {
    if (this.state.type === 'closed') this.state.retryMs = 0;
  }

  dueMs(settings: SessionSettings): number | null {
    return this.state.type === 'closed' && settings.live && this.reached ? this.state.retryMs : null;
  }

  clear(): void {
    this.queue = [];
    this.#queueBytes = 0;
  }

  add(item: NoticeItem): void {
    const bytes = sealedHeadLength(item.sealed) + item.body.length;
    if (this.queue.length >= QUEUE_ITEMS_MAX || this.#queueBytes + bytes > QUEUE_BYTES_MAX) {
      this.gap = true;
      return;
    }
    this.#queueBytes += bytes;
    this.queue.push(item);
  }
}

/** They come from now on. */
export function noticesOpened(session: HostSession, turn: Turn): void {
  session.listening.state = { type: 'open', sinceMs: turn.nowMs };
  // What was stored before nobody told; and it may be another process that listens to us now.
  distrust(session);
  session.reading.want(turn.nowMs);
  session.recovery.stir();
}

/** They ended, or did not begin. */
export function noticesClosed(session: HostSession, turn: Turn): void {
  const { listening } = session;
  if (listening.state.type === 'open' && turn.nowMs - listening.state.sinceMs >= STEADY_MS) {
    listening.backoff.succeed();
  }
  listening.state = { type: 'closed', retryMs: turn.nowMs + listening.backoff.fail(turn.random) };
  distrust(session);
  session.reading.want(turn.nowMs + POLL_AFTER_CLOSE_MS);
}

/** A frame came. */
export function notice(session: HostSession, frame: Uint8Array, turn: Turn): void {
  try {
    // A frame of nothing is what hosts of the old kind send for a push that stored nothing.
    for (const item of decodeNotice(frame)) session.listening.add(item);
  } catch {
    report(turn, { type: 'odd', oddity: 'broken_notice', seq: null });
    session.listening.gap = true;
  }
}

/** Frames came that there was no room for. */
export function noticesLost(session: HostSession): void {
  session.listening.gap = true;
}

/** Opens the notices, and takes up what they brought. */
export async function hearNotices(session: HostSession, turn: Turn): Promise<boolean> {
  await openNotices(session, turn);
  const { listening, reading } = session;
  const after = reading.readTo;
  if (!listening.gap && !listening.queue.some((item) => item.seq > after)) {
    listening.clear();
    return false;
  }
  if (!reading.checked) {
    // Reading comes first, and shows all that is behind these.
    listening.clear();
    listening.gap = false;
    reading.want(turn.nowMs);
    return true;
  }
  const noticed = takeNoticed(listening, after);
  if (listening.gap) reading.want(turn.nowMs + GAP_DEBOUNCE_MS);
  listening.gap = false;
  if (noticed.length > 0) {
    session.recovery.stir();
    beginNoticed(session, noticed, turn);
  }
  return true;
}

/** Those that follow right after what was read; whatever else there is makes a gap. */
function takeNoticed(listening: Listening, after: number): Listed[] {
  const noticed: Listed[] = [];
  for (const { seq, sealed, body } of listening.queue) {
    if (seq === after + noticed.length + 1) noticed.push({ seq, sealed, body });
    else if (seq > after) listening.gap = true;
  }
  listening.clear();
  return noticed;
}

async function openNotices(session: HostSession, turn: Turn): Promise<void> {
  const { listening, settings } = session;
  if (listening.state.type !== 'closed' || listening.state.retryMs > turn.nowMs) return;
  if (!settings.live || !listening.reached) return;
  try {
    const query = await noticesQuery(session.sealer, session.hostTime(turn.clockMs));
    listening.state = { type: 'opening' };
    turn.actions.push({ type: 'open_notices', query });
  } catch {
    // A time that cannot be signed has failed every call before this one.
  }
}
