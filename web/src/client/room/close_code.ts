// What the end of a connection means for the next one (docs/rooms.md, "Codes").

import { RoomError } from '../../protocol/error.ts';

/** Codes of the server's errors that announce the end of the connection. What they are about is not settled by them. */
const FAREWELLS = new Set([
  'rate_limited',
  'unavailable',
  'going_away',
  'slow_reader',
  'silent_peer',
  'replaced',
  'room_deleted',
  'room_expired',
  'too_large',
]);

/** Those that another attempt would only meet again: an end in order, and what peers do not understand of each other. */
const FINAL = new Set([1000, 1002, 1003, 1007, 1008, 1010]);

/** Close code of a message that was too large: that one is not sent again. */
export const CLOSE_TOO_LARGE = 1009;

/** Whether an error with this code is followed by the end of the connection. */
export function announcesEnd(code: string): boolean {
  return FAREWELLS.has(code);
}

/** Whether to connect again: 4100 to 4499 yes, 4500 to 4999 no; those of no rule come from proxies and pass. */
export function connectsAgain(close: number): boolean {
  return !FINAL.has(close) && !(close >= 4500 && close <= 4999);
}

/** Whether everybody was sent away at once, so that each comes back at a random time. */
export function sentEverybodyAway(close: number): boolean {
  return close === 1001 || close === 1012;
}

/** What a close says: the server's reason is a code and perhaps ` retry_ms=…`. */
export function readClose(close: number, reason: string): RoomError {
  const [, code = close === 1000 ? 'closed' : 'network', retry] = /^([a-z_]+)(?: retry_ms=(\d{1,9}))?$/.exec(reason) ?? [];
  return new RoomError(
    code,
    `the connection ended (${close})`,
    retry === undefined ? undefined : Number(retry),
  );
}
