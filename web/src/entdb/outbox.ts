// What waits for a link, and filling: letting all that a link lacks wait for it.

import type { Eid } from '../protocol/host/eid.ts';
import type { Message, MessageHead } from '../protocol/host/message.ts';
import type { LinkId } from './link.ts';
import { checkHead, locate } from './merge.ts';
import { linkRows } from './neighbours.ts';
import { queueUnlessHeld } from './numbers.ts';
import { type OutboxRow, type Which, WINNER } from './storage/rows.ts';
import { prefix, type Reading } from './storage/storage.ts';
import { loadWinners, type Transaction } from './transaction.ts';
import { names, type Step } from './walk.ts';
import { loggedMessage, winnerMessage } from './winner.ts';

/** Rows that are looked at in one step. */
const STEP = 256;

/** What waits, oldest first. */
export async function outbox(
  rows: Reading,
  link: LinkId,
  itemsMax: number,
  bytesMax: number,
): Promise<Message[]> {
  const waiting =
    itemsMax > 0 ? await rows.list('outbox', { ...prefix(undefined, [link]), limit: itemsMax }) : [];
  const messages: Message[] = [];
  let bytes = 0;
  for (let at = 0; at < waiting.length; at += STEP) {
    for (const message of await messagesOf(rows, waiting.slice(at, at + STEP))) {
      bytes += message.body?.length ?? 0;
      if (bytes > bytesMax && messages.length > 0) return messages;
      messages.push(message);
    }
  }
  return messages;
}

async function messagesOf(rows: Reading, waiting: readonly OutboxRow[]): Promise<Message[]> {
  const winners = await loadWinners(
    rows,
    waiting.flatMap((row) => (row.which === WINNER ? [row.eid] : [])),
  );
  const asides = waiting.filter((row) => row.which !== WINNER);
  const logs = await rows.lists(
    'log',
    asides.map((row) => prefix(undefined, [row.eid])),
  );
  const logged = new Map(logs.flat().map((row) => [row.hash, row]));
  return waiting.flatMap(({ eid, which }) => {
    if (which !== WINNER) {
      const row = logged.get(which);
      return row === undefined ? [] : [loggedMessage(row)];
    }
    const winner = winners.get(eid);
    return winner === undefined ? [] : [winnerMessage(winner)];
  });
}

/** How many messages wait for a link. */
export function waiting(rows: Reading, link: LinkId): Promise<number> {
  return rows.count('outbox', prefix(undefined, [link]));
}

/** The host did not take these for now: they go to the end, so that others get their turn. */
export async function postpone(
  transaction: Transaction,
  link: LinkId,
  heads: readonly MessageHead[],
): Promise<void> {
  transaction.link(link);
  const possible = heads.filter((head) => checkHead(head) === null);
  await transaction.load(possible.map((head) => head.eid));
  for (const head of possible) {
    const dossier = transaction.dossier(head.eid);
    const which = locate(dossier, head);
    if (which === undefined || !transaction.isQueued(link, dossier, which)) continue;
    transaction.unqueue(link, dossier, which);
    transaction.queue(link, dossier, which);
  }
}

/** Lets those of the next messages wait that no number of the link holds. Whether there are more to look at. */
export async function fill(transaction: Transaction, link: LinkId, max: number): Promise<boolean> {
  const { filled } = transaction.current(link);
  const { steps, next } = await names(transaction.rows, filled, max);
  const lacking = await withoutKnown(transaction.rows, link, steps);
  await transaction.load(
    lacking.map((step) => step.eid),
    { near: true },
  );
  for (const { eid, which } of lacking) queueUnlessHeld(transaction, link, transaction.dossier(eid), which);
  transaction.updateLink(link, { filled: next });
  return next !== 'end';
}

/** Leaves out messages that a number holds or that wait already: after a first sync these are all. */
async function withoutKnown(rows: Reading, link: LinkId, steps: readonly Step[]): Promise<readonly Step[]> {
  const eids = [...new Set(steps.map((step) => step.eid))];
  const [held, queued] = await Promise.all([
    linkRows(rows, 'bags', link, eids, { near: true }),
    linkRows(rows, 'outbox', link, eids, { near: true }),
  ]);
  const known = new Set(queued.map(({ eid, which }) => messageKey(eid, which)));
  for (const row of held) if ('held' in row) known.add(messageKey(row.held, row.which));
  return steps.filter(({ eid, which }) => !known.has(messageKey(eid, which)));
}

/** Ids and hashes have no dot in them. */
function messageKey(eid: Eid, which: Which): string {
  return `${eid}.${which}`;
}
