// The whiteboard's session against the real server, without pages: many pens, compaction, undo and clear, while the
// server dies and the network fails. In the end every pen has the same board, with each stroke once.

import { afterEach, beforeEach, expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { COMPACT_AT, PAGE_STROKES, type PageMessage } from '../../pages/whiteboard/model.ts';
import type { BoardSession } from '../../pages/whiteboard/session.ts';
import type { Keeper, Unsent } from '../../pages/whiteboard/unsent.ts';
import { RoomsApi } from '../../src/client/room/api.ts';
import { RoomConnection } from '../../src/client/room/connection.ts';
import { scribble, scriptedPen } from '../support/pen.ts';
import { ByteProxy } from '../support/proxy.ts';
import { Server } from '../support/server.ts';
import { until } from '../support/until.ts';

const STYLE = { ink: 'red', width: 3 } as const;

let server: Server;
let room: string;
let pens: BoardSession[] = [];

beforeEach(async () => {
  server = await Server.start();
  room = (await new RoomsApi(server.url).createRoom()).room;
});

afterEach(async () => {
  for (const pen of pens) pen.close();
  pens = [];
  await server?.remove();
});

async function pen(origin = server.url, keeper?: Keeper): Promise<BoardSession> {
  const made = await scriptedPen(`${origin}/room/${room}`, `Pen ${pens.length}`, keeper);
  pens.push(made);
  return made;
}

function ids(session: BoardSession): string[] {
  return session.board.strokes.map(({ stroke }) => stroke.id);
}

function draw(session: BoardSession, strokes: number): void {
  for (let stroke = 0; stroke < strokes; stroke += 1) scribble(session, STYLE, stroke * 8, stroke, 5);
}

async function untilStored(): Promise<void> {
  await until('all is stored', () =>
    pens.every(({ status }) => status.state === 'live' && status.waiting === 0),
  );
}

/** All boards are the same, in the same order, and hold what was drawn. */
async function expectBoards(drawn: number): Promise<void> {
  await untilStored();
  pens.push(await pen());
  await until('all have all', () => pens.every((session) => session.board.strokes.length === drawn)).catch(
    () => {},
  );
  const boards = pens.map(ids);
  for (const board of boards) expect(board).toEqual(boards[0]);
  expect(boards[0]?.length).toBe(drawn);
  expect(new Set(boards[0]).size).toBe(drawn);
}

async function streams(): Promise<{ key: string; size: number }[]> {
  const reader = new RoomConnection(`${server.url}/room/${room}`, { webSocket: WebSocket });
  await reader.connect();
  const keys = await reader.keys();
  reader.close();
  return keys.filter(({ key }) => key.startsWith('strokes/')).map(({ key, size }) => ({ key, size }));
}

test('pens that draw at once fill pages together, compact them, and agree', async () => {
  const [a, b, c] = [await pen(), await pen(), await pen()];
  for (let round = 0; round < 15; round += 1) {
    for (const each of [a, b, c]) draw(each, 20);
    await untilStored();
  }
  await expectBoards(900);
  const kept = await streams();
  expect(kept.length).toBeGreaterThanOrEqual(Math.floor(900 / PAGE_STROKES));
  // Every page was compacted while it grew: none holds as many entries as it has strokes.
  for (const { size } of kept) expect(size).toBeLessThan(COMPACT_AT * 2);
});

test('while the server is killed again and again, every stroke is stored once, compacted pages included', async () => {
  const [a, b, c] = [await pen(), await pen(), await pen()];
  for (let round = 0; round < 4; round += 1) {
    for (const each of [a, b, c]) draw(each, 25);
    if (round % 2 === 0) await until('some are stored', () => a.status.waiting < 25);
    await server.kill();
    for (const each of [a, b, c]) draw(each, 25);
    await server.restart();
    await untilStored();
  }
  await expectBoards(600);
});

test('a pen on a bad line neither loses nor doubles a stroke, and its undo takes away the right one', async () => {
  const proxy = await ByteProxy.start(server.url);
  const near = await pen();
  const far = await pen(proxy.url);
  let drawn = 0;
  for (let round = 0; round < 8; round += 1) {
    draw(near, 10);
    draw(far, 10);
    // In the middle of them, or when all are sent and not all are known to be stored.
    if (round % 2 === 0) await until('some are stored', () => far.status.waiting < 10);
    proxy.cut();
    far.undo();
    drawn += 19;
    await until('the line is back', () => proxy.connections > round + 1 && far.status.state === 'live');
  }
  await expectBoards(drawn);
  const left = ids(near).filter((id) => id.startsWith(`${far.author}-`));
  expect(left).toEqual(
    Array.from({ length: 80 }, (_, index) => index + 1)
      .filter((number) => number % 10 !== 0)
      .map((number) => `${far.author}-${number}`),
  );
  await proxy.stop();
});

test('a clear takes everything from the boards and from the room, and what is drawn after it stays', async () => {
  const [a, b] = [await pen(), await pen()];
  draw(a, 200);
  draw(b, 200);
  await untilStored();
  await a.clear();
  await until('it is clear for all', () => ids(a).length === 0 && ids(b).length === 0);
  draw(b, 3);
  await expectBoards(3);
  await until('the room keeps nothing of it', async () => {
    return (await streams()).reduce((sum, { size }) => sum + size, 0) === 3;
  });
});

test('a room that was wiped and made again is an empty board, and goes on', async () => {
  const proxy = await ByteProxy.start(server.url);
  const [a, b] = [await pen(proxy.url), await pen(proxy.url)];
  draw(a, 5);
  await untilStored();
  await server.kill();
  // Who asks for the room while it is not there asks again only after a while.
  proxy.refuse();
  await server.restart({ wipe: true });
  await new RoomsApi(server.url).putRoom(room);
  proxy.pass();
  await until('both are back', () =>
    [a, b].every(({ status, board }) => status.state === 'live' && board.strokes.length === 0),
  );
  draw(b, 2);
  await expectBoards(2);
  await proxy.stop();
});

/** What a browser keeps, as far as a session can tell. */
class Drawer implements Keeper {
  readonly changes = new Map<string, Unsent>();

  constructor(left: readonly Unsent[] = []) {
    for (const change of left) this.keep(change);
  }

  keep(change: Unsent): boolean {
    this.changes.set(Drawer.#name(change.message), change);
    return true;
  }

  keeps(message: PageMessage): boolean {
    return this.changes.has(Drawer.#name(message));
  }

  forget(message: PageMessage): void {
    this.changes.delete(Drawer.#name(message));
  }

  /** As they are now: what a page finds that is opened after this one died. */
  get left(): Unsent[] {
    return [...this.changes.values()];
  }

  static #name(message: PageMessage): string {
    return 'undo' in message ? `undo ${message.undo}` : message.stroke.id;
  }
}

/** A pen without a line draws so many strokes, and dies. Returns what it leaves. */
async function drawnAndGone(strokes: number, before: (session: BoardSession) => void = () => {}) {
  const proxy = await ByteProxy.start(server.url);
  const drawer = new Drawer();
  const gone = await pen(proxy.url, drawer);
  proxy.refuse();
  await until('the line is gone', () => gone.status.state === 'offline');
  draw(gone, strokes);
  before(gone);
  const { left } = drawer;
  pens = pens.filter((session) => session !== gone);
  gone.close();
  await proxy.stop();
  return { left, author: gone.author, after: drawer };
}

test('what a pen without a line left behind is sent by the next one, once, and then forgotten', async () => {
  const { left, author, after } = await drawnAndGone(5);
  expect(left.map(({ sent }) => sent)).toEqual([false, false, false, false, false]);
  // Being closed is no reason to forget.
  expect(after.left).toEqual(left);
  const drawer = new Drawer(left);
  const next = await pen(server.url, drawer);
  next.restore(left);
  expect(next.status.waiting).toBe(5);
  await expectBoards(5);
  expect(ids(next)).toEqual([1, 2, 3, 4, 5].map((number) => `${author}-${number}`));
  expect(drawer.left).toEqual([]);
});

test('what is stored already is not stored again, by however many pages it was left to', async () => {
  const { left } = await drawnAndGone(3);
  const [a, b] = [await pen(), await pen()];
  a.restore(left);
  await expectBoards(3);
  b.restore(left);
  expect(b.status.waiting).toBe(0);
  const late = await pen();
  late.restore(left);
  await expectBoards(3);
  expect((await streams()).map(({ size }) => size)).toEqual([3]);
});

test('a stroke that was undone before it was sent is sent by nobody, and a stored one loses its stroke', async () => {
  const undone = await drawnAndGone(3, (session) => session.undo());
  const next = await pen();
  next.restore(undone.left);
  await expectBoards(2);
  const proxy = await ByteProxy.start(server.url);
  const drawer = new Drawer();
  const far = await pen(proxy.url, drawer);
  draw(far, 1);
  await expectBoards(3);
  proxy.refuse();
  await until('the line is gone', () => far.status.state === 'offline');
  far.undo();
  const { left } = drawer;
  pens = pens.filter((session) => session !== far);
  far.close();
  await proxy.stop();
  next.restore(left);
  await expectBoards(2);
});

test('a clear takes a stroke that may have been stored before it, and none that was never sent', async () => {
  const { left } = await drawnAndGone(2);
  const [first, second] = left;
  if (first === undefined || second === undefined) throw new Error('two');
  const next = await pen();
  draw(next, 1);
  await untilStored();
  await next.clear();
  await until('it is clear', () => ids(next).length === 0);
  next.restore([{ ...first, sent: true }, second]);
  await expectBoards(1);
});

test('a clear takes what was left, too, when it is asked for before that could be sent', async () => {
  const { left } = await drawnAndGone(3);
  const proxy = await ByteProxy.start(server.url);
  const drawer = new Drawer(left);
  const next = await pen(proxy.url, drawer);
  proxy.refuse();
  await until('the line is gone', () => next.status.state === 'offline');
  next.restore(left);
  const cleared = next.clear();
  proxy.pass();
  await cleared;
  await expectBoards(0);
  expect(drawer.left).toEqual([]);
  await proxy.stop();
});

test('what another page has settled meanwhile is not sent again: a stroke that was undone stays away', async () => {
  const [near, far] = [await ByteProxy.start(server.url), await ByteProxy.start(server.url)];
  const drawer = new Drawer();
  const [a, b] = [await pen(near.url, drawer), await pen(far.url, drawer)];
  near.refuse();
  far.refuse();
  await until('both lines are gone', () => [a, b].every(({ status }) => status.state === 'offline'));
  draw(a, 2);
  // A browser without locks cannot tell that the other page is there still.
  b.restore(drawer.left);
  a.undo();
  near.pass();
  await until('one is back', () => a.status.state === 'live' && a.status.waiting === 0);
  far.pass();
  await expectBoards(1);
  await near.stop();
  await far.stop();
});
