// Questions: which entities, in which order, how many at once.

import type { Eid } from '../protocol/host/eid.ts';
import type { Ent } from './ent.ts';
import { DatabaseError } from './error.ts';
import type { EntRow } from './storage/rows.ts';
import { prefix, type Reading, type Span } from './storage/storage.ts';
import { entOf } from './winner.ts';
import { checkEid } from './write.ts';

/** The most entities of one page; a greater limit means this one. */
export const PAGE_LIMIT_MAX = 10_000;

/** A time from and to, both ends included, milliseconds since 1970; a missing end is open. */
export interface TimeRange {
  readonly from?: number | undefined;
  readonly to?: number | undefined;
}

/** Which entities: those of a type for which all that is given holds. */
export interface Selection {
  /** Their type. */
  readonly type: string;
  /** The entity that they belong to. */
  readonly parent?: Eid | undefined;
  /** The group that they are in. */
  readonly group?: string | undefined;
  /** When they were created. */
  readonly created?: TimeRange | undefined;
  /** When they were last written. */
  readonly updated?: TimeRange | undefined;
}

/** What entities are ordered by, and among equals by the text of their id. */
export type Order = 'created' | 'updated' | 'id';

/** A question for entities. */
export interface Query extends Selection {
  /** `updated` if only a time of that is given, else `created`. */
  readonly order?: Order | undefined;
  /** From the greatest to the least. */
  readonly reverse?: boolean | undefined;
  /** How many at most; {@link PAGE_LIMIT_MAX} unless set, and at most. */
  readonly limit?: number | undefined;
  /** Only those behind this place: a page's `next`. It stays good when the entity there changes or goes. */
  readonly after?: string | undefined;
}

/** A page of entities. */
export interface Page {
  /** The entities, in order. */
  readonly ents: Ent[];
  /** Where the next page begins; null after the last one. */
  readonly next: string | null;
}

/** The greatest time, and less than the least, that a row can have. */
const DATE_MS_MAX = 8_640_000_000_000_000;

/** The place of an entity in an order. */
interface Place {
  readonly timeMs: number;
  readonly eid: Eid;
}

/** A query that was looked at: everything is set, and nothing is out of range. */
export interface CheckedQuery {
  readonly selection: Selection;
  readonly order: Order;
  readonly reverse: boolean;
  readonly limit: number;
  readonly after: Place | null;
}

/** Looks at a query; `invalid_query` or `invalid_cursor` for what cannot be asked. */
export function checkQuery(query: Query): CheckedQuery {
  const { limit = PAGE_LIMIT_MAX, after, reverse = false } = query;
  checkSelection(query);
  if (!Number.isInteger(limit) || limit < 0)
    throw new DatabaseError('invalid_query', 'a limit is a whole number');
  const order =
    query.order ?? (query.updated !== undefined && query.created === undefined ? 'updated' : 'created');
  return {
    selection: query,
    order,
    reverse,
    limit: Math.min(limit, PAGE_LIMIT_MAX),
    after: after === undefined ? null : readPlace(after),
  };
}

function checkSelection({ type, group, created, updated }: Selection): void {
  if (typeof type !== 'string' || (group !== undefined && typeof group !== 'string'))
    throw new DatabaseError('invalid_query', 'a type and a group are text');
  for (const time of [created?.from, created?.to, updated?.from, updated?.to])
    if (time !== undefined && (typeof time !== 'number' || Number.isNaN(time)))
      throw new DatabaseError('invalid_query', 'a time is a number of milliseconds');
}

/** Whether an entity is in a selection. */
export function matches(selection: Selection, ent: Ent): boolean {
  const { type, parent, group, created, updated } = selection;
  return (
    ent.type === type &&
    (parent === undefined || ent.parent === parent) &&
    (group === undefined || ent.group === group) &&
    isWithin(created, ent.createdMs) &&
    isWithin(updated, ent.updatedMs)
  );
}

function isWithin(range: TimeRange | undefined, timeMs: number): boolean {
  return (
    timeMs >= (range?.from ?? Number.NEGATIVE_INFINITY) && timeMs <= (range?.to ?? Number.POSITIVE_INFINITY)
  );
}

/** Negative when `a` comes before `b` in the order of the query. */
export function compareEnts({ order, reverse }: CheckedQuery, a: Ent, b: Ent): number {
  const ascending = comparePlaces(placeOf(order, a), placeOf(order, b));
  return reverse ? -ascending : ascending;
}

function comparePlaces(a: Place, b: Place): number {
  return a.timeMs - b.timeMs || (a.eid < b.eid ? -1 : a.eid > b.eid ? 1 : 0);
}

function placeOf(order: Order, ent: Ent): Place {
  const timeMs = order === 'created' ? ent.createdMs : order === 'updated' ? ent.updatedMs : 0;
  return { timeMs, eid: ent.eid };
}

/** Whether an entity is in the selection, and behind the place where the query begins. */
export function isAsked(query: CheckedQuery, ent: Ent): boolean {
  const { selection, order, reverse, after } = query;
  if (!matches(selection, ent)) return false;
  const distance = after === null ? 1 : comparePlaces(placeOf(order, ent), after);
  return after === null || (reverse ? distance < 0 : distance > 0);
}

