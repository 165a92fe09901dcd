// What goes wrong, in one shape: a code for programs, words for people. Never holds a secret: no room id, no URL, no value.

import { RETRY_MS_MAX } from './limits.ts';

/** Every error that this package makes. Decide by `code`; `message` is for people and may change. */
export class SeabagError extends Error {
  /** For programs: one of the protocol's codes (docs/rooms.md, docs/host.md), or one of this package's own. */
  readonly code: string;

  constructor(code: string, message: string) {
    super(message);
    this.name = 'SeabagError';
    this.code = code;
  }
}

/**
 * Why something in a room was not done.
 *
 * Codes of the server: docs/rooms.md, "Codes". Codes of this package: `offline` (a relay without a connection),
 * `queue_full` (too much waits already), `uncertain` (it may be stored or not, nobody can tell), `reset` (it meant a
 * history that the room does not have any more), `closed` (this connection was closed; also the server's code for a
 * room that takes no more pushes), `network` (no answer),
 * `refused` (an answer that is not the server's own: a proxy's, or another server's), `no_websocket` (there is none here).
 */
export class RoomError extends SeabagError {
  /** When trying again may help, milliseconds from now. */
  readonly retryMs?: number;

  constructor(code: string, message: string, retryMs?: number) {
    super(code, message);
    this.name = 'RoomError';
    if (retryMs !== undefined) this.retryMs = Math.min(retryMs, RETRY_MS_MAX);
  }
}

/** The error for bytes or text that are no message of the protocol. */
export function badMessage(message: string): RoomError {
  return new RoomError('bad_message', message);
}

/** The same promise, whose rejection may be left alone: what it tells is told elsewhere too, or nobody wants to know. */
export function quietly<Outcome>(promise: Promise<Outcome>): Promise<Outcome> {
  promise.catch(() => {});
  return promise;
}

/** What was thrown, as the one error type of rooms. */
export function asRoomError(error: unknown): RoomError {
  return error instanceof RoomError ? error : new RoomError('internal', String(error));
}
