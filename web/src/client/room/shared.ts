// What every shared thing is: a current state that only changes identity when it changes, and listeners that hear of
// it. Changes that come from the room together are told once.

import type { RoomError } from '../../protocol/error.ts';
import { Listeners } from './listeners.ts';
import { Pending } from './pending.ts';
import type { SharedRoom } from './shared_room.ts';
import type { Unsubscribe } from './types.ts';

/** A state shared through a room. `State` is replaced, never changed in place. */
export abstract class Shared<State> {
  #listeners = new Listeners<[state: State]>();
  #refusals = new Listeners<[error: RoomError]>();
  #cached: { state: State } | undefined;
  #telling = false;
  #ended = false;
  readonly #ends: Unsubscribe[] = [];

  /** The state as this client sees it now. The same object until something changes. */
  get current(): State {
    this.#cached ??= { state: this.compute() };
    return this.#cached.state;
  }

  /** Hears of every change, also of this client's own. Several changes that come together are told once. */
  subscribe(listener: (state: State) => void): Unsubscribe {
    return this.#listeners.add(listener);
  }

  /** Hears of each own change that the room refused and that was therefore taken back. */
  onRefused(listener: (error: RoomError) => void): Unsubscribe {
    return this.#refusals.add(listener);
  }

  /** Stops listening to the room. What `current` says does not change afterwards. */
  destroy(): void {
    if (this.#ended) return;
    void this.current;
    this.#ended = true;
    this.release();
    for (const end of this.#ends) end();
    this.#listeners.clear();
    this.#refusals.clear();
  }

  /** Whether `destroy` was called. */
  protected get ended(): boolean {
    return this.#ended;
  }

  /** Makes the state from what is known. */
  protected abstract compute(): State;

  /** Says its last words. Called once. */
  protected release(): void {}

  /** What it listens to in the room, until it is destroyed. */
  protected until(...ends: Unsubscribe[]): void {
    this.#ends.push(...ends);
  }

  /** Own pushes under way: what changes them is heard, and what is refused of them told. */
  protected pending<Item>(room: SharedRoom, changed = () => this.heard()): Pending<Item> {
    const pending = new Pending<Item>(room, changed, (error) => this.#refusals.call(error));
    this.until(() => pending.end());
    return pending;
  }

  /** Something changed here: told at once. `known`: what `compute` would give. */
  protected changed(known?: { state: State }): void {
    if (this.#ended) return;
    this.#cached = known;
    this.#listeners.call(this.current);
  }

  /** Something came from the room: told when all that came with it has been heard. */
  protected heard(): void {
    if (this.#ended) return;
    this.#cached = undefined;
    if (this.#telling) return;
    this.#telling = true;
    queueMicrotask(() => {
      this.#telling = false;
      this.changed();
    });
  }
}
