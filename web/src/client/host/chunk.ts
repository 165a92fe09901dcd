// A chunk of bags on their way in: heads opened, bodies fetched and opened, and what to tell the database of each.
// Nothing that is wrong with a bag stops the others.

import type { Sealer } from '../../crypto/seal.ts';
import { type Arrived, type Judgement, RECEIVE_MAX } from '../../entdb/database.ts';
import type { BagSeq, SealedHead } from '../../protocol/host/bag.ts';
import type { Cursor } from '../../protocol/host/epoch.ts';
import { isDelete, type MessageHead } from '../../protocol/host/message.ts';
import type { PullItem } from '../../protocol/host/pull.ts';
import { EPOCH_BYTES, type EpochId } from '../../protocol/host/record.ts';
import { Status, StatusError, type StatusName } from '../../protocol/host/status.ts';
import type { Oddity, Report } from './report.ts';

/** The most bytes of bodies that one chunk names, unless one is larger by itself. */
const CHUNK_BYTES_MAX = 16 * 1024 * 1024;
/** The most numbers of one PULL. */
const PULL_ITEMS_MAX = 1_000;
/** The most bytes of bodies that one PULL asks for, unless one is larger by itself. */
const PULL_BYTES_MAX = 4 * 1024 * 1024;
/** What sealing and a PULL item put around a body, bytes. */
const BODY_OVERHEAD_BYTES = 40 + 16;
/** How many bodies are opened before the page gets a turn. */
const BODIES_AT_ONCE = 32;

/** A bag's head as a host lists it, with its body if that came along: a notice of a short body brings it. */
export interface Listed {
  seq: BagSeq;
  sealed: SealedHead;
  body?: Uint8Array | undefined;
}

/** Where a list of bags comes from, which decides what may be stored once it is dealt with. */
export type Origin =
  /** A page, in this epoch. */
  | { type: 'page'; epoch: EpochId }
  /** The whole list of a host that knows no epochs. */
  | { type: 'list' }
  /** Notices: they name no epoch. */
  | { type: 'notice' };

/** Lets others have their turn. */
export type Breathe = () => Promise<void>;

/**
 * What stands in the place of an epoch in the cursor of a host that knows none: the bag that was read last. A host that
 * was wiped or went back has another one under that number, or none.
 */
export function fingerprint(sealed: SealedHead): EpochId {
  return sealed.signature.slice(0, EPOCH_BYTES);
}

/** What a host listed and what is still to be looked at, ascending. */
export class Backlog {
  #listed: Listed[];
  /** Heads that were opened and did not fit into the chunk before. */
  #opened: Item[] = [];
  /** Everything from the first of them up to here is in the list. */
  readonly #through: BagSeq;
  readonly #origin: Origin;
  /** Whether the last chunk was handed out; a list without bags has one chunk too. */
  #done = false;

  /**
   * Of what a host listed as everything behind `after` and up to `through`. Numbers are put in order; those that repeat
   * or lie outside are left out.
   */
  constructor(listed: readonly Listed[], after: BagSeq, through: BagSeq, origin: Origin, reports: Report[]) {
    const ordered = new Map<BagSeq, Listed>();
    let before = after;
    for (const item of listed) {
      if (item.seq <= before || item.seq > through) reports.push(odd('numbers_out_of_order', item.seq));
      before = Math.max(before, item.seq);
      if (item.seq > after && item.seq <= through && !ordered.has(item.seq)) ordered.set(item.seq, item);
    }
    this.#listed = [...ordered.values()].sort((one, other) => one.seq - other.seq);
    this.#through = through;
    this.#origin = origin;
  }

  /** Whether it is a host's list, and not what notices brought. */
  get isList(): boolean {
    return this.#origin.type !== 'notice';
  }

