// The host's history: whether the cursor is of it, what to believe of the numbers behind that, and reading all of it anew
// when it is another one.

import { equalBytes, type Reader } from '../../protocol/host/bytes.ts';
import { type Cursor, readEpochAnswer } from '../../protocol/host/epoch.ts';
import { EPOCH_BYTES, type EpochId } from '../../protocol/host/record.ts';
import { Status, StatusError } from '../../protocol/host/status.ts';
import { readPart } from './call.ts';
import { isTooFutile, Reading, readThrough } from './reading.ts';
import { fail } from './recovery.ts';
import type { ResetReason } from './report.ts';
import { type HostSession, report, type Turn } from './session.ts';

/** The most numbers that are looked up once more. */
const UNCONFIRMED_MAX = 1_000_000;
/** Stands before the first bag of a host that knows no epochs: see `fingerprint`. */
export const OLD_KIND_START: EpochId = new Uint8Array(EPOCH_BYTES);

/** Numbers behind the cursor that the database has for held will have to be shown. */
export async function doubtNumbers(session: HostSession, turn: Turn): Promise<void> {
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

export async function audit(session: HostSession, turn: Turn): Promise<void> {
  session.reading.auditWanted = false;
  const { cursor } = session.reading;
  if (cursor !== null) await goBack(session, cursor.epoch, turn);
  session.reading.audit = true;
  // Nobody else does the same at this moment: there is nothing to wait for.
  session.reading.afterReset = false;
}
