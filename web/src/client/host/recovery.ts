// What a session does when something does not work: waits, longer each time, says why, and loses nothing; and what it
// does when there is nothing to do.

import type { Trouble } from '../../entdb/database.ts';
import { Backoff } from './backoff.ts';
import { distrust } from './history.ts';
import { merged } from './intake.ts';
import type { TroubleCode } from './report.ts';
import { type HostSession, report, type Turn } from './session.ts';

/** How long after a failure a local write may bring the next attempt, milliseconds. */
const WRITE_RETRY_MS = 5_000;
/** How long until a session that hears notices looks for itself, milliseconds. */
const POLL_LISTENING_MS = 10 * 60_000;
/** How long until a session that hears none looks again, milliseconds. */
const POLL_DEAF_MS = 60_000;

/** What a session remembers of failures. */
export class Recovery {
  readonly backoff = new Backoff();
  failedMs = 0;
  /** No call before this time. */
  retryMs: number | null = null;
  /** Since when it does not work; kept over restarts in the link's trouble. */
  sinceMs: number | null = null;
  /** Whether everything was done when last looked. */
  resting = false;
  pollMs: number | null = null;

  /** What the database remembers. */
  recall(trouble: Trouble | null): void {
    this.sinceMs = trouble?.sinceMs ?? null;
  }

  isWaiting(nowMs: number): boolean {
    return this.retryMs !== null && nowMs < this.retryMs;
  }

  succeed(): void {
    this.backoff.succeed();
    this.retryMs = null;
  }

  /** There may be something to do, and so something to say when it is done. */
  stir(): void {
    this.resting = false;
  }

  /** The network may be back. */
  tryNow(): void {
    this.retryMs = null;
    this.resting = false;
  }

  trySoon(): void {
    if (this.retryMs !== null) this.retryMs = Math.min(this.retryMs, this.failedMs + WRITE_RETRY_MS);
  }
}

/** The attempt did not work: written down, and tried again later. */
export async function fail(session: HostSession, code: TroubleCode, text: string, turn: Turn): Promise<void> {
  await merged(session, turn);
  fallBack(session, code, text, turn);
  await setTrouble(session, code, text, session.recovery.retryMs, turn);
}

/** The same without writing it down. */
export function fallBack(session: HostSession, code: TroubleCode, text: string, turn: Turn): void {
  const { recovery } = session;
  session.forgetAttempt();
  const retryMs = turn.nowMs + recovery.backoff.fail(turn.random);
  recovery.failedMs = turn.nowMs;
  recovery.retryMs = retryMs;
  recovery.resting = false;
  session.reading.want(retryMs);
  report(turn, { type: 'trouble', code, text, retryMs: session.clockTime(retryMs) });
}

/** Writes down why the link is stuck. */
export async function setTrouble(
  session: HostSession,
  code: TroubleCode,
  text: string,
  retryMs: number | null,
  turn: Turn,
): Promise<void> {
  session.recovery.sinceMs ??= turn.clockMs;
  const { sinceMs } = session.recovery;
  const retry = retryMs === null ? {} : { retryMs: session.clockTime(retryMs) };
  await turn.database.setTrouble(session.link, { code, text, sinceMs, ...retry });
}

/** Nothing is left to do now. */
export async function rest(session: HostSession, turn: Turn): Promise<void> {
  const { recovery, reading, writing, pruning } = session;
  const done = reading.isDone && writing.isDone && pruning.isDone;
  if (recovery.resting || !done) return;
  session.settleDown();
  recovery.resting = true;
  const waitMs = session.listening.isOpen ? POLL_LISTENING_MS : POLL_DEAF_MS;
  recovery.pollMs = session.settings.live ? turn.nowMs + waitMs : null;
  // What the host has no room for goes on being said.
  if (writing.refusedRetryMs === null) {
    // Another tab may have written it down.
    const link = await turn.database.link(session.link);
    if (link.trouble !== null) await turn.database.setTrouble(session.link, null);
    recovery.sinceMs = null;
  }
  report(turn, { type: 'in_sync' });
}

/** Something was written here. */
export function writtenHere(session: HostSession, turn: Turn): void {
  session.writing.written(turn.nowMs);
  session.recovery.stir();
  session.recovery.trySoon();
}

/** The network may be back. */
export function online(session: HostSession, turn: Turn): void {
  session.recovery.tryNow();
  session.listening.tryNow();
  distrust(session);
  session.reading.want(turn.nowMs);
}

/** Looks again at a host that has been quiet for long. */
export function poll(session: HostSession, turn: Turn): void {
  const { recovery } = session;
  if (recovery.pollMs === null || recovery.pollMs > turn.nowMs) return;
  recovery.pollMs = null;
  distrust(session);
  session.writing.dirty = true;
  session.reading.want(turn.nowMs);
  recovery.stir();
}

/** The next time at which there is something to do; null: none. */
export function wakeMs(session: HostSession, turn: Turn): number | null {
  if (session.recovery.isWaiting(turn.nowMs)) return session.recovery.retryMs;
  const times = [
    session.reading.wantMs,
    session.writing.dueMs,
    session.writing.refusedRetryMs,
    session.pruning.dueMs,
    session.listening.dueMs(session.settings),
    session.recovery.pollMs,
  ];
  return times.reduce((first, time) => {
    if (time === null || time <= turn.nowMs) return first;
    return first === null ? time : Math.min(first, time);
  }, null);
}
