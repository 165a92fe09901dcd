// One link's sync, pure: events in, actions out; time, chance and the database are parameters. It has one call under way
// at most, and beside that one chunk that is being merged. What it knows beyond the database can be lost at any moment, between any two calls of the database, and
// nothing comes of it but repeated work. Events are dealt with one after another: never two `handle` at a time.
//
// After each event it looks at what there is to do, most urgent first, until a call is under way or nothing is left:
// register, learn the host's history, read page by page, hear notices, drop damaged bags, push what waits, upload what
// the host lacks, prune.

import type { Sealer } from '../../crypto/seal.ts';
import type { Database, LinkId } from '../../entdb/database.ts';
import type { Reader } from '../../protocol/host/bytes.ts';
import type { EpochId } from '../../protocol/host/record.ts';
import type { ResponseHead } from '../../protocol/host/response.ts';
import { Status, StatusError } from '../../protocol/host/status.ts';
import { answerBytesMax, BadAnswer, encodeRequest, pathOf, type Request, readAnswer } from './call.ts';
import type { Randomness } from './chance.ts';
import type { Breathe } from './chunk.ts';
import type { Action, CallResult, Event, Failure } from './event.ts';
import { failureText } from './event.ts';
import { beginAudit, epochTold, hostIsOld } from './history.ts';
import { bodiesTold, merged, readChunk } from './intake.ts';
import { hearNotices, Listening, notice, noticesClosed, noticesLost, noticesOpened } from './listening.ts';
import { mend, Pruning, prune, pruneRefused, pruneTold } from './pruning.ts';
import { beginReading, listTold, pageTold, Reading, readOn } from './reading.ts';
import { fail, fallBack, online, Recovery, rest, wakeMs, writtenHere } from './recovery.ts';
import type { Report } from './report.ts';
import { lookAgain } from './second_look.ts';
import { push, pushSmaller, pushTold, upload, Writing } from './writing.ts';

/** The longest wait before a host that lost something is filled, milliseconds, unless a session is told another. */
export const FILL_WAIT_MS_MAX = 30_000;

/**
 * The greatest difference of clocks that is bridged, milliseconds: a day. A time that a host made a device sign would be
 * good at the account's other hosts as well, on the day that it names.
 */
export const CLOCK_OFFSET_MS_MAX = 24 * 3_600_000;

/** How a session goes about it. */
export interface SessionSettings {
  /** The origin of the host's address, which signed calls name. */
  readonly origin: string;
  /**
   * Whether it goes on: listens to notices, looks again from time to time, and takes its time where many devices would
   * otherwise do the same at once. If not, it brings both sides together once and then waits for events.
   */
  readonly live: boolean;
  /**
   * The longest wait before a host that lost something is filled, milliseconds, if it goes on. Each device waits a
   * random part of it, so that of many one comes first and the others find little left to do.
   */
  readonly fillWaitMsMax: number;
  /** Called in the middle of long work, so that others have their turn meanwhile. */
  readonly breathe: Breathe;
}

/** What an event is dealt with. */
export interface Turn {
  readonly database: Database;
  /** A time that never goes back, for waits; milliseconds. */
  readonly nowMs: number;
  /** What the device's clock shows, for hosts and people; milliseconds since 1970. */
  readonly clockMs: number;
  readonly random: Randomness;
  readonly actions: Action[];
}

/** What came of an event. */
export interface Handled {
  /** What to do now, in this order. */
  actions: Action[];
  /** The database's failure, if it failed; the link itself may be gone. The session goes on as after any failure. */
  error?: unknown;
}

/** What kind of host it is. `old`: it has the four calls only: no pages, no epochs, no pruning. */
export type Kind = 'unknown' | 'current' | 'old';

/** A call under way. */
interface Flight {
  readonly call: number;
  readonly request: Request;
  readonly sentMs: number;
  /** Whether it was sent again with the host's time. */
  readonly again: boolean;
}

/**
 * Looks at one kind of work. Whether something was done, so that other work may have come up, or a call is under way;
 * if not, there is nothing of it to do now.
 */
