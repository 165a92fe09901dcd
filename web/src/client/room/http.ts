// A room over plain HTTP: for scripts and servers that only send, or read a page at a time.
// Pushes go one after the other, are tried again for a while, and are stored once.

import { badMessage, RoomError } from '../../protocol/error.ts';
import {
  HTTP_RETRY_MS_MAX,
  LIST_PUSHES_MAX,
  OUTBOX_PUSHES_MAX,
  POLL_SECONDS_MAX,
  REQUEST_MS_MAX,
} from '../../protocol/limits.ts';
import type { PushAction } from '../../protocol/room/action.ts';
import type { ClientMessage, PushMessage } from '../../protocol/room/client_message.ts';
import { jsonCodec } from '../../protocol/room/codec.ts';
import {
  type Cursor,
  checkClient,
  formatCursor,
  parseRoomUrl,
  randomClient,
  roomUrl,
} from '../../protocol/room/name.ts';
import {
  list,
  number,
  object,
  optionalNumber,
  type RoomEntry,
  readAck,
  readRoomEntry,
  readServerMessage,
  type ServerMessage,
  type StreamEntry,
  text,
} from '../../protocol/room/server_message.ts';
import { Backoff } from './backoff.ts';
import { defaultFetch, HttpRefusal, passesLater, request } from './request.ts';
import type { Acknowledgement } from './types.ts';

/** One push of a list. */
export interface HttpPush {
  readonly key: string;
  readonly value: unknown;
  /** Default: append. A relay cannot be in a list that is tried again. */
  readonly action?: PushAction;
}

/** A page of a room, and where the next begins. */
export interface StreamPage {
  readonly data: readonly RoomEntry[];
  /** Where to go on from. */
  readonly cursor: Cursor;
  /** Whether there is more already. */
  readonly more: boolean;
  /** The cursor was not of this room's history: this page starts from the beginning. */
  readonly reset: boolean;
}

/** How to ask. */
export interface RoomHttpOptions {
  /** Names the outbox, 16 to 64 of `A-Za-z0-9_-`. Default: fresh and random. */
  readonly client?: string;
  /** Default: the global `fetch`. */
  readonly fetch?: typeof fetch;
}

/** A room over HTTP. Every method rejects with a `RoomError`: the server's code, `network`, or `uncertain`. */
export class RoomHttp {
  readonly #url: string;
  readonly #client: string;
  readonly #fetch: typeof fetch;
  #lastId = 0;
  #waiting = 0;
  /** The push before: a later id must not overtake an earlier one, or the earlier would count as sent already. */
  #before: Promise<unknown> = Promise.resolve();

  /** `url`: the room's page, `http_url` or `socket_url`. Throws `bad_parameter`. */
  constructor(url: string, options: RoomHttpOptions = {}) {
    this.#url = roomUrl(parseRoomUrl(url));
    this.#client = options.client === undefined ? randomClient() : checkClient(options.client);
    this.#fetch = options.fetch ?? defaultFetch;
  }

  /** Sends one value to a key. A relay is tried once, all else until it is stored or `HTTP_RETRY_MS_MAX` have passed. */
  async push(key: string, value: unknown, action: PushAction = { type: 'append' }): Promise<Acknowledgement> {
    const id = this.#nextId();
    const tries = action.type !== 'relay';
    const tree = await this.#inOrder(() => this.#send(pushMessage({ key, value, action }, id), tries));
    return acknowledgement(tree, id);
  }

