// What can go wrong with the database itself, each with a code. What is wrong with a message is an outcome, not an
// error. No error holds a body, an id or a key.

import { SeabagError } from '../protocol/error.ts';

/** What a call of the database can fail with. */
export type DatabaseErrorCode =
  /** The disk, or what the browser grants this origin of it, is full. Nothing of the call was written. */
  | 'storage_full'
  /** There is no IndexedDB here, or the browser refuses it (private windows, blocked site data). */
  | 'storage_unavailable'
  /** The browser could not do it: the transaction was aborted, and nothing of the call was written. */
  | 'storage_failed'
  /** Another tab holds the database open in an older version of this program, and does not let go. */
  | 'blocked'
  /** The database was written by a later version of this program: please reload. */
  | 'too_new'
  /** The database was closed, or a later version of this program in another tab took it over: please reload. */
  | 'closed'
  /** A row does not say what rows of its table say. */
  | 'damaged'
  /** With `skew: 'fail'`: the entity's state has a later time than now. */
  | 'clock_out_of_sync'
  /** The time is past the range of messages, or the counter is. */
  | 'out_of_range'
  /** A draft's body cannot be written as MessagePack, or is nested too deeply. */
  | 'invalid_body'
  /** A draft's type or group is not well-formed text, or its parent is no id. */
  | 'invalid_draft'
  /** What was given as an id is none. */
  | 'invalid_id'
  /** A query asks for what it cannot: a limit or a time that is no whole number. */
  | 'invalid_query'
  /** A text that stands for a cursor is none. */
  | 'invalid_cursor'
  /** An entity of this id is there, or was. */
  | 'already_exists'
  /** There is no such link; it may have been removed meanwhile. */
  | 'unknown_link'
  /** Another tab found that the link's host has another history, since this one last followed it. */
  | 'other_history'
  /** A link's label is empty or longer than 256 bytes. */
  | 'invalid_label'
  /** There is a link with this label, index and address. */
  | 'already_linked';

/** A call of the database that failed. Nothing of it was written. */
export class DatabaseError extends SeabagError {
  declare readonly code: DatabaseErrorCode;

  constructor(code: DatabaseErrorCode, message: string, cause?: unknown) {
    super(code, message);
    this.name = 'DatabaseError';
    if (cause !== undefined) this.cause = cause;
  }
}
