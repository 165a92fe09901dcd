// The session by itself: scripted moments that a real server reaches rarely, and random worlds of cuts.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { codeOfOutcome, liveClient, ModelClient, ModelRoom, say } from './model.ts';

const APPEND = { type: 'append' } as const;

describe('resuming', () => {
  test('it asks for everything behind the last number that it heard', () => {
    const { room, one } = liveClient();
    expect(one.query).toBe('client=c');
    for (let index = 0; index < 3; index++) one.session.push('k', index, APPEND, 0);
    one.settle();
    one.calm();
    one.cut();
    expect(one.session.status().state).toBe('waiting');
    one.calm();
    expect(one.query).toBe(`client=c&since=${room.epoch}.3`);
    expect(one.entries).toEqual([0, 1, 2]);
  });

  test('a catching up that broke off is void when the next hello has another epoch', () => {
    const { room, one } = liveClient();
    one.session.subscribe('k', 1, true, 0);
    one.session.push('k', 'a', APPEND, 0);
    one.settle();
    one.calm();
    one.cut();
    room.entries.push({ key: 'k', value: 'b', seq: 2 });
    room.head = 2;
    one.wait();
    one.open();
    one.stepPage();
    one.stepIn(); // hello
    one.stepIn(); // a page, and then the end
    one.cut();
    room.epoch = 'e2';
    one.calm();
    expect(one.query).toBe('client=c&since=0');
    expect([one.resets, one.session.status().state]).toEqual([1, 'live']);
    expect(one.events.map(({ type }) => type)).toEqual(['init', 'push', 'push', 'init']);
    expect(one.shown).toEqual(['a', 'b']);
  });

  test('a hole in the live numbers is gone back for', () => {
    const { room, one } = liveClient();
    room.entries.push({ key: 'k', value: 'lost', seq: 1 }, { key: 'k', value: 'heard', seq: 2 });
    room.head = 2;
    say(one, { type: 'push', key: 'k', value: 'heard', seq: 2 });
    expect(one.entries).toEqual([]);
    one.calm();
    expect(one.entries).toEqual(['lost', 'heard']);
  });

  test('after a day without a word nobody knows about a push that was sent; a replace is sent again', () => {
    const { room, one } = liveClient();
    one.session.push('k', 'append', APPEND, one.now);
    one.session.push('k', 'replace', { type: 'replace' }, one.now);
    one.settle();
    one.cut();
    one.session.push('k', 'never sent', APPEND, one.now);
    one.now += 24 * 60 * 60 * 1_000;
    one.calm();
    expect([1, 2, 3].map((id) => codeOfOutcome(one.outcomes.get(id)))).toEqual(['uncertain', 'fine', 'fine']);
    expect(one.uncertain).toEqual([1]);
    expect(room.entries.map(({ value }) => value)).toEqual(['replace', 'never sent']);
  });

  test('a push that was lost before the server ever knew this client is sent again', () => {
    const { room, one } = liveClient();
    one.session.push('k', 'first', APPEND, one.now);
    one.settle();
    one.cut();
    one.calm();
    expect(codeOfOutcome(one.outcomes.get(1))).toBe('fine');
    expect(room.entries.map(({ value }) => value)).toEqual(['first']);
  });
});

describe('the first stream of a key', () => {
  const push = (seq: number, value: string) => ({ type: 'push', key: 'k', value, seq });

  test('pushes before it are contained in it, relays among them follow', () => {
    const { one } = liveClient();
    one.session.subscribe('k', 1, true, 0);
    one.settle();
    say(one, push(1, 'stored'), push(2, 'relayed'), push(3, 'stored too'));
    expect(one.events).toEqual([]);
    const data = [
      { seq: 1, value: 'stored' },
      { seq: 3, value: 'stored too' },
    ];
    say(one, { type: 'init', key: 'k', data }, push(4, 'later'));
    expect(one.shown).toEqual(['stored', 'stored too', 'relayed', 'later']);
  });

  test('a push that was replaced meanwhile is not told behind its replacement', () => {
    const { one } = liveClient();
    one.session.subscribe('k', 1, true, 0);
    one.settle();
    say(one, push(1, 'old'), push(2, 'new'), { type: 'init', key: 'k', data: [{ seq: 2, value: 'new' }] });
    expect(one.shown).toEqual(['new']);
  });

  test('one get goes out for listeners who come together, none for those who go before', () => {
    const { one } = liveClient();
    one.sent = [];
    one.session.subscribe('k', 1, true, 0);
    one.session.subscribe('k', 2, true, 0);
    one.session.subscribe('live', 3, false, 0);
    one.settle();
    expect(one.sent).toEqual(['{"type":"get","key":"k","seq":0}']);
    one.calm();
    expect(one.events.map(({ type }) => type)).toEqual(['init', 'init']);
  });
});