  /** Sends up to 1,000 values: all are stored, with consecutive numbers, or none. */
  async pushAll(pushes: readonly HttpPush[]): Promise<readonly Acknowledgement[]> {
    if (pushes.length === 0) return [];
    if (pushes.length > LIST_PUSHES_MAX)
      throw new RoomError('too_large', `a list has at most ${LIST_PUSHES_MAX}`);
    const messages = pushes.map((push) => pushMessage(push, this.#nextId()));
    const tree = await this.#inOrder(() => this.#send(messages, true));
    if (!Array.isArray(tree) || tree.length !== messages.length)
      throw badMessage('the answer is not as long as the list');
    return tree.map((ack, index) => acknowledgement(ack, messages[index]?.id ?? 0));
  }

  /** What a key retains above `seq`. */
  async get(key: string, seq = 0): Promise<readonly StreamEntry[]> {
    const answer = await this.#answer({ type: 'get', key, seq });
    if (answer.type !== 'init') throw badMessage('the answer is no stream');
    return answer.data;
  }

  /** One page of the room, or of one key. With `wait` (seconds, at most 30) it waits for news when there are none. */
  async stream(
    options: {
      readonly since?: Cursor;
      readonly key?: string;
      readonly limit?: number;
      readonly wait?: number;
      readonly signal?: AbortSignal;
    } = {},
  ): Promise<StreamPage> {
    const { since, key, limit, signal } = options;
    const wait = Math.min(options.wait ?? 0, POLL_SECONDS_MAX);
    const query = new URLSearchParams();
    if (since !== undefined) query.set('since', formatCursor(since));
    if (key !== undefined) query.set('key', key);
    if (limit !== undefined) query.set('limit', String(limit));
    if (wait > 0) query.set('wait', String(wait));
    const url = `${this.#url}/stream?${query}`;
    const { tree } = await request(this.#fetch, url, { signal, limitMs: REQUEST_MS_MAX + wait * 1_000 });
    const fields = object(tree, 'the page');
    const next = optionalNumber(fields, 'next');
    return {
      data: list(fields, readRoomEntry),
      cursor: { epoch: text(fields, 'epoch'), seq: next ?? number(fields, 'seq') },
      more: next !== null,
      reset: fields.reset !== undefined,
    };
  }

  #nextId(): number {
    this.#lastId += 1;
    return this.#lastId;
  }

  async #answer(message: ClientMessage): Promise<ServerMessage> {
    return readServerMessage(await this.#post(message));
  }

  #inOrder<Outcome>(send: () => Promise<Outcome>): Promise<Outcome> {
    if (this.#waiting >= OUTBOX_PUSHES_MAX)
      throw new RoomError('queue_full', 'too many pushes wait to be stored');
    this.#waiting += 1;
    const sent = this.#before.then(send).finally(() => {
      this.#waiting -= 1;
    });
    this.#before = sent.catch(() => {});
    return sent;
  }

  /** Tries until there is an answer, or too long. */
  async #send(message: ClientMessage | readonly ClientMessage[], again: boolean): Promise<unknown> {
    const end = Date.now() + HTTP_RETRY_MS_MAX;
    const backoff = new Backoff();
    let unanswered = false;
    for (;;) {
      try {
        return await this.#post(message);
      } catch (error) {
        const failed = error instanceof RoomError ? error : badMessage('the push cannot be sent');
        const status = failed instanceof HttpRefusal ? failed.status : null;
        unanswered ||= failed.code === 'network';
        const passes = failed.code === 'network' || (status !== null && passesLater(status));
        const wait = Math.max(failed.retryMs ?? 0, backoff.next(Math.random()));
        if (!again || !passes) throw failed;
        if (Date.now() + wait > end) throw unanswered ? uncertain() : failed;
        await new Promise((resolve) => setTimeout(resolve, wait));
      }
    }
  }

  async #post(message: ClientMessage | readonly ClientMessage[]): Promise<unknown> {
    const { tree } = await request(this.#fetch, `${this.#url}/send`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'seabag-client': this.#client },
      body: jsonCodec.encode(message),
    });
    return tree;
  }
}

function pushMessage({ key, value, action = { type: 'append' } }: HttpPush, id: number): PushMessage {
  const trims = action.type === 'compact' && value === undefined;
  return { type: 'push', key, ...(!trims && { value: value ?? null }), action, id };
}

function acknowledgement(tree: unknown, id: number): Acknowledgement {
  const { seq, size, stale, repeat } = readAck(object(tree, 'the answer'));
  return { id, seq, size, stale, repeat };
}

function uncertain(): RoomError {
  return new RoomError('uncertain', 'the server did not answer: the push may be stored or not');
}
