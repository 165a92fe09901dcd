// A transaction that is open: the rows that its rules look at are loaded up front, many at once; the rules run on them
// without waiting, and what they changed is handed over at the end. So a thousand messages cost a few round trips to the
// storage instead of thousands, and no rule can be interrupted.

import type { BagSeq } from '../protocol/host/bag.ts';
import type { Eid } from '../protocol/host/eid.ts';
import type { Ent } from './ent.ts';
import type { EnvelopeReader } from './envelope.ts';
import { DatabaseError } from './error.ts';
import type { LinkId } from './link.ts';
import { type Asking, entRows, heldRows, linkRows } from './neighbours.ts';
import type {
  BagRow,
  ClosedBag,
  HeldBag,
  IdleBag,
  LinkRow,
  LogRow,
  MetaRow,
  OutboxRow,
  Which,
} from './storage/rows.ts';
import { type Key, LAST, prefix, type Reading, type Write } from './storage/storage.ts';
import type { Change } from './watch.ts';
import { type Winner, winnerEnt } from './winner.ts';

/** All that is known of an entity. */
export interface Dossier {
  readonly eid: Eid;
  winner: Winner | undefined;
  /** Its messages that are set aside. */
  asides: readonly LogRow[];
  /** The numbers that hold a message of it. */
  held: readonly HeldBag[];
  /** What waits of it. */
  queued: readonly OutboxRow[];
  /** How its winner was when the transaction began. */
  readonly stored: Winner | undefined;
}

/** What a number holds from now on, without its link and number; null: nothing is known of it. */
export type BagState =
  | Pick<HeldBag, 'held' | 'which'>
  | Pick<IdleBag, 'eid' | 'damaged'>
  | Pick<ClosedBag, 'eid' | 'reason'>
  | null;

/** What a transaction is given. */
export interface Context {
  /** Reads envelopes. */
  readonly reader: EnvelopeReader;
  /** Which history of each link's host this database knows of, of those that it follows. */
  readonly histories: ReadonlyMap<LinkId, number>;
}

/** Numbers of one link. */
interface Numbers {
  readonly bags: Map<BagSeq, BagRow | null>;
  readonly written: Set<BagSeq>;
  /** How many are closed, once that was counted. */
  closed: number | null;
}

export class Transaction {
  readonly rows: Reading;
  readonly reader: EnvelopeReader;
  /** The links, as they are in this transaction, oldest first. */
  links: readonly LinkRow[];
  readonly #histories: ReadonlyMap<LinkId, number>;
  readonly #dossiers = new Map<Eid, Dossier>();
  readonly #numbers = new Map<LinkId, Numbers>();
  /** The last place of each link's queue. */
  readonly #positions = new Map<LinkId, number>();
  readonly #changed = new Map<Eid, Ent | undefined>();
  readonly #writes: Write[] = [];
  /** Rows of queues that go. A place that was given out is never given out again. */
  readonly #unqueued: OutboxRow[] = [];
  readonly #linksWritten = new Set<LinkId>();

  private constructor(rows: Reading, context: Context, links: readonly LinkRow[]) {
    this.rows = rows;
    this.reader = context.reader;
    this.#histories = context.histories;
    this.links = links;
  }

  /** Begins one: links, and where their queues end. */
  static async begin(rows: Reading, context: Context): Promise<Transaction> {
    const transaction = new Transaction(rows, context, await rows.list('links', {}));
    const ends = transaction.links.map((link) => ({
      ...prefix(undefined, [link.id]),
      reverse: true,
      limit: 1,
    }));
    for (const [last] of await rows.lists('outbox', ends))
      if (last !== undefined) transaction.#positions.set(last.link, last.position);
    return transaction;
  }

