// DriftDB's connection by its names, over a RoomConnection: it subscribes again after a cut, and `disconnect` is the end.

import { RoomConnection } from '../connection.ts';
import type { RoomOptions, Unsubscribe, WebSocketConstructor } from '../types.ts';
import { LateRoom } from './late_room.ts';
import type { LatencyTest } from './latency.ts';
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

interface KeyListener {
  key: Key;
  listener: (event: SequenceValue) => void;
  sizeCallback: ((size: number) => void) | undefined;
  end: Unsubscribe;
}

/** A connection to a DriftDB room. */
export class DbConnection {
  status: ConnectionStatus = { connected: false };
  statusListener = new EventListener<ConnectionStatus>();
  messageListener = new EventListener<MessageFromDb>();
  dbUrl: string | null = null;
  cbor = false;
  closed = false;
  activeLatencyTest: LatencyTest | null = null;
  /** The connection underneath, with all that DriftDB's names do not reach. Null before `connect`. */
  connection: RoomConnection | null = null;
  /** The room for shared values, reducers and presence: there before `connect`, and across a change of rooms. */
  readonly room = new LateRoom();
  #webSocket: WebSocketConstructor | undefined;
  #keyListeners = new Set<KeyListener>();

  constructor(params: DbConnectionParams = {}) {
    this.#webSocket = params.websocketConstructor;
  }

  /** Joins a room by its `socket_url`; resolves when it is there. Another room than before: leaves that one. */
  connect(dbUrl: string, cbor = false): Promise<void> {
    const options: RoomOptions = {
      encoding: cbor ? 'cbor' : 'json',
      ...(this.#webSocket === undefined ? {} : { webSocket: this.#webSocket }),
    };
    this.dbUrl = dbUrl;
    this.cbor = cbor;
    this.connection = new RoomConnection(dbUrl, options);
    return this.connection.connect();
  }

  /** The round trip to the server in ms; null when there is no connection. */
  testLatency(): Promise<number> | null {
    return null;
  }

  /** Leaves the room for good. Tells nobody. */
  disconnect(): void {
    this.closed = true;
  }

  /** Sends a message, now or when there is a connection. */
  send(_message: MessageToDb): void {
    throw new Error('not yet');
  }

  /** Hears a key: its retained stream first, then what comes. `sizeCallback` hears how long own pushes made it. */
  subscribe(
    key: Key,
    listener: (event: SequenceValue) => void,
    sizeCallback?: (size: number) => void,
    options: SubscribeOptions = {},
  ): void {
    const end = this.room.subscribe(
      key,
      (event) => {
        for (const one of event.type === 'init' ? event.entries : [event]) listener(one);
      },
      options,
    );
    this.#keyListeners.add({ key, listener, sizeCallback, end });
  }

  /** Ends what `subscribe` began with the same arguments. */
  unsubscribe(
    subject: Key,
    listener: (event: SequenceValue) => void,
    sizeCallback?: (size: number) => void,
  ): void {
    for (const one of this.#keyListeners) {
      if (one.key !== subject || one.listener !== listener || one.sizeCallback !== sizeCallback) continue;
      one.end();
      this.#keyListeners.delete(one);
      return;
    }
  }
}
