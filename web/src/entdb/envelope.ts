// The envelope: the MessagePack map that a message's body is, with an entity's content, type, group and parent. Written
// in one form; read in any order, with keys missing or unknown.

import { equalBytes } from '../protocol/host/bytes.ts';
import { type Eid, eidFromBytes, eidToBytes } from '../protocol/host/eid.ts';
import { MsgpackError } from './msgpack.ts';
import { MsgpackReader } from './msgpack_reader.ts';
import { MsgpackWriter } from './msgpack_writer.ts';

/** What an envelope says. */
export interface Envelope {
  /** The entity's type. */
  readonly type: string;
  /** The entity that it belongs to. */
  readonly parent: Eid | undefined;
  /** The group that it is in. */
  readonly group: string | undefined;
  /** Its content. */
  readonly body: unknown;
  /** Whether {@link encodeEnvelope} gives the same bytes. */
  readonly exact: boolean;
}

/** Why an envelope is set aside, for people. */
export interface Unreadable {
  readonly reason: string;
}

/** How envelopes are read: a later version may understand more, and then tries again what was set aside. */
export interface EnvelopeReader {
  /** Greater than that of every reader that understands less. */
  readonly version: number;
  /** Reads one. */
  readonly read: (bytes: Uint8Array) => Envelope | Unreadable;
}

/** The one of this program. Whoever makes {@link readEnvelope} understand more counts it up. */
export const CURRENT_READER: EnvelopeReader = { version: 1, read: readEnvelope };

/**
 * An envelope's bytes, in the form that every device writes: body, type, gid, pid, with nil for what is not there.
 * `MsgpackError` for a body that cannot be written, `StatusError` for a parent that is no id.
 */
export function encodeEnvelope(
  type: string,
  parent: Eid | undefined,
  group: string | undefined,
  body: unknown,
): Uint8Array<ArrayBuffer> {
  const out = new MsgpackWriter().smallMap(4).text('body').value(body);
  return writeRest(out, type, parent, group).finish();
}

/** Reads an envelope. Of a key that comes twice the last one counts, as in the other clients. */
export function readEnvelope(bytes: Uint8Array): Envelope | Unreadable {
  try {
    return read(bytes);
  } catch (error) {
    if (error instanceof MsgpackError)
      return { reason: `the body is not whole MessagePack: ${error.message}` };
    throw error;
  }
}

function writeRest(
  out: MsgpackWriter,
  type: string,
  parent: Eid | undefined,
  group: string | undefined,
): MsgpackWriter {
  out.text('type').text(type).text('gid').value(group).text('pid');
  return parent === undefined ? out.value(null) : out.binary(eidToBytes(parent));
}

function read(bytes: Uint8Array): Envelope | Unreadable {
  const reader = new MsgpackReader(bytes);
  const count = reader.enterMap();
  if (count === null) return { reason: 'the body is not a map' };
  const parts: Parts = {};
  for (let index = 0; index < count; index += 1) {
    const problem = readPart(reader, parts);
    if (problem !== null) parts.problem ??= problem;
  }
  if (!reader.isEmpty) return { reason: "bytes follow the body's end" };
  if (parts.problem !== undefined) return { reason: parts.problem };
  if (parts.body === undefined) return { reason: 'there is no content' };
  if (parts.type === undefined) return { reason: 'there is no type' };
  if (parts.type === null) return { reason: 'the type is not text' };
  if (parts.group === null) return { reason: 'the group is not text' };
  if (parts.parent === null) return { reason: "the parent is not an entity's id" };
  const { type, group, parent, body } = parts;
  return { type, group, parent, body: body.value, exact: isExact(bytes, type, group, parent, body) };
}

interface Parts {
  // Null: it is there, and not of its kind. The content may be anything.
  type?: string | null;
  group?: string | null | undefined;
  parent?: Eid | null | undefined;
  body?: Content;
  problem?: string;
}

interface Content {
  readonly value: unknown;
  /** Where it ends. */
  readonly end: number;
  readonly start: number;
  readonly exact: boolean;
}

function readPart(reader: MsgpackReader, parts: Parts): string | null {
  const key = reader.text();
  const start = reader.position;
  const isNil = reader.next === 0xc0;
  reader.exact = true;
  switch (key) {
    case 'type':
      parts.type = reader.text();
      break;
    case 'gid': {
      const group = reader.text();
      parts.group = isNil ? undefined : group;
      break;
    }
    case 'pid':
      parts.parent = isNil ? skip(reader) : readId(reader.value());
      break;
    case 'body': {
      const value = reader.value();
      parts.body = { value, start, end: reader.position, exact: reader.exact };
      break;
    }
    default:
      skip(reader);
  }
  return key === null ? 'a key is not text' : null;
}

function skip(reader: MsgpackReader): undefined {
  reader.value();
  return undefined;
}

function readId(value: unknown): Eid | null {
  if (!(value instanceof Uint8Array)) return null;
  try {
    return eidFromBytes(value);
  } catch {
    return null;
  }
}

/** For what is compared and thrown away: a thousand messages need no thousand buffers. */
const scratch = new MsgpackWriter();

/** Bytes before the content in the form that is written: a map of four, and its first key. */
const START = new MsgpackWriter().smallMap(4).text('body').finish();

function isExact(
  bytes: Uint8Array,
  type: string,
  group: string | undefined,
  parent: Eid | undefined,
  body: Content,
): boolean {
  if (!body.exact || !equalBytes(bytes.subarray(0, body.start), START)) return false;
  const rest = writeRest(scratch.reset(), type, parent, group).view();
  return equalBytes(bytes.subarray(body.end), rest);
}
