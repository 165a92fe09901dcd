// Laws of the shared reducer, over random schedules of dispatches, deliveries, cuts and compactions.

import fc from 'fast-check';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { SharedReducer } from '../../src/client/room/reducer.ts';
import type { Accepted } from '../support/room_model.ts';
import { RoomWorld, type Step, schedule, scheduleWithWipes } from '../support/room_world.ts';

const KEY = 'sum';
const THRESHOLD = 4;
const INITIAL: readonly number[] = [0];

/** Depends on the order, and refuses some actions in some states. */
function reducer(state: readonly number[], action: number): readonly number[] {
  const last = state.at(-1) ?? 0;
  if ((last + action) % 7 === 3) throw new Error('not in this state');
  return [...state.slice(-5), (last * 31 + action) % 10_007];
}

/** What the room's order gives: every action that was ever accepted, compacted or not. */
function fold(accepted: readonly Accepted[]): readonly number[] {
  let state = INITIAL;
  for (const { action, value } of accepted) {
    if (action.type !== 'append') continue;
    try {
      state = reducer(state, (value as { apply: number }).apply);
    } catch {
      // Skipped by everybody.
    }
  }
  return state;
}

interface Outcome {
  shown: (readonly number[])[];
  joined: readonly number[];
  expected: readonly number[];
  dispatched: number;
  refused: number;
  accepted: readonly Accepted[];
}

async function run(steps: readonly Step[]): Promise<Outcome> {
  const world = new RoomWorld(3);
  let turn = 0;
  const random = () => {
    turn += 1;
    return [0.1, 0.6, 0.3, 0][turn % 4] ?? 0;
  };
  const options = { reducer, initial: INITIAL, threshold: THRESHOLD, random };
  const reducers = world.rooms.map(
    (room) => new SharedReducer<readonly number[], number>(room, KEY, options),
  );
  await world.untilQuiet();
  let dispatched = 0;
  let refused = 0;
  for (const one of reducers) one.onRefused(() => (refused += 1));
  for (const next of steps) {
    if (next.type !== 'act') {
      await world.take(next);
      continue;
    }
    try {
      reducers[next.client % reducers.length]?.dispatch(next.number);
      dispatched += 1;
    } catch {
      // Refused in the state that this client sees; nothing is sent.
    }
  }
  await world.untilQuiet();
  await vi.advanceTimersByTimeAsync(1000);
  await world.untilQuiet();
  const newcomer = new SharedReducer<readonly number[], number>(world.rooms[0] ?? fail(), KEY, options);
  await world.untilQuiet();
  const outcome = {
    shown: reducers.map((one) => one.current),
    joined: newcomer.current,
    expected: fold(world.server.accepted),
    dispatched,
    refused,
    accepted: world.server.accepted,
  };
  world.close();
  return outcome;
}

function fail(): never {
  throw new Error('there is no room');
}

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

test('all reducers end at the fold of the order of the room, whatever was cut, and each action counts once', async () => {
  await fc.assert(
    fc.asyncProperty(schedule, async (steps) => {
      const { shown, joined, expected, dispatched, refused, accepted } = await run(steps);
      for (const state of [...shown, joined]) expect(state).toEqual(expected);
      expect(refused).toBe(0);
      expect(accepted.filter(({ action }) => action.type === 'append')).toHaveLength(dispatched);
    }),
    { numRuns: 100, interruptAfterTimeLimit: 30_000 },
  );
});

test('a server that loses the room leaves all reducers at the fold of what it has then', async () => {
  await fc.assert(
    fc.asyncProperty(scheduleWithWipes, async (steps) => {
      const { shown, joined, expected } = await run(steps);
      for (const state of [...shown, joined]) expect(state).toEqual(expected);
    }),
    { numRuns: 100, interruptAfterTimeLimit: 30_000 },
  );
});

test('at any time every own action is shown, and none twice', async () => {
  await fc.assert(
    fc.asyncProperty(schedule, async (steps) => {
      const world = new RoomWorld(3);
      const options = {
        reducer: (state: readonly string[], word: string) => [...state, word],
        initial: [] as readonly string[],
        threshold: THRESHOLD,
        random: () => 0.1,
      };
      const clients = world.rooms.map((room) => ({
        room,
        own: [] as string[],
        shared: new SharedReducer<readonly string[], string>(room, KEY, options),
      }));
      await world.untilQuiet();
      for (const [place, next] of steps.entries()) {
        if (next.type === 'act') {
          const client = clients[next.client % clients.length];
          client?.own.push(`${place}`);
          client?.shared.dispatch(`${place}`);
        } else {
          await world.take(next);
        }
        for (const { room, own, shared } of clients) {
          const shown = shared.current;
          // What is heard in a catching up is shown when it is whole.
          const live = room.status.state === 'live';
          const begins = !live || shown.slice(0, shared.confirmed.length).join() === shared.confirmed.join();
          const whole = shown.filter((word) => own.includes(word)).join() === own.join();
          if (!begins || !whole || new Set(shown).size < shown.length) {
            throw new Error(`shown ${shown}, confirmed ${shared.confirmed}, own ${own}`);
          }
        }
      }
      world.close();
    }),
    { numRuns: 60, interruptAfterTimeLimit: 30_000 },
  );
});

test('schedules of this kind do compact', async () => {
  const acts = Array.from({ length: 40 }, (_, number): Step => ({ type: 'act', client: number % 3, number }));
  const moves: Step[] = [0, 1, 2].flatMap((client) => [
    { type: 'up', client, frames: 4 } as const,
    { type: 'down', client, frames: 9 } as const,
  ]);
  const steps = acts.flatMap((act) => [act, ...moves, { type: 'wait', ms: 100 } as const]);
  const { shown, expected, accepted } = await run(steps);
  expect(accepted.filter(({ action }) => action.type === 'compact').length).toBeGreaterThan(2);
  for (const state of shown) expect(state).toEqual(expected);
});
