import assert from 'node:assert/strict';

import {
  HttpConnection, PresenceListener, Reducer, StateListener, connect, newRoom, push, settled, stored, until,
} from '../clients.mjs';
import { serverTest } from '../server.mjs';

const THRESHOLD = 30;

function list(db, key = 'list') {
  const reducer = new Reducer({
    key,
    db,
    initialValue: [],
    reducer: (state, item) => [...state, item],
    sizeThreshold: THRESHOLD,
    callback: () => {},
  });
  reducer.subscribe();
  return reducer;
}

// What the server confirmed. The state that the client shows meanwhile has faults of its own.
const confirmed = (reducer) => reducer.compactor.lastConfirmedState;

for (const cbor of [false, true]) {
  const encoding = cbor ? 'CBOR' : 'JSON';

  serverTest(`two reducers that write at once come to the same state (${encoding})`, async (server) => {
    const room = await newRoom(server);
    const dbs = [await connect(room, { cbor }), await connect(room, { cbor })];
    const [a, b] = dbs.map((db) => list(db));
    for (let n = 0; n < 60; n++) {
      a.dispatch(`a${n}`);
      b.dispatch(`b${n}`);
      if (n % 10 === 0) await settled(dbs[n % 20 === 0 ? 0 : 1]);
    }
    for (const db of [...dbs, ...dbs]) await settled(db);
    assert.deepEqual(confirmed(a), confirmed(b));
    assert.equal(confirmed(a).length, 120);
    for (const name of ['a', 'b']) {
      const own = confirmed(a).filter((item) => item.startsWith(name));
      assert.deepEqual(own, Array.from({ length: 60 }, (_, n) => `${name}${n}`));
    }
  });

  serverTest(`reducers that join while others write have the right state (${encoding})`, async (server) => {
    const room = await newRoom(server);
    const writer = await connect(room, { cbor });
    const first = list(writer);
    const joined = [];
    for (let n = 0; n < 300; n++) {
      first.dispatch(n);
      if (n % 30 === 15) {
        // The get travels while more is written.
        const db = await connect(room, { cbor: n % 60 === 15 ? cbor : !cbor });
        joined.push({ db, reducer: list(db) });
      }
      if (n % 7 === 0) await settled(writer);
    }
    await settled(writer);
    await settled(writer);
    assert.deepEqual(confirmed(first), Array.from({ length: 300 }, (_, n) => n));
    for (const { db, reducer } of joined) {
      await settled(db);
      assert.deepEqual(confirmed(reducer), confirmed(first));
    }
  });

  serverTest(`a stream longer than 30 is compacted by its writer, and late joiners agree (${encoding})`, async (server) => {
    const room = await newRoom(server);
    const writer = await connect(room, { cbor });
    const reducer = list(writer);
    let longest = 0;
    for (let n = 0; n < 100; n++) {
      reducer.dispatch(n);
      await settled(writer);
      longest = Math.max(longest, (await stored(room, 'list')).length);
    }
    // The compact leaves behind the append whose size is over the threshold.
    await settled(writer);
    const stream = await stored(room, 'list');
    assert.ok(longest <= THRESHOLD + 1 && longest > THRESHOLD / 2, `${longest} entries at most`);
    assert.ok(stream.length <= THRESHOLD, `${stream.length} entries`);
    assert.ok(Array.isArray(stream[0].value.reset), 'the first entry is a snapshot');
    assert.deepEqual(stream.map((item) => item.seq), stream.map((item) => item.seq).sort((x, y) => x - y));
    const late = await connect(room);
    const lateReducer = list(late);
    await settled(late);
    assert.deepEqual(confirmed(lateReducer), Array.from({ length: 100 }, (_, n) => n));
    // And it goes on from there on both sides.
    lateReducer.dispatch('late');
    await settled(late);
    await settled(writer);
    assert.equal(confirmed(reducer).at(-1), 'late');
    assert.deepEqual(confirmed(reducer), confirmed(lateReducer));
  });

  serverTest(`a shared value reaches the others and whoever comes later (${encoding})`, async (server) => {
    const room = await newRoom(server);
    const listen = (db) => {
      const values = [];
      const state = new StateListener({ db, key: 'state', callback: (value) => values.push(value) });
      state.subscribe();
      return { state, values };
    };
    const [dbA, dbB] = [await connect(room, { cbor }), await connect(room, { cbor })];
    const [a, b] = [listen(dbA), listen(dbB)];
    await settled(dbB);
    a.state.setStateOptimistic({ x: 1 });
    await until('the other has it', () => b.values.length === 1);
    // Set faster than it is sent: the last one counts.
    for (let x = 2; x <= 20; x++) a.state.setStateOptimistic({ x });
    await until('the other has the last', () => b.values.at(-1)?.x === 20);
    b.state.setStateOptimistic({ y: 1 });
    await until('the first has the answer', () => a.values.at(-1)?.y === 1);
    const late = await connect(room);
    const { values } = listen(late);
    await settled(late);
    assert.deepEqual(values, [{ y: 1 }]);
    assert.equal((await stored(room, 'state')).length, 1);
  });

  serverTest(`those who are present see each other (${encoding})`, async (server) => {
    const room = await newRoom(server);
    const join = async (clientId) => {
      const db = await connect(room, { cbor });
      const presence = new PresenceListener({
        db, clientId, initialState: { at: 0 }, maxPresenceInterval: 50, minPresenceInterval: 5,
      });
      presence.subscribe();
      return presence;
    };
    const [a, b] = [await join('a'), await join('b')];
    try {
      await until('both see the other', () => a.presence.b && b.presence.a);
      a.updateState({ at: 1 });
      await until('the change is seen', () => b.presence.a?.value.at === 1);
      assert.equal(a.presence.a, undefined, 'nobody sees himself');
      a.destroy();
      await until('who left is no longer seen', () => !b.presence.a);
      assert.deepEqual(await stored(room, '__presence'), [], 'presence is not stored');
    } finally {
      a.destroy();
      b.destroy();
    }
  });
}

serverTest('a reducer and plain HTTP writers agree', async (server) => {
  const room = await newRoom(server);
  const db = await connect(room);
  const reducer = list(db);
  await settled(db);
  const http = new HttpConnection(room.http_url);
  for (let n = 0; n < 40; n++) await http.send(push('list', { apply: n, i: 'http' }));
  reducer.dispatch('own');
  await settled(db);
  await settled(db);
  assert.deepEqual(confirmed(reducer), [...Array.from({ length: 40 }, (_, n) => n), 'own']);
  assert.equal((await stored(room, 'list')).length, 1);
});