  /** Loads the messages that are here of these entities; nothing can be written of them after that. */
  async loadMessages(eids: Iterable<Eid>, asking: Asking = {}): Promise<Eid[]> {
    const wanted = [...new Set(eids)].filter((eid) => !this.#dossiers.has(eid));
    if (wanted.length === 0) return [];
    const [winners, asides] = await Promise.all([
      loadWinners(this.rows, wanted, asking),
      this.#loadAsides(wanted),
    ]);
    for (const eid of wanted) {
      const winner = winners.get(eid);
      const rows = asides.get(eid) ?? [];
      this.#dossiers.set(eid, { eid, winner, stored: winner, asides: rows, held: [], queued: [] });
    }
    return wanted.filter((eid) => winners.has(eid) || asides.has(eid));
  }

  /** Loads all that is known of these entities. */
  async load(eids: Iterable<Eid>, asking: Asking = {}): Promise<void> {
    const known = await this.loadMessages(eids, asking);
    // Most of the time nothing waits at all.
    const busy = this.links.filter((link) => this.#positions.has(link.id));
    const hasAsides = (eid: Eid) => this.dossier(eid).asides.length > 0;
    // Of an entity that is not here nothing is held and nothing waits.
    const [held, queued] = await Promise.all([
      Promise.all(this.links.map(({ id }) => heldRows(this.rows, id, known, { ...asking, hasAsides }))),
      Promise.all(busy.map(({ id }) => linkRows(this.rows, 'outbox', id, known, asking))),
    ]);
    const asked = new Set(known);
    for (const row of held.flat()) if (asked.has(row.held)) this.#loadHeld(row);
    for (const row of queued.flat()) {
      if (!asked.has(row.eid)) continue;
      const dossier = this.dossier(row.eid);
      dossier.queued = [...dossier.queued, row];
    }
  }

  /** Loads what these numbers of a link hold, and the entities that they hold messages of. */
  async loadBags(link: LinkId, seqs: readonly BagSeq[]): Promise<void> {
    const numbers = this.#numbersOf(link);
    const wanted = [...new Set(seqs)].filter((seq) => !numbers.bags.has(seq));
    const rows = await loadNumbers(this.rows, link, wanted);
    numbers.closed ??= await this.rows.count('bags', prefix('closed', [link]));
    for (const seq of wanted) if (!numbers.bags.has(seq)) numbers.bags.set(seq, rows.get(seq) ?? null);
    await this.load([...rows.values()].flatMap((row) => ('held' in row ? [row.held] : [])));
  }

  /** What is known of an entity that was loaded. */
  dossier(eid: Eid): Dossier {
    const found = this.#dossiers.get(eid);
    if (found === undefined) throw new DatabaseError('damaged', 'an entity was not loaded');
    return found;
  }

  /** A link, as it is in this transaction. */
  link(id: LinkId): LinkRow {
    const found = this.links.find((link) => link.id === id);
    if (found === undefined) throw new DatabaseError('unknown_link', `there is no link ${id}`);
    return found;
  }

  /** A link whose numbers are about to be written: an error when they are of a history that is over. */
  current(id: LinkId): LinkRow {
    const link = this.link(id);
    const known = this.#histories.get(id);
    if (known !== undefined && known !== link.history)
      throw new DatabaseError(
        'other_history',
        `another tab found that the host of link ${id} has another history`,
      );
    return link;
  }

  /** Changes a link. */
  updateLink(id: LinkId, change: Partial<Omit<LinkRow, 'id'>>): void {
    const changed = { ...this.link(id), ...change };
    this.links = this.links.map((link) => (link.id === id ? changed : link));
    this.#linksWritten.add(id);
  }

  /** Adds a link. */
  addLink(row: LinkRow): void {
    this.links = [...this.links, row];
    this.#linksWritten.add(row.id);
  }

  /** Removes a link, its numbers and its queue. Nothing else is done in that transaction. */
  removeLink(id: LinkId): void {
    this.link(id);
    this.links = this.links.filter((link) => link.id !== id);
    this.#writes.push({ type: 'delete', table: 'links', key: id });
    this.#writes.push({ type: 'clear', table: 'outbox', lower: { key: [id] }, upper: { key: [id, LAST] } });
    this.clearBags(id);
  }

  /** Forgets all numbers of a link. No number of it is looked at in that transaction. */
  clearBags(id: LinkId): void {
    this.#writes.push({ type: 'clear', table: 'bags', lower: { key: [id] }, upper: { key: [id, LAST] } });
  }

  /** Forgets a number that holds nothing. It is not looked at in that transaction. */
  forgetBag(link: LinkId, seq: BagSeq): void {
    this.#writes.push({ type: 'delete', table: 'bags', key: [link, seq] });
  }

  /** Notes a fact about the whole database. */
  setMeta(row: MetaRow): void {
    this.#writes.push({ type: 'put', table: 'meta', row });
  }

  /** What a number of a link holds, if that is known. It was loaded, or is a holder of an entity that was. */
  bag(link: LinkId, seq: BagSeq): BagRow | null {
    const found = this.#numbersOf(link).bags.get(seq);
    if (found === undefined) throw new DatabaseError('damaged', 'a number was not loaded');
    return found;
  }

  /** Sets what a number holds. The entities of before and after were loaded. */
  setBag(link: LinkId, seq: BagSeq, state: BagState): void {
    const numbers = this.#numbersOf(link);
    const before = this.bag(link, seq);
    if (before !== null && 'held' in before) {
      const dossier = this.dossier(before.held);
      dossier.held = dossier.held.filter((row) => row !== before);
    }
    const after = bagRow(link, seq, state);
    if (after !== null && 'held' in after) {
      const dossier = this.dossier(after.held);
      dossier.held = [...dossier.held, after];
    }
    if (numbers.closed !== null) numbers.closed += closedCount(after) - closedCount(before);
    numbers.bags.set(seq, after);
    numbers.written.add(seq);
  }

  /** How many numbers of a link hold what cannot be opened. Some number of the link was loaded. */
  closedBags(link: LinkId): number {
    return this.#numbersOf(link).closed ?? 0;
  }

  /** The numbers that hold a message, ascending. */
  holders(link: LinkId, dossier: Dossier, which: Which): BagSeq[] {
    const rows = dossier.held.filter((row) => row.link === link && row.which === which);
    return rows.map((row) => row.seq).sort((a, b) => a - b);
  }

  /** Whether a message waits. */
  isQueued(link: LinkId, dossier: Dossier, which: Which): boolean {
    return dossier.queued.some((row) => row.link === link && row.which === which);
  }

  /** Lets a message wait behind all others, unless it waits already. */
  queue(link: LinkId, dossier: Dossier, which: Which): void {
    if (this.isQueued(link, dossier, which)) return;
    const position = (this.#positions.get(link) ?? 0) + 1;
    this.#positions.set(link, position);
    const row = { link, position, eid: dossier.eid, which };
    dossier.queued = [...dossier.queued, row];
    this.#writes.push({ type: 'put', table: 'outbox', row });
  }

  /** It does not wait any more. */
  unqueue(link: LinkId, dossier: Dossier, which: Which): void {
    const found = dossier.queued.find((row) => row.link === link && row.which === which);
    if (found === undefined) return;
    dossier.queued = dossier.queued.filter((row) => row !== found);
    this.#unqueued.push(found);
  }

  /** Sets an entity's state or end, in the place of what was there. */
  setWinner(dossier: Dossier, winner: Winner): void {
    if (!this.#changed.has(dossier.eid)) this.#changed.set(dossier.eid, winnerEnt(dossier.winner));
    dossier.winner = winner;
  }

  /** Adds a message that is set aside, or replaces it. */
  putLog(dossier: Dossier, row: LogRow): void {
    dossier.asides = [...dossier.asides.filter((aside) => aside.hash !== row.hash), row];
    this.#writes.push({ type: 'put', table: 'log', row });
  }

  /** Removes one. */
  removeLog(dossier: Dossier, row: LogRow): void {
    dossier.asides = dossier.asides.filter((aside) => aside.hash !== row.hash);
    this.#writes.push({ type: 'delete', table: 'log', key: [row.eid, row.off, row.ctr, row.hash] });
  }

  /** What changed: each entity once, from what it was before to what it is now, in the order of their first changes. */
  changes(): Change[] {
    return [...this.#changed].flatMap(([eid, old]) => {
      const now = winnerEnt(this.dossier(eid).winner);
      if (old === undefined && now === undefined) return [];
      return [{ eid, ...(old === undefined ? {} : { old }), ...(now === undefined ? {} : { new: now }) }];
    });
  }

  /** All that is to be written. */
  writes(): readonly Write[] {
    const writes: Write[] = [];
    for (const eid of this.#changed.keys()) writes.push(...winnerWrites(this.dossier(eid)));
    for (const [link, { bags, written }] of this.#numbers)
      for (const seq of written) {
        const row = bags.get(seq) ?? null;
        if (row !== null) writes.push({ type: 'put', table: 'bags', row });
        else writes.push({ type: 'delete', table: 'bags', key: [link, seq] });
      }
    for (const row of this.links)
      if (this.#linksWritten.has(row.id)) writes.push({ type: 'put', table: 'links', row });
    return [...writes, ...this.#writes, ...unqueueWrites(this.#unqueued)];
  }

  #numbersOf(link: LinkId): Numbers {
    const found = this.#numbers.get(link);
    if (found !== undefined) return found;
    const made: Numbers = { bags: new Map(), written: new Set(), closed: null };
    this.#numbers.set(link, made);
    return made;
  }

  #loadHeld(row: HeldBag): void {
    const { bags } = this.#numbersOf(row.link);
    // What was loaded or changed before counts.
    const known = bags.get(row.seq);
    if (known !== undefined && (known === null || !('held' in known))) return;
    const held = known ?? row;
    bags.set(row.seq, held);
    const dossier = this.dossier(row.held);
    dossier.held = [...dossier.held, held];
  }

  async #loadAsides(eids: readonly Eid[]): Promise<Map<Eid, LogRow[]>> {
    const found = new Map<Eid, LogRow[]>();
    // There is hardly ever anything set aside.
    if ((await this.rows.list('log', { limit: 1 })).length === 0) return found;
    const lists = await this.rows.lists(
      'log',
      eids.map((eid) => prefix(undefined, [eid])),
    );
    for (const [index, rows] of lists.entries()) {
      const eid = eids[index];
      if (eid !== undefined && rows.length > 0) found.set(eid, rows);
    }
    return found;
  }
}

/** The winners of these entities. */
export async function loadWinners(
  rows: Reading,
  eids: readonly Eid[],
  asking: Asking = {},
): Promise<Map<Eid, Winner>> {
  const winners = new Map<Eid, Winner>();
  for (const row of await entRows(rows, eids, asking)) winners.set(row.eid, { type: 'ent', row });
  const absent = eids.filter((eid) => !winners.has(eid));
  if (absent.length === 0) return winners;
  // Where nothing was ever deleted one look says so.
  if (absent.length > 1 && (await rows.list('tombstones', { limit: 1 })).length === 0) return winners;
  for (const row of await rows.get('tombstones', absent))
    if (row !== undefined) winners.set(row.eid, { type: 'tombstone', row });
  return winners;
}

/** Numbers that are asked for one by one; more than that, close together, are asked for as a span. */
const SPAN_FACTOR = 4;

async function loadNumbers(
  rows: Reading,
  link: LinkId,
  seqs: readonly BagSeq[],
): Promise<Map<BagSeq, BagRow>> {
  const [least, most] = seqs.reduce(
    ([low, high], seq) => [Math.min(low, seq), Math.max(high, seq)],
    [Infinity, 0],
  );
  const wide = most - least >= SPAN_FACTOR * seqs.length;
  const span = { lower: { key: [link, least] }, upper: { key: [link, most] } };
  const keys: Key[] = seqs.map((seq) => [link, seq]);
  const found = seqs.length === 0 ? [] : await (wide ? rows.get('bags', keys) : rows.list('bags', span));
  const wanted = new Set(seqs);
  return new Map(found.flatMap((row) => (row !== undefined && wanted.has(row.seq) ? [[row.seq, row]] : [])));
}

/** The entity that a number is known for. */
export function bagEid(row: BagRow): Eid | undefined {
  return 'held' in row ? row.held : row.eid;
}

function bagRow(link: LinkId, seq: BagSeq, state: BagState): BagRow | null {
  if (state === null) return null;
  if ('held' in state) return { link, seq, held: state.held, which: state.which };
  if ('damaged' in state) return { link, seq, idle: seq, eid: state.eid, damaged: state.damaged };
  return {
    link,
    seq,
    closed: seq,
    ...(state.eid === undefined ? {} : { eid: state.eid }),
    reason: state.reason,
  };
}

function closedCount(row: BagRow | null): number {
  return row !== null && 'closed' in row ? 1 : 0;
}

/** Deletes rows of queues; those that stand one behind the other, as after a push, at once. */
function unqueueWrites(rows: readonly OutboxRow[]): Write[] {
  const runs: { link: LinkId; first: number; last: number }[] = [];
  for (const { link, position } of [...rows].sort((a, b) => a.link - b.link || a.position - b.position)) {
    const run = runs.at(-1);
    if (run !== undefined && run.link === link && run.last + 1 === position) run.last = position;
    else runs.push({ link, first: position, last: position });
  }
  return runs.map(({ link, first, last }): Write => {
    if (first === last) return { type: 'delete', table: 'outbox', key: [link, first] };
    return { type: 'clear', table: 'outbox', lower: { key: [link, first] }, upper: { key: [link, last] } };
  });
}

function winnerWrites({ eid, winner, stored }: Dossier): Write[] {
  if (winner === undefined || winner === stored) return [];
  if (winner.type === 'ent') {
    const put: Write = { type: 'put', table: 'entities', row: winner.row };
    return stored?.type === 'tombstone' ? [put, { type: 'delete', table: 'tombstones', key: eid }] : [put];
  }
  const put: Write = { type: 'put', table: 'tombstones', row: winner.row };
  return stored?.type === 'ent' ? [put, { type: 'delete', table: 'entities', key: eid }] : [put];
}
