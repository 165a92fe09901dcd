// Reads an account as it lies at the host, bag by bag: what the host sees of each, and what it holds once it is opened
// here. It asks and never writes: an account that is not there is not made, and nothing is merged.

import { HostAddress } from '../../src/client/host/address.ts';
import {
  answerBytesMax,
  encodeRequest,
  noticesQuery,
  pathOf,
  type Request,
  readAnswer,
} from '../../src/client/host/call.ts';
import { HostDriver } from '../../src/client/host/driver.ts';
import { failureText } from '../../src/client/host/event.ts';
import { listen } from '../../src/client/host/notice_socket.ts';
import { Sealer } from '../../src/crypto/seal.ts';
import type { Seed } from '../../src/crypto/seed.ts';
import { type Envelope, readEnvelope, type Unreadable } from '../../src/entdb/envelope.ts';
import type { SealedHead } from '../../src/protocol/host/bag.ts';
import type { Reader } from '../../src/protocol/host/bytes.ts';
import { isDelete, type MessageHead, timeMsOf } from '../../src/protocol/host/message.ts';
import { decodeNotice } from '../../src/protocol/host/notice.ts';
import { readPageHead, readPeekItems } from '../../src/protocol/host/peek.ts';
import { readPullItems } from '../../src/protocol/host/pull.ts';
import { Status, StatusError } from '../../src/protocol/host/status.ts';
import { encodeHex } from '../../src/protocol/host/text.ts';

/** Bags of one page: what a person can look through. */
export const PAGE_BAGS = 50;
/** The most bytes of bodies that one page fetches. Longer ones are told by their length alone. */
const PULL_BYTES_MAX = 32 * 1024 * 1024;

/** A bag, as far as it opens. */
export interface OpenedBag {
  readonly seq: number;
  /** What the host sees: bytes of the sealed head and of the sealed body; null: not fetched. */
  readonly headBytes: number;
  readonly bodyBytes: number | null;
  readonly head: MessageHead | null;
  readonly timeMs: number | null;
  readonly deleted: boolean;
  readonly content: Envelope | null;
  /** Why it, or its body, does not open. */
  readonly problem: string | null;
}

/** A page of an account. */
export interface AccountPage {
  readonly epoch: string;
  /** The last number that the host gave out. */
  readonly last: number;
  /** Ask on from here. */
  readonly through: number;
  readonly bags: readonly OpenedBag[];
}

/** One account at this page's host. */
export class Account {
  readonly #sealer: Sealer;
  readonly #address: HostAddress;
  readonly #driver: HostDriver;
  readonly #stop = new AbortController();
  #clockOffsetMs = 0;

  private constructor(sealer: Sealer, address: HostAddress) {
    this.#sealer = sealer;
    this.#address = address;
    this.#driver = new HostDriver(address);
  }

  /** Of this seed, label and index, at the host of this origin. */
  static async open(seed: Seed, label: string, index: number, origin: string): Promise<Account> {
    return new Account(await Sealer.create(seed, label, index), HostAddress.parse(origin));
  }

