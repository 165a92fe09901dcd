// Rows of many entities at once. Those that are neighbours in the order of their ids are asked for as one span: a browser
// answers one question about a thousand rows far sooner than a thousand questions. Whether they are, only a look tells.

import type { Eid } from '../protocol/host/eid.ts';
import type { LinkId } from './link.ts';
import { type EntRow, type HeldBag, WINNER } from './storage/rows.ts';
import { type Key, LAST, prefix, type Reading, type Span, type Tables } from './storage/storage.ts';

/** Fewer than these are always asked for one by one. */
const FEW = 16;
/** So many times as many rows may lie from the first to the last; where there are more, that look was in vain. */
const SPAN_FACTOR = 2;

/** How an entity's rows are found. `near`: they may well be neighbours, since a walk or a queue named them. */
export interface Asking {
  readonly near?: boolean;
}

/** The index of a table in which a link's rows of an entity stand beside each other. */
const INDEXES = { bags: 'held', outbox: 'message' } as const;

/** The rows of these entities that are here, in any order. */
export async function entRows(
  rows: Reading,
  eids: readonly Eid[],
  { near = false }: Asking,
): Promise<EntRow[]> {
  const span = near ? spanOf(eids, (eid) => eid) : undefined;
  const found = await within(rows, 'entities', span);
  if (found !== undefined) {
    const wanted = new Set(eids);
    return found.filter((row) => wanted.has(row.eid));
  }
  return (await rows.get('entities', eids)).filter((row) => row !== undefined);
}

/** A link's rows of these entities, and maybe of others, in any order. */
export async function linkRows<T extends 'bags' | 'outbox'>(
  rows: Reading,
  table: T,
  link: LinkId,
  eids: readonly Eid[],
  { near = false }: Asking,
): Promise<Tables[T][]> {
  const index = INDEXES[table];
  const span = near ? spanOf(eids, (eid, end) => [link, eid, ...end]) : undefined;
  const found = await within(rows, table, span && { ...span, index });
  if (found !== undefined) return found;
  const spans = eids.map((eid) => prefix(index, [link, eid]));
  return (await rows.lists(table, spans)).flat();
}

/**
 * What a link's numbers hold of these entities, and maybe of others, in any order. Of entities without anything that is
 * set aside only the winner can be held, so that the keys say it all.
 */
export async function heldRows(
  rows: Reading,
  link: LinkId,
  eids: readonly Eid[],
  asking: Asking & { readonly hasAsides: (eid: Eid) => boolean },
): Promise<HeldBag[]> {
  const whole = asking.near === true ? eids : eids.filter(asking.hasAsides);
  const single = asking.near === true ? [] : eids.filter((eid) => !asking.hasAsides(eid));
  const [found, keys] = await Promise.all([
    linkRows(rows, 'bags', link, whole, asking),
    rows.keys(
      'bags',
      single.map((eid) => {
        const key = [link, eid, WINNER];
        return { index: INDEXES.bags, lower: { key }, upper: { key } };
      }),
    ),
  ]);
  const held = found.filter((row) => 'held' in row);
  for (const [at, eid] of single.entries())
    for (const [, seq] of keys[at] ?? [])
      if (typeof seq === 'number') held.push({ link, seq, held: eid, which: WINNER });
  return held;
}

/** From the first of these to the last, unless they are few. */
function spanOf(
  eids: readonly Eid[],
  key: (eid: Eid, end: readonly (readonly [])[]) => Key,
): (Span & { limit: number }) | undefined {
  if (eids.length < FEW) return undefined;
  const [first, last] = eids.reduce(
    ([least, most], eid) => [eid < least ? eid : least, eid > most ? eid : most],
    [eids[0] ?? '', ''],
  );
  const [lower, upper] = [{ key: key(first, []) }, { key: key(last, [LAST]) }];
  return { lower, upper, limit: SPAN_FACTOR * eids.length };
}

/** All rows of a span, unless there are too many. */
async function within<T extends 'entities' | 'bags' | 'outbox'>(
  rows: Reading,
  table: T,
  span: (Span & { limit: number }) | undefined,
): Promise<Tables[T][] | undefined> {
  if (span === undefined) return undefined;
  const found = await rows.list(table, span);
  return found.length < span.limit ? found : undefined;
}
