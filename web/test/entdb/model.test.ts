// Random histories in Node: what must hold always, and that whoever has the same messages has the same entities, in
// whatever order, batches and repeats they came.

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Database } from '../../src/entdb/database.ts';
import { memoryStorage } from '../../src/entdb/storage/memory.ts';
import { answer, brokenPromise, IDS, id, sent, steps } from './model.ts';
import { host, START_MS, World } from './support.ts';

test('at every moment of a history its promises hold, and filled, every link has or gets everything', async () => {
  await fc.assert(
    fc.asyncProperty(steps, async (history) => {
      const world = await World.create('memory');
      await world.database.addLink(host(0));
      await world.database.addLink(host(1));
      for (const [at, step] of history.entries()) {
        await answer(world, step);
        expect(await brokenPromise(world.database), `after step ${at}: ${step.name}`).toBeNull();
      }
      for (const { id: link } of await world.database.links()) {
        await world.database.setStage(link, 'upload');
        while (await world.database.fill(link, 3));
      }
      const durable = await Promise.all(IDS.map((number) => world.database.durableAt(id(number))));
      expect(durable.flat().every((at) => at.stored !== null || at.waiting)).toBe(true);
    }),
    { numRuns: 150 },
  );
});

test('the same messages make the same entities', async () => {
  const ents = async (database: Database) => {
    const found = await Promise.all(IDS.map((number) => database.get(id(number))));
    return [found, await database.messages(null, 1_000)];
  };
  const messages = fc.array(sent, { minLength: 1, maxLength: 20 });
  const history = messages.chain((all) =>
    fc.record({
      all: fc.constant(all),
      shuffled: fc.shuffledSubarray([...all, ...all, ...all], { minLength: 3 * all.length }),
      batch: fc.integer({ min: 1, max: 7 }),
      mine: fc.array(fc.record({ at: fc.nat(9), id: fc.constantFrom(...IDS) }), { maxLength: 3 }),
    }),
  );
  await fc.assert(
    fc.asyncProperty(history, async ({ all, shuffled, batch, mine }) => {
      const [one, two] = [
        await Database.open(memoryStorage()),
        await Database.open(memoryStorage(), { now: () => START_MS }),
      ];
      for (let at = 0; at < shuffled.length; at += batch) {
        await two.merge(shuffled.slice(at, at + batch));
        // Local writes in between: they reach the other as messages.
        for (const write of mine)
          if (write.at * batch === at) await two.put(id(write.id), { type: 'note', body: `mine ${at}` });
      }
      await one.merge((await two.messages(null, 1_000)).messages);
      await one.merge(all);
      expect(await ents(one)).toEqual(await ents(two));
    }),
    { numRuns: 200 },
  );
});
