// An object that components share with the room, as React wants it: made when the first component is there to hear it,
// destroyed when the last one has gone. Rendering makes nothing, so a render that React throws away leaks nothing.

import { breathe } from '../crypto/breathe.ts';

/** What the shared objects of a room have in common. */
export interface Destroyable {
  subscribe(listener: () => void): () => void;
  destroy(): void;
}

/** What a hook shares with others in a room. */
export interface Plan<Thing extends Destroyable, Snapshot> {
  /** Makes the object and lets it listen. */
  make: () => Thing;
  /** What the hook returns of it. */
  read: (object: Thing) => Snapshot;
  /** What it returns before there is an object, on a server too. */
  initial: Snapshot;
  /** Whether two snapshots show the same, so that the older one may stay. Default: never. */
  same?: (one: Snapshot, other: Snapshot) => boolean;
}

/** Holds at most one object at a time. */
export class Held<Thing extends Destroyable, Snapshot> {
  readonly #plan: Plan<Thing, Snapshot>;
  #object: Thing | undefined;
  #users = 0;
  // What was last seen, for renders while there is no object: before the first, and while hidden.
  #last: Snapshot;
  /** What was read when `#last` was decided. */
  #read: Snapshot;
  /** The next change is this component's own: it is shown even if it looks the same. */
  #own = false;
  /** This component is changing it now: it hears of that at once, as a field does in which somebody types. */
  #acting = false;

  /** For `useSyncExternalStore`, on a server and for the first render of its page in a browser. */
  readonly initial: () => Snapshot;

  constructor(plan: Plan<Thing, Snapshot>) {
    this.#plan = plan;
    this.#last = plan.initial;
    this.#read = plan.initial;
    this.initial = () => plan.initial;
  }

  /** For `useSyncExternalStore`. */
  readonly subscribe = (listener: () => void): (() => void) => {
    this.#users += 1;
    let heard = false;
    let gone = false;
    const tell = () => {
      heard = false;
      if (!gone) listener();
    };
    const unsubscribe = this.object().subscribe(() => {
      if (this.#acting) return listener();
      if (heard) return;
      heard = true;
      // React renders at once whenever a store changes. What others send in a burst is to be one change, not a thousand.
      void breathe().then(tell);
    });
    return () => {
      gone = true;
      unsubscribe();
      this.#users -= 1;
      this.#destroyIfUnused();
    };
  };

  /** For `useSyncExternalStore`: the same identity until something changes. */
  readonly snapshot = (): Snapshot => {
    if (this.#object === undefined) return this.#last;
    const read = this.#plan.read(this.#object);
    if (read === this.#read) return this.#last;
    this.#read = read;
    if (this.#own || this.#plan.same?.(this.#last, read) !== true) this.#last = read;
    this.#own = false;
    return this.#last;
  };

  /**
   * The object, for a change by this component. It is shown in any case: the component may have changed what it was
   * shown before, in place, and then nothing would look different.
   */
  forOwnChange(): Thing {
    this.#own = this.#plan.same !== undefined;
    this.#acting = true;
    queueMicrotask(() => {
      this.#acting = false;
    });
    return this.object();
  }

  /** The object, made if need be. One that nobody comes to hear is destroyed again. */
  object(): Thing {
    if (this.#object === undefined) {
      this.#object = this.#plan.make();
      this.#destroyIfUnused();
    }
    return this.#object;
  }

  // Later, not now: StrictMode and a changed listener leave and come back in one go, and should find the same object.
  #destroyIfUnused(): void {
    queueMicrotask(() => {
      if (this.#users > 0 || this.#object === undefined) return;
      this.snapshot();
      this.#object.destroy();
      this.#object = undefined;
    });
  }
}
