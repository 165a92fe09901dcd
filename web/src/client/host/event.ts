// What a session hears and what it asks for. The driver does the asking, and understands none of it.

import type { Report } from './report.ts';

/** Why a call brought no answer. Nothing in it names an address, a token or anything that was sent. */
export type Failure =
  /** The host was not reached, or the connection broke. */
  | { type: 'unreachable'; text: string }
  /** Nothing moved for too long. */
  | { type: 'silent' }
  /** An HTTP status other than success. */
  | { type: 'http'; status: number }
  /** The answer is longer than any right one could be, which is so many bytes. */
  | { type: 'too_large'; bytesMax: number };

/** The same for people. */
export function failureText(failure: Failure): string {
  switch (failure.type) {
    case 'unreachable':
      return `the host cannot be reached: ${failure.text}`;
    case 'silent':
      return 'the host does not answer';
    case 'http':
      return `the host answered with HTTP status ${failure.status}: is it a Seabag host?`;
    case 'too_large':
      return `the host's answer is longer than ${failure.bytesMax} bytes`;
  }
}

/** An answer's body, or why there is none. */
export type CallResult = { ok: true; body: Uint8Array } | { ok: false; failure: Failure };

/** What happens to a session. */
export type Event =
  /** It may begin. */
  | { type: 'start' }
  /** A call was answered, or failed. */
  | { type: 'response'; call: number; result: CallResult }
  /** The notices are open: what is stored from now on will be heard. */
  | { type: 'notices_opened' }
  /** A frame of notices. */
  | { type: 'notice'; frame: Uint8Array }
  /** Frames came that there was no room for. */
  | { type: 'notices_lost' }
  /** The notices are closed, or could not be opened. */
  | { type: 'notices_closed' }
  /** Something was written here. */
  | { type: 'local_write' }
  /** The time that the session asked to be woken at has come. */
  | { type: 'wake' }
  /** The network may be back: no need to wait longer. */
  | { type: 'online' }
  /** Look at every bag of the host, and mend what is damaged. */
  | { type: 'audit' }
  /** Remove the account from the host, with all its bags. */
  | { type: 'delete_account' }
  /** It shall end. */
  | { type: 'stop' };

/** One request of a session. Never a second one before the first one's response. */
export interface CallAction {
  type: 'call';
  /** What the response names: tells a call from those before it. */
  call: number;
  /** Where to. */
  path: string;
  /** The whole body. */
  body: Uint8Array;
  /** Whether the token for registration goes along, if there is one. */
  token: boolean;
  /** The longest answer to read, bytes. */
  answerBytesMax: number;
}

/** What a session asks of its driver. */
export type Action =
  | CallAction
  /** Open the notices; what was open before is closed. The query of the address signs in: it is not for logs. */
  | { type: 'open_notices'; query: string }
  /** Close the notices. */
  | { type: 'close_notices' }
  /** Wake the session at this time, milliseconds since 1970, and at no time asked for before. */
  | { type: 'wake_at'; atMs: number }
  /** Something that someone may want to know. */
  | { type: 'report'; report: Report };
