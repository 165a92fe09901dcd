// Random histories: all that can be done to a database, and all that can be asked of it.

import fc from 'fast-check';
import type { Arrived, Database, Fill, LinkId, Query } from '../../src/entdb/database.ts';
import { encodeEnvelope } from '../../src/entdb/envelope.ts';
import type { Eid } from '../../src/protocol/host/eid.ts';
import type { Message } from '../../src/protocol/host/message.ts';
import { eid, host, message, raw, START_MS, type World } from './support.ts';

/** The ids that histories are about. */
export const IDS = [0, 1, 2, 3, 4, 5] as const;
const TYPES = ['note', 'todo', 'tag'] as const;

/** The id of a number. */
export function id(number: number): Eid {
  return eid(number, START_MS + (number % 3));
}

const type = fc.constantFrom(...TYPES);
const anId = fc.constantFrom(...IDS).map(id);
const link = fc.integer({ min: 1, max: 4 });
const group = fc.option(fc.constantFrom('g0', 'g1'), { nil: undefined });
const parent = fc.option(anId, { nil: undefined });
const seq = fc.integer({ min: 1, max: 20 });

const body = fc.oneof(
  {
    weight: 6,
    arbitrary: fc
      .tuple(type, parent, group, fc.nat(3))
      .map(([kind, pid, gid, value]) => encodeEnvelope(kind, pid, gid, value)),
  },
  { weight: 2, arbitrary: fc.constant(null) },
  { weight: 1, arbitrary: fc.nat(2).map((value) => raw(0xc1, value)) },
  {
    weight: 1,
    arbitrary: type.map((kind) => raw(0x82, 0xa4, 'type', 0xa0 + kind.length, kind, 0xa4, 'body', 1)),
  },
);

/** A message from elsewhere. */
export const sent: fc.Arbitrary<Message> = fc
  .tuple(anId, fc.nat(8), fc.nat(4), body)
  .map(([eid, offsetMs, counter, content]) => message(eid, offsetMs, counter, content));

const arrived = fc.tuple(sent, fc.nat(5)).map(([one, how]): Arrived => {
  if (how === 0) return { type: 'head', head: one.head };
  if (how === 1) return { type: 'unreadable', head: one.head, reason: 'closed' };
  return how === 2 ? { type: 'unreadable', head: null, reason: 'shut' } : { type: 'whole', message: one };
});

/** One thing that is done, and what was answered. */
export interface Step {
  readonly name: string;
  readonly run: (world: World) => Promise<unknown>;
}

function step(
  weight: number,
  name: string,
  arbitrary: fc.Arbitrary<Step['run']>,
): fc.WeightedArbitrary<Step> {
  return { weight, arbitrary: arbitrary.map((run) => ({ name, run })) };
}

const EPOCH = new Uint8Array(16).fill(7);
const stage = fc.constantFrom<Fill>('replay', 'upload', 'done');
const skew = fc.constantFrom('force' as const, 'fail' as const);

