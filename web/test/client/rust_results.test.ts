// What clients of a modelled room end with, beside what the real rules make of the same pushes: the model's server took
// them in some order, and the oracle (crates/testing/examples/oracle.rs) replays that order.

import fc from 'fast-check';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test, vi } from 'vitest';
import { SharedReducer } from '../../src/client/room/reducer.ts';
import type { KeyEvent } from '../../src/client/room/types.ts';
import { SharedValue } from '../../src/client/room/value.ts';
import { Oracle } from '../support/oracle.ts';
import type { Accepted } from '../support/room_model.ts';
import { RoomWorld, type Step, schedule, scheduleWithWipes } from '../support/room_world.ts';

const SUM = 'sum';
const VALUE = 'value';
const LIST = 'list';
const CLIENT = 'c'.repeat(16);
const INITIAL: readonly number[] = [0];
const BOUNDS = { numRuns: 200, interruptAfterTimeLimit: 25_000 };

interface Entry {
  seq: number;
  value: unknown;
}

interface RustResults {
  replies: Record<string, unknown>[][];
  broadcasts: (Entry & { key: string; stored: boolean })[];
  keys: Record<string, Entry[]>;
}

/** Depends on the order, and refuses some actions in some states. */
function reducer(state: readonly number[], action: number): readonly number[] {
  const last = state.at(-1) ?? 0;
  if ((last + action) % 7 === 3) throw new Error('not in this state');
  return [...state.slice(-5), (last * 31 + action) % 10_007];
}

/** The state that a stream tells: its snapshot, and the actions behind it. */
function fold(stream: readonly Entry[]): readonly number[] {
  let state = INITIAL;
  for (const { value } of stream) {
    const written = value as { reset?: readonly number[]; apply?: number };
    try {
      state = written.reset ?? reducer(state, written.apply ?? 0);
    } catch {
      // Skipped by everybody.
    }
  }
  return state;
}

/** One browser's things in the room. */
class Person {
  readonly sum: SharedReducer<readonly number[], number>;
  readonly value: SharedValue<number | null>;
  /** What a plain subscriber made of the list: an `init` begins it anew. */
  list: Entry[] = [];

  constructor(world: RoomWorld, number: number) {
    const room = world.rooms[number % world.rooms.length];
    if (room === undefined) throw new Error('there is no room');
    const random = () => (number % 4) / 4;
    this.sum = new SharedReducer(room, SUM, { reducer, initial: INITIAL, threshold: 4, random });
    this.value = new SharedValue<number | null>(room, VALUE, { initial: null });
    room.subscribe(LIST, (event: KeyEvent) => {
      if (event.type === 'init') this.list = [...event.entries];
      else this.list.push({ seq: event.seq, value: event.value });
    });
    this.#push = (value, action) => room.push(LIST, value, action);
  }

  readonly #push: (value: unknown, action: { type: 'append' } | { type: 'compact'; seq: number }) => unknown;

  act(number: number): void {
    if (number % 5 === 0) this.value.set(number);
    else if (number % 5 === 1) this.#push({ n: number }, { type: 'append' });
    // A snapshot that keeps to its contract, a trim, or one that comes too late; the list's numbers are anybody's guess.
    else if (number % 25 === 2) this.#compact(number % 3);
    else this.#dispatch(number);
  }

  #compact(back: number): void {
    const seq = this.list.at(-1 - back)?.seq;
    if (seq === undefined) return;
    const value = back === 2 ? undefined : { upTo: seq };
    this.#push(value, { type: 'compact', seq });
  }

  #dispatch(action: number): void {
    try {
      this.sum.dispatch(action);
    } catch {
      // Refused in the state that this client sees; nothing is sent.
    }
  }
}

async function play(steps: readonly Step[]): Promise<{ world: RoomWorld; people: Person[] }> {
  const world = new RoomWorld(3);
  const people = world.rooms.map((_, number) => new Person(world, number));
  await world.untilQuiet();
  for (const step of steps) {
    if (step.type === 'act') people[step.client % people.length]?.act(step.number);
    else await world.take(step);
  }
  for (let round = 0; round < 3; round += 1) {
    await world.untilQuiet();
    await vi.advanceTimersByTimeAsync(500);
  }
  people.push(new Person(world, 0));
  await world.untilQuiet();
  return { world, people };
}

