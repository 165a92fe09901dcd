import assert from 'node:assert/strict';

import { Bare, CBOR, connect, newRoom, push, settled, stored } from '../clients.mjs';
import { serverTest } from '../server.mjs';

/** Sends values from one CBOR client to another, past a JSON client; what each got. */
async function exchange(server, values) {
  const room = await newRoom(server);
  const writer = await connect(room, { cbor: true });
  const reader = await connect(room, { cbor: true });
  const json = await connect(room);
  const [asCbor, asJson, frames] = [[], [], []];
  reader.subscribe('k', (item) => asCbor.push(item.value));
  json.subscribe('k', (item) => asJson.push(item.value));
  await settled(reader);
  await settled(json);
  reader.connection.addEventListener('message', (event) => frames.push(Buffer.from(event.data)));
  for (const value of values) writer.send(push('k', value));
  await settled(writer);
  await settled(reader);
  await settled(json);
  assert.equal(json.status.connected && reader.status.connected && writer.status.connected, true);
  // A JSON client that comes later is served as well.
  const late = await connect(room);
  const replayed = [];
  late.subscribe('k', (item) => replayed.push(item.value));
  await settled(late);
  assert.deepEqual(replayed, asJson);
  assert.deepEqual((await stored(room, 'k')).map((item) => item.value), asJson);
  return { asCbor, asJson, frames };
}

serverTest('byte arrays arrive as they were sent, and as numbers at a JSON client', async (server) => {
  const bytes = new Uint8Array([0, 1, 127, 128, 255]);
  const { asCbor, asJson, frames } = await exchange(server, [bytes, { update: bytes }]);
  assert.deepEqual(new Uint8Array(asCbor[0]), bytes);
  assert.deepEqual(new Uint8Array(asCbor[1].update), bytes);
  assert.deepEqual(asJson, [[0, 1, 127, 128, 255], { update: [0, 1, 127, 128, 255] }]);
  assert.ok(frames[0].includes(CBOR.encode(bytes)), 'the encoded value is spliced in unchanged, tag 64 included');
});

serverTest('typed arrays of other kinds arrive as they were sent', async (server) => {
  const values = [new Float32Array([1.5, -2, 0]), new Float64Array([Math.PI]), new Int16Array([-1, 2]), new Uint32Array([7])];
  const { asCbor, asJson, frames } = await exchange(server, values);
  for (const [index, value] of values.entries()) {
    assert.deepEqual(asCbor[index], value);
    assert.ok(frames[index].includes(CBOR.encode(value)), value.constructor.name);
    assert.deepEqual(asJson[index], [...new Uint8Array(value.buffer)], 'its bytes as numbers');
  }
});

serverTest('dates and big integers arrive as they were sent, and as numbers at a JSON client', async (server) => {
  const { asCbor, asJson } = await exchange(server, [new Date(1_700_000_000_000), { n: 2n ** 63n }, -5n]);
  assert.deepEqual(asCbor[0], new Date(1_700_000_000_000));
  assert.equal(BigInt(asCbor[1].n), 2n ** 63n);
  assert.equal(asJson[0], 1_700_000_000);
  assert.equal(asJson[1].n, 2 ** 63);
  assert.equal(asJson[2], -5);
});

serverTest('big integers beyond 64 bits and other tags disturb nobody', async (server) => {
  const { asCbor, asJson } = await exchange(server, [{ n: 2n ** 70n }, /a+/g, new Set([1, 2]), 'after']);
  assert.equal(asCbor.length, 4);
  assert.equal(asCbor[0].n, 2n ** 70n);
  assert.equal(asCbor[3], 'after');
  assert.equal(asJson.length, 4);
  assert.equal(asJson[3], 'after');
});

serverTest('a map with a list as a key does not disturb JSON clients', async (server) => {
  const odd = new Map([[[1, 2], 'list'], [5, 'five'], [null, 'null'], [new Map([['a', 1]]), 'map']]);
  const { asCbor, asJson } = await exchange(server, [odd, 'after']);
  assert.deepEqual(asCbor[0], CBOR.decode(CBOR.encode(odd)));
  // JSON has no such keys: they come as the hex of their CBOR.
  const expected = { 'cbor:820102': 'list', 5: 'five', null: 'null', 'cbor:a1616101': 'map' };
  assert.deepEqual(asJson, [expected, 'after']);
});

serverTest('floats that JSON cannot write become null inside a value', async (server) => {
  const { asCbor, asJson } = await exchange(server, [[NaN, Infinity, -Infinity, 1.5, -0]]);
  assert.deepEqual(asCbor[0], [NaN, Infinity, -Infinity, 1.5, -0]);
  assert.deepEqual(asJson[0], [null, null, null, 1.5, -0]);
});

serverTest('numbers from JSON clients keep their value at CBOR clients', async (server) => {
  const room = await newRoom(server);
  const reader = await connect(room, { cbor: true });
  const got = [];
  reader.subscribe('k', (item) => got.push(item.value));
  await settled(reader);
  const writer = await connect(room);
  const value = [0, -1, 255, 65536, 2 ** 53 - 1, -(2 ** 53) + 1, 0.1, 1e300, 5e-324, { b: 1, a: [] }, '', false];
  writer.send(push('k', value));
  await settled(writer);
  await settled(reader);
  assert.deepEqual(got, [value]);
});

serverTest('a bare NaN, which JSON has as null, ends its sender and disturbs nobody else', async (server) => {
  const room = await newRoom(server);
  const json = await Bare.open(room.socket_url);
  json.send({ type: 'get', key: 'k' });
  await json.rest();
  const sender = await Bare.open(`${room.socket_url}?cbor=true`, { cbor: true });
  sender.send(push('k', NaN));
  assert.equal(await sender.closing(), 4500);
  const writer = await connect(room, { cbor: true });
  writer.send(push('k', 'after'));
  await settled(writer);
  const pushes = await json.rest();
  assert.deepEqual(pushes.map((message) => message.value), ['after']);
});

serverTest('maps as keys of maps as keys do not grow without bound for JSON clients', async (server) => {
  let nested = 'a';
  for (let depth = 0; depth < 14; depth++) nested = new Map([[nested, 1]]);
  const { asJson } = await exchange(server, [nested, 'after']);
  assert.equal(asJson[1], 'after');
  const { length } = JSON.stringify(asJson[0]);
  assert.ok(length < 2000, `a value of 50 bytes became ${length}`);
});
