// Laws of questions.

import { expect } from 'vitest';
import type { Ent, Query, Selection, TimeRange } from '../../../src/entdb/database.ts';
import { eid, type Law, START_MS, update, type World } from '../support.ts';

/** Thirty entities of two types, with groups and parents, some created and written in the same moments. */
async function thirty(world: World): Promise<Ent[]> {
  const ents: Ent[] = [];
  for (let number = 0; number < 30; number += 1) {
    world.nowMs = START_MS + (number % 6) * 10;
    const parent = number % 5 === 0 ? undefined : eid(number % 2, 7);
    const group = number % 2 === 0 ? `g${number % 3}` : undefined;
    const draft = { type: number % 3 === 0 ? 'a' : 'b', body: number, parent, group };
    ents.push(await world.database.put(eid((number * 37) % 256, START_MS + (number % 4)), draft));
  }
  await world.reopen();
  return ents;
}

const RANGES: readonly (TimeRange | undefined)[] = [
  undefined,
  {},
  { from: 0, to: Number.MAX_VALUE },
  { from: START_MS + 1, to: START_MS + 2 },
  { from: START_MS + 10, to: START_MS + 30 },
  { to: START_MS + 1 },
  { from: START_MS + 0.5 },
  { from: 5, to: 4 },
  { from: Number.NEGATIVE_INFINITY, to: -1 },
];

function selections(): Selection[] {
  const all: Selection[] = [{ type: 'nothing' }];
  for (const type of ['a', 'b'])
    for (const parent of [undefined, eid(0, 7), eid(1, 7), eid(2, 7)])
      for (const group of [undefined, 'g0', 'g1', 'g3'])
        for (const [index, created] of RANGES.entries())
          all.push({ type, parent, group, created, updated: RANGES[(index * 5) % RANGES.length] });
  return all;
}

function isWithin(range: TimeRange | undefined, ms: number): boolean {
  return (range?.from === undefined || ms >= range.from) && (range?.to === undefined || ms <= range.to);
}

/** What a query is, worked out from all entities. */
function expected(ents: readonly Ent[], query: Query): Ent[] {
  const order =
    query.order ?? (query.updated !== undefined && query.created === undefined ? 'updated' : 'created');
  const time = (ent: Ent) => (order === 'id' ? 0 : order === 'created' ? ent.createdMs : ent.updatedMs);
  const found = ents.filter(
    (ent) =>
      ent.type === query.type &&
      (query.parent === undefined || ent.parent === query.parent) &&
      (query.group === undefined || ent.group === query.group) &&
      isWithin(query.created, ent.createdMs) &&
      isWithin(query.updated, ent.updatedMs),
  );
  found.sort((a, b) => time(a) - time(b) || (a.eid < b.eid ? -1 : 1));
  return query.reverse === true ? found.reverse() : found;
}

async function pages(world: World, query: Query, limit: number): Promise<Ent[]> {
  const ents: Ent[] = [];
  let after: string | undefined;
  for (;;) {
    const page = await world.database.page({ ...query, limit, after });
    expect(page.ents.length).toBeLessThanOrEqual(limit);
    ents.push(...page.ents);
    if (page.next === null) return ents;
    after = page.next;
  }
}

const ORDERS = [undefined, 'created', 'updated', 'id'] as const;

