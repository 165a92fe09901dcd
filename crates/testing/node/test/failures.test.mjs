import assert from 'node:assert/strict';

import { Bare, HttpConnection, connect, newRoom, push, settled, stored, until } from '../clients.mjs';
import { serverTest } from '../server.mjs';

const isConnected = (db) => db.status.connected && db.connection.readyState === 1;

/**
 * The published client reconnects a second after a cut, and does not subscribe again by itself. It may have done so
 * before anybody looks: what tells is that it has another socket.
 */
async function reconnected(db, before) {
  await until('it is connected again', () => db.connection !== before && isConnected(db));
  await settled(db);
}

for (const cbor of [false, true]) {
  const encoding = cbor ? 'CBOR' : 'JSON';

  serverTest(`a client whose socket is cut connects again and can subscribe (${encoding})`, async (server) => {
    const room = await newRoom(server);
    const db = await connect(room, { cbor });
    for (const round of [1, 2]) {
      const before = db.connection;
      before.terminate();
      await reconnected(db, before);
      if (cbor) assert.equal(db.dbUrl, room.socket_url + '?cbor=true'.repeat(round + 1), 'as it builds the URL');
      const heard = [];
      db.subscribe(`k${round}`, (item) => heard.push(item.value));
      db.send(push(`k${round}`, round));
      await settled(db);
      assert.deepEqual(heard, [round]);
    }
  });

  serverTest(`after the server was killed the history is there and numbers go on (${encoding})`, async (server) => {
    const room = await newRoom(server);
    const db = await connect(room, { cbor });
    const heard = [];
    db.subscribe('k', (item) => heard.push(item));
    for (let n = 1; n <= 50; n++) db.send(push('k', n));
    for (let n = 1; n <= 10; n++) db.send(push('k', -n, 'relay'));
    await until('all are heard', () => heard.length === 60);
    const cut = db.connection;
    await server.kill();
    await server.restart();
    await reconnected(db, cut);
    const before = await stored(room, 'k');
    assert.deepEqual(before.map((item) => item.value), Array.from({ length: 50 }, (_, n) => n + 1));

    const again = [];
    db.subscribe('k', (item) => again.push(item));
    db.send(push('k', 'new', 'relay'));
    db.send(push('k', 'newer'));
    await settled(db);
    const fresh = again.slice(-2);
    const { seq } = fresh[0];
    assert.ok(seq > 60, `relays' numbers are not given out again: ${seq}`);
    assert.deepEqual(fresh.map((item) => item.seq), [seq, seq + 1]);
    assert.deepEqual((await stored(room, 'k')).at(-1), { seq: seq + 1, value: 'newer' });
  });
}

serverTest('whatever was heard before a kill in the midst of writing is there after it', async (server) => {
  const room = await newRoom(server);
  for (const round of [1, 2, 3]) {
    const db = await connect(room);
    const heard = [];
    db.subscribe('k', (item) => heard.push(item));
    await settled(db);
    for (let n = 0; n < 2000; n++) db.send(push('k', `${round}-${n}`));
    await until('some are heard', () => heard.length > 100 * round);
    await server.kill();
    db.disconnect();
    const seen = heard.slice();
    await server.restart();
    const history = new Map((await stored(room, 'k')).map((item) => [item.seq, item.value]));
    for (const { seq, value } of seen) assert.equal(history.get(seq), value, `number ${seq}`);
  }
});

serverTest('a stop is orderly: connections are closed with 1001 or 1012, and nothing is lost', async (server) => {
  const room = await newRoom(server);
  const bare = await Bare.open(room.socket_url);
  bare.send(push('k', 1));
  await bare.rest();
  assert.equal(await server.stop(), 0, 'exit code');
  assert.ok([1001, 1012].includes(await bare.closing()), `${bare.closed}`);
  await server.restart();
  assert.deepEqual(await stored(room, 'k'), [{ value: 1, seq: 1 }]);
  assert.equal(await new HttpConnection(room.http_url).send(push('other', 2)), null);
  assert.equal((await stored(room, 'other'))[0].seq, 2, 'a clean restart leaves no gap');
});

serverTest('a WebSocket ping is answered once with its payload, and disturbs nobody', async (server) => {
  const room = await newRoom(server);
  const other = await connect(room);
  const bare = await Bare.open(room.socket_url);
  const pongs = [];
  bare.socket.on('pong', (data) => pongs.push(data.toString()));
  bare.socket.ping('hello');
  await until('the pong', () => pongs.length > 0);
  bare.send({ type: 'get', key: 'k' }, push('k', 1));
  assert.deepEqual((await bare.rest()).map((message) => message.type), ['init', 'push']);
  await settled(other);
  await bare.rest();
  assert.deepEqual(pongs, ['hello']);
});

serverTest('an unsolicited WebSocket pong disturbs nobody', async (server) => {
  const room = await newRoom(server);
  const other = await connect(room);
  const bare = await Bare.open(room.socket_url);
  for (let n = 0; n < 10; n++) bare.socket.pong('unasked');
  bare.send(push('k', 1));
  await bare.rest();
  await settled(other);
  bare.socket.terminate();
  await settled(other);
  await newRoom(server);
  assert.equal((await stored(room, 'k')).length, 1);
});

