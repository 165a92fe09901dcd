// The one way in which hooks meet shared objects: one object for each room and key, and renders only when it changed.

import { useMemo, useSyncExternalStore } from 'react';
import { Held, type Shared } from './held.ts';

/** What a hook shares with others in a room. */
export interface Plan<Object_ extends Shared, Snapshot> {
  /** Makes the object and lets it listen. */
  make: () => Object_;
  /** What the hook returns of it. */
  read: (object: Object_) => Snapshot;
  /** What it returns before there is an object, on a server too. */
  initial: Snapshot;
}

/**
 * Holds the planned object as long as the component is there. A new plan is asked for only when one of `parts` changes:
 * the room, the key.
 */
export function useHeld<Object_ extends Shared, Snapshot>(
  plan: () => Plan<Object_, Snapshot>,
  parts: readonly unknown[],
): [Snapshot, Held<Object_, Snapshot>] {
  // biome-ignore lint/correctness/useExhaustiveDependencies: the plan of the first render with these parts counts
  const held = useMemo(() => {
    const { make, read, initial } = plan();
    return new Held(make, read, initial);
  }, parts);
  return [useSyncExternalStore(held.subscribe, held.snapshot, held.initial), held];
}
