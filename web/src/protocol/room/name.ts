// The names of things in a room: ids, addresses, cursors. Each is read once at the border and trusted after.
// Room ids are secrets: no error here repeats what it was given.

import { RoomError } from '../error.ts';

/** Where a reader stands: everything up to `seq`, in the history that `epoch` belongs to. Null: before all history. */
export interface Cursor {
  readonly epoch: string | null;
  readonly seq: number;
}

/** Before all history. */
export const CURSOR_START: Cursor = { epoch: null, seq: 0 };

const EPOCH = /^[A-Za-z0-9_-]{1,32}$/;
const CLIENT = /^[A-Za-z0-9_-]{16,64}$/;
/** 22 of base64url carry the 128 bits that make an id unguessable. The dot cannot occur in a room id. */
const ADDRESS = /^(?:[A-Za-z0-9_-]{22,64}|ro\.[A-Za-z0-9_-]{22})$/;
const ROOM_URL = /^(https?|wss?):\/\/([^\s?#]+)\/room\/([^/?#\s]+)(?:\/(?:connect|send))?\/?(?:[?#].*)?$/;
const CLIENT_BYTES = 16;

/** Whether a text is an epoch. */
export function isEpoch(text: string): boolean {
  return EPOCH.test(text);
}

/** Whether a text can be a room id or a read-only id. */
export function isRoomAddress(text: string): boolean {
  return ADDRESS.test(text);
}

/** Whether a room id lets its holder only read. */
export function isReadOnlyAddress(text: string): boolean {
  return text.startsWith('ro.');
}

/** Writes `{epoch}.{seq}`, or `0` for the start. */
export function formatCursor(cursor: Cursor): string {
  return cursor.epoch === null ? '0' : `${cursor.epoch}.${cursor.seq}`;
}

/** Reads `{epoch}.{seq}` or `0`. Anything else is `bad_parameter`. */
export function parseCursor(text: string): Cursor {
  if (text === '0') return CURSOR_START;
  const [epoch = '', digits = '', ...rest] = text.split('.');
  const seq = /^\d+$/.test(digits) ? Number(digits) : Number.NaN;
  if (!isEpoch(epoch) || !Number.isSafeInteger(seq) || rest.length > 0) {
    throw new RoomError('bad_parameter', 'a cursor is 0 or {epoch}.{seq}');
  }
  return { epoch, seq };
}

/** Checks a client id: 16 to 64 of `A-Za-z0-9_-`, else `bad_parameter`. */
export function checkClient(text: string): string {
  if (CLIENT.test(text)) return text;
  throw new RoomError('bad_parameter', 'a client is 16 to 64 of A-Z a-z 0-9 _ -');
}

/** A fresh client id: 128 random bits as hex digits. */
export function randomClient(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(CLIENT_BYTES));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}

/**
 * Where the push ids of an outbox in memory begin: a client that was used before must not use an id again, or the push
 * would count as stored already. Microseconds since 1970 are above all ids that it can have used by then.
 */
export function firstId(client: string | undefined, nowMs: number): number {
  return client === undefined ? 0 : Math.floor(nowMs) * 1_000;
}

/** A room on a server. Both parts are in its URL; the id is a secret. */
export interface RoomLink {
  /** The server's URL without a slash at its end, `http` or `https`. */
  readonly server: string;
  /** The room id or the read-only id. */
  readonly room: string;
}

/** Reads a room's URL of any kind: its page, `http_url` or `socket_url`. Else `bad_parameter`. */
export function parseRoomUrl(text: string): RoomLink {
  const [, scheme = '', base, room = ''] = ROOM_URL.exec(text.trim()) ?? [];
  if (base === undefined || !isRoomAddress(room)) {
    throw new RoomError('bad_parameter', 'this URL names no room: http(s)://{server}/room/{id} does');
  }
  return { server: `${scheme.replace('ws', 'http')}://${base}`, room };
}

/** The room's HTTP URL. */
export function roomUrl(link: RoomLink, path = ''): string {
  return `${link.server}/room/${link.room}${path}`;
}

/** The room's WebSocket URL. */
export function socketUrl(link: RoomLink, query: string): string {
  return `ws${roomUrl(link, '/connect').slice('http'.length)}${query && '?'}${query}`;
}
