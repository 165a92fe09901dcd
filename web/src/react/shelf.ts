// The objects that the components of one page share of a room: one for each name, made for the first who uses it and
// destroyed after the last. So all of them show the same at every moment. What the objects are it does not know.

/** What the shared objects of a room have in common. */
export interface Destroyable {
  subscribe(listener: () => void): () => void;
  destroy(): void;
}

/** An object on the shelf. */
export interface Lent<Thing extends Destroyable> {
  readonly object: Thing;
  /** How many listen to it. */
  users: number;
  /** A component is changing it now: all hear of that at once, as a field does in which somebody types. */
  acting: boolean;
  /** Another one after each such change, which all show even if it looks the same. */
  ownChange: object | undefined;
}

/** Holds the objects of one room. */
export class Shelf {
  readonly #lent = new Map<string, Lent<Destroyable>>();

  /** The object of this name, if somebody uses it. One name is always one kind of object. */
  find<Thing extends Destroyable>(name: string): Lent<Thing> | undefined {
    return this.#lent.get(name) as Lent<Thing> | undefined;
  }

  /** The object of this name, made if need be. */
  take<Thing extends Destroyable>(name: string, make: () => Thing): Lent<Thing> {
    const found = this.find<Thing>(name);
    if (found !== undefined) return found;
    // What is unused ends first: a name in a room that changes hands must not be given up after it was taken again.
    for (const unused of this.#lent.keys()) this.drop(unused);
    const lent = { object: make(), users: 0, acting: false, ownChange: undefined };
    this.#lent.set(name, lent);
    return lent;
  }

  /** Destroys it, unless somebody uses it. */
  drop(name: string): void {
    const lent = this.#lent.get(name);
    if (lent === undefined || lent.users > 0) return;
    this.#lent.delete(name);
    lent.object.destroy();
  }
}
