import assert from 'node:assert/strict';
import { isDeepStrictEqual } from 'node:util';

import { Bare, connect, newRoom, push, refusedUpgrade, settled, stored, until } from '../clients.mjs';
import { serverTest } from '../server.mjs';

const seqs = (list) => list.map((item) => item.seq);
const range = (from, to) => Array.from({ length: to - from + 1 }, (_, i) => from + i);

for (const cbor of [false, true]) {
  const encoding = cbor ? 'CBOR' : 'JSON';

  serverTest(`a subscriber hears its stream in order and a late one hears it replayed (${encoding})`, async (server) => {
    const room = await newRoom(server);
    const [writer, reader] = [await connect(room, { cbor }), await connect(room, { cbor })];
    const heard = [];
    reader.subscribe('k', (item) => heard.push(item));
    await settled(reader);
    const value = { text: 'ж\u0000', list: [1, -2, 1.5, true, null], deep: { '': {} } };
    writer.send(push('k', value));
    writer.send(push('other', 'unheard'));
    writer.send(push('k', 'fleeting', 'relay'));
    writer.send(push('k', 'last'));
    await settled(writer);
    await settled(reader);
    assert.deepEqual(heard, [
      { seq: 1, value },
      { seq: 3, value: 'fleeting' },
      { seq: 4, value: 'last' },
    ]);
    assert.deepEqual(reader.heard[0], { type: 'init', key: 'k', data: [] });

    const late = await connect(room, { cbor });
    const replayed = [];
    late.subscribe('k', (item) => replayed.push(item));
    await settled(late);
    assert.deepEqual(replayed.map(({ seq, value }) => ({ seq, value })), [{ seq: 1, value }, { seq: 4, value: 'last' }]);
  });

  serverTest(`the sender alone hears the stream size, and its own pushes once it asked for them (${encoding})`, async (server) => {
    const room = await newRoom(server);
    const [writer, other] = [await connect(room, { cbor }), await connect(room, { cbor })];
    other.subscribe('k', () => {});
    await settled(other);
    const sizes = [];
    writer.sizeSubscriptions.subscribe('k', (size) => sizes.push(size));
    for (const value of ['a', 'b', 'c']) writer.send(push('k', value));
    await settled(writer);
    assert.deepEqual(sizes, [2, 3]);
    assert.deepEqual(writer.heard.map((message) => message.type), ['stream_size', 'stream_size'], 'no echo yet');

    writer.subscribe('k', () => {});
    await settled(writer);
    writer.heard.length = 0;
    writer.send(push('k', 'd'));
    await settled(writer);
    assert.deepEqual(writer.heard, [
      { type: 'push', key: 'k', value: 'd', seq: 4 },
      { type: 'stream_size', key: 'k', size: 4 },
    ]);
    await settled(other);
    assert.deepEqual(other.heard.map((message) => message.type), ['init', 'push', 'push', 'push', 'push']);
  });

  serverTest(`replace leaves one value, compact puts one in front and is not broadcast (${encoding})`, async (server) => {
    const room = await newRoom(server);
    const db = await connect(room, { cbor });
    db.subscribe('k', () => {});
    for (const value of [1, 2, 3, 4]) db.send(push('k', value));
    db.send(push('k', { sum: 6 }, 'compact', 3));
    await settled(db);
    assert.deepEqual(await stored(room, 'k'), [{ value: { sum: 6 }, seq: 3 }, { value: 4, seq: 4 }]);
    assert.equal(db.heard.filter((message) => message.type === 'push').length, 4);
    db.send(push('k', 'old', 'compact', 2));
    db.send(push('k', 'only', 'replace'));
    db.send(push('k', 'stale', 'compact', 4));
    await settled(db);
    assert.deepEqual(await stored(room, 'k'), [{ value: 'only', seq: 5 }]);
  });

  serverTest(`empty, unicode and awkward keys are keys like others (${encoding})`, async (server) => {
    const room = await newRoom(server);
    const db = await connect(room, { cbor });
    const keys = ['', 'ключ 🔑', 'a\u0000b', '"\\/\n', '__proto__', 'x'.repeat(5000)];
    for (const [index, key] of keys.entries()) {
      const heard = [];
      db.subscribe(key, (item) => heard.push(item));
      db.send(push(key, index));
      await settled(db);
      assert.deepEqual(heard, [{ seq: index + 1, value: index }], JSON.stringify(key.slice(0, 20)));
      assert.deepEqual(await stored(room, key), [{ value: index, seq: index + 1 }]);
    }
  });

  serverTest(`latency can be measured (${encoding})`, async (server) => {
    const db = await connect(await newRoom(server), { cbor });
    const latency = await db.testLatency();
    assert.ok(latency >= 0 && latency < 60_000, `${latency}`);
    assert.equal(typeof (await db.testLatency()), 'number');
  });

  serverTest(`one client hears all of 2,000 appends of its own (${encoding})`, async (server) => {
    const room = await newRoom(server);
    const db = await connect(room, { cbor });
    const heard = [];
    const sizes = [];
    db.subscribe('k', (item) => heard.push(item), (size) => sizes.push(size));
    for (const n of range(1, 2000)) db.send(push('k', n));
    await until('all are heard', () => heard.length >= 2000);
    await settled(db);
    assert.deepEqual(seqs(heard), range(1, 2000));
    assert.deepEqual(heard.map((item) => item.value), range(1, 2000));
    assert.deepEqual(sizes, range(2, 2000));
  });

  serverTest(`an init comes before any push of its stream, while others write (${encoding})`, async (server) => {
    const room = await newRoom(server);
    const writer = await connect(room, { cbor });
    let writing = true;
    const write = (async () => {
      while (writing) {
        for (const n of range(1, 20)) writer.send(push('k', n));
        await settled(writer);
      }
    })();
    try {
      for (const _ of range(1, 20)) {
        const reader = await connect(room, { cbor });
        reader.subscribe('k', () => {});
        await until('some pushes', () => reader.heard.length > 10);
        const [init, ...pushes] = reader.heard;
        assert.equal(init.type, 'init');
        const numbers = [...seqs(init.data), ...seqs(pushes)];
        assert.deepEqual(numbers, range(1, numbers.length));
        reader.disconnect();
      }
    } finally {
      writing = false;
      await write;
    }
  });
}

