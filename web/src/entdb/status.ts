// The state of a database and its links, as data.

import type { Eid } from '../protocol/host/eid.ts';
import type { MessageHead } from '../protocol/host/message.ts';
import { type Durable, type Link, linkOf } from './link.ts';
import { holderSpan } from './numbers.ts';
import { waiting } from './outbox.ts';
import { type LinkRow, WINNER } from './storage/rows.ts';
import { prefix, type Reading } from './storage/storage.ts';
import { loadWinners } from './transaction.ts';

/** What a database has, and how its links are. */
export interface DatabaseStatus {
  /** Entities. */
  readonly ents: number;
  /** Entities that ended. */
  readonly tombstones: number;
  /** Messages that this version cannot read. */
  readonly setAside: number;
  /** The links, oldest first. */
  readonly links: readonly LinkStatus[];
}

/** How a link is. */
export interface LinkStatus {
  /** The link itself. */
  readonly link: Link;
  /** Messages that wait to be uploaded. */
  readonly waiting: number;
  /** Bags that could not be opened. At most 1,000 are noted. */
  readonly unreadable: number;
}

/** A message that is kept but not applied. */
export interface SetAside {
  /** The message's head. */
  readonly head: MessageHead;
  /** What is wrong with the body. */
  readonly reason: string;
}

/** What the database has, and how its links are. */
export async function status(rows: Reading): Promise<DatabaseStatus> {
  const [ents, tombstones, setAside] = [
    await rows.count('entities', {}),
    await rows.count('tombstones', {}),
    await rows.count('log', {}),
  ];
  const links: LinkStatus[] = [];
  for (const row of await rows.list('links', {})) links.push(await linkStatus(rows, row));
  return { ents, tombstones, setAside, links };
}

async function linkStatus(rows: Reading, row: LinkRow): Promise<LinkStatus> {
  const unreadable = await rows.count('bags', prefix('closed', [row.id]));
  return { link: linkOf(row), waiting: await waiting(rows, row.id), unreadable };
}

/** Which links' hosts have an entity's state, or its end. */
export async function durableAt(rows: Reading, eid: Eid): Promise<Durable[]> {
  const winners = await loadWinners(rows, [eid]);
  const durable: Durable[] = [];
  if (!winners.has(eid)) return durable;
  for (const { id } of await rows.list('links', {})) {
    const [bag] = await rows.list('bags', holderSpan(id, eid, 1));
    const key = [id, eid, WINNER];
    const queued = await rows.count('outbox', { index: 'message', lower: { key }, upper: { key } });
    durable.push({ link: id, stored: bag?.seq ?? null, waiting: queued > 0 });
  }
  return durable;
}
