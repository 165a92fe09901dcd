// Servers that lie, networks that stall, and machines that sleep: the worst that may come is a new connection.
import fc from 'fast-check';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { makeRoom } from '../../../src/client/room/make.ts';
import { loadRequest } from '../../../src/client/room/part.ts';
import { readHttpRefusal } from '../../../src/client/room/refusal.ts';
import { Session } from '../../../src/client/room/session.ts';
import { RoomError } from '../../../src/protocol/error.ts';
import { jsonCodec } from '../../../src/protocol/room/codec.ts';
import { modelRoom } from '../../support/model_connection.ts';
import { codeOf } from '../../support/rooms.ts';
import { hello, scripted } from '../../support/scripted_socket.ts';
import { until } from '../../support/until.ts';
import { codeOfOutcome, liveClient, ModelClient, ModelRoom, say } from './model.ts';

const APPEND = { type: 'append' } as const;
const HOUR_MS = 3_600_000;

afterEach(() => {
  vi.useRealTimers();
});

const number = fc.oneof(
  fc.nat(5),
  fc.constantFrom(2 ** 31, 2 ** 53 - 1, 2 ** 53, -1, 1.5, 1e300, null, '1', undefined),
);
const key = fc.constantFrom('k', 'other', '', null);
const item = fc.record({ key, value: fc.constantFrom('v', 1, null), seq: number });
const limits = fc.record({ message_bytes: number, key_bytes: number, pushes_per_second: number });
const lies: fc.Arbitrary<object> = fc.oneof(
  fc.record({
    type: fc.constant('hello'),
    epoch: fc.constantFrom('e1', 'e9', ''),
    seq: number,
    last_id: number,
    read_only: fc.constant(false),
    closed: fc.boolean(),
    limits,
  }),
  fc.record({
    type: fc.constant('reset'),
    reason: fc.constant('ahead'),
    epoch: fc.constant('e1'),
    seq: number,
  }),
  fc.record({ type: fc.constant('live'), seq: number }),
  fc.record({ type: fc.constant('entries'), data: fc.array(item, { maxLength: 3 }) }),
  fc.record({ type: fc.constant('entries'), data: fc.array(item, { maxLength: 3 }), next: number }),
  fc.record({ type: fc.constant('init'), key, data: fc.array(item, { maxLength: 3 }) }),
  fc.record({ type: fc.constant('push'), key, value: fc.constantFrom('v', null), seq: number }),
  fc.record({ type: fc.constant('ack'), id: number, seq: number, size: number, stale: fc.boolean() }),
  fc.record({ type: fc.constant('keys'), data: fc.array(item, { maxLength: 2 }), next: key }),
  fc.record({
    type: fc.constantFrom('pong', 'stream_size', 'trimmed', 'nonsense'),
    nonce: number,
    key,
    size: number,
  }),
  fc.record({
    type: fc.constant('error'),
    code: fc.constantFrom('bad_message', 'rate_limited', 'closed', 'room_full'),
    message: fc.constant('no'),
    id: number,
    key,
    retry_ms: number,
  }),
);
const happening = fc.oneof(
  { weight: 4, arbitrary: lies },
  { weight: 4, arbitrary: fc.constantFrom('push', 'relay', 'read', 'will', 'listen', 'out', 'in', 'page') },
  { weight: 1, arbitrary: fc.constantFrom('cut', 'wait', 'awake', 'leave') },
);

function happen(one: ModelClient, what: object | string, count: number): void {
  const { session, now } = one;
  if (typeof what !== 'string') say(one, what);
  else if (what === 'push') session.push('k', `own ${count}`, APPEND, now);
  else if (what === 'relay') session.push('k', 'relay', { type: 'relay' }, now);
  else if (what === 'read') session.read(count, { type: 'get', key: 'k', seq: 0 }, now);
  else if (what === 'will') session.will(count, 'k', count % 2 ? 'gone' : null, now);
  else if (what === 'listen') session.subscribe('k', 100 + count, count % 2 > 0, now);
  else if (what === 'out') one.stepOut();
  else if (what === 'in') one.stepIn();
  else if (what === 'page') one.stepPage();
  else if (what === 'cut') one.cut();
  else if (what === 'awake') session.awake(now);
  else if (what === 'leave') session.hurry(now, count % 2 > 0);
  else one.wait(4 * HOUR_MS);
  one.settle();
  one.open();
}

