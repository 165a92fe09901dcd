// DriftDB's connection by its names, over a RoomConnection: it subscribes again after a cut, and `disconnect` is the end.

import { asRoomError, quietly } from '../../../protocol/error.ts';
import { RoomConnection } from '../connection.ts';
import { callSafely } from '../listeners.ts';
import type { KeyEvent, Unsubscribe, WebSocketConstructor } from '../types.ts';
import { EventListener } from './listeners.ts';
import type {
  ConnectionStatus,
  Key,
  MessageFromDb,
  MessageToDb,
  SequenceValue,
  SubscribeOptions,
} from './types.ts';

/** How a connection is made. */
export interface DbConnectionParams {
  /** Where there is no global `WebSocket`: a constructor, such as that of the package `ws`. */
  websocketConstructor?: WebSocketConstructor;
}

/** More relays and pings than this do not wait for a connection. */
export const QUEUE_MAX = 1_000;

interface KeyListener {
  key: Key;
  listener: (event: SequenceValue) => void;
  sizeCallback: ((size: number) => void) | undefined;
  ends: Unsubscribe[];
}

/** A connection to a DriftDB room. */
export class DbConnection {
  status: ConnectionStatus = { connected: false };
  statusListener = new EventListener<ConnectionStatus>();
  messageListener = new EventListener<MessageFromDb>();
  dbUrl: string | null = null;
  cbor = false;
  closed = false;
  /** The room for shared values, reducers and presence: there before `connect`, and across a change of rooms. */
  readonly room: RoomConnection;
  /** Relays and pings that wait for a connection. All else waits in the room. */
  queue: MessageToDb[] = [];
  #keyListeners = new Set<KeyListener>();
  #latency: Promise<number> | null = null;

  constructor({ websocketConstructor: webSocket }: DbConnectionParams = {}) {
    this.room = new RoomConnection(null, { webSocket });
    this.room.onStatus(({ connected, state }) => {
      this.#setStatus(connected);
      if (state === 'live') for (const message of this.queue.splice(0)) this.send(message);
    });
    this.room.onEntry((key, { seq, value }) =>
      this.messageListener.dispatch({ type: 'push', key, value, seq }),
    );
    // DriftDB tells lengths above one.
    this.room.onSize(null, (size, key) => {
      if (size > 1) this.messageListener.dispatch({ type: 'stream_size', key, size });
    });
  }

  /** The connection underneath, with all that DriftDB's names do not reach. Null while there is no room. */
  get connection(): RoomConnection | null {
    return this.room.id === '' ? null : this.room;
  }

  /**
   * Joins a room by its `socket_url`; resolves when it is there, rejects with a `RoomError` if it never will be.
   * Leaves the room of before, if there was one; what was subscribed hears the new one from its beginning.
   * DriftDB's users do not all wait for it: left alone, a rejection is not reported as unhandled.
   */
  connect(dbUrl: string, cbor = false): Promise<void> {
    return quietly(this.#join(dbUrl, cbor));
  }

  async #join(dbUrl: string, cbor: boolean): Promise<void> {
    // What waited for another room is not for this one.
    if (this.connection !== null) this.queue = [];
    this.#leave();
    this.dbUrl = dbUrl;
    this.cbor = cbor;
    this.closed = false;
    this.room.move(dbUrl, cbor ? 'cbor' : 'json');
    await this.room.connect();
  }

  /** The round trip to the server in ms; null when there is no connection. Rejects if it ends meanwhile. */
  testLatency(): Promise<number> | null {
    if (!this.status.connected) return null;
    this.#latency ??= quietly(
      this.room.latency().finally(() => {
        this.#latency = null;
      }),
    );
    return this.#latency;
  }

  /** Leaves the room for good, and ends all subscriptions. */
  disconnect(): void {
    this.closed = true;
    this.queue = [];
    this.#leave();
    for (const one of this.#keyListeners) this.#end(one);
  }

  /** Sends a message, now or when there is a connection. The answer goes to `messageListener`. */
  send(message: MessageToDb): void {
    const kind = message.type === 'push' ? message.action.type : message.type;
    const passing = kind === 'ping' || kind === 'relay';
    if (passing && this.room.status.state !== 'live' && this.queue.length < QUEUE_MAX) {
      this.queue.push(message);
      return;
    }
    switch (message.type) {
      case 'push':
        this.#tell(this.room.push(message.key, message.value, message.action).done);
        break;
      case 'get':
        this.#get(message.key, message.seq ?? 0);
        break;
      case 'ping':
        this.#tell(this.room.latency(), () => ({ ...message, type: 'pong' }));
        break;
    }
  }

  /** Hears a key: its retained stream first, then what comes. `sizeCallback` hears how long own pushes made it. */
  subscribe(
    key: Key,
    listener: (event: SequenceValue) => void,
    sizeCallback?: (size: number) => void,
    options: SubscribeOptions = {},
  ): void {
    const told = (size: number) => {
      if (size > 1) sizeCallback?.(size);
    };
    const own: KeyListener = { key, listener, sizeCallback, ends: [this.room.onSize(key, told)] };
    this.#keyListeners.add(own);
    const hear = (event: KeyEvent) => {
      const data = event.type === 'init' ? [...event.entries] : [{ seq: event.seq, value: event.value }];
      if (event.type === 'init') this.messageListener.dispatch({ type: 'init', key, data });
      for (const entry of data) if (this.#keyListeners.has(own)) callSafely(() => listener(entry));
    };
    own.ends.push(this.room.subscribe(key, hear, options));
  }

  /** Ends what `subscribe` began with the same arguments. `sizeCallback` may be left out. */
  unsubscribe(
    subject: Key,
    listener: (event: SequenceValue) => void,
    sizeCallback?: (size: number) => void,
  ): void {
    for (const one of this.#keyListeners) {
      if (one.key !== subject || one.listener !== listener) continue;
      if (sizeCallback !== undefined && one.sizeCallback !== sizeCallback) continue;
      this.#end(one);
      return;
    }
  }

  /** The server's own page about this room. The id is in the fragment, which browsers do not send. */
  #debugUrl(): string {
    return this.room.url.replace(/\/room\/([^/]*)$/, '/inspector#room=$1');
  }

  #end(listener: KeyListener): void {
    this.#keyListeners.delete(listener);
    for (const end of listener.ends) end();
  }

  #leave(): void {
    this.room.move(null);
    this.#setStatus(false);
  }

  #setStatus(connected: boolean): void {
    if (connected === this.status.connected) return;
    this.status = connected ? { connected, debugUrl: this.#debugUrl() } : { connected };
    this.statusListener.dispatch(this.status);
  }

  #get(key: Key, above: number | null = 0): void {
    if (above === null) return;
    const init = (data: readonly SequenceValue[]): MessageFromDb => ({
      type: 'init',
      key,
      data: data.filter(({ seq }) => seq > above),
    });
    this.#tell(this.room.get(key), init);
  }

  /** Tells what it was answered with, or why it was not. */
  #tell<Outcome>(answer: Promise<Outcome>, shape?: (outcome: Outcome) => MessageFromDb): void {
    answer.then(
      (outcome) => shape && this.messageListener.dispatch(shape(outcome)),
      (error: unknown) =>
        this.messageListener.dispatch({ type: 'error', message: asRoomError(error).message }),
    );
  }
}
