import assert from 'node:assert/strict';

import { HttpConnection, native, newRoom, push, stored } from '../clients.mjs';
import { serverTest } from '../server.mjs';

const CLIENT = 'node-test-client-0';
const types = (messages) => messages.map((message) => message.type);

for (const cbor of [false, true]) {
  const encoding = cbor ? 'CBOR' : 'JSON';
  const open = async (room, query = '') => {
    const bare = await native(room, { cbor, query });
    bare.hello = await bare.next();
    assert.equal(bare.hello.type, 'hello');
    return bare;
  };

  serverTest(`hello comes first and says where the room stands (${encoding})`, async (server) => {
    const room = await newRoom(server);
    await new HttpConnection(room.http_url).send(push('k', 1));
    const bare = await open(room);
    assert.equal(bare.socket.protocol, cbor ? 'seabag.v1.cbor' : 'seabag.v1');
    const { epoch, limits, ...rest } = bare.hello;
    assert.match(epoch, /^[A-Za-z0-9_-]{1,32}$/);
    assert.equal(epoch, room.epoch);
    assert.ok(limits.message_bytes > 0 && limits.key_bytes > 0 && limits.pushes_per_second >= 0);
    assert.deepEqual(rest, { type: 'hello', seq: 1, last_id: null, read_only: false, closed: false });
    assert.deepEqual(await bare.rest(), [], 'without since nothing is replayed');
    assert.equal(bare.binaryFrames > 0, cbor);
  });

  serverTest(`every message of the room is heard, numbers without a hole (${encoding})`, async (server) => {
    const room = await newRoom(server);
    const [a, b] = [await open(room), await open(room)];
    a.send(push('x', 1), push('y', { two: 2 }, 'relay'), push('x', 3, 'replace'));
    const expected = [
      { type: 'push', key: 'x', value: 1, seq: 1 },
      { type: 'push', key: 'y', value: { two: 2 }, seq: 2 },
      { type: 'push', key: 'x', value: 3, seq: 3 },
    ];
    assert.deepEqual(await a.take(3), expected);
    assert.deepEqual(await b.take(3), expected);
  });

  serverTest(`since 0 replays the room in order, then is live (${encoding})`, async (server) => {
    const room = await newRoom(server);
    const writer = await open(room);
    writer.send(push('x', 1), push('y', 2), push('x', 3), push('y', 'gone', 'relay'), push('x', 'both', 'compact', 3));
    await writer.rest();
    const reader = await open(room, '?since=0');
    const messages = [];
    do messages.push(await reader.next()); while (messages.at(-1).type !== 'live');
    const entries = messages.slice(0, -1).flatMap((message) => {
      assert.equal(message.type, 'entries');
      assert.ok(!('next' in message));
      return message.data;
    });
    assert.deepEqual(entries, [{ key: 'y', value: 2, seq: 2 }, { key: 'x', value: 'both', seq: 3 }]);
    assert.equal(messages.at(-1).seq, 4);
    writer.send(push('x', 5));
    assert.deepEqual(await reader.next(), { type: 'push', key: 'x', value: 5, seq: 5 });
  });

  serverTest(`catching up under fire misses nothing and repeats nothing (${encoding})`, async (server) => {
    const room = await newRoom(server);
    const writer = await open(room);
    const total = 3000;
    const readers = [];
    for (let n = 1; n <= total; n++) {
      writer.send(push(`k${n % 7}`, n));
      if (n % 500 === 250) readers.push(await open(room, '?since=0'));
    }
    for (const reader of readers) {
      const seen = [];
      let live = null;
      while ((seen.at(-1) ?? 0) < total) {
        const message = await reader.next();
        if (message.type === 'entries') seen.push(...message.data.map((entry) => entry.seq));
        if (message.type === 'live') live = message.seq;
        if (message.type === 'push') {
          assert.notEqual(live, null, 'no push before live');
          seen.push(message.seq);
        }
      }
      assert.deepEqual(seen, Array.from({ length: total }, (_, n) => n + 1));
    }
  });

  serverTest(`an ack comes before the sender's own push, once only (${encoding})`, async (server) => {
    const room = await newRoom(server);
    const first = await open(room, `?client=${CLIENT}`);
    assert.equal(first.hello.last_id, null);
    first.send({ ...push('k', 'a'), id: 1 }, { ...push('k', 'b'), id: 5 });
    assert.deepEqual(await first.take(4), [
      { type: 'ack', id: 1, seq: 1, size: 1 },
      { type: 'push', key: 'k', value: 'a', seq: 1 },
      { type: 'ack', id: 5, seq: 2, size: 2 },
      { type: 'push', key: 'k', value: 'b', seq: 2 },
    ]);
    first.send({ ...push('k', 'b'), id: 5 }, { ...push('k', 'a'), id: 1 });
    assert.deepEqual(await first.rest(), [
      { type: 'ack', id: 5, seq: 2, size: 2, repeat: true },
      { type: 'ack', id: 1, seq: null, size: 2, repeat: true },
    ]);
    const second = await open(room, `?client=${CLIENT}`);
    assert.equal(second.hello.last_id, 5);
    assert.equal(await first.closing(), 4501);
    second.send({ ...push('k', 'b'), id: 5 }, { ...push('k', 'c'), id: 6 });
    assert.deepEqual((await second.rest()).map(({ type, seq }) => [type, seq]), [['ack', 2], ['ack', 3], ['push', 3]]);
    assert.equal((await stored(room, 'k')).length, 3);
  });

  serverTest(`ids are remembered over a kill (${encoding})`, async (server) => {
    const room = await newRoom(server);
    const first = await open(room, `?client=${CLIENT}`);
    first.send({ ...push('k', 'a'), id: 3 });
    assert.equal((await first.next()).type, 'ack');
    await server.kill();
    await server.restart();
    const second = await open(room, `?client=${CLIENT}`);
    assert.equal(second.hello.last_id, 3);
    second.send({ ...push('k', 'a'), id: 3 });
    assert.deepEqual(await second.rest(), [{ type: 'ack', id: 3, seq: 1, size: 1, repeat: true }]);
  });

  serverTest(`a cursor resumes over a kill, and one of another history is reset (${encoding})`, async (server) => {
    const room = await newRoom(server);
    const writer = await open(room);
    const { epoch } = writer.hello;
    for (const n of [1, 2, 3, 4]) writer.send(push('k', n));
    await writer.rest();
    const replay = async (query) => {
      const reader = await open(room, query);
      const messages = [];
      do messages.push(await reader.next()); while (messages.at(-1).type !== 'live');
      const values = messages.filter((message) => message.type === 'entries').flatMap((message) => message.data);
      return { first: messages[0], values: values.map((entry) => entry.value) };
    };
    assert.deepEqual((await replay(`?since=${epoch}.2`)).values, [3, 4]);
    assert.deepEqual((await replay(`?since=${epoch}.4`)).values, []);
    const ahead = await replay(`?since=${epoch}.5`);
    assert.equal(ahead.first.type, 'reset');
    assert.equal(ahead.first.reason, 'ahead');
    assert.equal(ahead.first.seq, 4);
    assert.deepEqual(ahead.values, [1, 2, 3, 4]);
    const unknown = await replay('?since=other.2');
    assert.equal(unknown.first.reason, 'unknown_epoch');
    assert.deepEqual(unknown.values, [1, 2, 3, 4]);

    await server.kill();
    await server.restart();
    const resumed = await replay(`?since=${epoch}.2`);
    assert.notEqual(resumed.first.type, 'reset');
    assert.deepEqual(resumed.values, [3, 4]);
    const again = await open(room);
    again.send(push('k', 5));
    assert.ok((await again.next()).seq > 4);
  });

  serverTest(`a will is relayed when its socket vanishes (${encoding})`, async (server) => {
    const room = await newRoom(server);
    const watcher = await open(room);
    const [gone, cleared] = [await open(room), await open(room)];
    gone.send({ type: 'will', key: 'p', value: { left: true } });
    await gone.rest();
    cleared.send({ type: 'will', key: 'p', value: 'unsaid' }, { type: 'will', key: 'p', value: null });
    await cleared.rest();
    cleared.socket.terminate();
    gone.socket.terminate();
    assert.deepEqual(await watcher.next(), { type: 'push', key: 'p', value: { left: true }, seq: 1 });
    assert.deepEqual(await watcher.rest(), []);
    assert.deepEqual(await stored(room, 'p'), []);
  });

  serverTest(`a read-only id hears everything and writes nothing (${encoding})`, async (server) => {
    const room = await newRoom(server);
    assert.match(room.read_only, /^ro\./);
    const readable = { socket_url: room.socket_url.replace(room.room, room.read_only) };
    const reader = await open(readable, `?client=${CLIENT}`);
    assert.equal(reader.hello.read_only, true);
    reader.send({ ...push('k', 1), id: 1 }, { type: 'will', key: 'k', value: 1 });
    const [refused, will] = await reader.rest();
    assert.deepEqual([refused.type, refused.code, refused.id, refused.key], ['error', 'read_only', 1, 'k']);
    assert.equal(will.code, 'read_only');
    const writer = await open(room);
    writer.send(push('k', 2));
    assert.equal((await reader.next()).value, 2);
    const shown = await (await fetch(`${server.url}/room/${room.read_only}`)).text();
    assert.ok(!shown.includes(room.room), 'the write id is never shown to a reader');
  });

  serverTest(`what cannot be read is an error, and the connection stays (${encoding})`, async (server) => {
    const room = await newRoom(server);
    const bare = await open(room);
    for (const frame of ['nonsense', '["ping",5]', '{"type":"shout"}', Buffer.from('ff', 'hex')]) {
      bare.socket.send(frame);
    }
    bare.send(push('k', null), { type: 'ping', nonce: 2 ** 53 }, { ...push('k', 1), id: 1 });
    const errors = await bare.take(7);
    assert.deepEqual(errors.map(({ type, code }) => [type, code]), Array(7).fill(['error', 'bad_message']));
    bare.send(push('k', 1));
    assert.equal((await bare.next()).seq, 1);
  });

  serverTest(`compacts are acknowledged, stale ones too, and seen with debug (${encoding})`, async (server) => {
    const room = await newRoom(server);
    const bare = await open(room, `?client=${CLIENT}&debug=true`);
    bare.send(...[1, 2, 3].map((n) => ({ ...push('k', n), id: n })));
    await bare.take(6);
    bare.send({ ...push('k', 'sum', 'compact', 2), id: 4 });
    assert.deepEqual(await bare.rest(), [
      { type: 'ack', id: 4, seq: 2, size: 2 },
      { type: 'trimmed', key: 'k', seq: 2, size: 2 },
    ]);
    bare.send({ ...push('k', 'old', 'compact', 1), id: 5 }, { ...push('k', 'ahead', 'compact', 9), id: 6 });
    const [stale, ahead] = await bare.rest();
    assert.deepEqual(stale, { type: 'ack', id: 5, seq: 1, size: 2, stale: true });
    assert.deepEqual([ahead.type, ahead.code, ahead.id], ['error', 'compact_ahead', 6]);
    bare.send({ type: 'push', key: 'k', action: { type: 'compact', seq: 3 }, id: 7 });
    assert.deepEqual(await bare.rest(), [
      { type: 'ack', id: 7, seq: 3, size: 0 },
      { type: 'trimmed', key: 'k', seq: 3, size: 0 },
    ]);
    assert.deepEqual(await stored(room, 'k'), []);
  });

  serverTest(`the room and its keys can be read in pages (${encoding})`, async (server) => {
    const room = await newRoom(server);
    const bare = await open(room);
    for (let n = 1; n <= 5; n++) bare.send(push(n % 2 ? 'a' : 'b', n));
    await bare.rest();
    const seen = [];
    let next = 0;
    while (next !== null) {
      bare.send({ type: 'get', seq: next, epoch: bare.hello.epoch, limit: 2 });
      const page = await bare.next();
      assert.equal(page.type, 'entries');
      assert.ok(page.data.length <= 2);
      seen.push(...page.data.map((entry) => entry.seq));
      next = page.next;
    }
    assert.deepEqual(seen, [1, 2, 3, 4, 5]);
    bare.send({ type: 'keys', limit: 1 });
    const first = await bare.next();
    const { bytes, ...summary } = first.data[0];
    assert.ok(bytes > 0);
    assert.deepEqual({ summary, next: first.next }, { summary: { key: 'a', size: 3, first: 1, last: 5 }, next: 'a' });
    bare.send({ type: 'keys', after: 'a' });
    const second = await bare.next();
    assert.deepEqual([second.data[0].key, second.data.length, second.next], ['b', 1, null]);
    bare.send({ type: 'get', key: 'b', seq: 2 });
    assert.deepEqual(await bare.next(), { type: 'init', key: 'b', data: [{ value: 4, seq: 4 }] });
  });

  serverTest(`a closed room takes no more pushes and stays readable (${encoding})`, async (server) => {
    const room = await newRoom(server);
    const bare = await open(room);
    bare.send(push('k', 'last', 'close'), push('k', 'late'));
    const [last, late] = await bare.rest();
    assert.deepEqual([last.type, last.value], ['push', 'last']);
    assert.equal(late.code, 'closed');
    assert.equal((await open(room)).hello.closed, true);
    assert.deepEqual(await stored(room, 'k'), [{ value: 'last', seq: 1 }]);
  });

  serverTest(`with deliver=keys only what was asked for is heard (${encoding})`, async (server) => {
    const room = await newRoom(server);
    const bare = await open(room, '?deliver=keys');
    bare.send({ type: 'get', key: 'a', seq: null }, push('a', 1), push('b', 2), push('a', 3));
    const messages = await bare.rest();
    assert.deepEqual(types(messages), ['push', 'push', 'stream_size']);
    assert.deepEqual(messages.map((message) => message.key), ['a', 'a', 'a']);
  });
}