export type Work = (session: HostSession, turn: Turn) => Promise<boolean>;

/** Most urgent first. */
const WORK: readonly Work[] = [readChunk, readOn, hearNotices, mend, push, upload, prune, lookAgain];

/** The sync of one link. It waits for `start`. */
export class HostSession {
  readonly link: LinkId;
  readonly sealer: Sealer;
  readonly settings: SessionSettings;
  #running = false;
  /** Whether the link was read from the database; again after another tab reset it. */
  #begun = false;
  #flight: Flight | undefined;
  #calls = 0;
  /** The latest time that there was, by a clock that never goes back. */
  #latestMs = 0;
  /** How far the device's clock is behind that one, milliseconds. */
  #behindMs = 0;
  /** The host's clock minus ours, milliseconds; 0 until the host complains. */
  #offsetMs = 0;
  kind: Kind = 'unknown';
  /** Whether the host is believed to know the account. */
  #registered = false;
  /** Whether that was said since the last failure: a host that then denies it is in trouble. */
  #registeredNow = false;
  /** The account's open epoch, as the host last told it. */
  epoch: EpochId | null = null;
  #deleteWanted = false;
  reading = new Reading();
  readonly listening = new Listening();
  readonly writing = new Writing();
  readonly pruning = new Pruning();
  readonly recovery = new Recovery();

  constructor(link: LinkId, sealer: Sealer, settings: SessionSettings) {
    this.link = link;
    this.sealer = sealer;
    this.settings = settings;
  }

