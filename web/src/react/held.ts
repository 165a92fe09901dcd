// An object that components share with the room, as React wants it: made when the first component is there to hear it,
// destroyed when the last one has gone. Rendering makes nothing, so a render that React throws away leaks nothing.

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
}

/** Holds at most one object at a time. */
export class Held<Thing extends Destroyable, Snapshot> {
  readonly #plan: Plan<Thing, Snapshot>;
  #object: Thing | undefined;
  #users = 0;
  // What was last seen, for renders while there is no object: before the first, and while hidden.
  #last: Snapshot;

  /** For `useSyncExternalStore`, on a server and for the first render of its page in a browser. */
  readonly initial: () => Snapshot;

  constructor(plan: Plan<Thing, Snapshot>) {
    this.#plan = plan;
    this.#last = plan.initial;
    this.initial = () => plan.initial;
  }

  /** For `useSyncExternalStore`. */
  readonly subscribe = (listener: () => void): (() => void) => {
    this.#users += 1;
    const unsubscribe = this.object().subscribe(listener);
    return () => {
      unsubscribe();
      this.#users -= 1;
      this.#destroyIfUnused();
    };
  };

  /** For `useSyncExternalStore`: the same identity until something changes. */
  readonly snapshot = (): Snapshot => {
    if (this.#object !== undefined) this.#last = this.#plan.read(this.#object);
    return this.#last;
  };

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
