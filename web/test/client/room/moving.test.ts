// A connection that goes from room to room: who listens goes along, what waits does not, and nothing of the old room is
// taken for the new one's.
import { expect, test } from 'vitest';
import { DbConnection } from '../../../src/client/room/driftdb/connection.ts';
import { SharedMap } from '../../../src/client/room/map.ts';
import type { KeyEvent } from '../../../src/client/room/types.ts';
import { SharedValue } from '../../../src/client/room/value.ts';
import { type RoomConnection, RoomError } from '../../../src/index.ts';
import { codeOf } from '../../support/rooms.ts';
import { hello, ScriptedSocket, scripted } from '../../support/scripted_socket.ts';
import { until } from '../../support/until.ts';

const OTHER = `https://model.invalid/room/${'b'.repeat(22)}`;

/** What a listener of a key shows. */
function shows(room: RoomConnection, key: string): unknown[] {
  const values: unknown[] = [];
  room.subscribe(key, (event: KeyEvent) => {
    if (event.type === 'init') values.splice(0, values.length, ...event.entries.map(({ value }) => value));
    else values.push(event.value);
  });
  return values;
}

test('listeners and wills go along, and what waited for the old room is told', async () => {
  const { room, sockets } = scripted();
  const values = shows(room, 'k');
  const connecting = room.connect();
  sockets[0]?.open(hello({ seq: 1 }), { type: 'init', key: 'k', data: [{ seq: 1, value: 'old' }] });
  void room.will('k', { gone: 'one' });
  await connecting;
  const waiting = [room.push('k', 1).done, room.get('k')];
  let resets = 0;
  room.onReset(() => (resets += 1));
  room.move(OTHER);
  for (const one of waiting) expect(await codeOf(one)).toBe('closed');
  expect([sockets[0]?.dropped, room.status.state, room.id, resets]).toEqual([
    true,
    'connecting',
    'b'.repeat(22),
    1,
  ]);
  room.push('k', 'for the new one');
  const connectingAgain = room.connect();
  expect(connectingAgain).not.toBe(connecting);
  sockets[1]?.open(hello({ epoch: 'other', seq: 5 }));
  await connectingAgain;
  expect(sockets[1]?.url).toContain(`/room/${'b'.repeat(22)}/connect`);
  expect(sockets[1]?.url).not.toContain('since=');
  expect(sockets[1]?.sent.map(({ type, key, value }) => [type, key, value])).toEqual([
    ['get', 'k', undefined],
    ['will', 'k', { gone: 'one' }],
    ['ping', undefined, undefined],
    ['push', 'k', 'for the new one'],
  ]);
  sockets[1]?.say({ type: 'init', key: 'k', data: [{ seq: 5, value: 'new' }] });
  expect([values, room.cursor]).toEqual([['new'], { epoch: 'other', seq: 5 }]);
  room.close();
});

test('a listener that moves on in the middle of a page hears nothing more of it, and the promise is of the new room', async () => {
  const { room, sockets } = scripted({ cursor: { epoch: null, seq: 0 } });
  const heard: number[] = [];
  room.onEntry((_key, { seq }) => {
    heard.push(seq);
    if (seq === 2) room.move(OTHER);
  });
  const first = room.connect();
  const data = [1, 2, 3].map((seq) => ({ key: 'k', value: seq, seq }));
  sockets[0]?.open(hello({ seq: 3 }), { type: 'entries', data });
  expect(await codeOf(first)).toBe('closed');
  const second = room.connect();
  sockets[0]?.say({ type: 'live', seq: 3 });
  expect([heard, room.status.state, sockets.length]).toEqual([[1, 2], 'connecting', 2]);
  sockets[1]?.open(hello({ seq: 0 }));
  await second;
  room.close();
});

test('why the old room could not be reached says nothing about the new one', async () => {
  const answers: (() => void)[] = [];
  const fetch = () =>
    new Promise<Response>((resolve) => {
      const body = JSON.stringify({ code: 'unknown_room', message: 'no' });
      answers.push(() => resolve(new Response(body, { status: 404 })));
    });
  const { room, sockets } = scripted({ fetch });
  const first = room.connect();
  sockets[0]?.end();
  await until('it asks why', () => answers.length === 1);
  room.move(OTHER);
  const second = room.connect();
  sockets[1]?.end();
  await until('it asks again', () => answers.length === 2);
  answers[0]?.();
  await new Promise((resolve) => setTimeout(resolve, 10));
  expect(room.status.state).toBe('connecting');
  answers[1]?.();
  expect([await codeOf(first), await codeOf(second)]).toEqual(['closed', 'unknown_room']);
});

test('without a room yet, what is pushed waits for it as it was, and a connection says what is missing', async () => {
  const { room, sockets } = scripted({}, null);
  const value = { count: 1 };
  const sent = room.push('k', value);
  const odd = room.push('k', () => 1);
  value.count = 2;
  expect(await codeOf(odd.done)).toBe('bad_message');
  expect(await codeOf(room.push('k', 1, { type: 'relay' }).done)).toBe('offline');
  expect(await codeOf(room.connect())).toBe('bad_parameter');
  expect([room.url, room.id, room.status.queued]).toEqual(['', '', 1]);
  room.move(OTHER);
  const connecting = room.connect();
  sockets[0]?.open(hello());
  await connecting;
  expect(sockets[0]?.sent[0]).toMatchObject({ type: 'push', value: { count: 1 } });
  sockets[0]?.say({ type: 'ack', id: sent.id, seq: 1, size: 1 });
  expect((await sent.done).seq).toBe(1);
  room.close();
});

