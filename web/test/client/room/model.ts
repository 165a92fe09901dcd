// A small model of a room's server and of a network, in memory and in steps, for properties of the session.
// It keeps to the rules of docs/rooms.md that the session relies on; the real server is tested elsewhere.

import { Session } from '../../../src/client/room/session.ts';
import type { Probe, SessionAction } from '../../../src/client/room/session_action.ts';
import type { Acknowledgement, KeyEvent } from '../../../src/client/room/types.ts';
import { RoomError } from '../../../src/protocol/error.ts';
import type { ClientMessage, PushMessage } from '../../../src/protocol/room/client_message.ts';
import { jsonCodec } from '../../../src/protocol/room/codec.ts';

/** Few, so that much happens between pages. */
const PAGE_ENTRIES = 3;

interface Stored {
  readonly key: string;
  readonly value: unknown;
  readonly seq: number;
}

/** One connection as the server sees it. */
interface Peer {
  readonly client: string;
  readonly send: (message: object) => void;
  /** Catching up: everything up to here was sent. Null: live. */
  at: number | null;
}

/** The server: stores, numbers, remembers clients, tells everybody. */
export class ModelRoom {
  epoch = 'e1';
  /** Epochs of earlier runs of the same history. */
  epochs: string[] = [];
  head = 0;
  entries: Stored[] = [];
  lastIds = new Map<string, number>();
  readonly peers = new Set<Peer>();

  join(peer: Peer, since: string | null): void {
    this.peers.add(peer);
    const last_id = this.lastIds.get(peer.client) ?? null;
    const limits = { message_bytes: 1_000_000, key_bytes: 1_000, pushes_per_second: 0 };
    const { epoch, head: seq } = this;
    peer.send({ type: 'hello', epoch, seq, last_id, read_only: false, closed: false, limits });
    if (since === null) return;
    const [of = '', number = '0'] = since.split('.');
    const known = of === epoch || (of === 'e1' && this.epochs.includes(epoch));
    const good = since === '0' || (known && Number(number) <= seq);
    if (!good) peer.send({ type: 'reset', reason: known ? 'ahead' : 'unknown_epoch', epoch, seq });
    peer.at = good ? Number(number) : 0;
  }

  /** The next page of a catching up; other things may come between two. */
  page(peer: Peer): boolean {
    const { at } = peer;
    if (at === null) return false;
    const data = this.entries.filter(({ seq }) => seq > at).slice(0, PAGE_ENTRIES);
    peer.at = data.at(-1)?.seq ?? null;
    peer.send(data.length > 0 ? { type: 'entries', data } : { type: 'live', seq: this.head });
    return true;
  }

  receive(peer: Peer, message: ClientMessage): void {
    if (message.type === 'push') this.#push(peer, message);
    else if (message.type === 'ping') peer.send({ type: 'pong', nonce: message.nonce });
    else if (message.type === 'get' && 'key' in message) {
      const data = this.entries.filter(({ key }) => key === message.key);
      peer.send({ type: 'init', key: message.key, data: data.map(({ value, seq }) => ({ value, seq })) });
    }
  }

  /** As if the data were gone and the room had been made again. */
  wipe(): void {
    this.epoch = `${this.epoch}x`;
    this.head = 0;
    this.entries = [];
    this.lastIds.clear();
  }

  #push(peer: Peer, { key, value, action, id = 0 }: PushMessage): void {
    const size = this.entries.filter((entry) => entry.key === key).length;
    if (action.type !== 'relay') {
      const last = this.lastIds.get(peer.client) ?? 0;
      if (id <= last) {
        peer.send({ type: 'ack', id, seq: null, size, repeat: true });
        return;
      }
      this.lastIds.set(peer.client, id);
    }
    this.head += 1;
    const entry = { key, value, seq: this.head };
    if (action.type === 'replace') this.entries = this.entries.filter((old) => old.key !== key);
    if (action.type !== 'relay') this.entries.push(entry);
    peer.send({ type: 'ack', id, seq: this.head, size: size + 1 });
    for (const other of this.peers) if (other.at === null) other.send({ type: 'push', ...entry });
  }
}

/** A session, its socket and both directions of its bytes. */
export class ModelClient {
  readonly session: Session;
  readonly outcomes = new Map<number, Acknowledgement | RoomError>();
  readonly events: KeyEvent[] = [];
  /** What each listener shows. */
  readonly screens = new Map<number, unknown[]>();
  readonly entries: unknown[] = [];
  resets = 0;
  readonly uncertain: number[] = [];
  answers: unknown[] = [];
  /** Whose answers these are. */
  readonly answered: number[] = [];
  sent: string[] = [];
  query = '';
  now = 0;
  /** What asking over HTTP brings. */
  probe: Probe = { answered: false, error: null };
  ended: RoomError | null = null;
  readonly #room: ModelRoom;
  #toServer: string[] = [];
  #toClient: string[] = [];
  #peer: Peer | null = null;
  /** A socket was asked for and is not open. */
  #opening = false;

