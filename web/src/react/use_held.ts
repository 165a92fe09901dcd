// The one way in which hooks meet shared objects: one object for each room and key, and renders only when it changed.

import { useMemo, useSyncExternalStore } from 'react';
import type { ReadableRoom } from '../client/room/shared_room.ts';
import { type Destroyable, Held, type Plan } from './held.ts';

/**
 * Holds the planned object as long as the component is there. What the plan says is taken once for each room, key and
 * user; later renders with other plans change nothing.
 */
export function useHeld<Thing extends Destroyable, Snapshot>(
  room: ReadableRoom,
  key: string,
  plan: (room: ReadableRoom, key: string, user: string) => Plan<Thing, Snapshot>,
  user = '',
): [Snapshot, Held<Thing, Snapshot>] {
  // biome-ignore lint/correctness/useExhaustiveDependencies: the plan is a new function in every render
  const held = useMemo(() => new Held(plan(room, key, user)), [room, key, user]);
  return [useSyncExternalStore(held.subscribe, held.snapshot, held.initial), held];
}
