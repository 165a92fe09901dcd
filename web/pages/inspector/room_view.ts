// One room under the glass: ties its connection to the sections that show it. Nothing is kept when it is closed.

import { RoomConnection } from '../../src/client/room/connection.ts';
import { LatencyMeter } from '../../src/client/room/latency.ts';
import type { RoomStatus } from '../../src/client/room/types.ts';
import { element } from '../kit/element.ts';
import { RateMeter } from './rate.ts';
import { KeysSection } from './room_keys.ts';
import { PushSection } from './room_push.ts';
import { StatusSection } from './room_status.ts';
import { openStored } from './room_stored.ts';
import { StreamSection } from './room_stream.ts';
import { type Arrival, LOG_MESSAGES_MAX } from './stream_log.ts';

/** Stored messages from before we came that are shown, if they are among the last so many numbers. */
const RECENT_NUMBERS = 1_000;
const RECENT_ENTRIES = 200;
const SECOND_MS = 1_000;

export class RoomView {
  readonly element: HTMLElement;
  readonly #connection: RoomConnection;
  readonly #meter: LatencyMeter;
  readonly #rate = new RateMeter();
  readonly #status = new StatusSection();
  readonly #stream = new StreamSection();
  readonly #keys: KeysSection;
  readonly #push: PushSection;
  readonly #ends: (() => void)[] = [];
  #last: RoomStatus;
  /** What came before the older ones were read: it is listed behind them. */
  #early: Arrival[] | undefined = [];
  #resets = 0;
  #lives = 0;

  /** `url`: the room's. Throws when it is none. */
  constructor(url: string) {
    // CBOR keeps apart what JSON would mix up: bytes and lists of numbers, dates and texts.
    const connection = new RoomConnection(url, { encoding: 'cbor' });
    this.#connection = connection;
    this.#last = connection.status;
    this.#keys = new KeysSection(connection, {
      filter: (key) => this.#stream.filter(key),
      read: (summary) => void openStored(connection, summary),
      use: (key) => this.#push.use(key),
    });
    this.#push = new PushSection(connection);
    this.#meter = new LatencyMeter(connection);
    this.element = element('div', { class: 'room' }, [
      this.#status.element,
      this.#keys.element,
      this.#stream.element,
      this.#push.element,
    ]);
  }

  /** Resolves when the room is open; rejects when there is none, with a `RoomError`. */
  async open(): Promise<void> {
    const connection = this.#connection;
    this.#ends.push(
      connection.onEntry((key, { seq, value }, own) => {
        const now = Date.now();
        this.#rate.add(now);
        this.#arrived({ seq, key, value, at: now, own: own !== undefined });
        this.#keys.changed();
      }),
      connection.onStatus((status) => this.#statusChanged(status)),
      connection.onReset(() => {
        this.#resets += 1;
        this.#note('Reset: the room has another history than before');
      }),
      this.#meter.subscribe((latencyMs) => this.#status.showLag(latencyMs)),
    );
    const every = setInterval(() => this.#status.showRate(this.#rate.series(Date.now())), SECOND_MS);
    this.#ends.push(() => clearInterval(every));
    this.#status.showRate(this.#rate.series(Date.now()));
    await connection.connect();
    await Promise.all([this.#showRecent(), this.#keys.refresh()]);
  }

  close(): void {
    for (const end of this.#ends) end();
    this.#meter.destroy();
    this.#stream.destroy();
    this.#keys.destroy();
    this.#connection.close();
  }

  #arrived(arrival: Arrival): void {
    if (this.#early === undefined) {
      this.#stream.log.add(arrival);
      this.#stream.changed();
    } else {
      this.#early.push(arrival);
      if (this.#early.length > LOG_MESSAGES_MAX) this.#early.shift();
    }
  }

  /** What was stored lately, before what comes. */
  async #showRecent(): Promise<void> {
    const log = this.#stream.log;
    try {
      const head = this.#connection.status.seq;
      const { data } = await this.#connection.entriesPage(Math.max(0, head - RECENT_NUMBERS), RECENT_ENTRIES);
      const first = this.#early?.[0]?.seq ?? Number.POSITIVE_INFINITY;
      const before = data.filter(({ seq }) => seq <= head && seq < first);
      for (const { key, seq, value } of before) log.add({ seq, key, value });
      log.note(Date.now(), before.length === 0 ? 'Live from here' : 'Above: stored lately. Live from here');
    } finally {
      for (const arrival of this.#early ?? []) log.add(arrival);
      this.#early = undefined;
      this.#stream.changed();
    }
  }

  #statusChanged(status: RoomStatus): void {
    const before = this.#last;
    this.#last = status;
    if (status.state === 'live' && before.state !== 'live') {
      this.#lives += 1;
      if (this.#lives > 1) this.#note('Connected again');
      void this.#keys.refresh();
    }
    if (before.state === 'live' && status.state !== 'live') {
      this.#note(`Connection lost${status.reason === undefined ? '' : `: ${status.reason.message}`}`);
    }
    if (before.epoch !== null && status.epoch !== before.epoch) this.#note(`New epoch: ${status.epoch}`);
    this.#push.setReadOnly(status.readOnly);
    this.#status.show(status, this.#resets, Math.max(0, this.#lives - 1));
  }

  #note(text: string): void {
    this.#stream.log.note(Date.now(), text);
    this.#stream.changed();
  }
}