test('whatever a server says and when, nothing throws, nobody waits for ever, and an honest one is heard again', () => {
  fc.assert(
    fc.property(fc.array(happening, { minLength: 5, maxLength: 60 }), (happenings) => {
      const room = new ModelRoom();
      const one = new ModelClient(room, 'c', () => 0.5);
      one.session.subscribe('k', 1, true, 0);
      one.session.connect(0);
      one.settle();
      one.open();
      for (const [count, what] of happenings.entries()) happen(one, what, count + 1);
      // The liar is gone.
      one.cut();
      for (let round = 0; round < 5 && one.session.status().state !== 'closed'; round += 1) {
        one.wait(4 * HOUR_MS);
        one.calm();
      }
      expect(one.session.status()).toMatchObject({
        state: 'live',
        queued: 0,
        unacknowledged: 0,
        seq: room.head,
      });
      const asked = happenings.filter((what) => what === 'read' || what === 'will').length;
      expect(one.answered).toHaveLength(asked);
      expect(new Set(one.answered).size).toBe(asked);
    }),
    { numRuns: 1_000, seed: 22 },
  );
});

describe('a server that lies', () => {
  test.each<[string, object]>([
    ['a second hello', hello({ epoch: 'e9' })],
    ['a reset in the middle', { type: 'reset', reason: 'ahead', epoch: 'e1', seq: 0 }],
    ['a second live, far ahead', { type: 'live', seq: 2 ** 53 - 1 }],
    ['more of a catching up that is over', { type: 'entries', data: [{ key: 'k', value: 1, seq: 9 }] }],
  ])('%s ends the connection, and what comes then is heard', (_name, message) => {
    const { room, one } = liveClient();
    say(one, message);
    expect(one.session.status()).toMatchObject({ state: 'waiting', seq: 0, reason: { code: 'bad_message' } });
    one.calm();
    room.receive([...room.peers][0] ?? expect.fail(), {
      type: 'push',
      key: 'k',
      value: 'x',
      action: APPEND,
      id: 1,
    });
    one.calm();
    expect(one.entries).toEqual(['x']);
  });

  test('a push before the catching up has ended ends the connection', () => {
    const { one } = liveClient();
    one.cut();
    one.wait();
    one.open();
    one.stepIn();
    say(one, { type: 'push', key: 'k', value: 1, seq: 1 });
    expect([one.entries, one.session.status().state]).toEqual([[], 'waiting']);
  });

  test('one that lost the end of the room without saying so is heard from the beginning', () => {
    const { room, one } = liveClient();
    for (const value of ['a', 'b', 'c']) one.session.push('k', value, APPEND, 0);
    one.session.subscribe('k', 1, true, 0);
    one.settle();
    one.calm();
    one.cut();
    one.wait();
    one.open();
    say(one, hello({ epoch: room.epoch, seq: 1 }), { type: 'live', seq: 1 });
    expect(one.session.status().state).toBe('waiting');
    room.wipe();
    room.epoch = 'e1';
    room.entries.push({ key: 'k', value: 'a', seq: 1 });
    room.head = 1;
    one.calm();
    expect([one.query, one.resets, one.shown]).toEqual(['client=c&since=0', 1, ['a']]);
    room.receive([...room.peers][0] ?? expect.fail(), {
      type: 'push',
      key: 'k',
      value: 'd',
      action: APPEND,
      id: 9,
    });
    one.calm();
    expect(one.shown).toEqual(['a', 'd']);
  });

  test('an acknowledgement that comes twice, or of what was never sent, settles nothing', () => {
    const { one } = liveClient();
    one.session.push('k', 'slow', APPEND, 0);
    one.settle();
    for (let index = 0; index < 1_100; index += 1) one.session.push('k', index, APPEND, 0);
    one.settle();
    const unsent = 1_101;
    say(one, { type: 'ack', id: unsent, seq: 5, size: 1 }, { type: 'ack', id: 77_777, seq: 6, size: 1 });
    expect([one.outcomes.size, one.session.status().queued]).toEqual([0, 101]);
    say(one, { type: 'ack', id: 1, seq: 1, size: 1 }, { type: 'ack', id: 1, seq: 2, size: 1 });
    expect([...one.outcomes.keys()]).toEqual([1]);
  });

  test('numbers far ahead do not turn the pushes of others into own ones', () => {
    const { room, one } = liveClient();
    const owns: (number | undefined)[] = [];
    one.session.push('k', 1, APPEND, 0);
    one.settle();
    say(one, { type: 'ack', id: 1, seq: 3, size: 1 });
    one.cut();
    room.entries.push({ key: 'k', value: 'x', seq: 4 });
    room.head = 4;
    one.calm();
    say(one, { type: 'push', key: 'k', value: 'y', seq: 5 });
    for (const event of one.events) if (event.type === 'push') owns.push(event.own);
    expect([one.entries, owns]).toEqual([['x', 'y'], []]);
  });

  test('one that takes no message at all can still be asked whether it is there, and told to relay', () => {
    const one = new ModelClient(new ModelRoom(), 'c', () => 0.5);
    one.session.connect(0);
    one.settle();
    one.open();
    const none = { message_bytes: 0, key_bytes: 0, pushes_per_second: 0 };
    one.session.received(JSON.stringify(hello({ limits: none })), 0);
    one.session.will(1, 'k', 'gone', 0);
    one.session.subscribe('x'.repeat(2_000), 1, true, 0);
    one.session.timer(20_000);
    one.settle();
    expect(one.sent.map((frame) => JSON.parse(frame).type)).toEqual(['will', 'ping', 'ping']);
    expect(one.events).toEqual([{ type: 'init', entries: [] }]);
  });

  test('one that asks for years of patience gets an hour, over every way that it can ask', async () => {
    const years = 2 ** 53 - 1;
    const { one } = liveClient();
    say(one, { type: 'error', code: 'rate_limited', message: 'later', retry_ms: years });
    one.session.closed(4101, '', 0);
    expect(one.session.status().retryAt).toBe(HOUR_MS);
    const header = new Response('no', { status: 429, headers: { 'retry-after': '1e300' } });
    expect((await readHttpRefusal(header)).retryMs).toBe(HOUR_MS);
    const body = JSON.stringify({ code: 'rate_limited', message: 'later', retry_ms: years });
    expect((await readHttpRefusal(new Response(body, { status: 429 }))).retryMs).toBe(HOUR_MS);
  });

  test('a room is not asked for without pause because a timer cannot be set for so long', async () => {
    await loadRequest();
    vi.useFakeTimers();
    let asked = 0;
    const body = JSON.stringify({ code: 'rate_limited', message: 'later', retry_ms: 2 ** 40 });
    const fetch = async () => {
      asked += 1;
      return new Response(body, { status: 429 });
    };
    const stop = new AbortController();
    const made = makeRoom('http://model.invalid', { fetch, signal: stop.signal });
    made.catch(() => undefined);
    await vi.advanceTimersByTimeAsync(0);
    expect(asked).toBe(1);
    await vi.advanceTimersByTimeAsync(HOUR_MS / 2);
    expect(asked).toBe(1);
    await vi.advanceTimersByTimeAsync(HOUR_MS);
    expect(asked).toBe(2);
    stop.abort();
    await expect(made).rejects.toThrow();
  });

  test('one that takes the socket and never speaks is given up, each time after a longer wait', () => {
    const session = new Session({ codec: jsonCodec, client: 'c', lastId: 0, cursor: null, random: () => 1 });
    session.connect(0);
    const waits: number[] = [];
    let now = 0;
    for (let attempt = 0; attempt < 4; attempt += 1) {
      session.opened();
      now = session.wakeAt() ?? expect.fail();
      session.timer(now);
      expect(session.status()).toMatchObject({ state: 'waiting', reason: { code: 'network' } });
      waits.push((session.status().retryAt ?? 0) - now);
      now = session.wakeAt() ?? expect.fail();
      session.timer(now);
    }
    expect(waits).toEqual([250, 500, 1_000, 2_000]);
    expect(session.take().map(({ type }) => type)).toEqual([
      'open',
      ...Array.from({ length: 4 }, () => ['drop', 'open']).flat(),
    ]);
  });

  test('a question over HTTP that is never answered is given up too', () => {
    const session = new Session({
      codec: jsonCodec,
      client: 'c',
      lastId: 0,
      cursor: null,
      random: () => 0.5,
    });
    session.connect(0);
    session.closed(1006, '', 19_000);
    session.timer(session.wakeAt() ?? expect.fail());
    expect(session.status()).toMatchObject({ state: 'waiting', reason: { code: 'network' } });
    session.probed({ answered: true, error: new RoomError('unknown_room', 'late') }, 40_000);
    expect(session.status().state).toBe('waiting');
  });
});