export const queries: Record<string, Law> = {
  'every selection has its order in both directions': async (world) => {
    const ents = await thirty(world);
    for (const selection of selections())
      for (const order of ORDERS)
        for (const reverse of [false, true]) {
          const query = { ...selection, order, reverse };
          expect(await world.database.query(query), JSON.stringify(query)).toEqual(expected(ents, query));
        }
  },

  'pages follow each other without gap or repeat': async (world) => {
    const ents = await thirty(world);
    const some = selections().filter((_, at) => at % 7 === 0);
    for (const selection of some)
      for (const order of ORDERS)
        for (const reverse of [false, true])
          for (const limit of [1, 2, 7]) {
            const query = { ...selection, order, reverse };
            expect(await pages(world, query, limit), JSON.stringify(query)).toEqual(expected(ents, query));
          }
  },

  'a place outlasts its entity': async (world) => {
    await thirty(world);
    for (const reverse of [false, true]) {
      const first = await world.database.page({ type: 'b', limit: 3, reverse });
      const gone = first.ents.at(-1);
      if (first.next === null || gone === undefined) throw new Error('there are more');
      const before = await world.database.count({ type: 'b' });
      await world.database.delete(gone.eid);
      const rest = await world.database.query({ type: 'b', after: first.next, reverse });
      expect(rest).toHaveLength(before - 3);
    }
  },

  'what cannot be asked is refused': async (world) => {
    for (const after of [
      '',
      'x',
      '1',
      '1.!',
      '.AA',
      '1.CA',
      `g.${eid(1)}`,
      `1.${eid(1)}.1`,
      `${'f'.repeat(14)}.${eid(1)}`,
    ])
      await expect(world.database.query({ type: 't', after })).rejects.toMatchObject({
        code: 'invalid_cursor',
      });
    for (const query of [
      { limit: -1 },
      { limit: 1.5 },
      { limit: Number.NaN },
      { created: { from: Number.NaN } },
    ])
      await expect(world.database.query({ type: 't', ...query })).rejects.toMatchObject({
        code: 'invalid_query',
      });
    expect(await world.database.query({ type: 't', limit: 0 })).toEqual([]);
    expect(await world.database.query({ type: 't', limit: 1_000_000 })).toEqual([]);
  },

  'an update moves an entity through every index': async (world) => {
    const { database } = world;
    const id = eid(1);
    await database.put(id, { type: 'a', body: 0, parent: eid(5, 5), group: 'g' });
    world.nowMs = START_MS + 1_000;
    await database.put(id, { type: 'b', body: 0, parent: eid(6, 6), group: 'h' });
    const counts = async (selections: readonly Selection[]) =>
      Promise.all(selections.map((selection) => database.count(selection)));
    const parents = [
      { type: 'a', parent: eid(5, 5) },
      { type: 'b', parent: eid(5, 5) },
      { type: 'b', parent: eid(6, 6) },
    ];
    const groups = [
      { type: 'a', group: 'g' },
      { type: 'b', group: 'g' },
      { type: 'b', group: 'h' },
    ];
    expect(await counts([{ type: 'a' }, { type: 'b' }])).toEqual([0, 1]);
    expect(await counts(parents)).toEqual([0, 0, 1]);
    expect(await counts(groups)).toEqual([0, 0, 1]);
    const updated = [{ to: world.nowMs - 1 }, { from: world.nowMs, to: world.nowMs }];
    expect(await counts(updated.map((range) => ({ type: 'b', updated: range })))).toEqual([0, 1]);
    await database.put(id, { type: 'b', body: 0 });
    expect(await counts([...parents, ...groups])).toEqual([0, 0, 0, 0, 0, 0]);
    await database.delete(id);
    expect(await counts([{ type: 'b' }, { type: 'b', updated: {} }])).toEqual([0, 0]);
  },

  'counts are those of queries': async (world) => {
    const ents = await thirty(world);
    for (const selection of selections())
      expect(await world.database.count(selection), JSON.stringify(selection)).toBe(
        expected(ents, selection).length,
      );
  },

  'types are counted': async (world) => {
    await thirty(world);
    await world.database.merge([update(eid(99, 1), 0, 0, 'été', 1), update(eid(98, 1), 0, 0, '', 1)]);
    const gone = await world.database.insert({ type: 'gone', body: 1 });
    await world.database.delete(gone.eid);
    expect(await world.database.types()).toEqual([
      { type: '', ents: 1 },
      { type: 'a', ents: 10 },
      { type: 'b', ents: 20 },
      { type: 'été', ents: 1 },
    ]);
  },
};