serverTest('a client in each encoding and dialect sees one order', async (server) => {
  const room = await newRoom(server);
  const readers = [await native(room), await native(room, { cbor: true })];
  for (const reader of readers) await reader.next();
  const writers = [await native(room), await native(room, { cbor: true })];
  for (let n = 0; n < 200; n++) writers[n % 2].send(push('k', n));
  const [a, b] = await Promise.all(readers.map((reader) => reader.take(200)));
  assert.deepEqual(a, b);
  assert.deepEqual(a.map((message) => message.seq), Array.from({ length: 200 }, (_, n) => n + 1));
});

serverTest('entries that share a number are on one page, however small', async (server) => {
  const room = await newRoom(server);
  const bare = await native(room);
  await bare.next();
  const keys = ['a', 'b', 'c', 'd', 'e'];
  for (const key of keys) bare.send(push(key, key));
  // A compact may name any number up to the head: here all name the same.
  for (const key of keys) bare.send(push(key, `all of ${key}`, 'compact', 5));
  await bare.rest();
  for (const limit of [1, 2, 4, 5]) {
    const seen = [];
    for (let next = 0; next !== null;) {
      bare.send({ type: 'get', seq: next, limit });
      const page = await bare.next();
      seen.push(...page.data.map((entry) => entry.key));
      next = page.next;
    }
    assert.deepEqual(seen.sort(), keys, `pages of ${limit}`);
  }
});
