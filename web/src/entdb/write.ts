// Local writes: the entity, its message and its place in every link's outbox are one transaction. A local write is
// greater than all that is here of its entity, whatever the clocks say.

import { createdMsOf, type Eid, parseEid, TIME_MS_MAX } from '../protocol/host/eid.ts';
import { makeHead } from '../protocol/host/message.ts';
import { StatusError } from '../protocol/host/status.ts';
import type { Draft, Ent, WriteOptions } from './ent.ts';
import { type Envelope, type EnvelopeReader, encodeEnvelope } from './envelope.ts';
import { DatabaseError } from './error.ts';
import { apply } from './merge.ts';
import { MsgpackError } from './msgpack.ts';
import type { Transaction } from './transaction.ts';
import { compareStamps, type Stamp, winnerEnt, winnerStamp } from './winner.ts';

/** The greatest counter that is written: the greatest whole number that every reader holds exactly. */
const COUNTER_MAX = Number.MAX_SAFE_INTEGER;

/** What is about to be written: an envelope's bytes, and what was read from them again. */
export interface Content {
  readonly raw: Uint8Array;
  readonly envelope: Envelope;
}

/**
 * The envelope of a draft. It is read again from its bytes, so that what is stored here is what every other device
 * reads, and nobody else holds any part of it.
 */
export function contentOf(draft: Draft, reader: EnvelopeReader): Content {
  const { type, parent, group, body } = draft;
  if (typeof type !== 'string' || !isWellFormed(type) || (group !== undefined && !isWellFormed(group)))
    throw new DatabaseError('invalid_draft', 'a type and a group are well-formed text');
  if (parent !== undefined) checkEid(parent, 'invalid_draft');
  const raw = encode(draft.type, parent, group, body);
  const envelope = reader.read(raw);
  if ('reason' in envelope) throw new DatabaseError('invalid_body', envelope.reason);
  return { raw, envelope };
}

function encode(type: string, parent: Eid | undefined, group: string | undefined, body: unknown): Uint8Array {
  try {
    return encodeEnvelope(type, parent, group, body);
  } catch (error) {
    if (error instanceof MsgpackError)
      throw new DatabaseError('invalid_body', `the body cannot be written: ${error.message}`);
    throw error;
  }
}

function isWellFormed(text: unknown): text is string {
  return typeof text === 'string' && !/\p{Surrogate}/u.test(text);
}

/** Fails unless a text is an id. */
export function checkEid(
  eid: Eid,
  code: 'invalid_id' | 'invalid_draft' | 'invalid_cursor' = 'invalid_id',
): void {
  try {
    parseEid(eid);
  } catch (error) {
    if (error instanceof StatusError) throw new DatabaseError(code, "this is not an entity's id");
    throw error;
  }
}

/** Creates an entity under an id that was never used. It was loaded. */
export function writeNew(transaction: Transaction, eid: Eid, nowMs: number, content: Content): Ent {
  const { winner, asides } = transaction.dossier(eid);
  if (winner !== undefined || asides.length > 0)
    throw new DatabaseError('already_exists', 'there is an entity of this id already');
  return writeEnt(transaction, eid, nowMs, content, {});
}

/** Writes an entity, old or new, that was loaded. */
export function writeEnt(
  transaction: Transaction,
  eid: Eid,
  nowMs: number,
  content: Content,
  options: WriteOptions,
): Ent {
  write(transaction, eid, nowMs, content, options);
  const ent = winnerEnt(transaction.dossier(eid).winner);
  if (ent === undefined) throw new DatabaseError('damaged', 'what was written is not there');
  return ent;
}

/** Ends an entity that was loaded. Whether there was one. */
export function endEnt(transaction: Transaction, eid: Eid, nowMs: number, options: WriteOptions): boolean {
  const { winner, asides } = transaction.dossier(eid);
  if (winner?.type !== 'ent' && asides.length === 0) return false;
  write(transaction, eid, nowMs, null, options);
  return true;
}

/** Writes a message that is greater than every other of its entity. */
function write(
  transaction: Transaction,
  eid: Eid,
  nowMs: number,
  content: Content | null,
  { skew = 'force' }: WriteOptions,
): void {
  const createdMs = createdMsOf(eid);
  if (!Number.isSafeInteger(nowMs) || nowMs < 0 || Math.max(nowMs, createdMs) > TIME_MS_MAX)
    throw outOfRange();
  const top = topStamp(transaction, eid);
  const latestMs = createdMs + (top?.offsetMs ?? 0);
  if (skew === 'fail' && latestMs > nowMs)
    throw new DatabaseError(
      'clock_out_of_sync',
      `the clock is behind: the entity was last written ${latestMs - nowMs} ms from now`,
    );
  const next = nextStamp(createdMs, nowMs, top);
  const head = makeHead(eid, next.offsetMs, next.counter, content?.raw ?? null);
  const outcome = apply(transaction, { type: 'message', head, createdMs, content }, 'here');
  if (outcome.type !== 'applied')
    throw new DatabaseError('damaged', 'a local write was not the greatest message of its entity');
}

/** The greatest of all that is here of an entity, readable or not. */
function topStamp(transaction: Transaction, eid: Eid): Stamp | undefined {
  const { winner, asides } = transaction.dossier(eid);
  const stamps: Stamp[] = asides.map((row) => ({ offsetMs: row.off, counter: row.ctr }));
  if (winner !== undefined) stamps.push(winnerStamp(winner));
  return stamps.sort(compareStamps).at(-1);
}

function nextStamp(createdMs: number, nowMs: number, top: Stamp | undefined): Stamp {
  if (top === undefined) return { offsetMs: Math.max(nowMs, createdMs) - createdMs, counter: 0 };
  const afterMs = Math.min(createdMs + top.offsetMs + 1, TIME_MS_MAX);
  const next = {
    offsetMs: Math.max(nowMs, afterMs) - createdMs,
    counter: Math.min(top.counter + 1, COUNTER_MAX),
  };
  if (compareStamps(next, top) <= 0) throw outOfRange();
  return next;
}

function outOfRange(): DatabaseError {
  return new DatabaseError('out_of_range', 'the time or the counter is past the range of messages');
}