async function replay(accepted: readonly Accepted[]): Promise<RustResults> {
  const commands = accepted.map(({ key, value, action }, index) => ({
    client: CLIENT,
    id: index + 1,
    key,
    action,
    ...(value !== undefined && { value }),
  }));
  return (await oracle.ask({ op: 'room', commands })) as RustResults;
}

/** The model's server did what the real rules do, and every client has what they say. */
async function compare({ world, people }: { world: RoomWorld; people: Person[] }): Promise<RustResults> {
  const { accepted, machine } = world.server;
  const rust = await replay(accepted);
  const heard = accepted.filter(({ action }) => action.type !== 'compact');
  expect(rust.broadcasts).toEqual(
    heard.map(({ key, value, outcome, action }) => ({
      key,
      value,
      seq: outcome.seq,
      stored: action.type !== 'relay',
    })),
  );
  expect(
    rust.replies.map(([ack]) => ({ seq: ack?.seq, size: ack?.size, stale: ack?.stale ?? false })),
  ).toEqual(
    accepted.map(({ outcome }) => ({ seq: outcome.seq, size: outcome.size, stale: outcome.stale ?? false })),
  );
  expect(rust.keys).toEqual(Object.fromEntries(machine.keys().map((key) => [key, machine.stream(key)])));
  const sum = fold(rust.keys[SUM] ?? []);
  const value = (rust.keys[VALUE]?.at(-1)?.value as { v: number } | undefined)?.v ?? null;
  for (const person of people) {
    expect(person.sum.current).toEqual(sum);
    expect(person.sum.confirmed).toEqual(sum);
    expect(person.value.current).toBe(value);
  }
  expect(people.at(-1)?.list).toEqual(rust.keys[LIST] ?? []);
  world.close();
  return rust;
}

let oracle: Oracle;
beforeAll(() => {
  oracle = new Oracle();
});
afterAll(() => oracle?.close());
beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'Date', 'performance', 'queueMicrotask'] });
});
afterEach(() => {
  vi.useRealTimers();
});

test('through any cuts, broadcasts, streams and every state are those of the real rules', async () => {
  await fc.assert(
    fc.asyncProperty(schedule, async (steps) => {
      const played = await play(steps);
      const rust = await compare(played);
      // Whoever heard the list to its end has each message once, in order: trims and snapshots are not told.
      const appended = rust.broadcasts.filter(({ key }) => key === LIST).map(({ seq }) => seq);
      for (const { list } of played.people.slice(0, -1)) {
        const seqs = list.map(({ seq }) => seq);
        expect(seqs).toEqual([...new Set(seqs)].sort((one, other) => one - other));
        expect(seqs.every((seq) => appended.includes(seq))).toBe(true);
      }
    }),
    BOUNDS,
  );
});

test('after the room is lost, everything is as the real rules make it of what came since', async () => {
  await fc.assert(
    fc.asyncProperty(scheduleWithWipes, async (steps) => {
      await compare(await play(steps));
    }),
    BOUNDS,
  );
});

test('schedules of this kind have snapshots, trims, stale compacts and replaced values', async () => {
  const acts = Array.from(
    { length: 200 },
    (_, number): Step => ({ type: 'act', client: number % 3, number: number % 100 }),
  );
  const moves: Step[] = [0, 1, 2].flatMap((client) => [
    { type: 'up', client, frames: 8 } as const,
    { type: 'down', client, frames: 8 } as const,
  ]);
  const steps = acts.flatMap((act) => [act, ...moves, { type: 'wait', ms: 40 } as const]);
  const played = await play(steps);
  const { accepted } = played.world.server;
  const rust = await compare(played);
  const compacts = accepted.filter(({ action }) => action.type === 'compact');
  expect(compacts.some(({ key }) => key === SUM)).toBe(true);
  expect(compacts.some(({ value }) => value === undefined)).toBe(true);
  expect(rust.replies.some(([ack]) => ack?.stale === true)).toBe(true);
  expect(accepted.filter(({ key }) => key === VALUE).length).toBeGreaterThan(5);
});