/** A page of a query. */
export async function page(rows: Reading, query: CheckedQuery): Promise<Page> {
  // One more than asked for says whether there is a next page.
  const found = await ask(rows, query, query.limit + 1);
  const ents = found.slice(0, query.limit);
  const last = ents.at(-1);
  const next =
    found.length > query.limit && last !== undefined ? placeText(placeOf(query.order, last)) : null;
  return { ents, next };
}

/** How many entities a selection has. */
export async function count(rows: Reading, selection: Selection): Promise<number> {
  checkSelection(selection);
  const span = spanOf(selection, preferredIndex(selection));
  if (span === null) return 0;
  if (isWhole(selection, span)) return rows.count('entities', span);
  return (await rows.list('entities', span)).filter((row) => matches(selection, entOf(row))).length;
}

/** The types that have entities, in the order of their names, with how many each has. */
export async function types(rows: Reading): Promise<{ type: string; ents: number }[]> {
  const found: { type: string; ents: number }[] = [];
  let lower: Span['lower'];
  for (;;) {
    const [row] = await rows.list('entities', { index: 'created', lower, limit: 1 });
    if (row === undefined) return found;
    const all = prefix('created', [row.typ]);
    found.push({ type: row.typ, ents: await rows.count('entities', all) });
    lower = all.upper && { key: all.upper.key, open: true };
  }
}

async function ask(rows: Reading, query: CheckedQuery, limit: number): Promise<Ent[]> {
  const { selection, order, reverse, after } = query;
  const index = order === 'id' ? preferredIndex(selection) : orderedIndex(selection, order);
  const span = spanOf(selection, index);
  if (span === null || query.limit === 0) return [];
  if (isWhole(selection, span) && isOrdered(index, order)) {
    const place =
      after === null ? undefined : { key: keyAt(selection, index, after.timeMs), primary: after.eid };
    return (await rows.list('entities', { ...span, reverse, limit, after: place })).map(entOf);
  }
  // No index has this order: the whole of the best one is read and sorted.
  const ents = (await rows.list('entities', span)).map((row: EntRow) => entOf(row));
  const asked = ents.filter((ent) => isAsked(query, ent));
  return asked.sort((a, b) => compareEnts(query, a, b)).slice(0, limit);
}

type Index = 'created' | 'updated' | 'parent' | 'group';

/** The index that leaves the fewest rows. */
function preferredIndex({ parent, group, created, updated }: Selection): Index {
  if (parent !== undefined) return 'parent';
  if (group !== undefined) return 'group';
  return updated !== undefined && created === undefined ? 'updated' : 'created';
}

/** The index that has the order already, unless another leaves fewer rows. */
function orderedIndex(selection: Selection, order: 'created' | 'updated'): Index {
  const preferred = preferredIndex(selection);
  if (preferred === 'parent' || preferred === 'group') return preferred;
  const other = order === 'created' ? selection.updated : selection.created;
  return other === undefined || selection[order] !== undefined ? order : preferred;
}

/** Parents' and groups' indexes hold equal keys, in the order of ids. */
function isOrdered(index: Index, order: Order): boolean {
  return index === 'parent' || index === 'group' ? order === 'id' : order === index;
}

/** The rows of a selection in an index, maybe with others; null: there can be none. */
function spanOf(selection: Selection, index: Index): Span | null {
  const { type } = selection;
  if (index === 'parent' || index === 'group') {
    const key = keyAt(selection, index, 0);
    return { index, lower: { key }, upper: { key } };
  }
  const { from = Number.NEGATIVE_INFINITY, to = Number.POSITIVE_INFINITY } = selection[index] ?? {};
  const [least, most] = [Math.ceil(Math.max(from, 0)), Math.floor(Math.min(to, DATE_MS_MAX))];
  if (least > most) return null;
  return { index, lower: { key: [type, new Date(least)] }, upper: { key: [type, new Date(most)] } };
}

function keyAt(
  { type, parent = '', group = '' }: Selection,
  index: Index,
  timeMs: number,
): (string | Date)[] {
  if (index === 'parent') return [type, parent];
  return index === 'group' ? [type, group] : [type, new Date(timeMs)];
}

/** Whether every row of the span is in the selection. */
function isWhole({ parent, group, created, updated }: Selection, { index }: Span): boolean {
  const others = { parent, group, created, updated };
  return Object.entries(others).every(([name, asked]) => asked === undefined || name === index);
}

function placeText({ timeMs, eid }: Place): string {
  return `${timeMs.toString(16)}.${eid}`;
}

function readPlace(text: string): Place {
  const [time = '', eid = '', more] = text.split('.');
  const timeMs = Number.parseInt(time, 16);
  if (!/^[0-9a-f]{1,14}$/.test(time) || timeMs > DATE_MS_MAX || more !== undefined)
    throw new DatabaseError('invalid_cursor', 'this is not a cursor that was handed out');
  checkEid(eid, 'invalid_cursor');
  return { timeMs, eid };
}
