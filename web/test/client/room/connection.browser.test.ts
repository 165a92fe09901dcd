// A room connection in a real browser, with its own WebSocket and events, against the real server.
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { commands } from 'vitest/browser';
import { Room, RoomConnection, RoomError, type RoomOptions, RoomsApi } from '../../../src/index.ts';
import { until } from '../../support/until.ts';

let server: string;
let url: string;
const open: RoomConnection[] = [];

beforeAll(async () => {
  server = await commands.startServer();
});
afterAll(() => commands.removeServer(server));
beforeEach(async () => {
  const api = new RoomsApi(server);
  url = api.url((await api.createRoom()).room);
});
afterEach(() => {
  for (const room of open.splice(0)) room.close();
});

async function live(options: RoomOptions = {}): Promise<RoomConnection> {
  const room = new RoomConnection(url, options);
  open.push(room);
  await room.connect();
  return room;
}

function gather(room: RoomConnection, key: string): unknown[] {
  const values: unknown[] = [];
  room.subscribe(key, (event) => {
    if (event.type === 'init') values.splice(0, values.length, ...event.entries.map(({ value }) => value));
    else values.push(event.value);
  });
  return values;
}

for (const encoding of ['json', 'cbor'] as const) {
  test(`two pages share a room (${encoding})`, async () => {
    const [one, two] = [await live({ encoding }), await live()];
    const [first, second] = [gather(one, 'chat'), gather(two, 'chat')];
    await one.push('chat', { text: 'hello' }).done;
    await two.push('chat', { text: 'hi' }).done;
    await until('both heard both', () => first.length === 2 && second.length === 2);
    expect(first).toEqual([{ text: 'hello' }, { text: 'hi' }]);
    expect(second).toEqual(first);
  });
}

test('bytes and dates go through CBOR', async () => {
  const room = await live({ encoding: 'cbor' });
  const heard = gather(room, 'k');
  await room.push('k', { bytes: new Uint8Array([1, 2, 3]), at: new Date(0) }).done;
  await until('it came back', () => heard.length === 1);
  expect(heard).toEqual([{ bytes: new Uint8Array([1, 2, 3]), at: new Date(0) }]);
});

test('pushes made while the server is dead are stored once and in order when it is back', async () => {
  const room = await live();
  const heard = gather(room, 'k');
  await room.push('k', 0).done;
  await commands.killServer(server);
  await until('the cut is noticed', () => room.status.state === 'waiting');
  const waiting = Array.from({ length: 50 }, (_, index) => room.push('k', index + 1).done);
  await commands.restartServer(server);
  window.dispatchEvent(new Event('online'));
  await Promise.all(waiting);
  await until('all is heard', () => heard.length === 51);
  expect(heard).toEqual(Array.from({ length: 51 }, (_, index) => index));
});

test('a room that is not there is told apart, though the browser says nothing of it', async () => {
  const error: unknown = await Room.join(server, 'AAAAAAAAAAAAAAAAAAAAAA').catch((reason: unknown) => reason);
  expect(error).toBeInstanceOf(RoomError);
  expect(error).toMatchObject({ code: 'unknown_room' });
});

test('a deleted room ends its connections for good', async () => {
  const room = await live();
  await new RoomsApi(server).deleteRoom(room.id);
  await until('the end is heard', () => room.status.state === 'closed');
  expect(room.status.reason?.code).toBe('room_deleted');
});

test('a frame that is larger than the server takes ends the connection only for a moment', async () => {
  const room = await live();
  const refused = await room.push('k', 'x'.repeat(1_100_000)).done.catch((reason: unknown) => reason);
  expect(refused).toMatchObject({ code: 'too_large' });
  expect((await room.push('k', 'small').done).seq).toBe(1);
});
