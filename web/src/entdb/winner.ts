// Rows and messages: what a message is as a row, and the message that a row is, byte for byte.

import { hashOf, type Message, type MessageHead, makeHead } from '../protocol/host/message.ts';
import { encodeHex } from '../protocol/host/text.ts';
import type { Ent } from './ent.ts';
import { type Envelope, encodeEnvelope } from './envelope.ts';
import type { EntRow, LogRow, TombstoneRow } from './storage/rows.ts';

/** The greatest message of an entity, of those that could be read. */
export type Winner =
  | { readonly type: 'ent'; readonly row: EntRow }
  | { readonly type: 'tombstone'; readonly row: TombstoneRow };

/** Offset and counter: the order of an entity's messages but for ties. */
export interface Stamp {
  readonly offsetMs: number;
  readonly counter: number;
}

/** Positive when `a` is the later. */
export function compareStamps(a: Stamp, b: Stamp): number {
  return a.offsetMs - b.offsetMs || a.counter - b.counter;
}

/** The row of a message whose body was read. */
export function entRow(head: MessageHead, createdMs: number, raw: Uint8Array, envelope: Envelope): EntRow {
  const row: EntRow = {
    bod: envelope.body,
    crd: new Date(createdMs),
    eid: head.eid,
    typ: envelope.type,
    upd: new Date(createdMs + head.offsetMs),
  };
  // What is not there is absent, so that the indexes of parents and groups hold only those that have one.
  if (head.counter > 0) row.ctr = head.counter;
  if (envelope.group !== undefined) row.gid = envelope.group;
  if (envelope.parent !== undefined) row.pid = envelope.parent;
  // A copy: a view would be stored with all that is around it.
  if (!envelope.exact) row.raw = new Uint8Array(raw);
  return row;
}

/** The row of an entity's end. */
export function tombstoneRow(head: MessageHead): TombstoneRow {
  return { eid: head.eid, off: head.offsetMs, ctr: head.counter };
}

/** The entity of a row. */
export function entOf(row: EntRow): Ent {
  return {
    eid: row.eid,
    type: row.typ,
    ...(row.pid === undefined ? {} : { parent: row.pid }),
    ...(row.gid === undefined ? {} : { group: row.gid }),
    createdMs: row.crd.getTime(),
    updatedMs: row.upd.getTime(),
    counter: row.ctr ?? 0,
    body: row.bod,
  };
}

/** The entity; undefined of an end. */
export function winnerEnt(winner: Winner | undefined): Ent | undefined {
  return winner?.type === 'ent' ? entOf(winner.row) : undefined;
}

/** When it was written, from the entity's creation on, and its counter. */
export function winnerStamp({ type, row }: Winner): Stamp {
  if (type === 'tombstone') return { offsetMs: row.off, counter: row.ctr };
  return { offsetMs: row.upd.getTime() - row.crd.getTime(), counter: row.ctr ?? 0 };
}

/** The message that it is. */
export function winnerMessage(winner: Winner): Message {
  const { offsetMs, counter } = winnerStamp(winner);
  const body = winner.type === 'ent' ? envelopeOf(winner.row) : null;
  return { head: makeHead(winner.row.eid, offsetMs, counter, body), body };
}

/** The message's identity, hexadecimal. */
export function winnerHash(winner: Winner): string {
  return headHash(winnerMessage(winner).head);
}

/** The message of a row of the log. */
export function loggedMessage(row: LogRow): Message {
  return { head: makeHead(row.eid, row.off, row.ctr, row.body), body: row.body };
}

/** A head's hash, hexadecimal. */
export function headHash(head: MessageHead): string {
  return encodeHex(hashOf(head));
}

/** Whether a message of the log is less than its entity's winner. */
export function isBelow(row: LogRow, winner: Winner): boolean {
  const order = compareStamps({ offsetMs: row.off, counter: row.ctr }, winnerStamp(winner));
  return order === 0 ? row.hash < winnerHash(winner) : order < 0;
}

function envelopeOf(row: EntRow): Uint8Array {
  return row.raw ?? encodeEnvelope(row.typ, row.pid, row.gid, row.bod);
}
