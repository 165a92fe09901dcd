// A walk through all messages, in steps that may be days apart: entities, ends of entities, then what is set aside. A
// place on the way is text: the part, and the key of the last row of it that was seen.

import type { Eid } from '../protocol/host/eid.ts';
import type { Message } from '../protocol/host/message.ts';
import { DatabaseError } from './error.ts';
import { PAGE_LIMIT_MAX } from './query.ts';
import { type Which, WINNER } from './storage/rows.ts';
import type { Key, Part as KeyPart, Reading, Span } from './storage/storage.ts';
import { loggedMessage, type Winner, winnerMessage } from './winner.ts';
import { checkEid } from './write.ts';

/** Some of all the messages that are here. */
export interface MessagePage {
  /** The messages. */
  readonly messages: Message[];
  /** Where to go on; null at the end. */
  readonly next: string | null;
}

/** One message on the way. */
export interface Step {
  readonly eid: Eid;
  readonly which: Which;
  /** The place behind it. */
  readonly place: string;
}

/** The place behind everything. */
const END = 'end';
const PARTS = ['entities', 'tombstones', 'log'] as const;

type Part = (typeof PARTS)[number];

/** What is found of a part in a span. */
type Look<T extends Step> = (rows: Reading, part: Part, span: Span) => Promise<T[]>;

/** All messages, page by page. */
export async function messages(rows: Reading, after: string | null, limit: number): Promise<MessagePage> {
  const { steps, next } = await walk(rows, after, limit, wholeSteps);
  return { messages: steps.map((step) => step.message), next: next === END ? null : next };
}

/** The names of the next messages, `limit` at most, and the place behind them, which is `end` at the end. */
export function names(
  rows: Reading,
  from: string | null,
  limit: number,
): Promise<{ steps: Step[]; next: string }> {
  return walk(rows, from, limit, nameSteps);
}

async function walk<T extends Step>(
  rows: Reading,
  from: string | null,
  limit: number,
  look: Look<T>,
): Promise<{ steps: T[]; next: string }> {
  const most = Math.min(Math.max(Math.floor(limit), 1), PAGE_LIMIT_MAX);
  let { part, key } = readPlace(from);
  const steps: T[] = [];
  while (part !== null && steps.length < most) {
    steps.push(...(await look(rows, part, spanBehind(key, most - steps.length))));
    if (steps.length >= most) break;
    part = PARTS[PARTS.indexOf(part) + 1] ?? null;
    key = null;
  }
  return { steps, next: part === null ? END : (steps.at(-1)?.place ?? END) };
}

function spanBehind(key: Key | null, limit: number): Span {
  return key === null ? { limit } : { lower: { key, open: true }, limit };
}

async function nameSteps(rows: Reading, part: Part, span: Span): Promise<Step[]> {
  const [keys = []] = await rows.keys(part, [span]);
  return keys.map((key) => {
    const [eid, , , hash] = key;
    return { eid: String(eid), which: part === 'log' ? String(hash) : WINNER, place: placeText(part, key) };
  });
}

async function wholeSteps(rows: Reading, part: Part, span: Span): Promise<(Step & { message: Message })[]> {
  const step = (eid: Eid, which: Which, message: Message, key: readonly KeyPart[]) => ({
    eid,
    which,
    message,
    place: placeText(part, key),
  });
  if (part === 'log') {
    return (await rows.list(part, span)).map((row) =>
      step(row.eid, row.hash, loggedMessage(row), [row.eid, row.off, row.ctr, row.hash]),
    );
  }
  const winners: Winner[] =
    part === 'entities'
      ? (await rows.list(part, span)).map((row) => ({ type: 'ent', row }))
      : (await rows.list(part, span)).map((row) => ({ type: 'tombstone', row }));
  return winners.map((winner) => step(winner.row.eid, WINNER, winnerMessage(winner), [winner.row.eid]));
}

function placeText(part: Part, key: readonly KeyPart[]): string {
  return [part, ...key].join('.');
}

/** A null part is behind everything. */
function readPlace(text: string | null): { part: Part | null; key: Key | null } {
  if (text === null) return { part: 'entities', key: null };
  if (text === END) return { part: null, key: null };
  const [name, eid = '', off, ctr, hash] = text.split('.');
  const part = PARTS.find((known) => known === name);
  if (part === undefined)
    throw new DatabaseError('invalid_cursor', 'this is not a place that was handed out');
  checkEid(eid, 'invalid_cursor');
  if (part !== 'log') return { part, key: eid };
  const [offset, counter] = [Number(off), Number(ctr)];
  if (hash === undefined || !Number.isSafeInteger(offset) || !Number.isSafeInteger(counter))
    throw new DatabaseError('invalid_cursor', 'this is not a place that was handed out');
  return { part, key: [eid, offset, counter, hash] };
}