/** Anything that can be done. */
export const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.oneof(
    step(
      6,
      'put',
      fc
        .tuple(anId, fc.nat(10), type, parent, group, skew)
        .map(([eid, now, type, parent, group, skew]) => (world) => {
          world.nowMs = START_MS + now;
          return world.database.put(eid, { type, body: { now }, parent, group }, { skew });
        }),
    ),
    step(
      2,
      'delete',
      fc.tuple(anId, fc.nat(10)).map(([eid, now]) => (world) => {
        world.nowMs = START_MS + now;
        return world.database.delete(eid);
      }),
    ),
    step(
      3,
      'merge',
      fc
        .array(sent, { minLength: 1, maxLength: 4 })
        .map((messages) => (world) => world.database.merge(messages)),
    ),
    step(
      6,
      'receive',
      fc.tuple(link, fc.array(fc.tuple(seq, arrived), { maxLength: 5 }), fc.option(seq)).map(
        ([link, bags, last]) =>
          (world) =>
            world.database.receive(link, {
              bags,
              cursor: last === null ? null : { epoch: EPOCH, seq: last },
            }),
      ),
    ),
    step(
      4,
      'push',
      fc.tuple(link, fc.integer({ min: 1, max: 4 }), seq).map(([link, max, seq]) => async (world) => {
        const waiting = await world.database.outbox(link, max, 100);
        const stored = waiting.map((one, at) => [one.head, seq + at] as const);
        return [waiting, await world.database.pushed(link, stored)];
      }),
    ),
    step(
      2,
      'prune',
      link.map((link) => async (world) => {
        const pairs = await world.database.prunable(link, 3);
        await world.database.pruned(
          link,
          pairs.map((pair) => pair.bag),
        );
        return pairs;
      }),
    ),
    step(
      1,
      'lose',
      fc.tuple(link, seq).map(
        ([link, seq]) =>
          (world) =>
            world.database.lost(link, [seq]),
      ),
    ),
    step(
      1,
      'doubt',
      fc.tuple(link, seq).map(
        ([link, seq]) =>
          (world) =>
            world.database.doubt(link, seq, 3),
      ),
    ),
    step(
      1,
      'postpone',
      link.map((link) => async (world) => {
        const waiting = await world.database.outbox(link, 1, 0);
        await world.database.postpone(
          link,
          waiting.map((one) => one.head),
        );
      }),
    ),
    step(
      2,
      'fill',
      fc.tuple(link, fc.integer({ min: 1, max: 5 })).map(
        ([link, max]) =>
          (world) =>
            world.database.fill(link, max),
      ),
    ),
    step(
      1,
      'stage',
      fc.tuple(link, stage).map(
        ([link, stage]) =>
          (world) =>
            world.database.setStage(link, stage),
      ),
    ),
    step(
      1,
      'reset',
      link.map((link) => (world) => world.database.reset(link, new Uint8Array(16).fill(link))),
    ),
    step(
      2,
      'link',
      fc.nat(3).map((number) => (world) => world.database.addLink(host(number))),
    ),
    step(
      1,
      'unlink',
      fc.integer({ min: 1, max: 8 }).map((link) => (world) => world.database.removeLink(link)),
    ),
    step(
      1,
      'reopen',
      fc.constant((world) => world.reopen()),
    ),
  ),
  { minLength: 1, maxLength: 60 },
);

/** Does a step and tells all that it answered, errors too. */
export async function answer(world: World, step: Step): Promise<unknown> {
  try {
    return await step.run(world);
  } catch (error) {
    return error instanceof Error && 'code' in error ? error.code : error;
  }
}

const QUERIES: readonly Omit<Query, 'type'>[] = [
  {},
  { reverse: true, limit: 2 },
  { order: 'updated', reverse: true },
  { order: 'id', limit: 3 },
  { group: 'g0' },
  { group: 'g1', order: 'id', reverse: true, limit: 1 },
  { parent: id(1) },
  { updated: { from: START_MS + 3, to: START_MS + 8 }, limit: 2 },
  { created: { to: START_MS + 1 }, order: 'updated' },
];

/** All that can be asked of a database. */
export async function everything(database: Database): Promise<unknown> {
  const ids = IDS.map(id);
  const links = (await database.links()).map((link) => link.id);
  const all = <T, U>(items: readonly T[], ask: (item: T) => Promise<U>) => Promise.all(items.map(ask));
  return {
    status: await database.status(),
    types: await database.types(),
    messages: await database.messages(null, 1_000),
    aside: await database.setAside(),
    ents: await all(ids, (eid) => database.get(eid)),
    durable: await all(ids, (eid) => database.durableAt(eid)),
    queries: await all(TYPES, (type) => all(QUERIES, (query) => database.page({ ...query, type }))),
    counts: await all(TYPES, (type) => all(QUERIES, (query) => database.count({ ...query, type }))),
    links: await all(links, (link) => ofLink(database, link)),
  };
}

async function ofLink(database: Database, link: LinkId): Promise<unknown> {
  return [
    await database.outbox(link, 1_000, 1_000_000),
    await database.prunable(link, 1_000),
    await database.heldAfter(link, 0, 1_000),
    await database.unreadable(link, 1_000),
  ];
}

/**
 * What must hold at every moment: what is stored does not wait, what waits is here, and what is offered for pruning is
 * never the only copy of anything. Tells what does not.
 */
export async function brokenPromise(database: Database): Promise<string | null> {
  const durable = (await Promise.all(IDS.map(id).map((eid) => database.durableAt(eid)))).flat();
  if (durable.some((at) => at.stored !== null && at.waiting)) return 'something is stored and waits';
  for (const { id: link } of await database.links()) {
    const held = durable.filter((at) => at.link === link).map((at) => at.stored);
    for (const { bag, supersededBy } of await database.prunable(link, 1_000)) {
      if (held.includes(bag)) return `${bag} is the only copy of what it holds`;
      if (supersededBy !== null && !held.includes(supersededBy)) return `${supersededBy} holds no winner`;
    }
    const waiting = await database.outbox(link, 1_000, 1_000_000);
    if (waiting.length !== (await database.waiting(link))) return 'something waits that is not here';
  }
  return null;
}
