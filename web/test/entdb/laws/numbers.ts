// Laws of numbers: arrivals, pushes, pruning; and hosts that err or lie.

import { expect } from 'vitest';
import type { Arrived, BagSeq, Database, LinkId, Outcome, PrunePair } from '../../../src/entdb/database.ts';
import { hashOf, type Message, type MessageHead } from '../../../src/protocol/host/message.ts';
import { encodeHex } from '../../../src/protocol/host/text.ts';
import { eid, heads, host, type Law, message, START_MS, update, type World } from '../support.ts';

const EPOCH = new Uint8Array(16).fill(1);

function linked(world: World): Promise<LinkId> {
  return world.database.addLink(host(1));
}

async function arrive(
  database: Database,
  link: LinkId,
  seq: BagSeq,
  arrived: Arrived,
): Promise<Outcome | null> {
  const received = await database.receive(link, { bags: [[seq, arrived]] });
  return received.outcomes[0] ?? null;
}

function whole(sent: Message): Arrived {
  return { type: 'whole', message: sent };
}

function unreadable(head: MessageHead | null): Arrived {
  return { type: 'unreadable', head, reason: 'it does not open' };
}

function pair(bag: BagSeq, supersededBy: BagSeq): PrunePair {
  return { bag, supersededBy };
}

async function stored(database: Database, head: MessageHead): Promise<BagSeq | null> {
  return (await database.durableAt(head.eid))[0]?.stored ?? null;
}

/** Writes, and tells the head of what waits for the link now. */
async function write(world: World, link: LinkId, id: number, body: unknown): Promise<MessageHead> {
  await world.database.put(eid(id), { type: 't', body });
  const waiting = heads(await world.database.outbox(link, 99, 99_999));
  const head = waiting.find((one) => one.eid === eid(id));
  if (head === undefined) throw new Error('it does not wait');
  return head;
}

