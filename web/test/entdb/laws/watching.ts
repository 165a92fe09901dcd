// Laws of live changes.

import { expect } from 'vitest';
import type { Change, Ent } from '../../../src/entdb/database.ts';
import { until } from '../../support/until.ts';
import { eid, type Law, message, START_MS, update } from '../support.ts';

export const watching: Record<string, Law> = {
  'a watched query hears what comes, changes and leaves': async (world) => {
    const heard: unknown[][] = [];
    const stop = world.database.watch({ type: 'todo' }, (ents) => heard.push(ents.map((ent) => ent.body)));
    await until('it is asked', () => heard.length === 1);
    const { eid: id } = await world.database.insert({ type: 'todo', body: 1 });
    await world.database.put(id, { type: 'todo', body: 2 });
    await world.database.insert({ type: 'other', body: 0 });
    await world.database.put(id, { type: 'done', body: 3 });
    await world.database.put(id, { type: 'todo', body: 4 });
    await world.database.delete(id);
    expect(heard).toEqual([[], [1], [2], [], [4], []]);
    stop();
    stop();
    await world.database.put(id, { type: 'todo', body: 5 });
    expect(heard).toHaveLength(6);
  },

  'a transaction tells of each entity once': async (world) => {
    const heard: (readonly Change[])[] = [];
    world.database.onChange((changes) => heard.push(changes));
    const [a, b, c] = [eid(1), eid(2), eid(3)];
    const batch = [
      update(a, 0, 0, 't', 'first'),
      update(b, 0, 0, 't', 'b'),
      update(a, 1, 1, 't', 'second'),
      update(c, 0, 0, 't', 'soon gone'),
      message(c, 1, 1, null),
    ];
    await world.database.merge(batch);
    const [entA, entB] = [await world.database.get(a), await world.database.get(b)];
    expect(heard).toEqual([
      [
        { eid: a, new: entA },
        { eid: b, new: entB },
      ],
    ]);
    await world.database.merge(batch);
    expect(heard).toHaveLength(1);
    await world.database.delete(a);
    expect(heard[1]).toEqual([{ eid: a, old: entA }]);
  },

  'a failed call tells nothing and changes nothing': async (world) => {
    const heard: unknown[] = [];
    world.database.onChange((changes) => heard.push(changes));
    await expect(world.database.receive(9, { bags: [] })).rejects.toMatchObject({ code: 'unknown_link' });
    await expect(world.database.insert({ type: 't', body: () => 1 })).rejects.toMatchObject({
      code: 'invalid_body',
    });
    await world.database.put(eid(1), { type: 't', body: 1 });
    expect(heard).toHaveLength(1);
    const broken = () => {
      throw new Error('mine');
    };
    await expect(world.database.update(eid(1), broken)).rejects.toThrow('mine');
    expect(heard).toHaveLength(1);
    expect((await world.database.get(eid(1)))?.counter).toBe(0);
  },

  'a snapshot is the same object until it changes': async (world) => {
    const live = world.database.live({ type: 't' });
    const one = world.database.liveEnt(eid(1));
    expect([live.loaded, live.snapshot, one.loaded]).toEqual([false, undefined, false]);
    let told = 0;
    const hear = () => {
      told += 1;
    };
    const stops = [live.subscribe(hear), one.subscribe(hear)];
    await until('both are asked', () => live.loaded && one.loaded);
    const empty = live.snapshot;
    expect([empty, one.snapshot, told]).toEqual([[], undefined, 2]);
    await world.database.put(eid(2), { type: 'other', body: 1 });
    expect(live.snapshot).toBe(empty);
    await world.database.put(eid(1), { type: 't', body: 1 });
    expect(live.snapshot).toEqual([one.snapshot]);
    const { snapshot } = live;
    await world.database.put(eid(3), { type: 'other', body: 1 });
    expect(live.snapshot).toBe(snapshot);
    expect(told).toBe(4);
    await world.database.delete(eid(1));
    expect([live.snapshot, one.snapshot]).toEqual([[], undefined]);
    for (const stop of stops) stop();
    await world.database.put(eid(1), { type: 't', body: 2 });
    expect(one.snapshot).toBeUndefined();
    // Whoever comes back asks again.
    one.subscribe(() => undefined);
    await until('it is asked again', () => one.snapshot !== undefined);
  },

  'a live list is what asking again would answer': async (world) => {
    const queries = [
      { type: 't' },
      { type: 't', limit: 3 },
      { type: 't', limit: 3, reverse: true },
      { type: 't', order: 'updated', limit: 2 },
      { type: 't', order: 'id', reverse: true, limit: 4 },
      { type: 't', group: 'g', limit: 2 },
      { type: 't', updated: { from: START_MS + 10 }, limit: 3 },
    ] as const;
    const lives = queries.map((query) => world.database.live(query));
    for (const live of lives) live.subscribe(() => undefined);
    let state = 7;
    const chance = (below: number) => {
      state = (state * 48_271) % 2_147_483_647;
      return state % below;
    };
    for (let step = 0; step < 60; step += 1) {
      const id = eid(chance(9), START_MS + chance(2));
      world.nowMs += chance(3);
      if (chance(4) === 0) await world.database.delete(id);
      else
        await world.database.put(id, {
          type: chance(5) === 0 ? 'u' : 't',
          body: step,
          group: chance(2) === 0 ? 'g' : undefined,
        });
      for (const [at, query] of queries.entries()) {
        const asked: Ent[] = await world.database.query(query);
        // A list that was full and lost one asks by itself.
        await until(`list ${at} is right at step ${step}`, () => same(lives[at]?.snapshot, asked));
      }
    }
  },

  'a listener that throws keeps no other from hearing': async (world) => {
    const errors: unknown[] = [];
    const heard: unknown[] = [];
    const caught = takeUncaught(errors);
    world.database.onChange(() => {
      throw new Error('mine');
    });
    world.database.onChange((changes) => heard.push(changes));
    await world.database.put(eid(1), { type: 't', body: 1 });
    expect(heard).toHaveLength(1);
    await until('the error is the page’s', () => errors.length === 1);
    caught();
  },

  'a closed database answers with an error': async (world) => {
    const other = await world.another();
    const heard: unknown[] = [];
    other.onChange((changes) => heard.push(changes));
    other.close();
    await expect(other.get(eid(1))).rejects.toMatchObject({ code: 'closed' });
    await expect(other.insert({ type: 't', body: 1 })).rejects.toMatchObject({ code: 'closed' });
    expect(heard).toEqual([]);
  },
};

function same(live: readonly Ent[] | undefined, asked: readonly Ent[]): boolean {
  return JSON.stringify(live) === JSON.stringify(asked);
}

/** Takes the next error that nobody catches away from the test runner. */
function takeUncaught(errors: unknown[]): () => void {
  if (typeof window === 'undefined') {
    const others = process.listeners('uncaughtException');
    process.removeAllListeners('uncaughtException');
    process.on('uncaughtException', (error) => void errors.push(error));
    return () => {
      process.removeAllListeners('uncaughtException');
      for (const other of others) process.on('uncaughtException', other);
    };
  }
  const take = (event: ErrorEvent) => {
    event.preventDefault();
    event.stopImmediatePropagation();
    errors.push(event.error);
  };
  window.addEventListener('error', take, { capture: true });
  return () => window.removeEventListener('error', take, { capture: true });
}