serverTest('what is queued before the connection opens is sent in order', async (server) => {
  const room = await newRoom(server);
  const db = await connect(room);
  await settled(db);
  db.status = { connected: false };
  db.subscribe('k', () => {});
  for (const value of [1, 2, 3]) db.send(push('k', value));
  db.connection.onopen();
  await settled(db);
  const pushes = db.heard.filter((message) => message.type === 'push');
  assert.deepEqual(pushes.map((message) => message.value), [1, 2, 3]);
});

serverTest('subscribing twice does not deliver twice', async (server) => {
  const room = await newRoom(server);
  const db = await Bare.open(room.socket_url);
  db.send({ type: 'get', key: 'k' }, { type: 'get', key: 'k', seq: null }, { type: 'get', key: 'k' }, push('k', 1));
  assert.deepEqual((await db.rest()).map((message) => message.type), ['init', 'init', 'push']);
});

serverTest('deliver=all hears every stream without asking', async (server) => {
  const room = await newRoom(server);
  const all = await Bare.open(`${room.socket_url}?deliver=all`);
  await all.rest();
  const writer = await connect(room);
  writer.send(push('a', 1));
  writer.send(push('b', 2, 'relay'));
  await settled(writer);
  assert.deepEqual(await all.rest(), [
    { type: 'push', key: 'a', value: 1, seq: 1 },
    { type: 'push', key: 'b', value: 2, seq: 2 },
  ]);
});

serverTest('a debug connection sees every stream as it is and as it becomes', async (server) => {
  const room = await newRoom(server);
  const writer = await connect(room);
  writer.send(push('a', 1));
  await settled(writer);
  const debug = await Bare.open(`${room.socket_url}?debug=true`);
  assert.deepEqual(await debug.rest(), [{ type: 'init', key: 'a', data: [{ value: 1, seq: 1 }] }]);
  // Changes that come fast may share an init: the last one always shows the stream as it is.
  const heard = [];
  const becomes = async (data) => {
    do heard.push(await debug.next()); while (!isDeepStrictEqual(heard.at(-1), { type: 'init', key: 'a', data }));
  };
  writer.send(push('a', 2));
  await becomes([{ value: 1, seq: 1 }, { value: 2, seq: 2 }]);
  writer.send(push('a', 'fleeting', 'relay'));
  writer.send(push('a', 'both', 'compact', 2));
  await becomes([{ value: 'both', seq: 2 }]);
  writer.send(push('b', 'only', 'replace'));
  writer.send(push('a', 4));
  await becomes([{ value: 'both', seq: 2 }, { value: 4, seq: 5 }]);
  const pushes = heard.filter((message) => message.type === 'push');
  assert.deepEqual(pushes, [{ type: 'push', key: 'a', value: 'fleeting', seq: 3 }]);
});

serverTest('the frame decides how a message is read, the connection how it is answered', async (server) => {
  const room = await newRoom(server);
  const json = await Bare.open(room.socket_url);
  json.cbor = true;
  json.send({ type: 'ping', nonce: 1 });
  assert.deepEqual(await json.next(), { type: 'pong', nonce: 1 });
  assert.equal(json.binaryFrames, 0);
  const cbor = await Bare.open(`${room.socket_url}?cbor=true`);
  cbor.send({ type: 'ping', nonce: 2 });
  assert.deepEqual(await cbor.next(), { type: 'pong', nonce: 2 });
  assert.equal(cbor.binaryFrames, 1);
  // cbor-x, the later client's library, writes maps with a 16-bit count.
  cbor.socket.send(Buffer.from('b90002647479706564' + '70696e67656e6f6e636505', 'hex'));
  assert.deepEqual(await cbor.next(), { type: 'pong', nonce: 5 });
});

serverTest('an unknown room is refused with 404 before the upgrade', async (server) => {
  const room = await newRoom(server);
  for (const id of ['AAAAAAAAAAAAAAAAAAAAAA', 'nonsense', 'ro.AAAAAAAAAAAAAAAAAAAAAA']) {
    assert.equal(await refusedUpgrade(room.socket_url.replace(room.room, id)), 404, id);
    assert.equal(await refusedUpgrade(room.socket_url.replace(room.room, id), ['seabag.v1']), 404, id);
  }
  await settled(await connect(room));
});

serverTest('a parameter that means nothing is refused with 400 before the upgrade', async (server) => {
  const room = await newRoom(server);
  for (const query of ['cbor=1', 'debug=yes', 'deliver=some', 'since=0']) {
    assert.equal(await refusedUpgrade(`${room.socket_url}?${query}`), 400, query);
  }
  assert.equal(await refusedUpgrade(`${room.socket_url}?cbor=true`, ['seabag.v1']), 400);
  await Bare.open(`${room.socket_url}?utm_source=x`);
});