export const numbers: Record<string, Law> = {
  'arrivals move the cursor and never back': async (world) => {
    const link = await linked(world);
    for (const [sent, kept] of [
      [3, 3],
      [9, 9],
      [5, 9],
      [9, 9],
      [10, 10],
    ] as const) {
      await world.database.receive(link, { bags: [], cursor: { epoch: EPOCH, seq: sent } });
      await world.reopen();
      expect((await world.database.link(link)).cursor).toEqual({ epoch: EPOCH, seq: kept });
    }
    const epoch = new Uint8Array(16).fill(2);
    await world.database.receive(link, { bags: [], cursor: { epoch, seq: 10 } });
    expect((await world.database.link(link)).cursor).toEqual({ epoch, seq: 10 });
  },

  'a stored message waits no more': async (world) => {
    const link = await linked(world);
    const head = await write(world, link, 1, 1);
    expect(await stored(world.database, head)).toBeNull();
    expect(await world.database.pushed(link, [[head, 4]])).toEqual([true]);
    expect(await stored(world.database, head)).toBe(4);
    expect(await world.database.waiting(link)).toBe(0);
    // The answer was lost: the bag is seen in a peek instead.
    const other = await write(world, link, 2, 2);
    expect(await arrive(world.database, link, 5, { type: 'head', head: other })).toEqual({ type: 'known' });
    expect(await world.database.waiting(link)).toBe(0);
    await world.database.pushed(link, [
      [other, 5],
      [other, 5],
    ]);
    expect(await stored(world.database, other)).toBe(5);
  },

  'a push of what was superseded leaves the newer waiting': async (world) => {
    const link = await linked(world);
    const old = await write(world, link, 1, 1);
    const newer = await write(world, link, 1, 2);
    expect(await world.database.pushed(link, [[old, 1]])).toEqual([true]);
    expect(await world.database.pushed(link, [[old, 1]])).toEqual([true]);
    expect(await world.database.waiting(link)).toBe(1);
    expect(await world.database.prunable(link, 9)).toEqual([]);
    await world.database.pushed(link, [[newer, 2]]);
    expect(await world.database.waiting(link)).toBe(0);
    expect(await world.database.prunable(link, 9)).toEqual([pair(1, 2)]);
  },

  'a bag is offered once its superseder has a number': async (world) => {
    const link = await linked(world);
    const [a, b, c, theirs] = [1, 2, 3, 99].map((at) => update(eid(1), at, at, 't', at));
    if (a === undefined || b === undefined || c === undefined || theirs === undefined)
      throw new Error('four');
    await arrive(world.database, link, 1, whole(a));
    world.nowMs = START_MS + 50;
    const mine = await write(world, link, 1, 'mine');
    expect(await arrive(world.database, link, 2, { type: 'head', head: b.head })).toEqual({
      type: 'superseded',
    });
    expect(await world.database.prunable(link, 9)).toEqual([]);
    await world.database.pushed(link, [[mine, 3]]);
    expect(await world.database.prunable(link, 9)).toEqual([pair(1, 3), pair(2, 3)]);
    expect(await world.database.prunable(link, 1)).toEqual([pair(1, 3)]);
    await arrive(world.database, link, 4, whole(c));
    await world.database.pruned(link, [1, 3]);
    await world.reopen();
    expect(await world.database.prunable(link, 9)).toEqual([pair(2, 3), pair(4, 3)]);
    await arrive(world.database, link, 7, whole(theirs));
    expect(await world.database.prunable(link, 9)).toEqual([pair(2, 7), pair(3, 7), pair(4, 7)]);
  },

  'a delete is never offered': async (world) => {
    const { database } = world;
    const link = await linked(world);
    const end = message(eid(1), 2, 2, null);
    await arrive(database, link, 1, whole(update(eid(1), 1, 1, 't', 1)));
    await arrive(database, link, 2, whole(end));
    expect(await database.prunable(link, 9)).toEqual([pair(1, 2)]);
    await arrive(database, link, 3, whole(end));
    await arrive(database, link, 4, whole(message(eid(1), 3, 3, null)));
    expect(await database.prunable(link, 9)).toEqual([pair(1, 4)]);
    await arrive(database, link, 5, whole(update(eid(1), 4, 4, 't', 2)));
    await arrive(database, link, 2, { type: 'head', head: end.head });
    expect(await database.prunable(link, 9)).toEqual([pair(1, 5)]);
  },

  'a message under two numbers keeps the lower': async (world) => {
    const link = await linked(world);
    const one = update(eid(1), 1, 1, 't', 1);
    for (const seq of [8, 3, 8, 5, 3]) await arrive(world.database, link, seq, whole(one));
    expect(await stored(world.database, one.head)).toBe(3);
    expect(await world.database.prunable(link, 9)).toEqual([pair(5, 3), pair(8, 3)]);
    expect(await world.database.waiting(link)).toBe(0);
    // The same in one batch.
    const other = await world.database.addLink(host(2));
    const bags = [8, 3, 8, 5, 3].map((seq) => [seq, whole(one)] as const);
    await world.database.receive(other, { bags });
    expect(await world.database.prunable(other, 9)).toEqual([pair(5, 3), pair(8, 3)]);
  },

  'a number that held something else lets that wait again': async (world) => {
    const link = await linked(world);
    const mine = await write(world, link, 1, 1);
    await world.database.pushed(link, [[mine, 5]]);
    // The host lied, or answered for another: number 5 is this.
    await arrive(world.database, link, 5, whole(update(eid(2), 0, 0, 't', 2)));
    expect(await stored(world.database, mine)).toBeNull();
    expect(heads(await world.database.outbox(link, 9, 99))).toEqual([mine]);
    expect(await world.database.get(mine.eid)).toBeDefined();
    await world.database.put(mine.eid, { type: 't', body: 3 });
    expect(await world.database.prunable(link, 9)).toEqual([]);
  },

  'a push cannot claim a number that was read': async (world) => {
    const link = await linked(world);
    const theirs = update(eid(2), 0, 0, 't', 2);
    await arrive(world.database, link, 5, whole(theirs));
    const mine = await write(world, link, 1, 1);
    expect(await world.database.pushed(link, [[mine, 5]])).toEqual([false]);
    expect(await stored(world.database, mine)).toBeNull();
    expect(await stored(world.database, theirs.head)).toBe(5);
    expect(await world.database.waiting(link)).toBe(1);
    // Nor can a message be stored that is not here.
    const strange = update(eid(3), 0, 0, 't', 3);
    await world.database.pushed(link, [[strange.head, 6]]);
    expect(await world.database.judge([strange.head])).toEqual([{ type: 'wanted' }]);
    expect(await world.database.prunable(link, 9)).toEqual([]);
  },

  'a damaged bag is pruned and uploaded again': async (world) => {
    const link = await linked(world);
    const mine = await write(world, link, 1, 1);
    await world.database.pushed(link, [[mine, 1]]);
    expect(await arrive(world.database, link, 1, unreadable(mine))).toBeNull();
    expect(await world.database.prunable(link, 9)).toEqual([{ bag: 1, supersededBy: null }]);
    expect(await world.database.waiting(link)).toBe(1);
    // The host takes the second upload for the first: it has to be pruned before.
    expect(await world.database.pushed(link, [[mine, 1]])).toEqual([false]);
    expect([await world.database.waiting(link), await stored(world.database, mine)]).toEqual([1, null]);
    await world.database.pruned(link, [1]);
    await world.database.pushed(link, [[mine, 2]]);
    expect([await world.database.waiting(link), await stored(world.database, mine)]).toEqual([0, 2]);
    expect(await world.database.prunable(link, 9)).toEqual([]);
  },

  'what cannot be opened is counted': async (world) => {
    const link = await linked(world);
    const unknown = update(eid(1), 0, 0, 't', 1);
    expect(await arrive(world.database, link, 1, unreadable(null))).toBeNull();
    expect(await arrive(world.database, link, 2, unreadable(unknown.head))).toBeNull();
    const forged = await arrive(world.database, link, 3, whole({ ...unknown, body: null }));
    expect(forged?.type).toBe('refused');
    await world.reopen();
    expect((await world.database.status()).links[0]?.unreadable).toBe(3);
    const listed = await world.database.unreadable(link, 9);
    expect(listed.map((bag) => bag.seq)).toEqual([1, 2, 3]);
    expect(listed.every((bag) => bag.reason !== '')).toBe(true);
    expect(await world.database.prunable(link, 9)).toEqual([]);
    // Its message comes another way: now the bag is known to be damaged.
    await world.database.merge([unknown]);
    await world.database.pushed(link, [[unknown.head, 2]]);
    expect(await world.database.prunable(link, 9)).toHaveLength(1);
    expect(await world.database.waiting(link)).toBe(1);
  },

  'a host that makes up bags without end fills no disk': async (world) => {
    const link = await linked(world);
    const made = Array.from({ length: 3_000 }, (_, at) => [at + 1, unreadable(null)] as const);
    await world.database.receive(link, { bags: made.slice(2_000) });
    await world.database.receive(link, { bags: made.slice(0, 2_000) });
    expect((await world.database.status()).links[0]?.unreadable).toBe(1_000);
    // What can be opened is taken in all the same.
    const good = update(eid(1), 0, 0, 't', 1);
    expect(await arrive(world.database, link, 3_001, whole(good))).toEqual({ type: 'applied' });
  },

  'a head whose body is needed holds the cursor': async (world) => {
    const link = await linked(world);
    const one = update(eid(1), 1, 1, 't', 1);
    const cursor = { epoch: EPOCH, seq: 2 };
    const heads = await world.database.receive(link, {
      bags: [[1, { type: 'head', head: one.head }]],
      cursor,
    });
    expect(heads).toEqual({ outcomes: [null], missing: [1] });
    expect((await world.database.link(link)).cursor).toBeNull();
    const wholes = await world.database.receive(link, { bags: [[1, whole(one)]], cursor });
    expect(wholes).toEqual({ outcomes: [{ type: 'applied' }], missing: [] });
    expect((await world.database.link(link)).cursor).toEqual(cursor);
  },

  'what was lost waits again': async (world) => {
    const link = await linked(world);
    const one = update(eid(1), 1, 1, 't', 1);
    await arrive(world.database, link, 1, whole(one));
    expect(await world.database.heldAfter(link, 0, 9)).toEqual([1]);
    await world.database.lost(link, [1, 77]);
    expect(await world.database.heldAfter(link, 0, 9)).toEqual([]);
    expect(await stored(world.database, one.head)).toBeNull();
    expect(await world.database.outbox(link, 9, 99)).toEqual([one]);
    await world.database.pushed(link, [[one.head, 2]]);
    expect(await stored(world.database, one.head)).toBe(2);
  },

  'nothing is pruned on the word of a history that is doubted': async (world) => {
    const link = await linked(world);
    await world.database.pushed(link, [[await write(world, link, 1, 1), 5]]);
    await world.database.pushed(link, [[await write(world, link, 1, 2), 6]]);
    await arrive(world.database, link, 7, unreadable(null));
    await arrive(world.database, link, 3, unreadable(null));
    expect(await world.database.prunable(link, 10)).toHaveLength(1);
    // The host went back to a backup of four bags, and somebody else's new bag has number 5 now.
    expect(await world.database.doubt(link, 4, 10)).toEqual([6]);
    expect(await world.database.prunable(link, 10)).toEqual([]);
    expect((await world.database.unreadable(link, 9)).map((bag) => bag.seq)).toEqual([3]);
  },

  'heads are judged': async (world) => {
    const hash = ({ head }: Message) => encodeHex(hashOf(head));
    const [less, greater] = ['a', 'b']
      .map((body) => update(eid(1), 5, 5, 't', body))
      .sort((a, b) => (hash(a) < hash(b) ? -1 : 1));
    if (less === undefined || greater === undefined) throw new Error('two');
    const asked = [less.head, greater.head, update(eid(1), 4, 9, 't', 0).head];
    const types = async () => (await world.database.judge(asked)).map((judged) => judged.type);
    expect(await types()).toEqual(['wanted', 'wanted', 'wanted']);
    await world.database.merge([less]);
    expect(await types()).toEqual(['known', 'wanted', 'superseded']);
    const outcomes = await world.database.merge([greater, less]);
    expect(outcomes).toEqual([{ type: 'applied' }, { type: 'superseded' }]);
    expect(await types()).toEqual(['superseded', 'known', 'superseded']);
  },
};