  /** The next chunk, its heads opened; undefined: nothing is left. */
  async nextChunk(sealer: Sealer, reports: Report[]): Promise<Chunk | undefined> {
    if (this.#done) return undefined;
    const next = this.#listed.splice(0, RECEIVE_MAX - this.#opened.length);
    const opened = [...this.#opened, ...(await openItems(next, sealer, reports))];
    let bytes = 0;
    const tooMany = opened.findIndex((item) => {
      const full = bytes >= CHUNK_BYTES_MAX;
      bytes += headOf(item.state)?.length ?? 0;
      return full;
    });
    const items = tooMany < 0 ? opened : opened.slice(0, tooMany);
    this.#opened = opened.slice(items.length);
    this.#done = this.#opened.length === 0 && this.#listed.length === 0;
    const last = items.at(-1)?.seq ?? this.#through;
    return new Chunk(items, this.#done ? this.#through : last, this.#origin);
  }
}

/** One bag on its way in. */
interface Item {
  readonly seq: BagSeq;
  readonly sealed: SealedHead;
  body: Uint8Array | undefined;
  state: State;
}

type State =
  /**
   * Its head is open. `opened`: nobody has said yet whether the body is needed. `wanted`: it is. `asked`: it was asked
   * for. `missing`: the host does not have it any more, though it listed it.
   */
  | { type: 'opened' | 'wanted' | 'asked' | 'missing'; head: MessageHead }
  /** This is what it is. */
  | { type: 'settled'; arrived: Arrived };

async function openItems(listed: readonly Listed[], sealer: Sealer, reports: Report[]): Promise<Item[]> {
  const heads = await sealer.openHeads(listed.map((item) => item.sealed));
  return listed.map(({ seq, sealed, body }, at) => {
    const head = heads[at] ?? new StatusError(Status.InternalError);
    const state: State =
      head instanceof StatusError
        ? { type: 'settled', arrived: unreadable(seq, null, head, reports) }
        : { type: 'opened', head };
    return { seq, sealed, body, state };
  });
}

function headOf(state: State): MessageHead | null {
  if (state.type !== 'settled') return state.head;
  return state.arrived.type === 'whole' ? state.arrived.message.head : state.arrived.head;
}

/** Sets a bag aside for what is wrong with it. */
function unreadable(seq: BagSeq, head: MessageHead | null, error: StatusError, reports: Report[]): Arrived {
  const oddity = ODDITIES[error.code];
  // Without one it was sealed like this by a device of the account itself: the host is not to blame.
  if (oddity !== undefined) reports.push(odd(oddity, seq));
  reports.push({ type: 'unreadable', seq, reason: error.message });
  return { type: 'unreadable', head, reason: error.message };
}

const ODDITIES: Readonly<Partial<Record<StatusName, Oddity>>> = {
  InvalidSignature: 'foreign_bag',
  DecryptionError: 'unopenable',
  HashMismatch: 'unopenable',
};

function odd(oddity: Oddity, seq: BagSeq): Report {
  return { type: 'odd', oddity, seq };
}

/** Bags that are dealt with in one piece. */
export class Chunk {
  readonly #items: readonly Item[];
  /** Once these are dealt with, everything up to here is. */
  readonly through: BagSeq;
  readonly #origin: Origin;
  #judged = false;

  constructor(items: readonly Item[], through: BagSeq, origin: Origin) {
    this.#items = items;
    this.through = through;
    this.#origin = origin;
  }

  /** The heads that could be opened and are not judged yet, in order. */
  get heads(): MessageHead[] {
    return this.#items.flatMap(({ state }) => (state.type === 'opened' ? [state.head] : []));
  }

  /** The cursor to store once these are dealt with, if one. */
  get cursor(): Cursor | null {
    const epoch = this.#epoch();
    return epoch === undefined ? null : { epoch, seq: this.through };
  }

  #epoch(): EpochId | undefined {
    if (this.#origin.type === 'page') return this.#origin.epoch;
    const last = this.#items.at(-1);
    return this.#origin.type === 'list' && last !== undefined ? fingerprint(last.sealed) : undefined;
  }

  /** Whether all that the host has up to {@link through} is in here, behind what was dealt with before. */
  get isList(): boolean {
    return this.#origin.type !== 'notice';
  }

  /** The numbers of these. */
  get numbers(): BagSeq[] {
    return this.#items.map((item) => item.seq);
  }

  /** Whether it was said which bodies are needed. */
  get isJudged(): boolean {
    return this.#judged;
  }

  /** Says of each of {@link heads} whether its body is needed; an audit looks at all bodies. */
  judge(judgements: readonly Judgement[], allBodies: boolean, sealer: Sealer, reports: Report[]): void {
    this.#judged = true;
    const unjudged = this.#items.filter((item) => item.state.type === 'opened');
    unjudged.forEach((item, at) => {
      const judgement = judgements[at];
      if (judgement !== undefined) judgeItem(item, judgement, allBodies, sealer, reports);
    });
  }

  /** The numbers to ask for next, and the longest that their bodies can be; undefined: nothing is wanted any more. */
  nextPull(): { numbers: BagSeq[]; bytesMax: number } | undefined {
    const numbers: BagSeq[] = [];
    let bytes = 0;
    for (const item of this.#items) {
      if (item.state.type !== 'wanted') continue;
      const { head } = item.state;
      const more = bytes + head.length + BODY_OVERHEAD_BYTES;
      if (numbers.length >= PULL_ITEMS_MAX || (more > PULL_BYTES_MAX && numbers.length > 0)) break;
      bytes = more;
      numbers.push(item.seq);
      item.state = { type: 'asked', head };
    }
    return numbers.length > 0 ? { numbers, bytesMax: bytes } : undefined;
  }

  /** What the host answered to the numbers that were asked for. Those that it left out are not there any more. */
  async pulled(
    answer: readonly PullItem[],
    sealer: Sealer,
    reports: Report[],
    breathe: Breathe,
  ): Promise<void> {
    const bodies = new Map<BagSeq, Uint8Array>();
    for (const { seq, body } of answer) {
      if (!bodies.has(seq)) bodies.set(seq, body);
    }
    let opened = 0;
    for (const item of this.#items) {
      if (item.state.type !== 'asked') continue;
      const { head } = item.state;
      const body = bodies.get(item.seq);
      bodies.delete(item.seq);
      if (body === undefined) item.state = { type: 'missing', head };
      else settle(item, head, body, sealer, reports);
      opened += 1;
      if (opened % BODIES_AT_ONCE === 0) await breathe();
    }
    const [unasked] = bodies.keys();
    if (unasked !== undefined) reports.push(odd('unasked_body', unasked));
  }

  /** Lets bodies be asked for that the database turned out to need. */
  want(missing: readonly BagSeq[]): void {
    const wanted = new Set(missing);
    for (const item of this.#items) {
      if (item.state.type !== 'settled' || item.state.arrived.type !== 'head' || !wanted.has(item.seq))
        continue;
      item.state = { type: 'wanted', head: item.state.arrived.head };
    }
  }

  /** The numbers whose bodies the host did not have, and what their heads say. */
  get missing(): [BagSeq, MessageHead][] {
    return this.#items.flatMap(({ seq, state }): [BagSeq, MessageHead][] =>
      state.type === 'missing' ? [[seq, state.head]] : [],
    );
  }

  /** Whether a body could not be opened though its head could. */
  get isDamaged(): boolean {
    return this.arrived.some(([, arrived]) => arrived.type === 'unreadable' && arrived.head !== null);
  }

  /** What to tell the database. */
  get arrived(): [BagSeq, Arrived][] {
    return this.#items.flatMap(({ seq, state }): [BagSeq, Arrived][] =>
      state.type === 'settled' ? [[seq, state.arrived]] : [],
    );
  }
}

function judgeItem(
  item: Item,
  judgement: Judgement,
  allBodies: boolean,
  sealer: Sealer,
  reports: Report[],
): void {
  if (item.state.type !== 'opened') return;
  const { head } = item.state;
  if (judgement.type === 'refused') {
    const refusal = new StatusError(Status[judgement.status]);
    item.state = { type: 'settled', arrived: unreadable(item.seq, null, refusal, reports) };
    return;
  }
  const isHere = judgement.type === 'known' || judgement.type === 'superseded';
  if (isHere && (!allBodies || isDelete(head))) {
    item.state = { type: 'settled', arrived: { type: 'head', head } };
    return;
  }
  item.state = { type: 'wanted', head };
  // A delete has no body, and a short body may have come along.
  const body = item.body;
  item.body = undefined;
  if (isDelete(head)) settle(item, head, new Uint8Array(), sealer, reports);
  else if (body !== undefined && body.length > 0) settle(item, head, body, sealer, reports);
}

function settle(item: Item, head: MessageHead, sealed: Uint8Array, sealer: Sealer, reports: Report[]): void {
  try {
    const body = sealer.openBody(item.sealed.derivation, head, sealed);
    item.state = { type: 'settled', arrived: { type: 'whole', message: { head, body } } };
  } catch (error) {
    if (!(error instanceof StatusError)) throw error;
    item.state = { type: 'settled', arrived: unreadable(item.seq, head, error, reports) };
  }
}
