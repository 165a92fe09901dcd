// A room connection against the real server, through a network that cuts, stalls and swallows.
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { RoomsApi } from '../../../src/client/room/api.ts';
import { Room } from '../../../src/client/room/room.ts';
import { ByteProxy } from '../../support/proxy.ts';
import { closeAll, codeOf, connection, gather, live, untilLive, webSocket } from '../../support/rooms.ts';
import { Server } from '../../support/server.ts';
import { until } from '../../support/until.ts';

let server: Server;
let proxy: ByteProxy;
let api: RoomsApi;
/** The room's URL through the proxy, and past it. */
let far: string;
let near: string;

beforeAll(async () => {
  server = await Server.start();
  api = new RoomsApi(server.url);
});
afterAll(() => server.remove());

beforeEach(async () => {
  proxy = await ByteProxy.start(server.url);
  const { room } = await api.createRoom();
  near = api.url(room);
  far = new RoomsApi(proxy.url).url(room);
});
afterEach(async () => {
  closeAll();
  await proxy.stop();
});

describe('without trouble', () => {
  test('a subscriber hears the retained stream first and every later push once', async () => {
    const writer = await live(near);
    await writer.push('k', 1).done;
    const reader = connection(near);
    const heard = gather(reader, 'k');
    await reader.connect();
    await writer.push('k', 2).done;
    await writer.push('other', 'not this').done;
    await writer.push('k', 3).done;
    await until('all is heard', () => heard.values.length === 3);
    expect(heard.values).toEqual([1, 2, 3]);
    expect(heard.events.map(({ type }) => type)).toEqual(['init', 'push', 'push']);
  });

  test('an own push comes back with the id of its acknowledgement', async () => {
    const room = await live(near);
    const heard = gather(room, 'k');
    const first = room.push('k', 'mine');
    const acknowledgement = await first.done;
    await until('it came back', () => heard.values.length === 1);
    expect(acknowledgement).toMatchObject({ id: first.id, seq: 1, size: 1, stale: false, repeat: false });
    expect(heard.events.at(-1)).toMatchObject({ type: 'push', own: first.id });
  });

  test('two listeners of one key each get the stream, and each push once', async () => {
    const room = await live(near);
    await room.push('k', 1).done;
    const one = gather(room, 'k');
    await until('the first has the stream', () => one.events.length === 1);
    const two = gather(room, 'k');
    const three = gather(room, 'k');
    await room.push('k', 2).done;
    await until('all heard it', () => [one, two, three].every(({ values }) => values.length === 2));
    for (const { values, events } of [one, two, three]) {
      expect(values).toEqual([1, 2]);
      expect(events.filter(({ type }) => type === 'init')).toHaveLength(1);
    }
  });

  test('after unsubscribe nothing more is heard', async () => {
    const room = await live(near);
    const kept = gather(room, 'k');
    let calls = 0;
    const unsubscribe = room.subscribe('k', () => calls++);
    await until('the stream came', () => calls === 1);
    unsubscribe();
    unsubscribe();
    await room.push('k', 1).done;
    await until('the other listener heard it', () => kept.values.length === 1);
    expect(calls).toBe(1);
  });

  test('a listener that throws or pushes disturbs nobody', async () => {
    const room = await live(near);
    room.subscribe('k', () => {
      throw new Error('not my day');
    });
    room.subscribe('k', (event) => {
      if (event.type === 'push' && event.value === 'question') room.push('k', 'answer');
    });
    const heard = gather(room, 'k');
    room.push('k', 'question');
    room.push('k', 'more');
    await until('all is heard', () => heard.values.length === 3);
    expect(heard.values).toEqual(['question', 'more', 'answer']);
  });

  test('reads answer what the room retains', async () => {
    const room = await live(near);
    await room.push('a', 1).done;
    await room.push('b', 2).done;
    await room.push('a', 3).done;
    expect(await room.get('a')).toEqual([
      { seq: 1, value: 1 },
      { seq: 3, value: 3 },
    ]);
    expect((await room.keys()).map(({ key, size }) => [key, size])).toEqual([
      ['a', 2],
      ['b', 1],
    ]);
    expect(await room.entries()).toHaveLength(3);
    expect((await room.entriesPage(0, 2)).next).toBe(2);
    await room.trim('a', 1).done;
    expect((await room.get('a')).map(({ value }) => value)).toEqual([3]);
    expect(await room.latency()).toBeGreaterThanOrEqual(0);
  });

  test('sizes come with acknowledgements', async () => {
    const room = await live(near);
    const sizes: number[] = [];
    room.onSize('k', (size) => sizes.push(size));
    await room.push('k', 1).done;
    await room.push('k', 2).done;
    await room.push('k', 3, { type: 'replace' }).done;
    expect(sizes).toEqual([1, 2, 1]);
  });

  test('the first minute: a room is made, and joined by its id', async () => {
    const mine = await Room.create(server.url, { webSocket });
    const yours = await Room.join(server.url, mine.id, { webSocket });
    const heard = gather(yours, 'chat');
    await mine.push('chat', 'hello').done;
    await until('it is heard', () => heard.values.length === 1);
    mine.close();
    yours.close();
  });

  test('a will is relayed when its connection ends', async () => {
    const leaving = await live(near);
    const staying = await live(near);
    const heard = gather(staying, 'presence');
    await until('the stream came', () => heard.events.length === 1);
    await leaving.will('presence', { gone: 'one' });
    leaving.close();
    await until('the will is heard', () => heard.values.length === 1);
    expect(heard.values).toEqual([{ gone: 'one' }]);
  });

  test('bytes, dates, typed arrays, great integers and odd keys go through CBOR; a JSON reader stays connected', async () => {
    const writer = await live(near, { encoding: 'cbor' });
    const reader = await live(near, { encoding: 'cbor' });
    const plain = await live(near);
    const [heard, heardPlain] = [gather(reader, 'k'), gather(plain, 'k')];
    await until('both have the stream', () => heard.events.length + heardPlain.events.length === 2);
    const values = [
      new Uint8Array([1, 2, 255]),
      new Date(1_700_000_000_000),
      new Float32Array([1.5, -2]),
      2n ** 63n,
      2n ** 80n,
      new Map<unknown, unknown>([
        [[1], 'list'],
        [5, 'five'],
      ]),
      { plain: [1, null, 'é', { deep: true }] },
    ];
    for (const value of values) writer.push('k', value);
    await until('all is heard', () => heard.values.length === values.length);
    expect(heard.values).toEqual(values);
    await until('JSON heard as many', () => heardPlain.values.length === values.length);
    expect(heardPlain.values[0]).toEqual([1, 2, 255]);
    expect(heardPlain.values.at(-1)).toEqual(values.at(-1));
    plain.push('k', 'from JSON');
    await until('CBOR hears JSON', () => heard.values.at(-1) === 'from JSON');
  });
});

