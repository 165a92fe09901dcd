// Runs one link: one session, its calls, its notices and its clock. The session decides, this does.

import type { Database } from '../entdb/database.ts';
import type { Randomness } from './host/chance.ts';
import type { HostDriver } from './host/driver.ts';
import type { Action, CallAction, Event } from './host/event.ts';
import { listen, type WebSocketConstructor } from './host/notice_socket.ts';
import type { Report } from './host/report.ts';
import type { HostSession } from './host/session.ts';

/** Frames of notices that wait for the session; those beyond are lost, and what they told is read. */
const NOTICES_MAX = 256;
/** Bytes of them. */
const NOTICES_BYTES_MAX = 4 * 1024 * 1024;
/** The longest sleep, milliseconds: a clock that was set must not keep a session asleep. */
const SLEEP_MS_MAX = 30_000;

/** What is told of a session. */
export interface Hearer {
  /** It said this. */
  hear(report: Report): void;
  /** It saw the local writes up to this count, and acted on them. */
  sawWrites(count: number): void;
  /** It ended. */
  ended(): void;
}

/** What a link runs with. */
export interface LinkTaskParts {
  session: HostSession;
  driver: HostDriver;
  database: Database;
  hearer: Hearer;
  webSocket: WebSocketConstructor | undefined;
  now: () => number;
  random: Randomness;
}

/** One link as it runs. */
export class LinkTask {
  readonly #parts: LinkTaskParts;
  /** What happened and was not dealt with yet. Bounded: notices by number and bytes, all others are there once. */
  #events: Event[] = [];
  #noticesBytes = 0;
  /** Local writes so far, as the engine counts them. */
  #writes = 0;
  #busy = false;
  #over = false;
  #call = new AbortController();
  #closeNotices: (() => void) | undefined;
  #wake: ReturnType<typeof setTimeout> | undefined;
  #finished: (() => void) | undefined;
  /** Resolves when it has ended. */
  readonly done: Promise<void>;

  constructor(parts: LinkTaskParts) {
    this.#parts = parts;
    this.done = new Promise((resolve) => {
      this.#finished = resolve;
    });
    if (parts.driver.address.isExposed) parts.hearer.hear({ type: 'exposed' });
    this.tell({ type: 'start' });
  }

  /** Something happened. What already waits to be dealt with is not told twice. */
  tell(event: Event): void {
    if (this.#over) return;
    if (event.type === 'notice') this.#queueNotice(event);
    else if (!this.#events.some((waiting) => waiting.type === event.type)) this.#events.push(event);
    void this.#run();
  }

  /** Something was written here: so often by now. */
  written(writes: number): void {
    this.#writes = writes;
    this.tell({ type: 'local_write' });
  }

  /** Ends it, without waiting for a call that is under way. */
  async stop(): Promise<void> {
    if (!this.#over) {
      this.#events = [{ type: 'stop' }];
      this.#call.abort();
      void this.#run();
    }
    await this.done;
  }

  #queueNotice(event: Extract<Event, { type: 'notice' }>): void {
    const waiting = this.#events.filter((one) => one.type === 'notice').length;
    const bytes = this.#noticesBytes + event.frame.length;
    if (waiting >= NOTICES_MAX || bytes > NOTICES_BYTES_MAX) {
      this.tell({ type: 'notices_lost' });
    } else {
      this.#noticesBytes = bytes;
      this.#events.push(event);
    }
  }

  /** Deals with what waits, one after another. */
  async #run(): Promise<void> {
    if (this.#busy) return;
    this.#busy = true;
    for (let event = this.#events.shift(); event !== undefined && !this.#over; event = this.#events.shift()) {
      await this.#step(event);
    }
    this.#busy = false;
  }

  async #step(event: Event): Promise<void> {
    const { session, database, hearer, now, random } = this.#parts;
    if (event.type === 'notice') this.#noticesBytes -= event.frame.length;
    if (event.type === 'local_write') hearer.sawWrites(this.#writes);
    const { actions, error } = await session.handle(event, database, now(), random);
    clearTimeout(this.#wake);
    const deleted = actions.map((action) => this.#act(action)).includes(true);
    // The database that is gone, and the link that is gone, will not come back.
    const gone = error instanceof Error && 'code' in error && ENDS.includes(String(error.code));
    if (event.type === 'stop' || deleted || gone) this.#end();
  }

  /** Does what the session asks. Whether that was the last thing. */
  #act(action: Action): boolean {
    switch (action.type) {
      case 'call':
        void this.#send(action);
        return false;
      case 'open_notices':
        this.#open(action.query);
        return false;
      case 'close_notices':
        this.#closeNotices?.();
        return false;
      case 'wake_at':
        this.#wake = setTimeout(() => this.tell({ type: 'wake' }), this.#sleepMs(action.atMs));
        return false;
      case 'report':
        this.#parts.hearer.hear(action.report);
        return action.report.type === 'account_deleted';
    }
  }

  #sleepMs(atMs: number): number {
    return Math.min(Math.max(atMs - this.#parts.now(), 0), SLEEP_MS_MAX);
  }

  async #send(action: CallAction): Promise<void> {
    const result = await this.#parts.driver.call(action, this.#call.signal);
    this.tell({ type: 'response', call: action.call, result });
  }

  #open(query: string): void {
    this.#closeNotices?.();
    const webSocket = this.#parts.webSocket;
    // It goes on without: then it looks from time to time.
    if (webSocket === undefined) return;
    const address = this.#parts.driver.address.notices(query);
    this.#closeNotices = listen(address, (event) => this.tell(event), webSocket);
  }

  #end(): void {
    this.#over = true;
    this.#events = [];
    clearTimeout(this.#wake);
    this.#closeNotices?.();
    this.#call.abort();
    this.#parts.hearer.ended();
    this.#finished?.();
  }
}

/** Codes of database errors after which a session cannot go on. */
const ENDS: readonly string[] = ['unknown_link', 'closed'];