describe('the end of a connection', () => {
  const ends: [number, string, string][] = [
    [1000, '', 'closed'],
    [4500, 'bad_message', 'bad_message'],
    [4501, 'replaced', 'replaced'],
    [4502, 'room_deleted', 'room_deleted'],
    [4503, 'room_expired', 'room_expired'],
    [4999, 'Something new!', 'network'],
  ];
  test.each(ends)('%i is for good', (close, reason, expected) => {
    const { one } = liveClient();
    one.session.push('k', 1, APPEND, 0);
    one.session.closed(close, reason, 0);
    one.settle();
    expect(one.session.status().state).toBe('closed');
    expect(codeOfOutcome(one.outcomes.get(1))).toBe(expected);
    expect(one.ended?.code).toBe(expected);
  });

  test.each([1001, 1006, 1011, 1012, 4100, 4101, 4102, 4103, 4104, 4499])(
    'after %i it comes back',
    (close) => {
      const { one } = liveClient();
      one.session.closed(close, '', 0);
      one.settle();
      expect(one.session.status().state).toBe('waiting');
      one.calm();
      expect(one.session.status().state).toBe('live');
    },
  );

  test('it waits as long as the server asks for, told by an error or by the reason', () => {
    for (const told of [true, false]) {
      const { one } = liveClient();
      if (told) say(one, { type: 'error', code: 'rate_limited', message: 'slow', retry_ms: 7_000 });
      one.session.closed(4101, told ? '' : 'rate_limited retry_ms=7000', 0);
      expect(one.session.status()).toMatchObject({
        state: 'waiting',
        retryAt: 7_000,
        reason: { code: 'rate_limited' },
      });
    }
  });

  test('a push that the server found too large is dropped, and the others go on', () => {
    const { room, one } = liveClient();
    one.session.push('k', 'small', APPEND, 0);
    one.session.push('k', 'large'.repeat(100), APPEND, 0);
    one.settle();
    one.cut(1009, 'too_large');
    one.calm();
    expect([1, 2].map((id) => codeOfOutcome(one.outcomes.get(id)))).toEqual(['fine', 'too_large']);
    expect(room.entries.map(({ value }) => value)).toEqual(['small']);
  });

  test('waits grow to half a minute, and end at once when the network is back', () => {
    const room = new ModelRoom();
    const one = new ModelClient(room, 'c', () => 1);
    one.session.connect(0);
    one.settle();
    const waits: number[] = [];
    for (let attempt = 0; attempt < 10; attempt++) {
      one.cut();
      const { retryAt = 0 } = one.session.status();
      waits.push(retryAt - one.now);
      one.wait();
    }
    expect(waits).toEqual([250, 500, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000, 30_000]);
    one.cut();
    one.session.awake(one.now);
    one.settle();
    one.calm();
    expect(one.session.status().state).toBe('live');
  });

  test('silence is asked about after 20 seconds, and ends the connection 10 later', () => {
    const { one } = liveClient();
    one.sent = [];
    expect(one.session.wakeAt()).toBe(20_000);
    one.wait();
    expect(one.sent).toEqual(['{"type":"ping","nonce":null}']);
    expect(one.session.wakeAt()).toBe(30_000);
    one.wait();
    expect(one.session.status()).toMatchObject({ state: 'waiting', reason: { code: 'silent_peer' } });
  });

  test('patience that grew in vain is over once a connection lasts, also when nothing has to be asked on it', () => {
    const { one } = liveClient();
    const silence = () => {
      const since = one.now;
      while (one.session.status().state === 'live') one.wait();
      return one.now - since;
    };
    expect(silence()).toBe(30_000);
    one.calm();
    expect(silence()).toBe(40_000);
    one.calm();
    for (let seconds = 0; seconds < 60; seconds += 1) {
      one.now += 1_000;
      say(one, { type: 'pong', nonce: null });
    }
    expect(silence()).toBe(30_000);
  });

  test('a message that is none ends the connection and not the client', () => {
    const { one } = liveClient();
    one.session.received('{"type":"push"}', 0);
    one.settle();
    expect(one.session.status()).toMatchObject({ state: 'waiting', reason: { code: 'bad_message' } });
    one.calm();
    expect(one.session.status().state).toBe('live');
  });
});

