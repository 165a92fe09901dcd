// What a server says of a room, and its reading from a decoded tree. Total: any tree gives a message or `bad_message`.

import { badMessage } from '../error.ts';
import { isEpoch } from './name.ts';

/** One entry of a key's stream. */
export interface StreamEntry {
  /** Its number in the room's one order. */
  readonly seq: number;
  /** Anything but null. */
  readonly value: unknown;
}

/** One entry of a room. */
export interface RoomEntry extends StreamEntry {
  readonly key: string;
}

/** One stream in a list of keys. */
export interface KeySummary {
  readonly key: string;
  /** Retained entries. */
  readonly size: number;
  /** Bytes of their values. */
  readonly bytes: number;
  /** The lowest number retained. */
  readonly first: number;
  /** The highest number retained. */
  readonly last: number;
}

/** What a server accepts. */
export interface RoomLimits {
  /** Most bytes of one message. */
  readonly messageBytes: number;
  /** Most bytes of one key. */
  readonly keyBytes: number;
  /** Most pushes of one connection a second; 0: unlimited. */
  readonly pushesPerSecond: number;
}

/** A server message (docs/rooms.md, "Server to client"), its fields named as in the rest of this package. */
export type ServerMessage =
  | {
      readonly type: 'hello';
      readonly epoch: string;
      readonly seq: number;
      readonly lastId: number | null;
      readonly readOnly: boolean;
      readonly closed: boolean;
      readonly limits: RoomLimits;
    }
  | {
      readonly type: 'reset';
      readonly reason: 'unknown_epoch' | 'ahead';
      readonly epoch: string;
      readonly seq: number;
    }
  /** `next` undefined: a part of catching up. Else where the next page goes on; null when there is none. */
  | {
      readonly type: 'entries';
      readonly data: readonly RoomEntry[];
      readonly next: number | null | undefined;
    }
  | { readonly type: 'live'; readonly seq: number }
  | { readonly type: 'push'; readonly key: string; readonly seq: number; readonly value: unknown }
  | {
      readonly type: 'ack';
      readonly id: number | null;
      readonly seq: number | null;
      readonly size: number;
      readonly stale: boolean;
      readonly repeat: boolean;
    }
  | { readonly type: 'init'; readonly key: string; readonly data: readonly StreamEntry[] }
  | { readonly type: 'stream_size'; readonly key: string; readonly size: number }
  | { readonly type: 'keys'; readonly data: readonly KeySummary[]; readonly next: string | null }
  | { readonly type: 'trimmed'; readonly key: string; readonly seq: number; readonly size: number }
  | { readonly type: 'pong'; readonly nonce: number | null }
  | ServerRefusal;

/** A refusal. `id` and `key` name the push, where they could be read. */
export interface ServerRefusal {
  readonly type: 'error';
  readonly code: string;
  readonly message: string;
  readonly id: number | null;
  readonly key: string | null;
  readonly retryMs: number | undefined;
}

type Fields = Readonly<Record<string, unknown>>;

/** Reads a message from what JSON or CBOR held. Throws `bad_message`. */
export function readServerMessage(tree: unknown): ServerMessage {
  const fields = object(tree, 'the message');
  const type = text(fields, 'type');
  switch (type) {
    case 'hello':
      return readHello(fields);
    case 'reset': {
      const reason = text(fields, 'reason') === 'ahead' ? 'ahead' : 'unknown_epoch';
      return { type, reason, epoch: epoch(fields), seq: number(fields, 'seq') };
    }
    case 'entries': {
      const next = fields.next === undefined ? undefined : optionalNumber(fields, 'next');
      return { type, data: list(fields, readRoomEntry), next };
    }
    case 'live':
      return { type, seq: number(fields, 'seq') };
    case 'push':
      return { type, ...readRoomEntry(fields) };
    case 'ack':
      return readAck(fields);
    case 'init':
      return { type, key: text(fields, 'key'), data: list(fields, readStreamEntry) };
    case 'stream_size':
      return { type, key: text(fields, 'key'), size: number(fields, 'size') };
    case 'keys':
      return { type, data: list(fields, readSummary), next: optionalText(fields, 'next') };
    case 'trimmed':
      return { type, key: text(fields, 'key'), seq: number(fields, 'seq'), size: number(fields, 'size') };
    case 'pong':
      return { type, nonce: optionalNumber(fields, 'nonce') };
    case 'error':
      return readRefusal(fields);
    default:
      throw badMessage('unknown type');
  }
}