describe('what stands in front of a server', () => {
  const answers: [number, string, string, boolean][] = [
    [404, '{"code":"unknown_room","message":"no"}', 'unknown_room', false],
    [401, '{"code":"unauthorized","message":"who are you?"}', 'unauthorized', false],
    [403, '{"message":"Forbidden"}', 'bad_message', false],
    [403, '<h1>Forbidden</h1>', 'refused', false],
    [429, '{"code":"TOO_MANY","message":"slow"}', 'unavailable', true],
    [429, '{"code":"rate_limited","message":"slow"}', 'rate_limited', true],
    [502, '{"code":"ECONNREFUSED","message":"no upstream"}', 'unavailable', true],
    [500, '<h1>Oops</h1>', 'unavailable', true],
    [503, '{"code":"going_away","message":"bye"}', 'going_away', true],
  ];

  test.each(answers)('%i %s: %s; passes by itself: %s', async (status, body, expected, passes) => {
    const error = await readHttpRefusal(new Response(body, { status }));
    expect(error.code).toBe(expected);
    for (const worked of [false, true]) {
      const { one } = worked ? liveClient() : { one: new ModelClient(new ModelRoom(), 'c', () => 0.5) };
      if (worked) one.cut();
      else one.session.connect(0);
      one.settle();
      if (worked) one.wait();
      one.probe = { answered: true, error };
      one.fail();
      expect(one.session.status().state).toBe(passes || worked ? 'waiting' : 'closed');
      expect(one.session.status().reason?.code).toBe(expected);
    }
  });
});