const malformed = {
  'no JSON': 'nonsense',
  'an empty text': '',
  'an unknown type': '{"type":"shout"}',
  'an action as text': '{"type":"push","key":"k","value":1,"action":"append"}',
  'a null value': '{"type":"push","key":"k","value":null,"action":{"type":"append"}}',
  'a number with a point': '{"type":"get","key":"k","seq":1.0}',
  'a list': '["ping",5]',
  'no CBOR': Buffer.from('ff', 'hex'),
};
for (const [what, frame] of Object.entries(malformed)) {
  serverTest(`${what} is answered with an error and the end, 4500, and others go on`, async (server) => {
    const room = await newRoom(server);
    const other = await connect(room);
    const bare = await Bare.open(room.socket_url);
    bare.send(push('k', 'before'));
    bare.socket.send(frame);
    bare.send(push('k', 'after'));
    assert.equal(await bare.closing(), 4500);
    const [error, ...rest] = bare.heard;
    assert.equal(error.type, 'error');
    assert.equal(typeof error.message, 'string');
    assert.deepEqual(rest, []);
    await settled(other);
    assert.deepEqual((await stored(room, 'k')).map((item) => item.value), ['before']);
  });
}

serverTest('the error and the close come on a CBOR connection too', async (server) => {
  const room = await newRoom(server);
  const bare = await Bare.open(`${room.socket_url}?cbor=true`);
  bare.socket.send(Buffer.from('82', 'hex'));
  assert.equal(await bare.closing(), 4500);
  assert.equal(bare.heard[0].type, 'error');
  assert.equal(bare.binaryFrames, 1);
});

serverTest('a native message on a DriftDB connection is an error and the end', async (server) => {
  const room = await newRoom(server);
  for (const message of [{ type: 'keys' }, { type: 'get', seq: 0 }, { ...push('k', 1), id: 1 }]) {
    const bare = await Bare.open(room.socket_url);
    bare.send(message);
    assert.equal(await bare.closing(), 4500);
    assert.equal(bare.heard[0].code, 'bad_message');
  }
});

serverTest('a compact above the head is refused and the connection goes on', async (server) => {
  const room = await newRoom(server);
  const bare = await Bare.open(room.socket_url);
  bare.send(push('k', 1), push('k', 'ahead', 'compact', 1000));
  const [error] = await bare.rest();
  assert.equal(error.code, 'compact_ahead');
  assert.deepEqual(await stored(room, 'k'), [{ value: 1, seq: 1 }]);
});

serverTest('a message over the limit ends the connection with 1009', async (server) => {
  const room = await newRoom(server);
  const bare = await Bare.open(room.socket_url);
  bare.send(push('k', 'x'.repeat(2 * 1024 * 1024)));
  assert.equal(await bare.closing(), 1009);
  const other = await connect(room);
  other.send(push('k', 'x'.repeat(900 * 1024)));
  await settled(other);
  assert.equal((await stored(room, 'k')).length, 1);
});

serverTest('a reader that stops reading is not a burden to the others', async (server) => {
  const room = await newRoom(server);
  const idle = await Bare.open(`${room.socket_url}?deliver=all`);
  idle.socket.pause();
  const db = await connect(room);
  let heard = 0;
  db.subscribe('k', () => { heard += 1; });
  const value = 'x'.repeat(64 * 1024);
  for (let round = 0; round < 20; round++) {
    for (let n = 0; n < 20; n++) db.send(push('k', value, 'relay'));
    await settled(db);
  }
  assert.equal(heard, 400);
  idle.socket.resume();
  // It either gets everything or is told that it was too slow: never a hole.
  await until('its end', () => idle.closed || idle.heard.length >= 400);
  assert.deepEqual(
    idle.heard.filter((message) => message.type === 'push').map((message) => message.seq),
    idle.heard.filter((message) => message.type === 'push').map((_, index) => index + 1),
  );
  if (idle.closed) assert.equal(idle.closed, 4100);
});

serverTest('who closes first gets its close frame answered', async (server) => {
  const room = await newRoom(server);
  for (const protocol of [undefined, 'seabag.v1']) {
    for (const code of [1000, 4000]) {
      const bare = await Bare.open(room.socket_url, { protocol });
      bare.send({ type: 'ping' }, push('k', code));
      bare.socket.close(code);
      assert.equal(await bare.closing(), code, 'else a browser reports 1006, an abnormal end');
    }
  }
  assert.equal((await stored(room, 'k')).length, 4, 'what was sent before the close is done');
});

serverTest('a refusal quotes little of what it refuses', async (server) => {
  const room = await newRoom(server);
  const bare = await Bare.open(room.socket_url);
  bare.socket.send(JSON.stringify('x'.repeat(500_000)));
  await bare.closing();
  assert.equal(bare.heard[0].type, 'error');
  assert.ok(JSON.stringify(bare.heard[0]).length < 2000);
});