/** Reads an acknowledgement, also from an HTTP answer. */
export function readAck(fields: Fields): ServerMessage & { type: 'ack' } {
  return {
    type: 'ack',
    id: optionalNumber(fields, 'id'),
    seq: optionalNumber(fields, 'seq'),
    size: number(fields, 'size'),
    stale: flag(fields, 'stale'),
    repeat: flag(fields, 'repeat'),
  };
}

/** Reads a refusal, also from the body of an HTTP answer. */
export function readRefusal(fields: Fields): ServerRefusal {
  return {
    type: 'error',
    code: optionalText(fields, 'code') ?? 'bad_message',
    message: text(fields, 'message'),
    id: optionalNumber(fields, 'id'),
    key: optionalText(fields, 'key'),
    retryMs: optionalNumber(fields, 'retry_ms') ?? undefined,
  };
}

function readHello(fields: Fields): ServerMessage {
  const limits = object(fields.limits, 'limits');
  return {
    type: 'hello',
    epoch: epoch(fields),
    seq: number(fields, 'seq'),
    lastId: optionalNumber(fields, 'last_id'),
    readOnly: flag(fields, 'read_only'),
    closed: flag(fields, 'closed'),
    limits: {
      messageBytes: number(limits, 'message_bytes'),
      keyBytes: number(limits, 'key_bytes'),
      pushesPerSecond: number(limits, 'pushes_per_second'),
    },
  };
}

/** Reads an entry of a room. */
export function readRoomEntry(fields: Fields): RoomEntry {
  return { key: text(fields, 'key'), ...readStreamEntry(fields) };
}

function readStreamEntry(fields: Fields): StreamEntry {
  if (fields.value === undefined || fields.value === null) throw badMessage('the field value is missing');
  return { seq: number(fields, 'seq'), value: fields.value };
}

function readSummary(fields: Fields): KeySummary {
  return {
    key: text(fields, 'key'),
    size: number(fields, 'size'),
    bytes: number(fields, 'bytes'),
    first: number(fields, 'first'),
    last: number(fields, 'last'),
  };
}

/** Takes a tree for an object with fields. */
export function object(tree: unknown, what: string): Fields {
  const isObject = typeof tree === 'object' && tree !== null && !Array.isArray(tree);
  if (!isObject) throw badMessage(`${what} is not an object`);
  return tree as Fields;
}

/** Reads a list of objects in the field `data`. */
export function list<Item>(fields: Fields, read: (fields: Fields) => Item): readonly Item[] {
  if (!Array.isArray(fields.data)) throw wrong('data');
  return fields.data.map((item) => read(object(item, 'an item')));
}

/** Reads a text. */
export function text(fields: Fields, name: string): string {
  const field = fields[name];
  if (typeof field !== 'string') throw wrong(name);
  return field;
}

/** Reads a whole number from 0 to 2^53 - 1. */
export function number(fields: Fields, name: string): number {
  const field = fields[name];
  if (typeof field !== 'number' || !Number.isSafeInteger(field) || field < 0) throw wrong(name);
  return field;
}

/** Reads a number, or null where it is null or absent. */
export function optionalNumber(fields: Fields, name: string): number | null {
  return (fields[name] ?? null) === null ? null : number(fields, name);
}

/** Reads a text, or null where it is null or absent. */
export function optionalText(fields: Fields, name: string): string | null {
  return (fields[name] ?? null) === null ? null : text(fields, name);
}

function flag(fields: Fields, name: string): boolean {
  const field = fields[name] ?? false;
  if (typeof field !== 'boolean') throw wrong(name);
  return field;
}

function epoch(fields: Fields): string {
  const field = text(fields, 'epoch');
  if (!isEpoch(field)) throw wrong('epoch');
  return field;
}

function wrong(name: string): Error {
  return badMessage(`the field ${name} is missing or wrong`);
}
