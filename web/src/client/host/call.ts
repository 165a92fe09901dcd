// The bytes of requests and answers: one place that knows how calls begin and how answers do.

import type { Sealer } from '../../crypto/seal.ts';
import { callRequest, encodeSignedTimestamp } from '../../protocol/host/auth.ts';
import type { Bag, BagSeq } from '../../protocol/host/bag.ts';
import { Reader } from '../../protocol/host/bytes.ts';
import { type Cursor, epochRequest } from '../../protocol/host/epoch.ts';
import {
  DELETE_ACCOUNT_PATH,
  EPOCH_PATH,
  PEEK_PAGE_PATH,
  PEEK_PATH,
  PRUNE_PATH,
  PULL_PATH,
  PUSH_PATH,
  USER_PATH,
} from '../../protocol/host/path.ts';
import { peekPageRequest, peekRequest } from '../../protocol/host/peek.ts';
import { type PrunePair, pruneBody } from '../../protocol/host/prune.ts';
import { pullRequest } from '../../protocol/host/pull.ts';
import { pushRequest } from '../../protocol/host/push.ts';
import type { EpochId } from '../../protocol/host/record.ts';
import { type ResponseHead, readResponseHead } from '../../protocol/host/response.ts';
import { Status, StatusError } from '../../protocol/host/status.ts';
import { encodeHex } from '../../protocol/host/text.ts';

/** The longest answer that carries no bags, bytes. */
const SMALL_ANSWER_BYTES_MAX = 64 * 1024;
/** The longest page of heads, bytes: 1,000 heads of 200 bytes are far below it. */
const PAGE_ANSWER_BYTES_MAX = 16 * 1024 * 1024;
/** The longest list of heads of a host that has no pages, bytes: some million bags, all that a page can hold. */
const LIST_ANSWER_BYTES_MAX = 256 * 1024 * 1024;

/** What is asked. */
export type Request =
  /** Registers. */
  | { type: 'user' }
  /** Asks for the history. */
  | { type: 'epoch'; cursor: Cursor | null }
  /** Lists all heads behind a number. */
  | { type: 'peek'; after: BagSeq }
  /** Lists so many heads behind a number. */
  | { type: 'page'; after: BagSeq; itemsMax: number }
  /** Fetches bodies, which have so many bytes at most. */
  | { type: 'pull'; numbers: readonly BagSeq[]; bytesMax: number }
  /** Stores bags. */
  | { type: 'push'; bags: readonly Bag[] }
  /** Lets go of bags, in this epoch. */
  | { type: 'prune'; pairs: readonly PrunePair[]; epoch: EpochId }
  /** Removes the account, in this epoch. */
  | { type: 'delete_account'; epoch: EpochId };

const PATHS: Readonly<Record<Request['type'], string>> = {
  user: USER_PATH,
  epoch: EPOCH_PATH,
  peek: PEEK_PATH,
  page: PEEK_PAGE_PATH,
  pull: PULL_PATH,
  push: PUSH_PATH,
  prune: PRUNE_PATH,
  delete_account: DELETE_ACCOUNT_PATH,
};

/** Where it goes. */
export function pathOf(request: Request): string {
  return PATHS[request.type];
}

/** The longest answer to read, bytes. */
export function answerBytesMax(request: Request): number {
  switch (request.type) {
    case 'peek':
      return LIST_ANSWER_BYTES_MAX;
    case 'page':
      return PAGE_ANSWER_BYTES_MAX;
    case 'pull':
      return SMALL_ANSWER_BYTES_MAX + request.bytesMax;
    case 'push':
      // Two numbers and a status an item.
      return SMALL_ANSWER_BYTES_MAX + 17 * request.bags.length;
    case 'prune':
      return SMALL_ANSWER_BYTES_MAX + 9 * request.pairs.length;
    case 'user':
    case 'epoch':
    case 'delete_account':
      return SMALL_ANSWER_BYTES_MAX;
  }
}

/** The whole body, signed at this time of the host's clock, milliseconds since 1970. Fails for a time past the range. */
export async function encodeRequest(
  request: Request,
  sealer: Sealer,
  origin: string,
  timeMs: number,
): Promise<Uint8Array> {
  switch (request.type) {
    case 'user':
      return encodeSignedTimestamp(await sealer.keys.timestamp(timeMs));
    case 'epoch':
      return epochRequest(await sealer.keys.timestamp(timeMs), request.cursor);
    case 'peek':
      return peekRequest(await sealer.keys.timestamp(timeMs), request.after);
    case 'page':
      return peekPageRequest(await sealer.keys.timestamp(timeMs), request.after, request.itemsMax);
    case 'pull':
      return pullRequest(await sealer.keys.timestamp(timeMs), request.numbers);
    case 'push':
      return pushRequest(await sealer.keys.timestamp(timeMs), request.bags);
    case 'prune':
    case 'delete_account': {
      const body = request.type === 'prune' ? pruneBody(request.pairs) : new Uint8Array();
      const { epoch } = request;
      return callRequest(await sealer.keys.call(pathOf(request), origin, epoch, timeMs, body), body);
    }
  }
}

/** The query that opens the notices: a signed timestamp in hexadecimal digits. It is not for logs. */
export async function noticesQuery(sealer: Sealer, timeMs: number): Promise<string> {
  return `t=${encodeHex(encodeSignedTimestamp(await sealer.keys.timestamp(timeMs)))}`;
}

/** A host's answer that cannot be read, or makes no sense. */
export class BadAnswer extends Error {
  constructor(error: unknown = new StatusError(Status.InvalidResponse)) {
    super(error instanceof StatusError ? error.message : 'the answer is not valid');
    this.name = 'BadAnswer';
  }
}

/** Reads a part of an answer; whatever is wrong with it is a {@link BadAnswer}. */
export function readPart<T>(read: () => T): T {
  try {
    return read();
  } catch (error) {
    throw new BadAnswer(error);
  }
}

/** An answer's head, and what comes after it. */
export function readAnswer(body: Uint8Array): [ResponseHead, Reader] {
  const reader = new Reader(body);
  try {
    return [readResponseHead(reader), reader];
  } catch {
    // A head that ends too early is not an answer at all, whatever the reader calls it.
    throw new BadAnswer();
  }
}
