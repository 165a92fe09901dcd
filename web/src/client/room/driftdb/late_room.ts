// A room for things that are made before it is known which room, or that outlive a change of rooms: what they ask for
// is kept and handed to whichever connection there is. Holds a bounded number of pushes.

import { RoomError } from '../../../protocol/error.ts';
import type { PushAction } from '../../../protocol/room/action.ts';
import { Listeners } from '../listeners.ts';
import type { RoomState, SharedRoom } from '../shared_room.ts';
import type { Acknowledgement, KeyEvent, SentPush, Unsubscribe } from '../types.ts';

/** More pushes than this do not wait for a connection. */
export const EARLY_PUSHES_MAX = 10_000;

const NOT_JOINED: RoomState = { state: 'connecting', connected: false, readOnly: false, seq: 0 };

interface Subscription {
  key: string;
  listener: (event: KeyEvent) => void;
  options: { replay?: boolean };
  end: Unsubscribe | undefined;
}

interface EarlyPush {
  send: (room: SharedRoom) => Promise<Acknowledgement>;
  resolve: (acknowledgement: Promise<Acknowledgement>) => void;
}

/** A room that may be there later, or become another one. */
export class LateRoom implements SharedRoom {
  #room: SharedRoom | undefined;
  #endStatus: Unsubscribe | undefined;
  #subscriptions = new Set<Subscription>();
  #statuses = new Listeners<[status: RoomState]>();
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
  become(room: SharedRoom | undefined): void {
    this.#endStatus?.();
    for (const subscription of this.#subscriptions) subscription.end?.();
    this.#room = room;
    if (room !== undefined) {
      for (const subscription of this.#subscriptions) this.#attach(subscription, room);
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
      if (action.type === 'relay') reject(new RoomError('offline', 'there is no connection yet'));
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
    const subscription: Subscription = { key, listener, options, end: undefined };
    this.#subscriptions.add(subscription);
    if (this.#room !== undefined) this.#attach(subscription, this.#room);
    return () => {
      subscription.end?.();
      this.#subscriptions.delete(subscription);
    };
  }

  onStatus(listener: (status: RoomState) => void): Unsubscribe {
    return this.#statuses.add(listener);
  }

  #attach(subscription: Subscription, room: SharedRoom): void {
    subscription.end = room.subscribe(subscription.key, subscription.listener, subscription.options);
  }
}
