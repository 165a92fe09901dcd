// Laws of links, the outbox, filling.

import { expect } from 'vitest';
import type { Arrivals, LinkId } from '../../../src/entdb/database.ts';
import type { Message } from '../../../src/protocol/host/message.ts';
import { eid, heads, host, type Law, message, START_MS, sorted, update, type World } from '../support.ts';

function whole(...bags: readonly (readonly [number, Message])[]): Arrivals {
  return { bags: bags.map(([seq, sent]) => [seq, { type: 'whole', message: sent }]) };
}

function waiting(world: World, link: LinkId): Promise<Message[]> {
  return world.database.outbox(link, 1_000, 1_000_000);
}

async function putText(world: World, id: number, body: unknown): Promise<void> {
  await world.database.put(eid(id), { type: 't', body });
}

const EPOCH = new Uint8Array(16).fill(1);

export const links: Record<string, Law> = {
  'a label is neither empty nor endless': async (world) => {
    for (const length of [0, 257, 100_000])
      await expect(world.database.addLink({ ...host(1), label: 'x'.repeat(length) })).rejects.toMatchObject({
        code: 'invalid_label',
      });
    await expect(world.database.addLink({ ...host(1), label: 'é'.repeat(129) })).rejects.toMatchObject({
      code: 'invalid_label',
    });
    expect(await world.database.links()).toEqual([]);
    await world.database.addLink({ ...host(1), label: 'x'.repeat(256) });
  },

  'links are added once and removed whole': async (world) => {
    const first = await world.database.addLink(host(1));
    await expect(world.database.addLink(host(1))).rejects.toMatchObject({ code: 'already_linked' });
    const second = await world.database.addLink(host(2));
    await putText(world, 1, 1);
    await world.database.receive(second, whole([1, update(eid(5), 0, 0, 't', 5)]));
    await world.reopen();
    expect(await world.database.links()).toEqual(
      [first, second].map((id, at) => ({
        id,
        settings: host(at + 1),
        stage: 'replay',
        cursor: null,
        trouble: null,
      })),
    );
    await world.database.removeLink(second);
    const unknown = { code: 'unknown_link' };
    await expect(world.database.removeLink(second)).rejects.toMatchObject(unknown);
    await expect(world.database.pushed(second, [])).rejects.toMatchObject(unknown);
    await expect(world.database.link(second)).rejects.toMatchObject(unknown);
    const third = await world.database.addLink(host(2));
    expect(third).toBeGreaterThan(second);
    expect(await world.database.waiting(third)).toBe(0);
    expect(await world.database.heldAfter(third, 0, 10)).toEqual([]);
    expect(await world.database.waiting(first)).toBe(1);
    expect((await world.database.status()).ents).toBe(2);
  },

  'trouble and stage are remembered': async (world) => {
    const link = await world.database.addLink(host(1));
    const trouble = { code: 'quota', text: 'full', sinceMs: START_MS, retryMs: START_MS + 1 };
    await world.database.setTrouble(link, trouble);
    await world.database.setStage(link, 'done');
    await world.reopen();
    expect(await world.database.link(link)).toMatchObject({ trouble, stage: 'done' });
    await world.database.setTrouble(link, null);
    expect((await world.database.link(link)).trouble).toBeNull();
  },

  'a newer write takes the place of the waiting one': async (world) => {
    const link = await world.database.addLink(host(1));
    await putText(world, 1, 'a');
    const newer = await world.database.put(eid(1), { type: 't', body: 'b' });
    const [only, ...others] = await waiting(world, link);
    expect([only?.head.counter, others]).toEqual([newer.counter, []]);
    // What arrives from the host itself is greater: nothing is left to upload.
    await world.database.receive(link, whole([1, update(eid(1), 100, 9, 't', 'c')]));
    expect(await world.database.waiting(link)).toBe(0);
  },

  'the outbox is bounded by items and bytes': async (world) => {
    const link = await world.database.addLink(host(1));
    for (let id = 0; id < 5; id += 1) await putText(world, id, 'x'.repeat(100));
    const all = await waiting(world, link);
    const bytes = all[0]?.body?.length ?? 0;
    expect(all.map((one) => one.head.eid)).toEqual([0, 1, 2, 3, 4].map((id) => eid(id)));
    const { database } = world;
    expect(await database.outbox(link, 2, 1_000_000)).toEqual(all.slice(0, 2));
    expect(await database.outbox(link, 10, 3 * bytes)).toEqual(all.slice(0, 3));
    expect(await database.outbox(link, 10, 3 * bytes - 1)).toEqual(all.slice(0, 2));
    expect(await database.outbox(link, 10, 1)).toEqual(all.slice(0, 1));
    expect(await database.outbox(link, 0, 1_000)).toEqual([]);
  },

  'what is postponed goes to the end': async (world) => {
    const link = await world.database.addLink(host(1));
    for (let id = 0; id < 3; id += 1) await putText(world, id, id);
    const [a, b, c] = heads(await waiting(world, link));
    if (a === undefined || b === undefined || c === undefined) throw new Error('three were written');
    await world.database.postpone(link, [a]);
    expect(heads(await waiting(world, link))).toEqual([b, c, a]);
    await world.database.pushed(link, [[b, 1]]);
    await world.database.postpone(link, [a, b, c]);
    expect(heads(await waiting(world, link))).toEqual([a, c]);
  },

  'what one link brings waits for the others': async (world) => {
    const { database } = world;
    const [one, two, three] = [
      await database.addLink(host(0)),
      await database.addLink(host(1)),
      await database.addLink(host(2)),
    ];
    await database.setStage(two, 'done');
    const theirs = update(eid(1), 0, 0, 't', 1);
    await database.receive(one, whole([1, theirs]));
    expect(await waiting(world, one)).toEqual([]);
    expect(await waiting(world, two)).toEqual([theirs]);
    // The third is being replayed, and filled after that.
    expect(await waiting(world, three)).toEqual([]);
    // The second turns out to have it.
    await database.receive(two, whole([7, theirs]));
    expect(await waiting(world, two)).toEqual([]);
    expect(await database.durableAt(eid(1))).toEqual([
      { link: one, stored: 1, waiting: false },
      { link: two, stored: 7, waiting: false },
      { link: three, stored: null, waiting: false },
    ]);
    expect(await database.durableAt(eid(9))).toEqual([]);
    // An end goes the same way.
    await database.receive(two, whole([8, message(eid(1), 5, 5, null)]));
    expect(await waiting(world, one)).toEqual([]);
    await database.setStage(one, 'done');
    const later = message(eid(1), 6, 6, null);
    await database.receive(two, whole([9, later]));
    expect(await waiting(world, one)).toEqual([later]);
  },

  'an import waits for every link': async (world) => {
    const [one, two] = [await world.database.addLink(host(0)), await world.database.addLink(host(1))];
    const known = update(eid(1), 0, 0, 't', 1);
    await world.database.receive(one, whole([1, known]));
    const fresh = update(eid(2), 0, 0, 't', 2);
    expect(await world.database.merge([known, fresh])).toEqual([{ type: 'known' }, { type: 'applied' }]);
    for (const link of [one, two]) expect(await waiting(world, link)).toEqual([fresh]);
  },

  'a new link is filled with what it lacks': async (world) => {
    const ids = Array.from({ length: 25 }, (_, id) => id);
    const sent = ids.map((id) => (id < 20 ? update(eid(id), 0, 0, 't', id) : message(eid(id), 9, 9, null)));
    await world.database.merge(sent);
    const link = await world.database.addLink(host(1));
    expect(await world.database.waiting(link)).toBe(0);
    // The replay shows that the host has half of them.
    const held = sent.filter((_, at) => at % 2 === 0);
    await world.database.receive(link, whole(...held.map((one, at) => [at + 1, one] as const)));
    await world.database.setStage(link, 'upload');
    let steps = 1;
    for (; await world.database.fill(link, 4); steps += 1) await world.reopen();
    expect(steps).toBeGreaterThanOrEqual(7);
    const lacking = sorted(sent.filter((_, at) => at % 2 === 1));
    expect(sorted(await waiting(world, link))).toEqual(lacking);
    expect(await world.database.fill(link, 100)).toBe(false);
    // Beginning anew finds nothing more.
    await world.database.setStage(link, 'upload');
    expect(await world.database.fill(link, 100)).toBe(false);
    expect(sorted(await waiting(world, link))).toEqual(lacking);
  },

  'a reset forgets numbers and fills again': async (world) => {
    const link = await world.database.addLink(host(1));
    const theirs = update(eid(1), 0, 0, 't', 1);
    await world.database.receive(link, { ...whole([5, theirs]), cursor: { epoch: EPOCH, seq: 5 } });
    await world.database.setStage(link, 'done');
    await putText(world, 2, 2);
    const epoch = new Uint8Array(16).fill(2);
    await world.database.reset(link, epoch);
    await world.reopen();
    const found = await world.database.link(link);
    expect([found.cursor, found.stage]).toEqual([{ epoch, seq: 0 }, 'replay']);
    expect((await world.database.durableAt(eid(1)))[0]?.stored).toBeNull();
    await world.database.setStage(link, 'upload');
    expect(await world.database.fill(link, 100)).toBe(false);
    expect(heads(await waiting(world, link)).map((head) => head.eid)).toEqual([eid(2), eid(1)]);
  },

  'who follows a link writes nothing of a history that another ended': async (world) => {
    const link = await world.database.addLink(host(1));
    const other = await world.another();
    await world.database.follow(link);
    await other.follow(link);
    await other.reset(link, EPOCH);
    const history = { code: 'other_history' };
    const arrivals = whole([1, update(eid(1), 0, 0, 't', 1)]);
    await expect(world.database.receive(link, arrivals)).rejects.toMatchObject(history);
    await expect(world.database.pushed(link, [])).rejects.toMatchObject(history);
    await expect(world.database.fill(link, 1)).rejects.toMatchObject(history);
    await expect(world.database.setStage(link, 'done')).rejects.toMatchObject(history);
    await expect(world.database.reset(link, EPOCH)).rejects.toMatchObject(history);
    expect(await world.database.get(eid(1))).toBeUndefined();
    // Who ended it goes on, and so does who follows again.
    await other.receive(link, arrivals);
    await world.database.follow(link);
    await world.database.receive(link, arrivals);
    if (world.kind === 'indexeddb') other.close();
  },
};