describe('a link that is slow', () => {
  /** Each message takes so long on its way, and nothing passes it. */
  function crawl(one: ModelClient, ms: number): number {
    let connections = 0;
    for (; connections < 20; connections += 1) {
      while (one.session.status().state === 'waiting') one.wait(HOUR_MS);
      one.open();
      one.stepIn(); // hello
      one.stepPage();
      const arrives = one.now + ms;
      while (
        (one.session.wakeAt() ?? arrives) < arrives &&
        one.wait(HOUR_MS) &&
        one.session.status().connected
      );
      if (!one.session.status().connected) continue;
      one.now = arrives;
      one.stepIn();
      one.calm();
      return connections;
    }
    return connections;
  }

  test('gets on with a page that takes a minute and a half, though the server cannot be heard meanwhile', () => {
    const { room, one } = liveClient();
    one.cut();
    room.entries.push({ key: 'k', value: 'large', seq: 1 });
    room.head = 1;
    expect(crawl(one, 90_000)).toBeGreaterThan(0);
    expect([one.entries, one.session.status().state]).toEqual([['large'], 'live']);
  });

  test('a server that is gone is still noticed after half a minute, once something was worth waiting for', () => {
    const { room, one } = liveClient();
    one.cut();
    room.entries.push({ key: 'k', value: 'large', seq: 1 });
    room.head = 1;
    crawl(one, 90_000);
    const heard = one.now;
    while (one.session.status().connected) one.wait(HOUR_MS);
    expect(one.now - heard).toBeLessThanOrEqual(31_000);
  });
});

describe('a machine that sleeps', () => {
  test('in the middle of connecting: it begins anew at once when it wakes', () => {
    for (const greeting of [false, true]) {
      const session = new Session({
        codec: jsonCodec,
        client: 'c',
        lastId: 0,
        cursor: null,
        random: () => 0.5,
      });
      session.connect(0);
      if (greeting) session.opened();
      session.take();
      session.awake(1_000);
      expect(session.take()).toEqual([]);
      session.awake(HOUR_MS);
      expect(session.take().map(({ type }) => type)).toEqual(['drop', 'open']);
    }
  });

  test('while it was live: the server is asked at once, and given up after ten seconds', () => {
    const { one } = liveClient();
    one.sent = [];
    one.now = HOUR_MS;
    one.session.awake(one.now);
    one.settle();
    expect(one.sent).toEqual(['{"type":"ping","nonce":null}']);
    expect(one.session.wakeAt()).toBe(HOUR_MS + 10_000);
  });

  test('a clock that is set ahead by a month costs a question to the server and no push', () => {
    const { room, one } = liveClient();
    one.session.push('k', 'kept', APPEND, 0);
    one.settle();
    one.now = 30 * 24 * HOUR_MS;
    one.session.timer(one.now);
    one.settle();
    one.calm();
    expect([one.session.status().state, codeOfOutcome(one.outcomes.get(1)), room.head]).toEqual([
      'live',
      'fine',
      1,
    ]);
  });
});

