// Room connections while their server dies, comes back, and comes back without its data.
import { afterEach, beforeEach, expect, test } from 'vitest';
import { RoomsApi } from '../../../src/client/room/api.ts';
import type { SentPush } from '../../../src/client/room/types.ts';
import { ByteProxy } from '../../support/proxy.ts';
import { closeAll, codeOf, gather, live, untilLive } from '../../support/rooms.ts';
import { Server } from '../../support/server.ts';
import { until } from '../../support/until.ts';

let server: Server;
let proxy: ByteProxy;

beforeEach(async () => {
  server = await Server.start();
  proxy = await ByteProxy.start(server.url);
});
afterEach(async () => {
  closeAll();
  await proxy.stop();
  await server.remove();
});

/** A new room's id and its URL through the proxy. */
async function newRoom(): Promise<{ id: string; url: string }> {
  const { room } = await new RoomsApi(server.url).createRoom();
  return { id: room, url: new RoomsApi(proxy.url).url(room) };
}

for (const encodings of [['json', 'json'] as const, ['json', 'cbor'] as const]) {
  test(`a server killed in the middle of 2,000 appends by two clients loses and doubles none (${encodings})`, async () => {
    const { url } = await newRoom();
    const rooms = await Promise.all(encodings.map((encoding) => live(url, { encoding })));
    const heard = rooms.map((room) => gather(room, 'k'));
    const sent: SentPush[] = [];
    const sending = (async () => {
      for (let index = 0; index < 1_000; index++) {
        for (const [client, room] of rooms.entries()) sent.push(room.push('k', `${client}:${index}`));
        if (index % 10 === 0) await new Promise((resolve) => setTimeout(resolve, 1));
      }
    })();
    await until('some are stored', () => heard.every(({ values }) => values.length > 50));
    await server.kill();
    const unsettled = rooms.map(({ status }) => status.queued + status.unacknowledged);
    expect(Math.max(...unsettled)).toBeGreaterThan(0);
    await server.restart();
    await sending;
    const acknowledged = await Promise.all(sent.map(({ done }) => done));
    await until('both heard all', () => heard.every(({ values }) => values.length >= 2_000));
    const [first, second] = heard;
    expect(new Set(first?.values).size).toBe(2_000);
    expect(first?.values).toHaveLength(2_000);
    expect(second?.values).toEqual(first?.values);
    expect(second?.seqs).toEqual(first?.seqs);
    for (const client of [0, 1]) {
      const own = first?.values.filter((value) => String(value).startsWith(`${client}:`));
      expect(own).toEqual(Array.from({ length: 1_000 }, (_, index) => `${client}:${index}`));
    }
    const numbers = acknowledged.flatMap(({ seq }) => (seq === null ? [] : [seq]));
    expect(new Set(numbers).size).toBe(numbers.length);
  });
}

test('a server killed while relays fly costs no append, whatever the reset says', async () => {
  const { url } = await newRoom();
  const room = await live(url);
  const heard = gather(room, 'k');
  for (let index = 0; index < 200; index++) {
    room.push('cursor', index, { type: 'relay' });
    room.push('k', index);
  }
  await until('some are stored', () => heard.values.length > 20);
  await server.kill();
  for (let index = 200; index < 220; index++) room.push('k', index);
  await server.restart();
  await untilLive(room);
  await until('all is acknowledged', () => room.status.queued + room.status.unacknowledged === 0);
  const numbers = Array.from({ length: 220 }, (_, index) => index);
  expect((await room.get('k')).map(({ value }) => value)).toEqual(numbers);
  await until('all is heard', () => heard.values.length === 220);
  expect(heard.values).toEqual(numbers);
});

test('an orderly restart resets nobody', async () => {
  const { url } = await newRoom();
  const room = await live(url);
  const heard = gather(room, 'k');
  let resets = 0;
  room.onReset(() => resets++);
  await room.push('k', 1).done;
  await server.stop();
  const waiting = room.push('k', 2);
  await server.restart();
  await waiting.done;
  await until('all is heard', () => heard.values.length === 2);
  expect(resets).toBe(0);
  expect(heard.events.filter(({ type }) => type === 'init')).toHaveLength(1);
});

test('a wiped server is noticed: a reset, a fresh stream, and nothing old is taken for stored', async () => {
  const { id, url } = await newRoom();
  const room = await live(url);
  const heard = gather(room, 'k');
  const entries: unknown[] = [];
  room.onEntry((_key, { value }) => entries.push(value));
  let resets = 0;
  room.onReset(() => {
    resets += 1;
    entries.length = 0;
  });
  const uncertain: number[] = [];
  room.onUncertain((pushes) => uncertain.push(...pushes.map((push) => push.id)));
  for (const value of [1, 2, 3]) await room.push('k', value).done;
  await until('all is heard', () => heard.values.length === 3);
  proxy.stall();
  const sent = room.push('k', 'sent');
  const replaced = room.push('doc', 'last', { type: 'replace' });
  const compact = room.push('k', 'all', { type: 'compact', seq: 3 });
  await server.kill();
  proxy.refuse();
  await until('the cut is noticed', () => room.status.state === 'waiting');
  const unsent = room.push('k', 'unsent');
  await server.restart({ wipe: true });
  await new RoomsApi(server.url).putRoom(id);
  const other = await live(new RoomsApi(server.url).url(id));
  await other.push('k', 'new').done;
  proxy.pass();
  await unsent.done;
  expect(await codeOf(sent.done)).toBe('uncertain');
  expect(await codeOf(compact.done)).toBe('reset');
  expect((await replaced.done).repeat).toBe(false);
  expect(uncertain).toEqual([sent.id]);
  expect(resets).toBe(1);
  await until('the new history is heard', () => heard.values.length === 2);
  expect(heard.values).toEqual(['new', 'unsent']);
  expect(heard.events.at(-2)?.type === 'init' || heard.events.at(-1)?.type === 'init').toBe(true);
  expect(entries).toEqual(['new', 'last', 'unsent']);
});

test('a room that is gone after a wipe is unknown, for good', async () => {
  const { url } = await newRoom();
  const room = await live(url);
  await server.kill();
  await server.restart({ wipe: true });
  await until('the end is noticed', () => room.status.state === 'closed');
  expect(room.status.reason?.code).toBe('unknown_room');
});