describe('sending', () => {
  test('it keeps to the pace that the server allows', () => {
    const room = new ModelRoom();
    const one = new ModelClient(room, 'c', () => 0.5);
    one.session.connect(0);
    one.settle();
    one.open();
    const limits = { message_bytes: 1_000, key_bytes: 100, pushes_per_second: 10 };
    const hello = {
      type: 'hello',
      epoch: 'e',
      seq: 0,
      last_id: null,
      read_only: false,
      closed: false,
      limits,
    };
    for (let index = 0; index < 30; index++) one.session.push('k', index, APPEND, 0);
    say(one, hello);
    const sent: number[] = [];
    while (one.session.status().queued > 0 && one.now < 10_000) {
      sent.push(one.now);
      one.wait();
    }
    expect(one.sent).toHaveLength(30);
    expect(one.now).toBeGreaterThan(2_000);
    expect(one.now).toBeLessThan(4_000);
  });

  test('more than fits on the way at once waits, and keeps its order over a cut', () => {
    const { room, one } = liveClient();
    const values = Array.from({ length: 1_500 }, (_, index) => index);
    for (const value of values) one.session.push('k', value, APPEND, 0);
    one.settle();
    expect(one.session.status()).toMatchObject({ unacknowledged: 1_000, queued: 500 });
    for (let index = 0; index < 300; index++) one.stepOut();
    one.cut();
    one.calm();
    expect(room.entries.map(({ value }) => value)).toEqual(values);
    expect(one.entries).toEqual(values);
  });

  test('a will is set on every connection as it was when it was given', () => {
    const { one } = liveClient();
    const value = { gone: 'one' };
    one.session.will(1, 'presence', value, 0);
    one.session.will(2, 'presence', () => 1, 0);
    one.settle();
    expect(codeOfOutcome(one.answers[0])).toBe('bad_message');
    one.calm();
    expect(one.answers).toHaveLength(2);
    value.gone = 'changed';
    one.sent = [];
    one.cut();
    one.calm();
    expect(one.sent[0]).toBe('{"type":"will","key":"presence","value":{"gone":"one"}}');
  });

  test('an error without an id is about the oldest question', () => {
    const { one } = liveClient();
    one.session.push('k', 'unreadable', APPEND, 0);
    one.session.read(1, { type: 'get', key: 'k', seq: 0 }, 0);
    one.settle();
    say(one, { type: 'error', code: 'bad_message', message: 'no' }, { type: 'init', key: 'k', data: [] });
    expect(codeOfOutcome(one.outcomes.get(1))).toBe('bad_message');
    expect(one.answers).toEqual([[]]);
  });

  test('a refusal that names a push settles it, and it is not sent again', () => {
    const { one } = liveClient();
    one.session.push('k', 1, APPEND, 0);
    one.settle();
    say(one, { type: 'error', code: 'room_full', message: 'full', id: 1, key: 'k' });
    expect(codeOfOutcome(one.outcomes.get(1))).toBe('room_full');
    one.sent = [];
    one.cut();
    one.calm();
    expect(one.sent).toEqual([]);
  });
});

