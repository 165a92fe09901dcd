// Who is here, and what they show: each client relays its own state, and nothing is stored. A client that goes is gone
// at once: it says so, or the server does when its connection ends (a will, on a key of its own). Wire on the key:
// {client, value} as DriftDB's PresenceListener, and for each other `every` (ms between signs of life) and `join`.

import { equal } from './equal.ts';
import { fieldsOf, randomName } from './pending.ts';
import { Shared } from './shared.ts';
import type { SharedRoom } from './shared_room.ts';
import type { KeyEvent } from './types.ts';

/** The key that DriftDB uses. */
export const PRESENCE_KEY = '__presence';
/** The least time between two messages of one client. DriftDB's default. */
export const PRESENCE_MIN_INTERVAL_MS = 20;
/** A client that does not change says this often that it lives. */
export const PRESENCE_MAX_INTERVAL_MS = 20_000;
/** No client is believed to be here for longer without a word, whatever it says; and timers take no more than 24 days. */
export const PRESENCE_INTERVAL_MS_MAX = 24 * 3_600_000;
/** DriftDB's clients say so this often, and drop who has been silent for twice as long. */
export const PRESENCE_DRIFTDB_INTERVAL_MS = 1000;
/** So many signs of life may be missing before a client is dropped. */
export const PRESENCE_MISSED = 3.5;
/** After a cut of our own, whoever has not answered by then has gone meanwhile. */
export const PRESENCE_REJOIN_MS = 5000;
/** More clients than this are not shown. */
export const PRESENCE_PEERS_MAX = 1000;
/** Answers to a newcomer are spread over this much for each client that is here. */
const ANSWER_SPREAD_MS = 2;

/** Another client. */
export interface Peer<T> {
  readonly value: T;
  /** When it was last heard, milliseconds since 1970. */
  readonly lastSeen: number;
}

/** How presence behaves. */
export interface PresenceOptions<T> {
  /** What the others see of this client at first. */
  initial: T;
  /** This client's name. Default: random. One name should be one tab. */
  client?: string | undefined;
  /** Default: `__presence`. Use one Presence for a key on a connection: a later one takes over the will. */
  key?: string | undefined;
  /** The least time between two messages, in ms. */
  minIntervalMs?: number | undefined;
  /** The time between signs of life, in ms; at most a day. */
  maxIntervalMs?: number | undefined;
  /** Between 0 and 1, for spreading answers. */
  random?: () => number;
}

interface Seen<T> extends Peer<T> {
  /** Until then, by the monotonic clock, it is believed to be here. */
  until: number;
  /** It speaks DriftDB's presence only, and must hear from us as often as its own kind does. */
  driftdb: boolean;
}

/** The other clients of a room, by their names. While this client is cut off, they are as last seen. */
export class Presence<T> extends Shared<ReadonlyMap<string, Peer<T>>> {
  /** This client's name. */
  readonly client: string;
  #room: SharedRoom;
  #key: string;
  #value: T;
  #minMs: number;
  #maxMs: number;
  #random: () => number;
  #peers = new Map<string, Seen<T>>();
  #connected = false;
  /** The next message tells that we are new here, so that the others show themselves. */
  #joining = true;
  #sentAt = Number.NEGATIVE_INFINITY;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #timerAt = Number.POSITIVE_INFINITY;
  #expiry: ReturnType<typeof setTimeout> | undefined;

