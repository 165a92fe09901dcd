// Laws of what cannot be read.

import { expect } from 'vitest';
import type { Arrived, BagSeq } from '../../../src/entdb/database.ts';
import { type EnvelopeReader, readEnvelope } from '../../../src/entdb/envelope.ts';
import type { Message } from '../../../src/protocol/host/message.ts';
import { eid, host, type Law, message, raw, START_MS, sorted, update } from '../support.ts';

function whole(seq: BagSeq, sent: Message): [BagSeq, Arrived] {
  return [seq, { type: 'whole', message: sent }];
}

/** A reader that also takes a bare text for the content of a type "text". */
const LATER: EnvelopeReader = {
  version: 2,
  read: (bytes) => {
    const [first = 0] = bytes;
    if (first < 0xa0 || first > 0xbf) return readEnvelope(bytes);
    const body = new TextDecoder().decode(bytes.subarray(1));
    return { type: 'text', parent: undefined, group: undefined, body, exact: false };
  },
};

const GOOD = raw(0x82, 0xa4, 'type', 0xa1, 't', 0xa4, 'body', 1);

export const aside: Record<string, Law> = {
  'what cannot be read is set aside and counts': async (world) => {
    const link = await world.database.addLink(host(1));
    const good = update(eid(1), 1, 1, 't', 'good');
    const strange = message(eid(1), 50, 5, raw(0x81, 0xa4, 'type', 5));
    const received = await world.database.receive(link, { bags: [whole(1, good), whole(2, strange)] });
    expect(received.outcomes).toEqual([{ type: 'applied' }, { type: 'set-aside' }]);
    await world.reopen();
    const { database } = world;
    const [found, ...others] = await database.setAside();
    expect([found?.head, others]).toEqual([strange.head, []]);
    expect(found?.reason).not.toBe('');
    expect((await database.get(eid(1)))?.body).toBe('good');
    expect(await database.merge([strange])).toEqual([{ type: 'known' }]);
    expect(await database.judge([strange.head])).toEqual([{ type: 'known' }]);
    // It does not supersede what can be read.
    const between = update(eid(1), 20, 2, 't', 'between');
    expect(await database.judge([between.head])).toEqual([{ type: 'wanted' }]);
    expect(await database.merge([between])).toEqual([{ type: 'applied' }]);
    // A local write is greater than it, and ends it.
    const mine = await database.put(eid(1), { type: 't', body: 'mine' });
    expect([mine.updatedMs, mine.counter]).toEqual([START_MS + 51, 6]);
    expect(await database.setAside()).toEqual([]);
    expect(await database.merge([strange])).toEqual([{ type: 'superseded' }]);
  },

  'a message set aside never prunes a good one': async (world) => {
    const { database } = world;
    const link = await database.addLink(host(1));
    const good = update(eid(1), 1, 1, 't', 'good');
    const strange = message(eid(1), 50, 5, raw(0xc1));
    for (const bags of [
      [whole(2, strange), whole(1, good)],
      [whole(1, good), whole(2, strange)],
    ]) {
      await database.receive(link, { bags });
      expect(await database.prunable(link, 10)).toEqual([]);
    }
    // The other host is given both.
    const other = await database.addLink(host(2));
    expect(await database.fill(other, 10)).toBe(false);
    expect(await database.outbox(other, 9, 999)).toEqual([good, strange]);
    // Only something that can be read and is greater than both supersedes both.
    await database.put(eid(1), { type: 't', body: 'mine' });
    expect(await database.prunable(link, 10)).toEqual([]);
    const [mine] = await database.outbox(link, 9, 999);
    if (mine === undefined) throw new Error('nothing waits');
    await database.pushed(link, [[mine.head, 3]]);
    expect(await database.prunable(link, 10)).toHaveLength(2);
  },

  'an entity of which nothing can be read can be deleted': async (world) => {
    await world.database.merge([message(eid(1), 5, 5, raw(0xc1))]);
    expect(await world.database.get(eid(1))).toBeUndefined();
    expect(await world.database.delete(eid(1))).toBe(true);
    expect(await world.database.status()).toMatchObject({ tombstones: 1, setAside: 0 });
  },

  'a later reader applies what it understands': async (world) => {
    const [link, other] = [await world.database.addLink(host(1)), await world.database.addLink(host(2))];
    const sent = [
      message(eid(1, 5), 1, 1, GOOD),
      message(eid(1, 5), 2, 2, raw(0xa1, 'a')),
      message(eid(1, 5), 3, 3, raw(0xa1, 'b')),
      message(eid(2, 5), 1, 1, raw(0xa1, 'c')),
      message(eid(2, 5), 2, 2, raw(0xc1)),
      message(eid(3, 5), 5, 5, null),
      message(eid(3, 5), 6, 6, raw(0xa1, 'd')),
    ];
    const received = await world.database.receive(link, { bags: sent.map((one, at) => whole(at + 1, one)) });
    expect(received.outcomes.filter((outcome) => outcome?.type === 'set-aside')).toHaveLength(5);
    expect(await world.database.fill(other, 100)).toBe(false);
    expect([(await world.database.status()).ents, await world.database.waiting(other)]).toEqual([1, 7]);

    await world.reopen(LATER);
    const { database } = world;
    for (const [id, body] of [
      [1, 'b'],
      [2, 'c'],
      [3, 'd'],
    ] as const)
      expect(await database.get(eid(id, 5))).toMatchObject({ type: 'text', body });
    // What nobody understands yet is still there, and what is superseded may be pruned.
    expect(await database.setAside()).toHaveLength(1);
    expect((await database.prunable(link, 9)).map((pair) => pair.bag)).toEqual([1, 2]);
    for (const id of [1, 2, 3]) {
      const [here, there] = await database.durableAt(eid(id, 5));
      expect([here?.stored !== null, there?.waiting]).toEqual([true, true]);
    }
    const waiting = await database.outbox(other, 99, 999);
    expect(sorted(waiting)).toEqual(sorted([sent[2], sent[3], sent[4], sent[6]].flatMap((one) => one ?? [])));
    const before = await database.setAside();
    // An earlier reader leaves all that as it is.
    await world.reopen();
    expect(await world.database.setAside()).toEqual(before);
  },
};