  /** Deals with an event at this time, milliseconds since 1970. It never throws; the next event waits for its end. */
  async handle(event: Event, database: Database, clockMs: number, random: Randomness): Promise<Handled> {
    const nowMs = this.#steadyTime(clockMs);
    const turn: Turn = { database, nowMs, clockMs, random, actions: [] };
    let failure = await this.#attempt(turn, async () => {
      await this.#hear(event, turn);
      await this.#work(turn);
    });
    if (failure !== undefined && isOtherHistory(failure.error)) {
      // Another tab was first to notice. What was under way is of no use any more.
      this.#beginAgain();
      failure = await this.#attempt(turn, () => this.#work(turn));
    }
    // Writing the trouble down would most likely fail as well.
    if (failure !== undefined) fallBack(this, 'local', textOf(failure.error), turn);
    const atMs = wakeMs(this, turn);
    if (atMs !== null && this.#running) turn.actions.push({ type: 'wake_at', atMs: this.clockTime(atMs) });
    return { actions: turn.actions, ...failure };
  }

  async #attempt(turn: Turn, work: () => Promise<void>): Promise<{ error: unknown } | undefined> {
    try {
      await work();
      return undefined;
    } catch (error) {
      // What is being merged comes to its end before anything begins anew. That it fails as well is no more news.
      await merged(this, turn).catch(() => undefined);
      return { error };
    }
  }

  /**
   * A clock that was put back would keep everything waiting that was planned before: waits go by a time that stands
   * still for a moment instead.
   */
  #steadyTime(clockMs: number): number {
    const nowMs = clockMs + this.#behindMs;
    this.#behindMs += Math.max(this.#latestMs - nowMs, 0);
    this.#latestMs = Math.max(this.#latestMs, nowMs);
    return this.#latestMs;
  }

  /** What the device's clock shows at this time of ours. */
  clockTime(timeMs: number): number {
    return Math.max(timeMs - this.#behindMs, 0);
  }

  async #hear(event: Event, turn: Turn): Promise<void> {
    if (event.type === 'start') this.#running = true;
    else if (event.type === 'stop') await this.#stop(turn);
    else if (this.#running) await this.#hearRunning(event, turn);
  }

  async #hearRunning(event: Exclude<Event, { type: 'start' | 'stop' }>, turn: Turn): Promise<void> {
    switch (event.type) {
      case 'response':
        return await this.#respond(event.call, event.result, turn);
      case 'notices_opened':
        return noticesOpened(this, turn);
      case 'notice':
        return notice(this, event.frame, turn);
      case 'notices_lost':
        return noticesLost(this);
      case 'notices_closed':
        return noticesClosed(this, turn);
      case 'local_write':
        return writtenHere(this, turn);
      case 'online':
        return online(this, turn);
      case 'audit':
        return beginAudit(this, turn);
      case 'delete_account':
        this.#deleteWanted = true;
        return;
      case 'wake':
        return;
    }
  }

  async #begin(turn: Turn): Promise<void> {
    const link = await turn.database.follow(this.link);
    this.#begun = true;
    // A cursor was told by a host that knew the account.
    this.#registered = link.cursor !== null;
    this.recovery.recall(link.trouble);
    this.writing.dirty = true;
    this.pruning.begin(turn.nowMs);
    beginReading(this, link, turn);
  }

  /** Forgets what was known of the host's history, and reads the link anew. */
  #beginAgain(): void {
    this.forgetAttempt();
    this.reading.forgetHistory();
    this.#begun = false;
  }

  async #stop(turn: Turn): Promise<void> {
    this.#running = false;
    this.#flight = undefined;
    this.listening.stop();
    turn.actions.push({ type: 'close_notices' });
    await merged(this, turn);
  }

  /** Does what there is to do, until a call is under way. */
  async #work(turn: Turn): Promise<void> {
    while (this.#running && this.#flight === undefined && !this.recovery.isWaiting(turn.nowMs)) {
      if (!this.#begun) await this.#begin(turn);
      if (!(await this.#workOnce(turn))) return await rest(this, turn);
    }
  }

  async #workOnce(turn: Turn): Promise<boolean> {
    if (!this.#registered) {
      await this.call({ type: 'user' }, turn);
      return true;
    }
    if (this.#deleteWanted) {
      await merged(this, turn);
      await this.#deleteAccount(turn);
      return true;
    }
    for (const work of WORK) {
      if (await work(this, turn)) return true;
    }
    return false;
  }

  async #deleteAccount(turn: Turn): Promise<void> {
    if (this.kind === 'old') {
      this.#deleteWanted = false;
      fallBack(this, 'refused', new StatusError(Status.NotImplemented).message, turn);
    } else if (this.epoch !== null) {
      await this.call({ type: 'delete_account', epoch: this.epoch }, turn);
    } else {
      await this.call({ type: 'epoch', cursor: null }, turn);
    }
  }

  /** Makes a call. There is none under way. */
  async call(request: Request, turn: Turn): Promise<void> {
    await this.#send(request, false, turn);
  }

  async #send(request: Request, again: boolean, turn: Turn): Promise<void> {
    const timeMs = this.hostTime(turn.clockMs);
    let body: Uint8Array;
    try {
      body = await encodeRequest(request, this.sealer, this.settings.origin, timeMs);
    } catch (error) {
      await merged(this, turn);
      // A clock past the range, most likely: nothing that this host could help with.
      return fallBack(this, 'local', textOf(error), turn);
    }
    this.#calls += 1;
    const call = this.#calls;
    turn.actions.push({
      type: 'call',
      call,
      path: pathOf(request),
      body,
      token: request.type === 'user',
      answerBytesMax: answerBytesMax(request),
    });
    this.#flight = { call, request, sentMs: turn.clockMs, again };
  }

  /** Our time by the host's clock. */
  hostTime(clockMs: number): number {
    return Math.max(clockMs + this.#offsetMs, 0);
  }

  async #respond(call: number, result: CallResult, turn: Turn): Promise<void> {
    const flight = this.#flight;
    if (flight === undefined || flight.call !== call) return;
    this.#flight = undefined;
    if (!result.ok) return await this.#notAnswered(flight.request, result.failure, turn);
    try {
      const [head, reader] = readAnswer(result.body);
      await this.#headTold(flight, head, reader, turn);
    } catch (error) {
      if (!(error instanceof BadAnswer)) throw error;
      await fail(this, 'answer', error.message, turn);
    }
  }

  async #headTold(flight: Flight, head: ResponseHead, reader: Reader, turn: Turn): Promise<void> {
    const { request } = flight;
    const { status } = head;
    if (status === Status.Success) {
      this.writing.hearRoom(head.subscription.stored);
      return await this.#answered(request, reader, turn);
    }
    if (status === Status.ClockOutOfSync) return await this.#adjustClock(flight, head, turn);
    if (status === Status.UserNotRegistered && request.type !== 'user' && !this.#registeredNow) {
      return await this.#accountIsGone(turn);
    }
    if (status === Status.UserNotRegistered && request.type === 'user') {
      return await fail(this, 'refused', 'the host refuses to register this account', turn);
    }
    if (status === Status.NotFound && request.type === 'epoch') return hostIsOld(this, turn);
    const { message } = new StatusError(status);
    if (request.type === 'prune') return await pruneRefused(this, message, turn);
    await fail(this, 'refused', message, turn);
  }

  async #notAnswered(request: Request, failure: Failure, turn: Turn): Promise<void> {
    const text = failureText(failure);
    switch (failure.type) {
      case 'http':
        if (failure.status === 413 && request.type === 'push') return await pushSmaller(this, turn);
        return await fail(this, 'http', text, turn);
      case 'too_large':
        return await fail(this, 'answer', text, turn);
      case 'unreachable':
      case 'silent':
        return await fail(this, 'network', text, turn);
    }
  }

  /** A request worked; what follows its head is read here. `BadAnswer`: it cannot be read. */
  async #answered(request: Request, reader: Reader, turn: Turn): Promise<void> {
    this.listening.reached = true;
    switch (request.type) {
      case 'user':
        this.#registered = true;
        this.#registeredNow = true;
        return report(turn, { type: 'registered' });
      case 'delete_account':
        report(turn, { type: 'account_deleted' });
        return await this.#stop(turn);
      case 'epoch':
        return await epochTold(this, request.cursor, reader, turn);
      case 'peek':
        return await listTold(this, request.after, reader, turn);
      case 'page':
        return await pageTold(this, request.after, reader, turn);
      case 'pull':
        return await bodiesTold(this, reader, turn);
      case 'push':
        return await pushTold(this, reader, turn);
      case 'prune':
        return await pruneTold(this, request.pairs, reader, turn);
    }
  }

  /** The host says that the clocks differ: its answer tells by how much. Tried once more, with its time. */
  async #adjustClock(flight: Flight, head: ResponseHead, turn: Turn): Promise<void> {
    const offsetMs = Math.trunc((head.receivedMs - flight.sentMs + (head.sentMs - turn.clockMs)) / 2);
    if (flight.again || Math.abs(offsetMs) > CLOCK_OFFSET_MS_MAX) {
      this.#offsetMs = 0;
      const text = `this device's clock and the host's differ by ${Math.trunc(offsetMs / 1_000)} s`;
      return await fail(this, 'clock', text, turn);
    }
    this.#offsetMs = offsetMs;
    report(turn, { type: 'clock_skew', offsetMs });
    await this.#send(flight.request, true, turn);
  }

  /** The host does not know the account: it lost it, or it was removed. */
  async #accountIsGone(turn: Turn): Promise<void> {
    await merged(this, turn);
    this.#registered = false;
    this.forgetAttempt();
    this.reading.accountGone = true;
  }

  /** Forgets what a call that did not work leaves half done. The database is as if it had not begun. */
  forgetAttempt(): void {
    this.#flight = undefined;
    this.#registeredNow = false;
    this.reading.forgetAttempt();
    this.listening.forgetAttempt();
    this.writing.forgetAttempt();
  }

  /** Everything worked, so that the next trouble is a first one. */
  settleDown(): void {
    this.#registeredNow = false;
    this.recovery.succeed();
  }
}

/** Says something. */
export function report(turn: Turn, said: Report): void {
  turn.actions.push({ type: 'report', report: said });
}

/** Says several things. */
export function reportAll(turn: Turn, said: readonly Report[]): void {
  for (const one of said) report(turn, one);
}

/** Whether another tab has found that the host has another history. */
function isOtherHistory(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'other_history';
}

function textOf(error: unknown): string {
  return error instanceof Error ? error.message : 'something failed on this device';
}
