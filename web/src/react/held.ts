// What one component shows of an object that it shares, as React wants it: the object is made when the first component
// is there to hear it. Rendering makes nothing, so a render that React throws away leaks nothing.

import { breathe } from '../crypto/breathe.ts';
import type { Destroyable, Lent, Shelf } from './shelf.ts';

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

/** One component's hold on the object of a name. */
export class Held<Thing extends Destroyable, Snapshot> {
  readonly #shelf: Shelf;
  readonly #name: string;
  readonly #plan: Plan<Thing, Snapshot>;
  // What was last seen, for renders while there is no object: before the first, and while hidden.
  #last: Snapshot;
  /** What was read when `#last` was decided. */
  #read: Snapshot;
  /** The last change by a component of this page that `#last` has. */
  #ownChange: object | undefined;

  /** For `useSyncExternalStore`, on a server and for the first render of its page in a browser. */
  readonly initial: () => Snapshot;

  constructor(shelf: Shelf, name: string, plan: Plan<Thing, Snapshot>) {
    this.#shelf = shelf;
    this.#name = name;
    this.#plan = plan;
    this.#last = plan.initial;
    this.#read = plan.initial;
    this.initial = () => plan.initial;
  }

  /** For `useSyncExternalStore`. */
  readonly subscribe = (listener: () => void): (() => void) => {
    const lent = this.#take();
    lent.users += 1;
    let heard = false;
    let gone = false;
    const tell = () => {
      heard = false;
      if (!gone) listener();
    };
    const unsubscribe = lent.object.subscribe(() => {
      if (lent.acting) return listener();
      if (heard) return;
      heard = true;
      // React renders at once whenever a store changes. What others send in a burst is to be one change, not a thousand.
      void breathe().then(tell);
    });
    return () => {
      gone = true;
      unsubscribe();
      this.snapshot();
      lent.users -= 1;
      this.#dropLater();
    };
  };

  /** For `useSyncExternalStore`: the same identity until something changes. */
  readonly snapshot = (): Snapshot => {
    const lent = this.#shelf.find<Thing>(this.#name);
    if (lent === undefined) return this.#last;
    const read = this.#plan.read(lent.object);
    if (read === this.#read) return this.#last;
    this.#read = read;
    // The component may have changed what it was shown before, in place, and then nothing would look different.
    const own = lent.ownChange !== this.#ownChange;
    if (own || this.#plan.same?.(this.#last, read) !== true) this.#last = read;
    this.#ownChange = lent.ownChange;
    return this.#last;
  };

  /** The object, for a change by this component: shown in any case, and before this turn ends. */
  forOwnChange(): Thing {
    const lent = this.#take();
    lent.ownChange = {};
    lent.acting = true;
    queueMicrotask(() => {
      lent.acting = false;
    });
    return lent.object;
  }

  /** The object, if there is one. */
  get found(): Thing | undefined {
    return this.#shelf.find<Thing>(this.#name)?.object;
  }

  #take(): Lent<Thing> {
    const lent = this.#shelf.take(this.#name, this.#plan.make);
    // One that nobody comes to hear is destroyed again.
    if (lent.users === 0) this.#dropLater();
    return lent;
  }

  // Later, not now: StrictMode and a changed listener leave and come back in one go, and should find the same object.
  #dropLater(): void {
    queueMicrotask(() => {
      this.snapshot();
      this.#shelf.drop(this.#name);
    });
  }
}