test('one that was closed, before it was connected or later, can go to a room again', async () => {
  for (const connects of [false, true]) {
    const { room, sockets } = scripted();
    if (connects) room.connect().catch(() => undefined);
    room.close();
    expect(await codeOf(room.push('k', 1).done)).toBe('closed');
    room.move(OTHER);
    const connecting = room.connect();
    sockets.at(-1)?.open(hello());
    await connecting;
    expect(room.status.state).toBe('live');
    room.close();
  }
});

test('an address that is none is refused, and the room stays', async () => {
  const { room, sockets } = scripted();
  const connecting = room.connect();
  sockets[0]?.open(hello());
  await connecting;
  expect(() => room.move('nonsense')).toThrow(RoomError);
  expect([room.status.state, sockets[0]?.dropped]).toEqual(['live', false]);
  room.close();
});

test('a map of the old room is not shown in the new one', async () => {
  const { room, sockets } = scripted();
  const map = new SharedMap<number>(room, 'm');
  room.connect().catch(() => undefined);
  for (const [place, name] of ['old', 'new'].entries()) {
    const socket = sockets[place] ?? expect.fail();
    socket.open(hello({ epoch: name, seq: 1 }));
    await until('the map asks', () => socket.sent.length === 1);
    socket.say({ type: 'entries', data: [{ key: `m/${name}`, value: { v: 1 }, seq: 1 }], next: null });
    await until('the map is there', () => map.loaded);
    expect([...map.current]).toEqual([[name, 1]]);
    if (name === 'new') break;
    room.move(OTHER);
    expect([map.loaded, map.size]).toEqual([false, 0]);
    // No socket opens before it is known that the old one has ended.
    await new Promise((resolve) => setTimeout(resolve, 0));
    room.connect().catch(() => undefined);
  }
  map.destroy();
  room.close();
});

test('a room that was never connected to leaves nothing to the next one: no push, no cursor, no encoding', async () => {
  const { room, sockets } = scripted({ cursor: { epoch: 'old', seq: 7 } });
  const waiting = [room.push('k', 'for the old one').done, room.get('k')];
  room.move(OTHER, 'cbor');
  for (const one of waiting) expect(await codeOf(one)).toBe('closed');
  expect([room.cursor, room.status.queued]).toEqual([null, 0]);
  room.connect().catch(() => undefined);
  await until('it connects', () => sockets.length === 1);
  expect(sockets[0]?.url).not.toContain('since=');
  expect(sockets[0]?.subprotocol).toBe('seabag.v1.cbor');
  room.close();
});

test('a relay that waited for the old room does not go to the new one', async () => {
  const sockets: ScriptedSocket[] = [];
  class Socket extends ScriptedSocket {
    constructor(url: string) {
      super(url);
      sockets.push(this);
    }
  }
  const db = new DbConnection({ websocketConstructor: Socket });
  const relay = (value: string) => db.send({ type: 'push', key: 'k', value, action: { type: 'relay' } });
  relay('for the first one');
  void db.connect(OTHER);
  sockets[0]?.open(hello());
  expect(sockets[0]?.sent).toMatchObject([{ value: 'for the first one' }]);
  sockets[0]?.end();
  relay('for the first one again');
  const connecting = db.connect(OTHER.replaceAll('b', 'c'));
  relay('for the second one');
  sockets[1]?.open(hello());
  await connecting;
  expect(sockets[1]?.sent).toMatchObject([{ value: 'for the second one' }]);
  db.disconnect();
});

test('a value that was set while the old room was away is taken back, and not set in the new one', async () => {
  const { room, sockets } = scripted();
  const value = new SharedValue<string>(room, 'k', { initial: 'none' });
  const refusals: string[] = [];
  value.onRefused(({ code }) => refusals.push(code));
  room.connect().catch(() => undefined);
  sockets[0]?.open(hello());
  sockets[0]?.end();
  value.set('for the old one');
  room.move(OTHER);
  await until('it is told', () => refusals.length === 1);
  expect(refusals).toEqual(['closed']);
  const connecting = room.connect();
  sockets[1]?.open(hello(), { type: 'init', key: 'k', data: [] });
  await connecting;
  await until('it is taken back', () => value.current === 'none');
  expect(sockets[1]?.sent.filter(({ type }) => type === 'push')).toEqual([]);
  value.destroy();
  room.close();
});

test('wills go along from a closed room too, but for those that were taken back since', async () => {
  const { room, sockets } = scripted();
  void room.will('kept', 1);
  void room.will('taken back', 2);
  room.close();
  expect(await codeOf(room.will('taken back', null))).toBe('closed');
  room.move(OTHER);
  const connecting = room.connect();
  sockets[0]?.open(hello());
  await connecting;
  expect(sockets[0]?.sent.filter(({ type }) => type === 'will').map(({ key }) => key)).toEqual(['kept']);
  room.close();
});

test('a listener who hears of the end and moves on itself has the last word, and nothing is left waiting', async () => {
  const { room, sockets } = scripted();
  void room.will('k', 'gone');
  room.connect().catch(() => undefined);
  sockets[0]?.open(hello());
  const pushes: Promise<unknown>[] = [];
  const stop = room.onStatus(({ state }) => {
    if (state !== 'closed') return;
    stop();
    room.move(OTHER.replaceAll('b', 'c'));
    pushes.push(room.push('k', 'for the last one').done);
  });
  room.move(OTHER);
  expect([room.id, pushes.length]).toEqual(['c'.repeat(22), 1]);
  const connecting = room.connect();
  sockets[1]?.open(hello());
  await connecting;
  expect(sockets[1]?.sent.map(({ type }) => type)).toEqual(['will', 'ping', 'push']);
  room.close();
  for (const push of pushes) expect(await codeOf(push)).toBe('closed');
});