describe('over cuts', () => {
  test('a reconnecting client replays only what it missed', async () => {
    const reader = await live(far);
    const writer = await live(near);
    const heard = gather(reader, 'k');
    await until('the stream came', () => heard.events.length === 1);
    await writer.push('k', 1).done;
    await until('the first is heard', () => heard.values.length === 1);
    proxy.refuse();
    await until('the cut is noticed', () => reader.status.state === 'waiting');
    for (const value of [2, 3, 4]) await writer.push('k', value).done;
    await writer.push('k2', 'other').done;
    proxy.pass();
    await until('the rest is heard', () => heard.values.length === 4);
    expect(heard.values).toEqual([1, 2, 3, 4]);
    expect(heard.events.map(({ type }) => type)).toEqual(['init', 'push', 'push', 'push', 'push']);
  });

  test('pushes made during a cut are stored once and in order', async () => {
    const writer = await live(far);
    const reader = await live(near);
    const heard = gather(reader, 'k');
    await writer.push('k', 0).done;
    proxy.refuse();
    const waiting = Array.from({ length: 20 }, (_, index) => writer.push('k', index + 1));
    await until('the cut is noticed', () => writer.status.state === 'waiting');
    expect(writer.status.queued).toBe(20);
    proxy.pass();
    await Promise.all(waiting.map(({ done }) => done));
    await until('all is heard', () => heard.values.length === 21);
    expect(heard.values).toEqual(Array.from({ length: 21 }, (_, index) => index));
  });

  test('a relay without a connection is dropped and says so', async () => {
    const room = await live(far);
    proxy.refuse();
    await until('the cut is noticed', () => !room.status.connected);
    expect(await codeOf(room.push('k', 1, { type: 'relay' }).done)).toBe('offline');
    proxy.pass();
    await untilLive(room);
    expect((await room.push('k', 1, { type: 'relay' }).done).seq).toBe(1);
  });

  test('a connection whose bytes vanish is given up, and the next one goes on', async () => {
    let passed = 0;
    const reader = await live(far, { now: () => Date.now() + passed });
    const heard = gather(reader, 'k');
    await until('the stream came', () => heard.events.length === 1);
    proxy.blackhole();
    const writer = await live(near);
    await writer.push('k', 'missed').done;
    passed = 20_000;
    const read = reader.get('k'); // Whatever happens, the clock is looked at.
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(reader.status.state).toBe('live');
    passed = 31_000;
    void reader.get('k');
    await until('the silence is noticed', () => reader.status.reason?.code === 'silent_peer');
    proxy.pass();
    await until('the missed push is heard', () => heard.values.length === 1);
    expect(await read).toHaveLength(1);
  });

  test('a clean close in between ends everything', async () => {
    const room = await live(far);
    proxy.stall();
    const push = room.push('k', 1);
    const read = room.get('k');
    room.close();
    expect(await codeOf(push.done)).toBe('closed');
    expect(await codeOf(read)).toBe('closed');
    expect(await codeOf(room.push('k', 2).done)).toBe('closed');
    expect(room.status.state).toBe('closed');
  });

  for (const encoding of ['json', 'cbor'] as const) {
    test(`every value is stored once and in order through random cuts (${encoding})`, async () => {
      proxy.cutAfter(() => 1_000 + Math.floor(Math.random() * 60_000));
      const writer = connection(far, { encoding });
      const reader = connection(far, { encoding });
      const heard = gather(reader, 'k');
      void writer.connect().catch(() => {});
      void reader.connect().catch(() => {});
      const sent = Array.from({ length: 600 }, (_, index) =>
        writer.push('k', { n: index, text: 'x'.repeat(40) }),
      );
      await Promise.all(sent.map(({ done }) => done));
      proxy.cutAfter(null);
      proxy.cut();
      await until('all is heard', () => heard.values.length >= 600);
      const stored = await writer.get('k');
      expect(stored.map(({ value }) => (value as { n: number }).n)).toEqual(sent.map((_, index) => index));
      expect(heard.seqs).toEqual(stored.map(({ seq }) => seq));
      expect(proxy.connections).toBeGreaterThan(4);
    });
  }
});