  constructor(room: SharedRoom, options: PresenceOptions<T>) {
    super();
    this.client = options.client ?? randomName();
    this.#room = room;
    this.#key = options.key ?? PRESENCE_KEY;
    this.#value = options.initial;
    this.#minMs = options.minIntervalMs ?? PRESENCE_MIN_INTERVAL_MS;
    this.#maxMs = Math.min(options.maxIntervalMs ?? PRESENCE_MAX_INTERVAL_MS, PRESENCE_INTERVAL_MS_MAX);
    this.#random = options.random ?? Math.random;
    const live = { replay: false };
    this.until(
      room.subscribe(this.#key, (event) => this.#hear(event), live),
      room.subscribe(this.#leaveKey, (event) => this.#hearLeave(event), live),
      room.onStatus(() => this.#statusChanged()),
    );
    room.will(this.#leaveKey, { client: this.client }).catch(() => undefined);
    this.#statusChanged();
  }

  /** What the others see of this client. */
  get value(): T {
    return this.#value;
  }

  /** Shows the others something else, at once or `minIntervalMs` after the last time. The same again is not sent. */
  update(value: T): void {
    if (equal(value, this.#value)) return;
    this.#value = value;
    this.#sendWithin(0);
  }

  protected override compute(): ReadonlyMap<string, Peer<T>> {
    return new Map(Array.from(this.#peers, ([client, { value, lastSeen }]) => [client, { value, lastSeen }]));
  }

  protected override release(): void {
    clearTimeout(this.#timer);
    clearTimeout(this.#expiry);
    this.#relay(this.#leaveKey, { client: this.client });
    this.#room.will(this.#leaveKey, null).catch(() => undefined);
  }

  get #leaveKey(): string {
    return `${this.#key}/left`;
  }

  #hear(event: KeyEvent): void {
    if (event.type !== 'push') return;
    const fields = fieldsOf(event.value);
    const client = fields?.client;
    if (fields === undefined || typeof client !== 'string' || client === this.client) return;
    const known = this.#peers.has(client);
    if (!known && this.#peers.size >= PRESENCE_PEERS_MAX) return;
    const driftdb = typeof fields.every !== 'number' || !(fields.every > 0);
    const said = driftdb ? PRESENCE_DRIFTDB_INTERVAL_MS : Number(fields.every);
    const every = Math.min(said, PRESENCE_INTERVAL_MS_MAX);
    this.#peers.set(client, {
      value: fields.value as T,
      lastSeen: Date.now(),
      until: performance.now() + every * PRESENCE_MISSED,
      driftdb,
    });
    if (fields.join === true || (driftdb && !known)) this.#answer();
    this.#expireSoon();
    this.heard();
  }

  #hearLeave(event: KeyEvent): void {
    if (event.type !== 'push') return;
    const client = fieldsOf(event.value)?.client;
    if (typeof client !== 'string') return;
    // Another of this name has gone, or an earlier connection of ours has ended: we are still here.
    if (client === this.client) this.#sendWithin(0);
    else if (this.#peers.delete(client)) this.heard();
  }

  #statusChanged(): void {
    const connected = this.#room.status.state === 'live';
    if (connected === this.#connected) return;
    this.#connected = connected;
    if (!connected) return;
    // Leaves that happened while we were cut off were not heard.
    const until = performance.now() + PRESENCE_REJOIN_MS;
    for (const peer of this.#peers.values()) peer.until = Math.min(peer.until, until);
    this.#joining = true;
    this.#expireSoon();
    this.#sendWithin(0);
  }

  #answer(): void {
    this.#sendWithin(this.#random() * ANSWER_SPREAD_MS * this.#peers.size);
  }

  /** Sends after so many ms at the latest, and never twice within the least interval. */
  #sendWithin(ms: number): void {
    const now = performance.now();
    const at = Math.max(now + ms, this.#sentAt + this.#minMs);
    if (this.ended || !this.#connected || at >= this.#timerAt) return;
    clearTimeout(this.#timer);
    this.#timerAt = at;
    if (at <= now) this.#send();
    else this.#timer = setTimeout(() => this.#send(), at - now);
  }

  #send(): void {
    clearTimeout(this.#timer);
    this.#timerAt = Number.POSITIVE_INFINITY;
    if (!this.#connected) return;
    const join = this.#joining ? { join: true } : {};
    this.#joining = false;
    this.#sentAt = performance.now();
    this.#relay(this.#key, { client: this.client, value: this.#value, every: this.#maxMs, ...join });
    this.#sendWithin(this.#nextSign());
  }

  #nextSign(): number {
    const driftdb = [...this.#peers.values()].some((peer) => peer.driftdb);
    return driftdb ? Math.min(this.#maxMs, PRESENCE_DRIFTDB_INTERVAL_MS) : this.#maxMs;
  }

  #relay(key: string, value: unknown): void {
    this.#room.push(key, value, { type: 'relay' }).done.catch(() => undefined);
  }

  /** Drops who is silent for too long. Cut off ourselves, we cannot tell who is. */
  #expireSoon(): void {
    clearTimeout(this.#expiry);
    if (this.ended || !this.#connected || this.#peers.size === 0) return;
    const next = Math.min(...Array.from(this.#peers.values(), (peer) => peer.until));
    this.#expiry = setTimeout(() => this.#expire(), Math.max(0, next - performance.now()));
  }

  #expire(): void {
    const now = performance.now();
    for (const [client, peer] of this.#peers) {
      if (this.#connected && peer.until <= now && this.#peers.delete(client)) this.heard();
    }
    this.#expireSoon();
  }
}
