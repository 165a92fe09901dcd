// Messages whose body this version cannot read: kept as they are, and tried again by a later version.

import type { Eid } from '../protocol/host/eid.ts';
import { RECEIVE_MAX } from './link.ts';
import { apply, checkMessage, locate, renumber } from './merge.ts';
import type { SetAside } from './status.ts';
import type { LogRow } from './storage/rows.ts';
import type { Key, Reading } from './storage/storage.ts';
import type { Transaction } from './transaction.ts';
import { loggedMessage } from './winner.ts';

/** The messages that this version cannot read, by entity; the first thousand. */
export async function setAside(rows: Reading): Promise<SetAside[]> {
  const found = await rows.list('log', { limit: RECEIVE_MAX });
  return found.map((row) => ({ head: loggedMessage(row).head, reason: row.reason }));
}

/** The version of the reader that last tried what is set aside. */
export async function lastReader(rows: Reading): Promise<number> {
  const [row] = await rows.get('meta', ['reader']);
  return Number(row?.value ?? 0);
}

/** Tries the next of what is behind this key once more. The key of the last that was tried; null at the end. */
export async function tryAgain(transaction: Transaction, after: Key | null): Promise<Key | null> {
  const { version } = transaction.reader;
  const lower = after === null ? undefined : { key: after, open: true };
  const found = await transaction.rows.list('log', { lower, limit: RECEIVE_MAX });
  const last = found.at(-1);
  if (last === undefined) {
    transaction.setMeta({ name: 'reader', value: version });
    return null;
  }
  const rows = found.filter((row) => row.reader < version);
  await transaction.load(rows.map((row): Eid => row.eid));
  for (const row of rows) tryOne(transaction, row);
  return [last.eid, last.off, last.ctr, last.hash];
}

function tryOne(transaction: Transaction, row: LogRow): void {
  const dossier = transaction.dossier(row.eid);
  // One before it, of the same entity, superseded it.
  if (!dossier.asides.some((aside) => aside.hash === row.hash)) return;
  const { reader } = transaction;
  const envelope = reader.read(row.body);
  if ('reason' in envelope) {
    transaction.putLog(dossier, { ...row, reason: envelope.reason, reader: reader.version });
    return;
  }
  // It is merged as if it came now; then the links are told what it is called from now on.
  const message = loggedMessage(row);
  transaction.removeLog(dossier, row);
  apply(transaction, checkMessage(message, reader), 'aside');
  const now = locate(dossier, message.head);
  for (const link of transaction.links) {
    renumber(transaction, link.id, dossier, row.hash, now, false);
    // What a number holds need not wait.
    if (now !== undefined && transaction.holders(link.id, dossier, now).length > 0)
      transaction.unqueue(link.id, dossier, now);
  }
}
