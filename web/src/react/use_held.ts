// The one way in which hooks meet shared objects: one object for each room and name, and renders only when it changed.

import { useMemo, useSyncExternalStore } from 'react';
import type { ReadableRoom } from '../client/room/shared_room.ts';
import { Held, type Plan } from './held.ts';
import { type Destroyable, Shelf } from './shelf.ts';

const shelves = new WeakMap<ReadableRoom, Shelf>();

/**
 * Holds the planned object as long as the component is there. Components with the same name in the same room share it.
 * The name says the kind of object, and all that makes two of a kind different. What the plan says is taken once for
 * each room and name; later renders with other plans change nothing.
 */
export function useHeld<Thing extends Destroyable, Snapshot>(
  room: ReadableRoom,
  name: readonly [kind: string, ...what: unknown[]],
  plan: (room: ReadableRoom) => Plan<Thing, Snapshot>,
): [Snapshot, Held<Thing, Snapshot>] {
  const said = JSON.stringify(name);
  // biome-ignore lint/correctness/useExhaustiveDependencies: the plan is a new function in every render
  const held = useMemo(() => new Held(shelfOf(room), said, plan(room)), [room, said]);
  return [useSyncExternalStore(held.subscribe, held.snapshot, held.initial), held];
}

function shelfOf(room: ReadableRoom): Shelf {
  const shelf = shelves.get(room) ?? new Shelf();
  shelves.set(room, shelf);
  return shelf;
}
