// A room for things that are made before it is known which room, or that outlive a change of rooms: what they ask for
// is kept and handed to whichever connection there is. Holds a bounded number of pushes.

import { RoomError } from '../../../protocol/error.ts';
import type { PushAction } from '../../../protocol/room/action.ts';
import type { KeySummary, RoomEntry, StreamEntry } from '../../../protocol/room/server_message.ts';
import { Listeners } from '../listeners.ts';
import type { ReadableRoom, RoomState } from '../shared_room.ts';
import type { Acknowledgement, KeyEvent, SentPush, Unsubscribe } from '../types.ts';

/** More pushes than this do not wait for a connection. */
export const EARLY_PUSHES_MAX = 10_000;

const NOT_JOINED: RoomState = { state: 'connecting', connected: false, readOnly: false, seq: 0 };

interface Subscription {
  attach: (room: ReadableRoom) => Unsubscribe;
  end: Unsubscribe | undefined;
}

interface EarlyPush {
  send: (room: ReadableRoom) => Promise<Acknowledgement>;
  resolve: (acknowledgement: Promise<Acknowledgement>) => void;
}

/** A room that may be there later, or become another one. */
export class LateRoom implements ReadableRoom {
  #room: ReadableRoom | undefined;
  #endStatus: Unsubscribe | undefined;
  #subscriptions = new Set<Subscription>();
  #statuses = new Listeners<[status: RoomState]>();
  #resets = new Listeners<[]>();
  /** There was a room before: the next one has another history. */
  #joinedBefore = false;
  #wills = new Map<string, unknown>();
  #early: EarlyPush[] = [];
  #sized: (key: string, size: number) => void;

  /** `sized` hears how long a push made its key's stream. */
  constructor(sized: (key: string, size: number) => void) {
    this.#sized = sized;
  }

  get status(): RoomState {
    return this.#room?.status ?? NOT_JOINED;
  }

  /** From now on it is this room; undefined: none. What was subscribed hears the new one from its beginning. */
  become(room: ReadableRoom | undefined): void {
    this.#endStatus?.();
    for (const subscription of this.#subscriptions) subscription.end?.();
    this.#room = room;
    if (room !== undefined) {
      if (this.#joinedBefore) this.#resets.call();
      this.#joinedBefore = true;
      for (const subscription of this.#subscriptions) subscription.end = subscription.attach(room);
      for (const [key, value] of this.#wills) room.will(key, value).catch(() => undefined);
      for (const { send, resolve } of this.#early.splice(0)) resolve(send(room));
      this.#endStatus = room.onStatus((status) => this.#statuses.call(status));
    }
    this.#statuses.call(this.status);
  }

  push(key: string, value: unknown, action: PushAction): SentPush {
    const sent = this.#room?.push(key, value, action) ?? this.#hold(key, value, action);
    sent.done.then(
      ({ size }) => {
        if (size !== null) this.#sized(key, size);
      },
      () => undefined,
    );
    return sent;
  }

  #hold(key: string, value: unknown, action: PushAction): SentPush {
    const done = new Promise<Acknowledgement>((resolve, reject) => {
      if (action.type === 'relay') reject(notYet());
      else if (this.#early.length >= EARLY_PUSHES_MAX) reject(new RoomError('queue_full', 'too much waits'));
      else this.#early.push({ send: (room) => room.push(key, value, action).done, resolve });
    });
    return { id: 0, done };
  }

  async will(key: string, value: unknown): Promise<void> {
    if (value === null) this.#wills.delete(key);
    else this.#wills.set(key, value);
    await this.#room?.will(key, value);
  }

  subscribe(
    key: string,
    listener: (event: KeyEvent) => void,
    options: { replay?: boolean } = {},
  ): Unsubscribe {
    return this.#attached((room) => room.subscribe(key, listener, options));
  }

  onEntry(listener: (key: string, entry: StreamEntry, own?: number) => void): Unsubscribe {
    return this.#attached((room) => room.onEntry(listener));
  }

  /** Hears also when it has become another room. */
  onReset(listener: () => void): Unsubscribe {
    const ends = [this.#resets.add(listener), this.#attached((room) => room.onReset(listener))];
    return () => {
      for (const end of ends) end();
    };
  }

  onStatus(listener: (status: RoomState) => void): Unsubscribe {
    return this.#statuses.add(listener);
  }

  trim(key: string, seq: number): SentPush {
    const room = this.#room;
    return room === undefined ? { id: 0, done: Promise.reject(notYet()) } : room.trim(key, seq);
  }

  async keys(): Promise<readonly KeySummary[]> {
    return this.#joined().keys();
  }

  async entries(): Promise<readonly RoomEntry[]> {
    return this.#joined().entries();
  }

  async get(key: string): Promise<readonly StreamEntry[]> {
    return this.#joined().get(key);
  }

  #joined(): ReadableRoom {
    if (this.#room === undefined) throw notYet();
    return this.#room;
  }

  #attached(attach: (room: ReadableRoom) => Unsubscribe): Unsubscribe {
    const subscription: Subscription = { attach, end: this.#room && attach(this.#room) };
    this.#subscriptions.add(subscription);
    return () => {
      subscription.end?.();
      this.#subscriptions.delete(subscription);
    };
  }
}

function notYet(): RoomError {
  return new RoomError('offline', 'there is no connection yet');
}
