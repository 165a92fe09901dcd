// Rooms over HTTP against the real server: making and deleting, pushing once, pages, long polls, and latency.
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { RoomsApi } from '../../../src/client/room/api.ts';
import { RoomHttp } from '../../../src/client/room/http.ts';
import { LatencyMeter } from '../../../src/client/room/latency.ts';
import { ByteProxy } from '../../support/proxy.ts';
import { closeAll, codeOf, live } from '../../support/rooms.ts';
import { Server } from '../../support/server.ts';
import { until } from '../../support/until.ts';

let server: Server;
let api: RoomsApi;
let url: string;

beforeAll(async () => {
  server = await Server.start();
  api = new RoomsApi(server.url);
});
afterAll(() => server.remove());
beforeEach(async () => {
  url = api.url((await api.createRoom()).room);
});
afterEach(closeAll);

test('rooms are made, looked at, made again under the same id, and deleted', async () => {
  const made = await api.createRoom();
  expect(made.httpUrl).toContain(made.room);
  expect(await api.room(made.room)).toEqual(made);
  const seen = await api.room(made.readOnly);
  expect(seen.room).toBe(made.readOnly);
  expect(JSON.stringify(seen)).not.toContain(made.room);
  expect((await api.putRoom(made.room)).created).toBe(false);
  await api.deleteRoom(made.room);
  expect(await codeOf(api.room(made.room))).toBe('unknown_room');
  expect((await api.putRoom(made.room)).created).toBe(true);
});

test('what cannot be asked for says why, and never shows the id', async () => {
  expect(await codeOf(api.room('AAAAAAAAAAAAAAAAAAAAAA'))).toBe('unknown_room');
  expect(await codeOf(api.room('../new'))).toBe('unknown_room');
  expect(await codeOf(new RoomsApi('http://127.0.0.1:9').createRoom())).toBe('network');
  for (const text of ['', 'server', 'ftp://x', 'http://']) {
    expect(() => new RoomsApi(text), text).toThrow('http');
  }
  const { room } = await api.createRoom();
  await api.deleteRoom(room);
  const error = await api.room(room).catch((reason: unknown) => reason);
  expect(String(error)).not.toContain(room);
});

test('making rooms may need a token', async () => {
  const folder = await mkdtemp(path.join(tmpdir(), 'seabag-token-'));
  const file = path.join(folder, 'token');
  const token = 'let-me-in-let-me-in-0123456789abcdef';
  await writeFile(file, token, { mode: 0o600 });
  const guarded = await Server.start(['--creation-token-file', file]);
  try {
    expect(await codeOf(new RoomsApi(guarded.url).createRoom())).toBe('token_required');
    expect((await new RoomsApi(guarded.url, { token }).createRoom()).room).toHaveLength(22);
  } finally {
    await guarded.remove();
    await rm(folder, { recursive: true });
  }
});

test('pushes made at once arrive in order, lists together', async () => {
  const http = new RoomHttp(url);
  const one = Promise.all([1, 2, 3].map((value) => http.push('k', value)));
  const two = http.pushAll([
    { key: 'k', value: 4 },
    { key: 'other', value: 5, action: { type: 'replace' } },
  ]);
  expect((await one).map(({ seq }) => seq)).toEqual([1, 2, 3]);
  expect((await two).map(({ seq }) => seq)).toEqual([4, 5]);
  expect((await http.get('k')).map(({ value }) => value)).toEqual([1, 2, 3, 4]);
  expect(await http.get('k', 3)).toEqual([{ seq: 4, value: 4 }]);
  expect((await http.push('k', 6, { type: 'relay' })).seq).toBe(6);
  expect(await codeOf(http.push('k', null))).toBe('bad_message');
  expect(await codeOf(http.push('k', 1, { type: 'compact', seq: 99 }))).toBe('compact_ahead');
});

test('a push whose answer was lost is stored once', async () => {
  const proxy = await ByteProxy.start(server.url);
  try {
    const far = new RoomHttp(new RoomsApi(proxy.url).url(url.split('/room/')[1] ?? ''));
    // The first connection is cut at the first byte of its answer, the next ones are left alone.
    let cuts = 1;
    proxy.cutAfter(() => (cuts-- > 0 ? 0 : Number.POSITIVE_INFINITY));
    const acknowledgement = await far.push('k', 'once');
    expect(acknowledgement.repeat).toBe(true);
    expect(acknowledgement.seq).toBe(1);
    expect((await far.get('k')).map(({ value }) => value)).toEqual(['once']);
  } finally {
    await proxy.stop();
  }
});

test('pages go on from their cursors, and a long poll waits for news until it is aborted', async () => {
  const http = new RoomHttp(url);
  await http.pushAll([1, 2, 3].map((value) => ({ key: 'k', value })));
  const first = await http.stream({ limit: 2 });
  expect(first.data.map(({ value }) => value)).toEqual([1, 2]);
  expect(first.more).toBe(true);
  const second = await http.stream({ since: first.cursor });
  expect(second.data.map(({ value }) => value)).toEqual([3]);
  expect(second).toMatchObject({ more: false, reset: false });
  const news = http.stream({ since: second.cursor, wait: 20 });
  await http.push('k', 'news');
  expect((await news).data).toEqual([{ key: 'k', value: 'news', seq: 4 }]);
  expect((await http.stream({ since: { epoch: 'nobody-knows-it', seq: 1 } })).reset).toBe(true);
  const control = new AbortController();
  const waiting = http.stream({ since: (await news).cursor, wait: 30, signal: control.signal });
  control.abort(new Error('enough'));
  await expect(waiting).rejects.toThrow('enough');
});

test('latency is measured while somebody listens', async () => {
  const room = await live(url);
  const meter = new LatencyMeter(room, 5);
  expect(meter.latencyMs).toBeNull();
  let heard = 0;
  const unsubscribe = meter.subscribe(() => heard++);
  const second = meter.subscribe(() => {});
  await until('some are measured', () => heard >= 3);
  expect(meter.latencyMs).toBeGreaterThan(0);
  unsubscribe();
  second();
  const before = heard;
  await room.latency();
  await new Promise((resolve) => setTimeout(resolve, 30));
  expect(heard).toBe(before);
  meter.subscribe(() => heard++);
  room.close();
  await until('there is none without a connection', () => meter.latencyMs === null);
  meter.destroy();
});