type Step = {
  client: number;
  what: 'push' | 'relay' | 'out' | 'in' | 'page' | 'cut' | 'wake' | 'listen';
  count: number;
};

const step: fc.Arbitrary<Step> = fc.record({
  client: fc.nat(1),
  what: fc.constantFrom(
    'push',
    'relay',
    'out',
    'out',
    'in',
    'in',
    'in',
    'page',
    'cut',
    'wake',
    'wake',
    'listen',
  ),
  count: fc.integer({ min: 1, max: 6 }),
});

/** One step of a world. `value` makes the next value to push. */
function take(one: ModelClient, { what, count }: Step, value: () => string): void {
  for (let index = 0; index < count; index++) {
    if (what === 'push') one.session.push('k', value(), APPEND, one.now);
    else if (what === 'relay') one.session.push('k', 'relay', { type: 'relay' }, one.now);
    else if (what === 'out') one.stepOut();
    else if (what === 'in') one.stepIn();
    else if (what === 'page') one.stepPage();
    else if (what === 'wake') one.wait(1_000);
    else if (index > 0) break;
    else if (what === 'cut') one.cut();
    else one.session.subscribe('k', one.screens.size + 2 + one.events.length, true, one.now);
    one.settle();
    if (what === 'wake') one.open();
  }
}

const withoutRelays = (values: readonly unknown[]): unknown[] => values.filter((value) => value !== 'relay');

test('in any world of cuts each append is stored once and in order, and everybody sees one order', () => {
  let cuts = 0;
  fc.assert(
    fc.property(fc.array(step, { minLength: 20, maxLength: 200 }), (steps) => {
      const room = new ModelRoom();
      const clients = ['a', 'b'].map((name) => new ModelClient(room, name, () => 0.5));
      const pushed: string[][] = [[], []];
      for (const one of clients) {
        one.session.subscribe('k', 1, true, 0);
        one.session.connect(0);
        one.settle();
      }
      for (const next of steps) {
        const [one, mine] = [clients[next.client], pushed[next.client]];
        if (one === undefined || mine === undefined) continue;
        if (next.what === 'cut' && one.session.status().unacknowledged > 0) cuts += 1;
        take(one, next, () => {
          mine.push(`${next.client}:${mine.length}`);
          return mine.at(-1) ?? '';
        });
      }
      // Both talk in turn until nothing is left.
      for (let round = 0; round < 4; round++) for (const one of clients) one.calm();
      const stored = room.entries.map(({ value }) => value);
      for (const [client, one] of clients.entries()) {
        expect(stored.filter((value) => String(value).startsWith(`${client}:`))).toEqual(pushed[client]);
        for (const screen of one.screens.values()) expect(withoutRelays(screen)).toEqual(stored);
        expect(one.session.status()).toMatchObject({
          state: 'live',
          queued: 0,
          unacknowledged: 0,
          seq: room.head,
        });
        expect(
          [...one.outcomes.values()].every((outcome) => ['fine', 'offline'].includes(codeOfOutcome(outcome))),
        ).toBe(true);
        expect(one.resets).toBe(0);
      }
    }),
    { numRuns: 1_000 },
  );
  expect(cuts, 'the worlds are wild enough').toBeGreaterThan(100);
});

test('in any world with a wipe everybody ends with what the room holds', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 100 }), fc.array(step, { maxLength: 100 }), (before, after) => {
      const room = new ModelRoom();
      const one = new ModelClient(room, 'a', () => 0.5);
      one.session.subscribe('k', 1, true, 0);
      one.session.connect(0);
      one.settle();
      let value = 0;
      for (const next of before) take(one, next, () => String(value++));
      one.cut();
      room.wipe();
      for (const next of after) take(one, next, () => String(value++));
      one.calm();
      expect(one.session.status()).toMatchObject({
        state: 'live',
        queued: 0,
        unacknowledged: 0,
        seq: room.head,
      });
      const stored = room.entries.map((entry) => entry.value);
      expect(new Set(stored).size).toBe(stored.length);
      for (const screen of one.screens.values()) expect(withoutRelays(screen)).toEqual(stored);
    }),
    { numRuns: 1_000 },
  );
});
