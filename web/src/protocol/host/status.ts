// The status byte: how a host answers, and how every decoder of this protocol fails. Words for people live here;
// HTTP statuses do not.

import { SeabagError } from '../error.ts';

/** The codes on the wire, by name (docs/host.md, "Status bytes"). 1 and 2 have no meaning. */
export const Status = {
  Success: 0,
  InvalidSignature: 3,
  ClockOutOfSync: 4,
  UserNotRegistered: 5,
  ServerMisconfigured: 6,
  MissingBody: 7,
  ExtraBodyContent: 8,
  MissingParam: 9,
  InvalidParam: 10,
  InvalidRequest: 11,
  InternalError: 12,
  NotFound: 13,
  InvalidMessage: 14,
  NoChange: 15,
  DatabaseClosed: 16,
  StorageError: 17,
  DatabaseError: 18,
  HashMismatch: 19,
  DecryptionError: 20,
  NotImplemented: 21,
  MissingSeed: 22,
  OutOfBounds: 23,
  HostError: 24,
  CommunicationError: 25,
  VarLimitExceeded: 26,
  InvalidResponse: 27,
  ConnectionClosed: 28,
} as const;

/** A status by its name, such as `HashMismatch`. */
export type StatusName = keyof typeof Status;

/** A status byte with a meaning. */
export type Status = (typeof Status)[StatusName];

const WORDS: Readonly<Record<StatusName, string>> = {
  Success: 'success',
  InvalidSignature: 'the signature is not valid',
  ClockOutOfSync: 'the clocks are out of step',
  UserNotRegistered: 'the account is not registered',
  ServerMisconfigured: 'the server is misconfigured',
  MissingBody: 'the body is missing',
  ExtraBodyContent: 'there is something after the end',
  MissingParam: 'a parameter is missing',
  InvalidParam: 'a parameter is not valid',
  InvalidRequest: 'the request is not valid',
  InternalError: 'internal error',
  NotFound: 'not found',
  InvalidMessage: 'the message is not valid',
  NoChange: 'nothing changed',
  DatabaseClosed: 'the database is closed',
  StorageError: 'it could not be stored',
  DatabaseError: 'the database failed',
  HashMismatch: 'the body does not match its hash',
  DecryptionError: 'it cannot be opened',
  NotImplemented: 'not implemented',
  MissingSeed: 'the seed is missing',
  OutOfBounds: 'the input is too short',
  HostError: 'the host failed',
  CommunicationError: 'the host cannot be reached',
  VarLimitExceeded: 'a number is too large',
  InvalidResponse: 'the answer is not valid',
  ConnectionClosed: 'the connection was closed',
};

const NAMES: ReadonlyMap<number, StatusName> = new Map(
  (Object.keys(WORDS) as StatusName[]).map((name) => [Status[name], name]),
);

/** The status of a byte; undefined for one that has no meaning. */
export function statusFromCode(code: number): Status | undefined {
  const name = NAMES.get(code);
  return name === undefined ? undefined : Status[name];
}

/** The name of a status. */
export function statusName(status: Status): StatusName {
  // Every value of the type is a value of the table.
  return NAMES.get(status) ?? 'InternalError';
}

/** Why something could not be read, opened or done, as a status. `message` is for people and holds no secret. */
export class StatusError extends SeabagError {
  /** The byte. */
  readonly status: Status;
  /** The status's name, such as `DecryptionError`: for programs. */
  declare readonly code: StatusName;

  constructor(status: Status) {
    const code = statusName(status);
    super(code, WORDS[code]);
    this.name = 'StatusError';
    this.status = status;
  }
}
