// What every answer begins with.

import type { Reader, Writer } from './bytes.ts';
import { Status, StatusError, statusFromCode } from './status.ts';

/** A bound and how much of it is used. */
export interface Quota {
  /** The bound; 0: none, or none that the host tells. */
  quota: number;
  /** How much is used; only told beside a bound. */
  usage: number;
}

/** What the account may do at its host, and for how long. */
export interface Subscription {
  /** Milliseconds that it lasts; 0: no fixed term. */
  termMs: number;
  /** Milliseconds of them that have passed. */
  elapsedMs: number;
  /** Bytes kept. */
  stored: Quota;
  /** What is moved. */
  moved: Quota;
}

/** What every answer begins with; an error's answer is this alone. */
export interface ResponseHead {
  /** What became of the request. */
  status: Status;
  /** When it came, by the host's clock, milliseconds since 1970. */
  receivedMs: number;
  /** When the answer went out. */
  sentMs: number;
  /** The account's subscription; all zero where there is none to tell of. */
  subscription: Subscription;
}

/** Reads one from the front. A status byte without meaning is `InvalidResponse`. */
export function readResponseHead(reader: Reader): ResponseHead {
  const status = statusFromCode(reader.byte());
  const receivedMs = reader.varint();
  const sentMs = reader.varint();
  const termMs = reader.varint();
  const elapsedMs = reader.varint();
  const stored = readQuota(reader);
  const moved = readQuota(reader);
  if (status === undefined) throw new StatusError(Status.InvalidResponse);
  return { status, receivedMs, sentMs, subscription: { termMs, elapsedMs, stored, moved } };
}

/** Appends one. */
export function writeResponseHead(out: Writer, head: ResponseHead): void {
  const { termMs, elapsedMs, stored, moved } = head.subscription;
  out.byte(head.status).varint(head.receivedMs).varint(head.sentMs).varint(termMs).varint(elapsedMs);
  writeQuota(out, stored);
  writeQuota(out, moved);
}

/**
 * How far the host's clock is ahead of the client's, milliseconds, a half perhaps: from when the client sent and heard
 * by its own clock, and the times in the answer.
 */
export function clockOffsetMs(
  sentMs: number,
  head: Pick<ResponseHead, 'receivedMs' | 'sentMs'>,
  heardMs: number,
): number {
  return (head.receivedMs - sentMs + (head.sentMs - heardMs)) / 2;
}

function readQuota(reader: Reader): Quota {
  const quota = reader.varint();
  return { quota, usage: quota > 0 ? reader.varint() : 0 };
}

function writeQuota(out: Writer, quota: Quota): void {
  out.varint(quota.quota);
  if (quota.quota > 0) out.varint(quota.usage);
}