describe('what is pushed', () => {
  test('nothing that JSON leaves out turns a compact into a trim', () => {
    const { room, one } = liveClient();
    const odd = [Symbol('s'), () => 1, { toJSON: () => undefined }];
    for (const value of odd) one.session.push('k', value, { type: 'compact', seq: 1 }, 0);
    for (const value of odd) one.session.push('k', value, APPEND, 0);
    one.settle();
    one.calm();
    expect([...one.outcomes.values()].map(codeOfOutcome)).toEqual(
      Array.from({ length: 6 }, () => 'bad_message'),
    );
    expect(room.head).toBe(0);
    one.session.push('"value":', undefined, { type: 'compact', seq: 1 }, 0);
    one.settle();
    expect(one.sent.at(-1)).toContain('"action":{"type":"compact","seq":1}');
  });

  test('of thousands without a connection the first ones wait, and each of the others is told at once', async () => {
    const { room, server, moveAll } = modelRoom();
    const pushes = Array.from({ length: 12_000 }, (_, index) => room.push('k', index));
    const relay = room.push('k', 'now or never', { type: 'relay' });
    expect(await codeOf(relay.done)).toBe('offline');
    expect(await codeOf(pushes[10_000]?.done ?? expect.fail())).toBe('queue_full');
    expect(room.status.queued).toBe(10_000);
    room.connect().catch(() => undefined);
    moveAll();
    expect(server.machine.head).toBe(10_000);
    expect(room.status).toMatchObject({ queued: 0, unacknowledged: 0 });
    room.close();
  });

  test('large ones are bounded by their bytes', async () => {
    const { room } = scripted();
    const large = 'x'.repeat(900_000);
    const codes = Array.from({ length: 20 }, () => room.push('k', large).done);
    expect(await codeOf(codes[19] ?? expect.fail())).toBe('queue_full');
    expect(room.status.queued).toBe(18);
    room.close();
  });
});

describe('listeners', () => {
  test('hear the statuses in their order, whatever one of them does', () => {
    const { room, sockets } = scripted();
    const heard: string[][] = [[], []];
    room.onStatus(({ queued, unacknowledged }) => {
      heard[0]?.push(`${queued}+${unacknowledged}`);
      if (heard[0]?.length === 1) room.push('k', 'from a listener');
    });
    room.onStatus(({ queued, unacknowledged }) => heard[1]?.push(`${queued}+${unacknowledged}`));
    room.push('k', 'first');
    expect(heard).toEqual([
      ['1+0', '2+0'],
      ['1+0', '2+0'],
    ]);
    room.close();
    expect(sockets).toEqual([]);
  });

  test('that end each other, themselves or the connection in the middle of a page hear nothing after that', () => {
    const { room, sockets } = scripted({ cursor: { epoch: null, seq: 0 } });
    const heard: string[] = [];
    const ends: (() => void)[] = [];
    ends.push(
      room.subscribe(
        'k',
        () => {
          heard.push('one');
          for (const end of ends) end();
        },
        { replay: false },
      ),
      room.subscribe('k', () => heard.push('two'), { replay: false }),
    );
    room.onEntry((_key, { seq }) => {
      heard.push(`entry ${seq}`);
      if (seq === 2) room.close();
    });
    room.connect().catch(() => undefined);
    const data = [1, 2, 3].map((seq) => ({ key: 'k', value: seq, seq }));
    sockets[0]?.open(hello({ seq: 3 }), { type: 'entries', data }, { type: 'live', seq: 3 });
    expect(heard).toEqual(['one', 'entry 1', 'entry 2']);
    expect([room.status.state, sockets[0]?.dropped, room.cursor?.seq]).toEqual(['closed', true, 2]);
  });
});