  constructor(room: ModelRoom, client: string, random: () => number) {
    this.#room = room;
    this.session = new Session({ codec: jsonCodec, client, lastId: 0, cursor: null, random });
  }

  /** What the first listener shows. */
  get shown(): unknown[] {
    return this.screens.get(1) ?? [];
  }

  /** Does what the session asked for. */
  settle(): void {
    for (let actions = this.session.take(); actions.length > 0; actions = this.session.take()) {
      for (const action of actions) this.#do(action);
    }
  }

  /** Opens the socket that was asked for. */
  open(): boolean {
    if (!this.#opening) return false;
    this.#opening = false;
    const back = (message: object): void => {
      this.#toClient.push(JSON.stringify(message));
    };
    this.#toServer = [];
    this.#toClient = [];
    this.#peer = { client: this.query.match(/client=([^&]*)/)?.[1] ?? '', send: back, at: null };
    this.session.opened();
    this.#room.join(this.#peer, this.query.match(/since=([^&]*)/)?.[1] ?? null);
    return true;
  }

  /** The socket that was asked for cannot be opened. */
  fail(): void {
    this.#disconnect();
    this.session.closed(1006, '', this.now);
    this.settle();
  }

  /** The server reads on, while this connection catches up. */
  stepPage(): boolean {
    return this.#peer !== null && this.#room.page(this.#peer);
  }

  /** One frame arrives at the server. */
  stepOut(): boolean {
    const frame = this.#toServer.shift();
    if (frame === undefined || this.#peer === null) return false;
    this.#room.receive(this.#peer, JSON.parse(frame) as ClientMessage);
    return true;
  }

  /** One frame arrives at the session. */
  stepIn(): boolean {
    const frame = this.#toClient.shift();
    if (frame === undefined) return false;
    this.session.received(frame, this.now);
    this.settle();
    return true;
  }

  /** The connection is lost with all that is on the way. */
  cut(code = 1006, reason = ''): void {
    if (this.#peer === null && !this.#opening) return;
    this.#disconnect();
    this.session.closed(code, reason, this.now);
    this.settle();
  }

  /** Time passes up to the next timer, if there is one within `limit`. */
  wait(limit = 31_000): boolean {
    const at = this.session.wakeAt();
    if (at === null || at > this.now + limit) return false;
    this.now = Math.max(this.now, at);
    this.session.timer(this.now);
    this.settle();
    return true;
  }

  /** Until nothing moves any more, the network being good. */
  calm(): void {
    for (let steps = 0; steps < 100_000; steps++) {
      const moved = this.open() || this.stepOut() || this.stepPage() || this.stepIn();
      const waiting = this.session.status().state === 'waiting';
      if (!moved && !(waiting && this.wait())) return;
    }
    throw new Error('it never calms down');
  }

  #disconnect(): void {
    if (this.#peer !== null) this.#room.peers.delete(this.#peer);
    this.#peer = null;
    this.#opening = false;
    this.#toServer = [];
    this.#toClient = [];
  }

  #do(action: SessionAction): void {
    switch (action.type) {
      case 'open':
        this.query = action.query;
        this.#opening = true;
        break;
      case 'send':
        this.sent.push(String(action.frame));
        this.#toServer.push(String(action.frame));
        break;
      case 'drop':
        this.#disconnect();
        break;
      case 'probe':
        this.session.probed(this.probe, this.now);
        break;
      case 'deliver':
        this.#hear(action.listener, action.event);
        break;
      case 'entry':
        this.entries.push(action.entry.value);
        break;
      case 'settle':
        if (this.outcomes.has(action.id)) throw new Error('a push was settled twice');
        this.outcomes.set(action.id, action.outcome);
        break;
      case 'answer':
        this.answers.push(action.outcome);
        this.answered.push(action.token);
        break;
      case 'reset':
        this.resets += 1;
        break;
      case 'uncertain':
        this.uncertain.push(...action.pushes.map(({ id }) => id));
        break;
      case 'end':
        this.ended = action.error;
        break;
      default:
    }
  }

  #hear(listener: number, event: KeyEvent): void {
    this.events.push(event);
    const screen = this.screens.get(listener) ?? [];
    this.screens.set(listener, screen);
    if (event.type === 'init') screen.splice(0, screen.length, ...event.entries.map(({ value }) => value));
    else screen.push(event.value);
  }
}

/** A client that is live in a room of its own. */
export function liveClient(client = 'c'): { room: ModelRoom; one: ModelClient } {
  const room = new ModelRoom();
  const one = new ModelClient(room, client, () => 0.5);
  one.session.connect(0);
  one.settle();
  one.calm();
  return { room, one };
}

/** Has the client hear these, one after the other. */
export function say(one: ModelClient, ...messages: object[]): void {
  for (const message of messages) one.session.received(JSON.stringify(message), one.now);
  one.settle();
}

/** The code of an error, or `fine` for anything else. */
export function codeOfOutcome(outcome: unknown): string {
  return outcome instanceof RoomError ? outcome.code : 'fine';
}
