// Second looks, when all else is done: at bags that had no body, at a cursor far behind, at a host that was quiet for long.

import type { Arrived } from '../../entdb/database.ts';
import type { BagSeq } from '../../protocol/host/bag.ts';
import { poll } from './recovery.ts';
import { type HostSession, report, type Turn } from './session.ts';

/** How many numbers `readTo` may run ahead before the cursor is stored anew. */
const AHEAD_MAX = 256;

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
export async function looked(session: HostSession, seq: BagSeq, shown: boolean, turn: Turn): Promise<void> {
  const head = session.reading.missing.get(seq);
  session.reading.missing.delete(seq);
  if (head === undefined || !shown) return;
  report(turn, { type: 'odd', oddity: 'body_withheld', seq });
  const arrived: Arrived = { type: 'unreadable', head, reason: 'the host lists it and does not hand it out' };
  await turn.database.receive(session.link, { bags: [[seq, arrived]], cursor: null });
  session.pruning.afterReading(true, turn.nowMs, session.settings);
}
