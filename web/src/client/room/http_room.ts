// What a room over plain HTTP does. Pushes go one after the other, are tried again for a while, and are stored once.
// Loaded by http.ts, where the methods are described.

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
import { firstId, formatCursor, randomClient } from '../../protocol/room/name.ts';
import {
  list,
  number,
  object,
  optionalNumber,
  readAck,
  readRoomEntry,
  readServerMessage,
  type ServerMessage,
  type StreamEntry,
  text,
} from '../../protocol/room/server_message.ts';
import { Backoff } from './backoff.ts';
import type { HttpPush, RoomHttpOptions, StreamPage, StreamQuery } from './http.ts';
import { defaultFetch, passesLater } from './refusal.ts';
import { postJson, request } from './request.ts';
import type { Acknowledgement } from './types.ts';

/** The outbox of a room over HTTP, and its reads. */
export class HttpRoom {
  readonly #url: string;
  readonly #client: string;
  readonly #fetch: typeof fetch;
  #lastId: number;
  #waiting = 0;
  /** The push before: a later id must not overtake an earlier one, or the earlier would count as sent already. */
  #before: Promise<unknown> = Promise.resolve();

  /** `url`: the room's; both it and the client's name have been checked. */
  constructor(url: string, { client, fetch }: RoomHttpOptions) {
    this.#url = url;
    this.#client = client ?? randomClient();
    this.#lastId = firstId(client, Date.now());
    this.#fetch = fetch ?? defaultFetch;
  }

  async push(key: string, value: unknown, action: PushAction = { type: 'append' }): Promise<Acknowledgement> {
    const id = this.#nextId();
    const tries = action.type !== 'relay';
    const tree = await this.#inOrder(() => this.#send(pushMessage({ key, value, action }, id), tries));
    return acknowledgement(tree, id);
  }

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

  async get(key: string, seq = 0): Promise<readonly StreamEntry[]> {
    const answer = await this.#answer({ type: 'get', key, seq });
    if (answer.type !== 'init') throw badMessage('the answer is no stream');
    return answer.data;
  }

  async stream(query: StreamQuery = {}): Promise<StreamPage> {
    const { since, key, limit, signal } = query;
    const wait = Math.min(query.wait ?? 0, POLL_SECONDS_MAX);
    const search = new URLSearchParams();
    if (since !== undefined) search.set('since', formatCursor(since));
    if (key !== undefined) search.set('key', key);
    if (limit !== undefined) search.set('limit', String(limit));
    if (wait > 0) search.set('wait', String(wait));
    const url = `${this.#url}/stream?${search}`;
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
        unanswered ||= failed.code === 'network';
        const wait = Math.max(failed.retryMs ?? 0, backoff.next(Math.random()));
        if (!again || !passesLater(failed)) throw failed;
        if (Date.now() + wait > end) throw unanswered ? uncertain() : failed;
        await new Promise((resolve) => setTimeout(resolve, wait));
      }
    }
  }

  async #post(message: ClientMessage | readonly ClientMessage[]): Promise<unknown> {
    const url = `${this.#url}/send`;
    const headers = { 'seabag-client': this.#client };
    const { tree } = await postJson(this.#fetch, url, jsonCodec.encode(message), headers);
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
  return new RoomError('uncertain', 'the push may be stored or not');
}
