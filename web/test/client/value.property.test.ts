// Laws of the shared value and the shared map, over random schedules of writes, deliveries and cuts.

import fc from 'fast-check';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { SharedMap } from '../../src/client/room/map.ts';
import { SharedValue } from '../../src/client/room/value.ts';
import type { ModelServer } from '../support/room_model.ts';
import { RoomWorld, type Step, schedule, scheduleWithWipes } from '../support/room_world.ts';

const KEYS = ['a', 'b', 'c'];

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

async function play(world: RoomWorld, steps: readonly Step[], act: (client: number, number: number) => void) {
  await world.untilQuiet();
  for (const next of steps) {
    if (next.type === 'act') act(next.client % world.rooms.length, next.number);
    else await world.take(next);
  }
  await world.untilQuiet();
  await vi.advanceTimersByTimeAsync(1000);
  await world.untilQuiet();
}

/** The last write to a key in the order of the room. */
function lastWrite(server: ModelServer, key: string): unknown {
  const writes = server.accepted.filter((push) => push.key === key && push.action.type === 'replace');
  return (writes.at(-1)?.value as { v?: unknown } | undefined)?.v;
}

for (const [what, schedules] of [
  ['whatever was cut', schedule],
  ['also when the server loses the room', scheduleWithWipes],
] as const) {
  test(`all values end at the last write in the order of the room, ${what}`, async () => {
    await fc.assert(
      fc.asyncProperty(schedules, fc.constantFrom(0, 20), async (steps, debounceMs) => {
        const world = new RoomWorld(3);
        const options = { initial: -1, debounceMs };
        const values = world.rooms.map((room) => new SharedValue<number>(room, 'value', options));
        await play(world, steps, (client, number) => values[client]?.set(number));
        const last = lastWrite(world.server, 'value') ?? -1;
        for (const { current } of values) expect(current).toBe(last);
        world.close();
      }),
      { numRuns: 100, interruptAfterTimeLimit: 30_000 },
    );
  });

  test(`all maps end with the last write of each key, and deleted keys leave the room, ${what}`, async () => {
    await fc.assert(
      fc.asyncProperty(schedules, async (steps) => {
        const world = new RoomWorld(3);
        const maps = world.rooms.map((room) => new SharedMap<number>(room, 'map'));
        await play(world, steps, (client, number) => {
          const key = KEYS[number % KEYS.length] ?? 'a';
          if (number < 30) maps[client]?.delete(key);
          else maps[client]?.set(key, number);
        });
        const expected = KEYS.flatMap((key) => {
          const last = lastWrite(world.server, `map/${key}`);
          return last === undefined ? [] : [[key, last]];
        });
        for (const map of maps) expect([...map.entries()].sort()).toEqual(expected);
        world.close();
      }),
      { numRuns: 100, interruptAfterTimeLimit: 30_000 },
    );
  });
}