  /** What the host calls the account: all that it knows of whose it is. */
  get publicKey(): string {
    return encodeHex(this.#sealer.publicKey);
  }

  /** Bags behind a number, opened. Null: the host knows no such account. */
  async page(after: number): Promise<AccountPage | null> {
    const reader = await this.#ask({ type: 'page', after, itemsMax: PAGE_BAGS });
    if (reader === null) return null;
    const { epoch, last, through } = readPageHead(reader);
    const items = readPeekItems(reader).slice(0, PAGE_BAGS);
    const bodies = await this.#bodies(items.map((item) => item.seq));
    const bags = await this.#open(items, bodies);
    return { epoch: encodeHex(epoch), last, through: Math.max(through, after), bags };
  }

  /** Hears each bag that is stored from now on; `ended` when the connection is gone. */
  async follow(hear: (bags: readonly OpenedBag[]) => void, ended: () => void): Promise<() => void> {
    const query = await noticesQuery(this.#sealer, Date.now() + this.#clockOffsetMs);
    const frames = async (frame: Uint8Array) => {
      const items = decodeNotice(frame).slice(-PAGE_BAGS);
      const missing = items.filter((item) => item.body.length === 0).map((item) => item.seq);
      const bodies = await this.#bodies(missing);
      for (const { seq, body } of items) if (body.length > 0) bodies.set(seq, body);
      hear(await this.#open(items, bodies));
    };
    return listen(
      this.#address.notices(query),
      (event) => {
        if (event.type === 'notices_closed') ended();
        // A frame that cannot be read is the host's fault, and the next one may be right.
        if (event.type === 'notice') frames(event.frame).catch(() => undefined);
      },
      WebSocket,
    );
  }

  /** Breaks off what is under way. */
  close(): void {
    this.#stop.abort();
  }

  async #bodies(numbers: readonly number[]): Promise<Map<number, Uint8Array>> {
    if (numbers.length === 0) return new Map();
    const reader = await this.#ask({ type: 'pull', numbers, bytesMax: PULL_BYTES_MAX });
    const items = reader === null ? [] : readPullItems(reader);
    return new Map(items.map(({ seq, body }) => [seq, body]));
  }

  async #open(
    items: readonly { seq: number; sealed: SealedHead }[],
    bodies: ReadonlyMap<number, Uint8Array>,
  ): Promise<OpenedBag[]> {
    const heads = await this.#sealer.openHeads(items.map((item) => item.sealed));
    return items.map(({ seq, sealed }, place) => {
      const head = heads[place];
      const body = bodies.get(seq);
      const seen = { seq, headBytes: sealed.head.length, bodyBytes: body?.length ?? null };
      if (head === undefined || head instanceof StatusError)
        return closed(seen, head?.message ?? 'it does not open');
      return {
        ...seen,
        head,
        timeMs: timeMsOf(head),
        deleted: isDelete(head),
        ...this.#content(sealed, head, body),
      };
    });
  }

  #content(
    sealed: SealedHead,
    head: MessageHead,
    body: Uint8Array | undefined,
  ): Pick<OpenedBag, 'content' | 'problem'> {
    if (isDelete(head)) return { content: null, problem: null };
    if (body === undefined) return { content: null, problem: 'the host has no body for it' };
    try {
      const opened = this.#sealer.openBody(sealed.derivation, head, body);
      const envelope: Envelope | Unreadable = readEnvelope(opened ?? new Uint8Array());
      return 'reason' in envelope
        ? { content: null, problem: `not an entity: ${envelope.reason}` }
        : { content: envelope, problem: null };
    } catch (error) {
      return { content: null, problem: error instanceof Error ? error.message : 'it does not open' };
    }
  }

  /** Null: there is no such account. A clock that differs is asked about once more with the host's time. */
  async #ask(request: Request, again = false): Promise<Reader | null> {
    const sentMs = Date.now();
    const body = await encodeRequest(
      request,
      this.#sealer,
      this.#address.origin,
      sentMs + this.#clockOffsetMs,
    );
    const result = await this.#driver.call(
      {
        type: 'call',
        call: 0,
        path: pathOf(request),
        body,
        token: false,
        answerBytesMax: answerBytesMax(request),
      },
      this.#stop.signal,
    );
    if (!result.ok) throw new Error(failureText(result.failure));
    const [head, reader] = readAnswer(result.body);
    if (head.status === Status.Success) return reader;
    if (head.status === Status.UserNotRegistered) return null;
    if (head.status === Status.ClockOutOfSync && !again) {
      this.#clockOffsetMs = head.receivedMs - sentMs;
      return this.#ask(request, true);
    }
    throw new StatusError(head.status);
  }
}

function closed(seen: Pick<OpenedBag, 'seq' | 'headBytes' | 'bodyBytes'>, problem: string): OpenedBag {
  return { ...seen, head: null, timeMs: null, deleted: false, content: null, problem };
}