describe('refusals', () => {
  test('an unknown room is told apart from a network without answer', async () => {
    const nowhere = connection(api.url('AAAAAAAAAAAAAAAAAAAAAA'));
    expect(await codeOf(nowhere.connect())).toBe('unknown_room');
    expect(nowhere.status.state).toBe('closed');
    proxy.refuse();
    const waiting = connection(far);
    const connecting = waiting.connect();
    await until('it waits', () => waiting.status.state === 'waiting');
    expect(waiting.status.reason?.code).toBe('network');
    proxy.pass();
    await connecting;
  });

  test('a read-only link hears and may not push', async () => {
    const writer = await live(near);
    const { readOnly } = await api.room(writer.id);
    const room = connection(api.url(readOnly));
    const early = room.push('k', 1);
    const heard = gather(room, 'k');
    await room.connect();
    expect(await codeOf(early.done)).toBe('read_only');
    expect(await codeOf(room.push('k', 1).done)).toBe('read_only');
    expect(await codeOf(room.will('k', 1))).toBe('read_only');
    expect(room.status.readOnly).toBe(true);
    await writer.push('k', 'news').done;
    await until('it hears', () => heard.values.length === 1);
  });

  test('a deleted room ends its connections for good', async () => {
    const room = await live(near);
    await api.deleteRoom(room.id);
    await until('the end is heard', () => room.status.state === 'closed');
    expect(room.status.reason?.code).toBe('room_deleted');
    expect(await codeOf(room.push('k', 1).done)).toBe('room_deleted');
  });

  test('a closed room refuses pushes one by one and stays connected', async () => {
    const room = await live(near);
    await room.push('k', 'last', { type: 'close' }).done;
    expect(room.status.roomClosed).toBe(true);
    expect(await codeOf(room.push('k', 1).done)).toBe('closed');
    expect(room.status.state).toBe('live');
  });

  test('a compact above the head is refused, one too late is stale', async () => {
    const room = await live(near);
    await room.push('k', 1).done;
    expect(await codeOf(room.push('k', 9, { type: 'compact', seq: 99 }).done)).toBe('compact_ahead');
    await room.push('k', 2, { type: 'replace' }).done;
    expect((await room.push('k', 9, { type: 'compact', seq: 1 }).done).stale).toBe(true);
  });

  test('values that cannot be written down are refused at once', async () => {
    const room = await live(near);
    const circle: Record<string, unknown> = {};
    circle.self = circle;
    for (const value of [null, undefined, () => 1, circle, 1n]) {
      expect(await codeOf(room.push('k', value).done)).toBe('bad_message');
    }
    expect(await codeOf(room.push('k', '\ud800').done)).toBe('bad_message');
    expect((await room.push('k', 'fine').done).seq).toBe(1);
  });

  test('a message over the limit is refused alone', async () => {
    const room = connection(near);
    const early = room.push('k', 'x'.repeat(1_100_000));
    const small = room.push('k', 'small');
    await room.connect();
    expect(await codeOf(early.done)).toBe('too_large');
    expect((await small.done).seq).toBe(1);
    expect(await codeOf(room.push('k', 'x'.repeat(1_100_000)).done)).toBe('too_large');
  });

  test('the outbox is bounded', async () => {
    const room = connection(near);
    const pushes = Array.from({ length: 10_001 }, (_, index) => room.push('k', index));
    expect(await codeOf(pushes.at(-1)?.done ?? Promise.resolve())).toBe('queue_full');
    await room.connect();
    await Promise.all(pushes.slice(0, -1).map(({ done }) => done));
    expect((await room.keys())[0]?.size).toBe(10_000);
  });

  test('two connections with one client: the first ends and says why', async () => {
    const client = 'one-outbox-for-two';
    const first = await live(near, { client });
    await live(near, { client });
    await until('the first has ended', () => first.status.state === 'closed');
    expect(first.status.reason?.code).toBe('replaced');
  });
});
