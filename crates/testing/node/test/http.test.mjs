import assert from 'node:assert/strict';

import { Api, HttpConnection, newRoom, push, stored } from '../clients.mjs';
import { serverTest } from '../server.mjs';

serverTest('a room that was created is found again under its id', async (server) => {
  const api = new Api(server.url);
  const room = await api.newRoom();
  assert.match(room.room, /^[A-Za-z0-9_-]{22,64}$/);
  assert.equal(room.socket_url, `ws://${server.listen}/room/${room.room}/connect`);
  assert.equal(room.http_url, `http://${server.listen}/room/${room.room}/send`);
  assert.deepEqual(await api.getRoom(room.room), room);
  assert.notEqual((await api.newRoom()).room, room.room);
});

serverTest('an unknown room is 404 by every route', async (server) => {
  for (const id of ['AAAAAAAAAAAAAAAAAAAAAA', 'nonsense']) {
    const get = await fetch(`${server.url}/room/${id}`);
    assert.equal(get.status, 404);
    await assert.rejects(new HttpConnection(`${server.url}/room/${id}/send`).send({ type: 'ping' }), /404/);
  }
});

serverTest('pushes over HTTP answer null or the stream size, gets an init, pings a pong', async (server) => {
  const room = await newRoom(server);
  const http = new HttpConnection(room.http_url);
  assert.equal(await http.send(push('k', 1)), null);
  assert.deepEqual(await http.send(push('k', { two: [2] })), { type: 'stream_size', key: 'k', size: 2 });
  assert.deepEqual(await http.send(push('k', 3, 'relay')), { type: 'stream_size', key: 'k', size: 2 });
  const all = [{ value: 1, seq: 1 }, { value: { two: [2] }, seq: 2 }];
  assert.deepEqual(await http.send({ type: 'get', key: 'k' }), { type: 'init', key: 'k', data: all });
  assert.deepEqual((await http.send({ type: 'get', key: 'k', seq: 1 })).data, all.slice(1));
  assert.equal(await http.send({ type: 'get', key: 'k', seq: null }), null);
  assert.equal(await http.send(push('k', 4, 'replace')), null);
  assert.deepEqual(await http.send({ type: 'get', key: 'other' }), { type: 'init', key: 'other', data: [] });
  assert.deepEqual(await http.send({ type: 'ping', nonce: 7 }), { type: 'pong', nonce: 7 });
  assert.deepEqual(await http.send({ type: 'ping' }), { type: 'pong', nonce: null });
});

serverTest('bad bodies over HTTP are refused and change nothing', async (server) => {
  const room = await newRoom(server);
  const post = async (body, type = 'application/json') => {
    const headers = { 'content-type': type };
    return (await fetch(room.http_url, { method: 'POST', headers, body })).status;
  };
  assert.equal(await post('nonsense'), 400);
  assert.ok([400, 422].includes(await post('{"type":"push","key":"k"}')));
  assert.ok([400, 422].includes(await post(JSON.stringify(push('k', null)))));
  assert.equal(await post(JSON.stringify(push('k', 1)), 'text/plain'), 415);
  assert.deepEqual(await stored(room, 'k'), []);
});

serverTest('a page of any origin may use the room', async (server) => {
  const room = await newRoom(server);
  const answer = await fetch(room.http_url, {
    method: 'OPTIONS',
    headers: {
      origin: 'https://example.org',
      'access-control-request-method': 'POST',
      'access-control-request-headers': 'content-type',
    },
  });
  assert.ok(answer.ok, `${answer.status}`);
  assert.equal(answer.headers.get('access-control-allow-origin'), '*');
  assert.match(answer.headers.get('access-control-allow-headers'), /content-type|\*/i);
  const get = await fetch(`${server.url}/room/${room.room}`, { headers: { origin: 'https://example.org' } });
  assert.equal(get.headers.get('access-control-allow-origin'), '*');
});
