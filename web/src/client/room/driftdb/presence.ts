// DriftDB's presence by its names, over Presence: it calls back on leaves too.

import { Presence } from '../presence.ts';
import type { DbConnection } from './connection.ts';

/** What goes over the wire. */
export interface PresenceMessage<T> {
  client: string;
  value: T;
}

/** Another client's value, and when it was last heard, milliseconds since 1970. */
export type WrappedPresenceMessage<T> = { value: T; lastSeen: number };

/** How presence behaves. */
export interface PresenceListenerOptions<T> {
  initialState: T;
  db: DbConnection;
  clientId: string;
  /** Default: `__presence`. */
  key?: string;
  callback?: (presence: Record<string, WrappedPresenceMessage<T>>) => void;
  /** Default: 20 ms. */
  minPresenceInterval?: number;
  /** Default: 1 second while clients of DriftDB's own package are here, else 20. */
  maxPresenceInterval?: number;
}

/** Shows this client's state to the others, and theirs here. */
export class PresenceListener<T> {
  #options: PresenceListenerOptions<T>;
  #state: T;
  #presence: Presence<T> | undefined;

  constructor(options: PresenceListenerOptions<T>) {
    this.#options = options;
    this.#state = options.initialState;
  }

  subscribe(): void {
    if (this.#presence !== undefined) return;
    const { db, clientId: client, key, callback, minPresenceInterval, maxPresenceInterval } = this.#options;
    this.#presence = new Presence<T>(db.room, {
      initial: this.#state,
      client,
      key,
      minIntervalMs: minPresenceInterval,
      maxIntervalMs: maxPresenceInterval,
    });
    this.#presence.subscribe((peers) => callback?.(Object.fromEntries(peers)));
  }

  destroy(): void {
    this.#presence?.destroy();
    this.#presence = undefined;
  }

  /** Shows the others something else. */
  updateState(value: T): void {
    this.#state = value;
    this.#presence?.update(value);
  }
}
