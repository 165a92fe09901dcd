// What a link is known to hold of many entities, and what waits of them: read at once where their ids lie together, as they
// do when everything is uploaded or compared; else one by one. It decides nothing.

import type { Eid } from '../protocol/host/eid.ts';
import type { LinkId } from './link.ts';
import type { HeldBag, OutboxRow } from './storage/rows.ts';
import { LAST, prefix, type Reading, type Table, type Tables } from './storage/storage.ts';

/** As few entities are asked for one by one. */
const TOGETHER_MIN = 16;
/** Rows between the first and the last id, for each of them, that are read to find theirs. */
const SPAN_FACTOR = 2;

/** The numbers of a link that hold messages of these entities. */
export async function heldOf(rows: Reading, link: LinkId, eids: readonly Eid[]): Promise<HeldBag[]> {
  const found = await rowsOf(rows, 'bags', 'held', link, eids);
  const wanted = new Set(eids);
  return found.flatMap((row) => ('held' in row && wanted.has(row.held) ? [row] : []));
}

/** What waits of these entities for a link. */
export async function queuedOf(rows: Reading, link: LinkId, eids: readonly Eid[]): Promise<OutboxRow[]> {
  const found = await rowsOf(rows, 'outbox', 'message', link, eids);
  const wanted = new Set(eids);
  return found.filter((row) => wanted.has(row.eid));
}

/** The rows of these entities, maybe with others. */
async function rowsOf<T extends Table>(
  rows: Reading,
  table: T,
  index: string,
  link: LinkId,
  eids: readonly Eid[],
): Promise<Tables[T][]> {
  const together = eids.length < TOGETHER_MIN ? null : await rowsBetween(rows, table, index, link, eids);
  if (together !== null) return together;
  const spans = eids.map((eid) => prefix(index, [link, eid]));
  return (await rows.lists(table, spans)).flat();
}

/** All from the first id to the last one; null: that is too much. */
async function rowsBetween<T extends Table>(
  rows: Reading,
  table: T,
  index: string,
  link: LinkId,
  eids: readonly Eid[],
): Promise<Tables[T][] | null> {
  // Texts are in the same order here as in the index.
  const sorted = [...eids].sort();
  const [first = '', last = ''] = [sorted[0], sorted.at(-1)];
  const limit = SPAN_FACTOR * eids.length;
  const bounds = { lower: { key: [link, first] }, upper: { key: [link, last, LAST] } };
  const found = await rows.list(table, { index, ...bounds, limit });
  return found.length < limit ? found : null;
}
