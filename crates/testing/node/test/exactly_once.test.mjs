import assert from 'node:assert/strict';

import { CBOR, native, newRoom, push, stored, until } from '../clients.mjs';
import { serverTest } from '../server.mjs';

const CLIENT = 'node-test-outbox-1';
const range = (from, to) => Array.from({ length: to - from + 1 }, (_, i) => from + i);

/** Sends one message or a list over HTTP. */
async function send(room, body, { cbor = false } = {}) {
  const type = cbor ? 'application/cbor' : 'application/json';
  const headers = { 'content-type': type, 'seabag-client': CLIENT };
  const answer = await fetch(room.http_url, { method: 'POST', headers, body: cbor ? CBOR.encode(body) : JSON.stringify(body) });
  const isCbor = answer.headers.get('content-type')?.includes('cbor');
  const bytes = Buffer.from(await answer.arrayBuffer());
  return { status: answer.status, body: isCbor ? CBOR.decode(bytes) : JSON.parse(bytes.toString()) };
}

serverTest('an outbox that resends over kills is stored once and in order, and a cursor misses nothing', async (server) => {
  const room = await newRoom(server);
  const total = 4000;
  const kills = 4;
  let acked = 0;
  let cursor = null;
  const read = [];
  for (let round = 0; round <= kills; round++) {
    const writer = await native(room, { query: `?client=${CLIENT}` });
    const { last_id } = await writer.next();
    assert.ok((last_id ?? 0) >= acked, `acknowledged up to ${acked}, remembered up to ${last_id}`);
    const reader = await native(room, { query: `?since=${cursor ?? 0}` });
    const { epoch } = await reader.next();
    const take = (message) => {
      assert.notEqual(message.type, 'reset');
      const items = message.type === 'entries' ? message.data : message.type === 'push' ? [message] : [];
      for (const item of items) {
        read.push(item.value);
        cursor = `${epoch}.${item.seq}`;
      }
    };
    const drain = () => {
      while (reader.heard.length > 0) take(reader.heard.shift());
      while (writer.heard.length > 0) {
        const message = writer.heard.shift();
        if (message.type === 'ack') acked = Math.max(acked, message.id);
      }
    };
    for (const id of range((last_id ?? 0) + 1, total)) writer.send({ ...push('k', id), id });
    const goal = round === kills ? total : acked + 300 + 100 * round;
    await until(`${goal} are acknowledged`, () => {
      drain();
      return acked >= Math.min(goal, total) && (round < kills || read.length >= total);
    });
    if (round < kills) {
      await server.kill();
      await until('the sockets notice', () => writer.closed && reader.closed);
      drain();
      await server.restart();
    }
  }
  assert.deepEqual(read, range(1, total));
  assert.deepEqual((await stored(room, 'k')).map((item) => item.value), range(1, total));
});

for (const cbor of [false, true]) {
  const encoding = cbor ? 'CBOR' : 'JSON';

  serverTest(`a list over HTTP is done whole or not at all, and once (${encoding})`, async (server) => {
    const room = await newRoom(server);
    const pushes = [{ ...push('a', 1), id: 1 }, { ...push('b', 2, 'relay'), id: 2 }, { ...push('a', 3), id: 3 }];
    const done = await send(room, pushes, { cbor });
    assert.equal(done.status, 200);
    assert.deepEqual(done.body.map(({ id, seq, size }) => [id, seq, size]), [[1, 1, 1], [2, 2, 0], [3, 3, 2]]);
    const again = await send(room, [pushes[0], pushes[2]], { cbor });
    assert.deepEqual(again.body.map(({ id, repeat }) => [id, repeat]), [[1, true], [3, true]]);
    const refused = await send(room, [{ ...push('a', 4), id: 4 }, { ...push('a', 'ahead', 'compact', 99), id: 5 }], { cbor });
    assert.equal(refused.status, 409);
    assert.equal(refused.body.code, 'compact_ahead');
    assert.deepEqual((await stored(room, 'a')).map((item) => item.value), [1, 3]);
  });
}

serverTest('a list is checked whole, whatever the order of its ids', async (server) => {
  const room = await newRoom(server);
  await send(room, { ...push('k', 1), id: 1 });
  const ahead = { ...push('k', 'ahead', 'compact', 1_000_000), id: 3 };
  const answer = await send(room, [{ ...push('k', 'fleeting', 'relay'), id: 5 }, ahead]);
  assert.notEqual(answer.status, 200, JSON.stringify(answer.body));
  assert.deepEqual(await stored(room, 'k'), [{ value: 1, seq: 1 }]);
});
