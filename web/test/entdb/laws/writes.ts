// Laws of local writes and of merging.

import { expect } from 'vitest';
import { Database } from '../../../src/entdb/database.ts';
import { memoryStorage } from '../../../src/entdb/storage/memory.ts';
import { makeEid, TIME_MS_MAX } from '../../../src/protocol/host/eid.ts';
import { checkBody, type Message } from '../../../src/protocol/host/message.ts';
import { eid, heads, host, type Law, message, raw, START_MS, update } from '../support.ts';

const APPLIED = { type: 'applied' };
const refused = (status: string) => ({ type: 'refused', status });

export const writes: Record<string, Law> = {
  'a write is read back and waits for every link': async (world) => {
    const links = [await world.database.addLink(host(1)), await world.database.addLink(host(2))];
    const body = {
      title: 'milk',
      done: false,
      at: new Date(START_MS),
      bytes: new Uint8Array([1, 2]),
      list: [1, null],
    };
    const parent = eid(9, 5);
    const written = await world.database.insert({ type: 'todo', body, parent, group: '2026' });
    await world.reopen();
    const ent = await world.database.get(written.eid);
    expect(ent).toEqual({
      eid: written.eid,
      type: 'todo',
      parent,
      group: '2026',
      createdMs: START_MS,
      updatedMs: START_MS,
      counter: 0,
      body,
    });
    expect(written).toEqual(ent);
    for (const link of links) {
      const [waiting, ...others] = await world.database.outbox(link, 10, 10_000);
      expect(others).toEqual([]);
      if (waiting === undefined) throw new Error('nothing waits');
      expect(waiting.head.eid).toBe(written.eid);
      checkBody(waiting.head, waiting.body);
    }
  },

  'many writes are all there or none is': async (world) => {
    const drafts = [
      { type: 't', body: 1 },
      { type: 't', body: 2 },
    ];
    const ents = await world.database.insertMany(drafts);
    expect(new Set(ents.map((ent) => ent.eid)).size).toBe(2);
    const puts = [eid(200), eid(201)].map((id) => [id, { type: 't', body: 'x' }] as const);
    await expect(world.database.putMany([...puts, ['no id', { type: 't', body: 1 }]])).rejects.toMatchObject({
      code: 'invalid_id',
    });
    world.nowMs = TIME_MS_MAX + 1;
    await expect(world.database.putMany(puts)).rejects.toMatchObject({ code: 'out_of_range' });
    expect((await world.database.status()).ents).toBe(2);
    world.nowMs = START_MS;
    // The same entity twice in one call: the later one counts.
    await world.database.putMany([...puts, [eid(200), { type: 't', body: 'y' }]]);
    expect((await world.database.get(eid(200)))?.body).toBe('y');
  },

  'an id that was used is not created again': async (world) => {
    const random = () => new Uint8Array(8).fill(1);
    const database = await Database.open(world.storage, { now: () => START_MS, random });
    const { eid: id } = await database.insert({ type: 't', body: 1 });
    await expect(database.insert({ type: 't', body: 2 })).rejects.toMatchObject({ code: 'already_exists' });
    await database.delete(id);
    await expect(database.insert({ type: 't', body: 3 })).rejects.toMatchObject({ code: 'already_exists' });
  },

  'a local write wins over a clock ahead': async (world) => {
    const { database } = world;
    await database.merge([update(eid(1), 90_000, 7, 't', 'ahead')]);
    world.nowMs = START_MS + 10;
    const draft = { type: 't', body: 'no' };
    await expect(database.put(eid(1), draft, { skew: 'fail' })).rejects.toMatchObject({
      code: 'clock_out_of_sync',
    });
    await expect(database.delete(eid(1), { skew: 'fail' })).rejects.toMatchObject({
      code: 'clock_out_of_sync',
    });
    const written = await database.put(eid(1), { type: 't', body: 'yes' });
    expect([written.updatedMs, written.counter, written.body]).toEqual([START_MS + 90_001, 8, 'yes']);
    // Two in one millisecond are in order as well.
    const next = await database.put(eid(1), { type: 't', body: 'more' });
    expect([next.updatedMs, next.counter]).toEqual([START_MS + 90_002, 9]);
    world.nowMs = START_MS + 100_000;
    const fine = await database.put(eid(1), { type: 't', body: 'now' }, { skew: 'fail' });
    expect([fine.updatedMs, fine.counter]).toEqual([START_MS + 100_000, 10]);
  },

  'an entity of the future has no negative offset': async (world) => {
    const id = eid(1, START_MS + 5_000);
    const draft = { type: 't', body: 1 };
    await expect(world.database.put(id, draft, { skew: 'fail' })).rejects.toMatchObject({
      code: 'clock_out_of_sync',
    });
    const first = await world.database.put(id, draft);
    expect([first.updatedMs, first.counter]).toEqual([START_MS + 5_000, 0]);
    const second = await world.database.put(id, draft);
    expect([second.updatedMs, second.counter]).toEqual([START_MS + 5_001, 1]);
  },

  'the last moment is followed by counters': async (world) => {
    const last = TIME_MS_MAX - START_MS;
    await world.database.merge([update(eid(1), last, 3, 't', 'last')]);
    const after = await world.database.put(eid(1), { type: 't', body: 'after' });
    expect([after.updatedMs, after.counter]).toEqual([TIME_MS_MAX, 4]);
    await world.database.merge([update(eid(1), last, Number.MAX_SAFE_INTEGER, 't', 'end')]);
    await expect(world.database.put(eid(1), { type: 't', body: 0 })).rejects.toMatchObject({
      code: 'out_of_range',
    });
  },

  'what cannot be written is not': async (world) => {
    const deep = Array.from({ length: 200 }).reduce<unknown>((inner) => [inner], 1);
    const circle: unknown[] = [];
    circle.push(circle);
    for (const body of [() => 1, Symbol('x'), { a: () => 1 }, new Date(Number.NaN), 2n ** 64n, deep, circle])
      await expect(world.database.insert({ type: 't', body })).rejects.toMatchObject({
        code: 'invalid_body',
      });
    for (const draft of [{ type: '\ud800' }, { type: 't', group: '\udfff' }, { type: 't', parent: 'no id' }])
      await expect(world.database.insert({ body: 1, ...draft })).rejects.toMatchObject({
        code: 'invalid_draft',
      });
    for (const id of ['', '!', 'AA', `${eid(1)}=`])
      await expect(world.database.put(id, { type: 't', body: 1 })).rejects.toMatchObject({
        code: 'invalid_id',
      });
    expect((await world.database.status()).ents).toBe(0);
  },

  'a delete leaves a tombstone': async (world) => {
    const { database } = world;
    expect(await database.delete(eid(1))).toBe(false);
    const { eid: id } = await database.insert({ type: 't', body: 1 });
    expect(await database.delete(id)).toBe(true);
    await world.reopen();
    expect(await world.database.get(id)).toBeUndefined();
    expect(await world.database.delete(id)).toBe(false);
    expect(await world.database.merge([update(id, 0, 0, 't', 'late')])).toEqual([{ type: 'superseded' }]);
    const [end] = (await world.database.messages(null, 10)).messages;
    expect(end?.head).toMatchObject({ eid: id, offsetMs: 1, counter: 1, length: 0, hash: null });
    expect(await world.database.status()).toMatchObject({ ents: 0, tombstones: 1 });
    const again = await world.database.put(id, { type: 't', body: 2 });
    expect([again.updatedMs, again.counter]).toEqual([START_MS + 2, 2]);
    expect(await world.database.status()).toMatchObject({ ents: 1, tombstones: 0 });
  },

  'an update is made of what is there, in one transaction': async (world) => {
    const { eid: id } = await world.database.insert({ type: 'n', body: { count: 0 }, group: 'g' });
    const add = () =>
      world.database.update(id, ({ type, body, group }) => {
        const count = typeof body === 'object' && body !== null && 'count' in body ? Number(body.count) : 0;
        return { type, group, body: { count: count + 1 } };
      });
    await Promise.all(Array.from({ length: 20 }, add));
    expect(await world.database.get(id)).toMatchObject({ body: { count: 20 }, group: 'g', counter: 20 });
    await world.database.delete(id);
    expect(await add()).toBeUndefined();
  },

  'messages that cannot be are refused and stop nothing': async (world) => {
    const [far, near] = [eid(1, TIME_MS_MAX), eid(2)];
    const forged = { ...update(near, 1, 1, 't', 'forged'), body: update(near, 1, 1, 't', 'other').body };
    const bodiless = { ...update(near, 1, 1, 't', 'gone'), body: null };
    const withBody = { ...message(near, 2, 2, null), body: raw('x') };
    const huge = message(eid(3), 0, 2 ** 56, null);
    const noId: Message = { head: { ...message(near, 0, 0, null).head, eid: '!' }, body: null };
    const late = update(far, 1, 0, 't', 'too late');
    const good = update(near, 0, 0, 't', 'good');
    const outcomes = await world.database.merge([late, forged, bodiless, withBody, huge, noId, good]);
    const mismatch = refused('HashMismatch');
    expect(outcomes).toEqual([
      refused('InvalidParam'),
      mismatch,
      mismatch,
      mismatch,
      refused('VarLimitExceeded'),
      refused('InvalidParam'),
      APPLIED,
    ]);
    expect(await world.database.judge(heads([late, good]))).toEqual([
      refused('InvalidParam'),
      { type: 'known' },
    ]);
    expect(await world.database.status()).toMatchObject({ ents: 1, tombstones: 0 });
  },

  'an unusual envelope is kept byte for byte': async (world) => {
    const odd = raw(
      0x84,
      0xa4,
      'type',
      0xa1,
      't',
      0xa4,
      'more',
      0x92,
      1,
      2,
      0xa4,
      'body',
      0xa1,
      'x',
      0xa3,
      'gid',
      0xa1,
      'g',
    );
    const arrived = message(eid(1), 3, 1, odd);
    expect(await world.database.merge([arrived])).toEqual([APPLIED]);
    await world.reopen();
    expect(await world.database.get(eid(1))).toMatchObject({ type: 't', group: 'g', body: 'x' });
    expect((await world.database.messages(null, 10)).messages).toEqual([arrived]);
    expect(await world.database.merge([arrived])).toEqual([{ type: 'known' }]);
    // The next write is in the usual form.
    world.nowMs = START_MS + 9;
    await world.database.put(eid(1), { type: 't', body: 'y' });
    const [usual] = (await world.database.messages(null, 10)).messages;
    expect(usual?.body).toEqual(update(eid(1), 0, 0, 't', 'y').body);
  },

  'a content of any form is kept byte for byte and can be read': async (world) => {
    const contents: [Uint8Array, unknown][] = [
      [raw(0xcd, 0, 5), 5],
      [raw(0xca, 0x3f, 0xc0, 0, 0), 1.5],
      [raw(0xcb, 0x3f, 0xf0, 0, 0, 0, 0, 0, 0), 1],
      [raw(0xcf, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff), 2n ** 64n - 1n],
      [raw(0x82, 0xa1, 'b', 1, 0xa1, 'a', 2), { b: 1, a: 2 }],
      [raw(0x82, 0xa1, '2', 1, 0xa1, '1', 2), { 1: 2, 2: 1 }],
      [raw(0x82, 0xa1, 'a', 1, 0xa1, 'a', 2), { a: 2 }],
      [raw(0x81, 5, 1), new Map([[5, 1]])],
      [raw(0x81, 0xa9, '__proto__', 1), new Map([['__proto__', 1]])],
      [raw(0xd4, 5, 7), { $ext: [5, raw(7)] }],
      [raw(0x81, 0xa4, '$ext', 0x92, 5, 0xc4, 1, 7), { $ext: [5, raw(7)] }],
      [raw(0xa2, 0xff, 0xfe), '\ufffd\ufffd'],
      [raw(0xa3, 0xef, 0xbb, 0xbf), '\ufeff'],
      [raw(0xd9, 1, 'x'), 'x'],
      [raw(0xd6, 0xff, 0, 0, 0, 1), new Date(1_000)],
      [raw(0xd7, 0xff, 0, 0, 0, 4, 0, 0, 0, 1), new Date(1_000)],
    ];
    const start = [0x84, 0xa4, 'body'] as const;
    const rest = [0xa4, 'type', 0xa1, 't', 0xa3, 'gid', 0xc0, 0xa3, 'pid', 0xc0] as const;
    for (const [index, [bytes, value]] of contents.entries()) {
      const arrived = message(eid(index), 1, 1, raw(...start, ...bytes, ...rest));
      expect(await world.database.merge([arrived])).toEqual([APPLIED]);
      expect((await world.database.get(eid(index)))?.body).toEqual(value);
      expect(await world.database.merge([arrived])).toEqual([{ type: 'known' }]);
      const { messages } = await world.database.messages(null, 100);
      expect(messages.find((one) => one.head.eid === arrived.head.eid)).toEqual(arrived);
    }
  },

  'all messages can be taken to another database': async (world) => {
    for (let number = 0; number < 25; number += 1) {
      const { eid: id } = await world.database.insert({ type: 't', body: number });
      if (number % 5 === 0) await world.database.delete(id);
    }
    await world.database.merge([message(eid(200), 0, 0, raw(0xc1))]);
    const copy = await Database.open(memoryStorage());
    let after: string | null = null;
    let pages = 0;
    do {
      const page = await world.database.messages(after, 7);
      expect(page.messages.length).toBeLessThanOrEqual(7);
      await copy.merge(page.messages);
      pages += 1;
      after = page.next;
    } while (after !== null);
    expect(pages).toBe(4);
    expect(await copy.messages(null, 100)).toEqual(await world.database.messages(null, 100));
    expect(await copy.status()).toMatchObject({ ents: 20, tombstones: 5, setAside: 1 });
    expect(await world.database.status()).toMatchObject({ ents: 20, tombstones: 5, setAside: 1 });
    for (const place of ['', 'x', 'entities', 'entities.!', 'log.AA', `log.${eid(1)}.x.1.00`])
      await expect(world.database.messages(place, 1)).rejects.toMatchObject({ code: 'invalid_cursor' });
  },

  'an id of another shape is an entity of its own': async (world) => {
    const ids = [makeEid(new Uint8Array(0), 0), makeEid(new Uint8Array(40).fill(7), 5), eid(7)];
    await world.database.putMany(ids.map((id) => [id, { type: 't', body: id }]));
    for (const id of ids) expect((await world.database.get(id))?.body).toBe(id);
  },

  'what was given and what was returned is not what is stored': async (world) => {
    const body = { list: [1], bytes: new Uint8Array([1]) };
    const written = await world.database.insert({ type: 't', body });
    body.list.push(2);
    body.bytes[0] = 9;
    const first = await world.database.get(written.eid);
    expect(first?.body).toEqual({ list: [1], bytes: new Uint8Array([1]) });
    Object.assign(first?.body ?? {}, { list: 'changed' });
    Object.assign(written.body ?? {}, { list: 'changed' });
    expect((await world.database.get(written.eid))?.body).toEqual({ list: [1], bytes: new Uint8Array([1]) });
  },

  'whose the database is, is said once': async (world) => {
    expect(await world.database.owner()).toBeNull();
    expect(await world.database.claim('first')).toBe('first');
    expect(await world.database.claim('second')).toBe('first');
    await world.reopen();
    expect(await world.database.owner()).toBe('first');
  },
};
