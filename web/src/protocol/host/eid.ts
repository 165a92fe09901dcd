// The id of an entity: bytes of its own and the time of its creation. In this package it is text everywhere, the
// base64url of its encoded bytes: those are its identity, so that an unusual encoding of the same parts is another
// entity, as it is for the other clients.

import { compareBytes, Reader, utf8, Writer } from './bytes.ts';
import { Status, StatusError } from './status.ts';
import { decodeBase64Url, encodeBase64Url } from './text.ts';

/** An entity's id: base64url without padding, 20 characters as a rule. */
export type Eid = string;

/** What an id is made of. */
export interface EidParts {
  /** The bytes that are its own. */
  id: Uint8Array;
  /** When the entity was created, milliseconds since 1970. May be beyond {@link TIME_MS_MAX} in what others sent. */
  createdMs: number;
}

/** The greatest time that is accepted, milliseconds since 1970: the last one that a JavaScript date can hold. */
export const TIME_MS_MAX = 8_640_000_000_000_000;

/** Random bytes of a new id. */
export const EID_RANDOM_BYTES = 8;

/**
 * The id of an entity that is created now, milliseconds since 1970. `InvalidParam` when there are not eight random
 * bytes, or for a time that is no whole number from 0 to {@link TIME_MS_MAX}.
 */
export function newEid(random: Uint8Array, nowMs: number): Eid {
  if (random.length !== EID_RANDOM_BYTES || !(nowMs <= TIME_MS_MAX))
    throw new StatusError(Status.InvalidParam);
  return makeEid(random, nowMs);
}

/** The id of these bytes and this time; `InvalidParam` and `VarLimitExceeded` as {@link Writer.varint}. */
export function makeEid(id: Uint8Array, createdMs: number): Eid {
  return encodeBase64Url(new Writer(id.length + 16).varBytes(id).varint(createdMs).finish());
}

/** The id of the one entity of a type that has just one: it is found without being looked for. */
export function singletonEid(type: string): Eid {
  return makeEid(new Writer().varBytes(utf8(type)).finish(), 0);
}

/**
 * The id that these bytes are. Bytes after its end are kept, and make it another id. `InvalidMessage`, `OutOfBounds`
 * or `VarLimitExceeded` when they are no id.
 */
export function eidFromBytes(bytes: Uint8Array): Eid {
  readParts(bytes);
  return encodeBase64Url(bytes);
}

/** The encoded id. `InvalidParam` for text that is no base64url. */
export function eidToBytes(eid: Eid): Uint8Array<ArrayBuffer> {
  return decodeBase64Url(eid);
}

/** Reads an id that someone typed or stored: as {@link eidFromBytes}, and `InvalidParam` for other text. */
export function parseEid(text: string): Eid {
  return eidFromBytes(decodeBase64Url(text));
}

/** What the id is made of; the errors of {@link parseEid}. */
export function eidParts(eid: Eid): EidParts {
  return readParts(decodeBase64Url(eid));
}

/** When the entity was created, milliseconds since 1970; the errors of {@link parseEid}. */
export function createdMsOf(eid: Eid): number {
  return eidParts(eid).createdMs;
}

/** The order of ids is that of their bytes, which is not that of their texts. */
export function compareEids(a: Eid, b: Eid): number {
  return a === b ? 0 : compareBytes(decodeBase64Url(a), decodeBase64Url(b));
}

function readParts(bytes: Uint8Array): EidParts {
  const reader = new Reader(bytes);
  return { id: reader.varBytes(), createdMs: reader.varint() };
}
