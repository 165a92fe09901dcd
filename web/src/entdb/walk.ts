// A walk through all messages, in steps that may be days apart: entities, ends of entities, then what is set aside. A
// place on the way is text: the part, and the key of the last row of it that was seen.

import type { Eid } from '../protocol/host/eid.ts';
import type { Message } from '../protocol/host/message.ts';
import { DatabaseError } from './error.ts';
import { PAGE_LIMIT_MAX } from './query.ts';
import { type Which, WINNER } from './storage/rows.ts';
import type { Key, Reading, Span } from './storage/storage.ts';
import { loggedMessage, winnerMessage } from './winner.ts';
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
  /** Made when it is asked for. */
  readonly message: () => Message;
  /** The place behind it. */
  readonly place: string;
}

/** The place behind everything. */
const END = 'end';
const PARTS = ['entities', 'tombstones', 'log'] as const;

type Part = (typeof PARTS)[number];

/** All messages, page by page. */
export async function messages(rows: Reading, after: string | null, limit: number): Promise<MessagePage> {
  const { steps, next } = await walk(rows, after, limit);
  return { messages: steps.map((step) => step.message()), next: next === END ? null : next };
}

/** The next messages, `limit` at most, and the place behind them, which is `end` at the end. */
export async function walk(
  rows: Reading,
  from: string | null,
  limit: number,
): Promise<{ steps: Step[]; next: string }> {
  const most = Math.min(Math.max(Math.floor(limit), 1), PAGE_LIMIT_MAX);
  let { part, key } = readPlace(from);
  const steps: Step[] = [];
  while (part !== null && steps.length < most) {
    steps.push(...(await PART_STEPS[part](rows, spanBehind(key, most - steps.length))));
    if (steps.length >= most) break;
    part = PARTS[PARTS.indexOf(part) + 1] ?? null;
    key = null;
  }
  return { steps, next: part === null ? END : (steps.at(-1)?.place ?? END) };
}

function spanBehind(key: Key | null, limit: number): Span {
  return key === null ? { limit } : { lower: { key, open: true }, limit };
}

const PART_STEPS: Record<Part, (rows: Reading, span: Span) => Promise<Step[]>> = {
  entities: async (rows, span) =>
    (await rows.list('entities', span)).map((row) => ({
      eid: row.eid,
      which: WINNER,
      message: () => winnerMessage({ type: 'ent', row }),
      place: placeText('entities', [row.eid]),
    })),
  tombstones: async (rows, span) =>
    (await rows.list('tombstones', span)).map((row) => ({
      eid: row.eid,
      which: WINNER,
      message: () => winnerMessage({ type: 'tombstone', row }),
      place: placeText('tombstones', [row.eid]),
    })),
  log: async (rows, span) =>
    (await rows.list('log', span)).map((row) => ({
      eid: row.eid,
      which: row.hash,
      message: () => loggedMessage(row),
      place: placeText('log', [row.eid, row.off, row.ctr, row.hash]),
    })),
};

function placeText(part: Part, key: readonly (string | number)[]): string {
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