describe('closing', () => {
  const moments: [string, (socket: ReturnType<typeof scripted>['sockets'][number]) => void][] = [
    ['before the socket is open', () => undefined],
    ['before hello', (socket) => socket.open()],
    ['before it is caught up', (socket) => socket.open(hello())],
    ['when it is live', (socket) => socket.open(hello(), { type: 'live', seq: 0 })],
    ['while it asks why', (socket) => socket.end()],
  ];
  test.each(moments)('%s settles everything, once, and is silent then', async (name, reach) => {
    const { room, sockets } = scripted({ cursor: { epoch: null, seq: 0 } });
    const connecting = room.connect();
    const waiting = [room.push('k', 1).done, room.get('k'), room.will('k', 1), room.entries()];
    const [socket = expect.fail()] = sockets;
    reach(socket);
    room.close();
    const states: string[] = [];
    room.onStatus(({ state }) => states.push(state));
    for (const one of waiting) expect(await codeOf(one)).toBe('closed');
    expect(await codeOf(connecting)).toBe(name === 'when it is live' ? 'fulfilled' : 'closed');
    socket.open(hello());
    socket.end();
    await new Promise((resolve) => setTimeout(resolve, 0));
    expect([room.status.state, states, sockets.length]).toEqual(['closed', [], 1]);
  });
});

describe('reading all of a room', () => {
  const entry = (seq: number, value: string) => ({ key: 'k', value, seq });

  test('entries of two histories are never mixed', async () => {
    const { room, sockets } = scripted();
    room.connect().catch(() => undefined);
    sockets[0]?.open(hello({ seq: 9 }));
    const all = room.entries();
    sockets[0]?.say({ type: 'entries', data: [entry(1, 'old')], next: 1 });
    await until('it is asked', () => sockets[0]?.sent.length === 2);
    sockets[0]?.end();
    await until('it comes back', () => sockets.length === 2);
    sockets[1]?.open(hello({ epoch: 'wiped', seq: 2 }), {
      type: 'reset',
      reason: 'unknown_epoch',
      epoch: 'wiped',
      seq: 2,
    });
    sockets[1]?.say({ type: 'live', seq: 2 }, { type: 'entries', data: [entry(2, 'new too')], next: null });
    await until('it asks from the beginning', () => sockets[1]?.sent.length === 2);
    expect(sockets[1]?.sent.at(-1)).toEqual({ type: 'get', seq: 0 });
    sockets[1]?.say({ type: 'entries', data: [entry(1, 'new'), entry(2, 'new too')], next: null });
    expect((await all).map(({ value }) => value)).toEqual(['new', 'new too']);
    room.close();
  });

  test('a room that begins anew again and again is not read for ever', async () => {
    const { room, sockets } = scripted();
    room.connect().catch(() => undefined);
    const keys = codeOf(room.keys());
    let done = false;
    void keys.then(() => {
      done = true;
    });
    for (let epoch = 0; !done && epoch < 50; epoch += 1) {
      await until('it comes back', () => sockets.length > epoch);
      const socket = sockets[epoch] ?? expect.fail();
      socket.open(hello({ epoch: `e${epoch}` }));
      if (epoch > 0)
        socket.say(
          { type: 'reset', reason: 'unknown_epoch', epoch: `e${epoch}`, seq: 0 },
          { type: 'live', seq: 0 },
        );
      for (let asked = 0; asked < 2 && !done; asked += 1) {
        socket.say({ type: 'keys', data: [], next: `page ${epoch} ${asked}` });
        await new Promise((resolve) => setTimeout(resolve, 0));
      }
      socket.end();
    }
    expect(await keys).toBe('reset');
    room.close();
  });

  test('pages that do not end are refused', async () => {
    const { room, sockets } = scripted();
    room.connect().catch(() => undefined);
    sockets[0]?.open(hello());
    const all = codeOf(room.entries());
    for (const next of [7, 7]) {
      sockets[0]?.say({ type: 'entries', data: [], next });
      await new Promise((resolve) => setTimeout(resolve, 0));
    }
    expect(await all).toBe('bad_message');
    room.close();
  });
});
