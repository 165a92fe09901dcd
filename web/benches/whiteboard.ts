// The whiteboard with a class of twenty at it: scripted pens that draw without a pause, two real browser pages, one of
// them drawing too. Tells how long a stroke takes to its peers, whether any is missing, how far frames are from each
// other, and who took the processors meanwhile. The pages are as their users have them: nothing but the trace looks on.
//
// `node benches/run.js whiteboard`; SEABAG_PENS (20), SEABAG_SECONDS (60), SEABAG_BINARY.

import { writeFile } from 'node:fs/promises';
import { cpus, loadavg, tmpdir } from 'node:os';
import path from 'node:path';
import type { Browser } from 'playwright-core';
import type { Drawn } from '../pages/whiteboard/probe.ts';
import type { BoardSession } from '../pages/whiteboard/session.ts';
import { RoomsApi } from '../src/client/room/api.ts';
import { boardState, corner, openBoard } from '../test/support/board.ts';
import { fillBoard, scriptedPen } from '../test/support/pen.ts';
import { Server } from '../test/support/server.ts';
import { until } from '../test/support/until.ts';
import { DESK, startChromium } from '../test/support/visit.ts';
import { PlainPage } from './support/plain_page.ts';
import { Processors } from './support/processors.ts';
import { FRAMES, frameGaps, longestTask, TASKS, traced } from './support/trace.ts';

const PENS = Number(process.env.SEABAG_PENS ?? 20);
const SECONDS = Number(process.env.SEABAG_SECONDS ?? 60);
/** A pen that moves is heard of so often; its points come twice as often. */
const POINTS_PER_SECOND = 60;
/** Points of one stroke: a second and a half. */
const STROKE_POINTS = 90;
const MOUSE_MS = 16;
/** A mouse that is moved by a program moves as fast as the page takes it. */
const MOUSE_STROKE_POINTS = 20;
const FRAME_MS_MAX = 100;
const LARGE_STROKES = 10_000;

/** What a page notes while it draws. Times are milliseconds since 1970. */
interface Notes {
  readonly drawn: (readonly [at: number, drawn: Drawn])[];
  readonly ups: number[];
  readonly longTasks: number[];
  /** Milliseconds between two frames, each. */
  readonly frames: number[];
}

declare global {
  interface Window {
    seabagNotes?: Notes;
  }
}

/** Runs it and prints a table. Throws when a stroke is missing. */
export async function run(): Promise<void> {
  const server = await Server.start();
  const browser = await startChromium();
  try {
    await measurePens(server, browser);
    await measureLarge(server, browser);
  } finally {
    await browser.close();
    await server.remove();
  }
}

async function measurePens(server: Server, browser: Browser): Promise<void> {
  const { room } = await new RoomsApi(server.url).createRoom();
  const board = `${server.url}/whiteboard#room=${room}`;
  const [drawing, watching] = [await PlainPage.open(browser, board), await PlainPage.open(browser, board)];
  const pens: ScriptedPen[] = [];
  while (pens.length < PENS) {
    const session = await scriptedPen(`${server.url}/room/${room}`, `Pen ${pens.length}`);
    pens.push(new ScriptedPen(session, pens.length));
  }
  for (const page of [drawing, watching]) {
    await until('everybody is there', async () => Number((await facts(page)).people) === PENS + 2, 60_000);
    await page.evaluate(`(${takeNotes})()`);
  }
  const processors = await Processors.watch(browser, server.pid);
  const end = performance.now() + SECONDS * 1000;
  let notes: Notes[] = [];
  const trace = await traced(browser, FRAMES, async () => {
    await Promise.all([...pens.map((pen) => pen.draw(end)), drawWithMouse(drawing, end)]);
    // Before the trace is written: what its writing costs is nobody's.
    notes = await Promise.all([drawing, watching].map(readNotes));
  });
  const shares = await processors.shares();
  await report(drawing, watching, pens, notes);
  await reportTrace(trace, shares);
  for (const { session } of pens) session.close();
  await drawing.close();
  await watching.close();
}

/** What the page says of itself, see pages/whiteboard/probe.ts. */
async function facts(page: PlainPage): Promise<Record<string, string>> {
  return JSON.parse(String(await page.evaluate('JSON.stringify(document.documentElement.dataset)')));
}

/** How a board of many strokes opens, and how long its tasks are while it is moved and zoomed. */
async function measureLarge(server: Server, browser: Browser): Promise<void> {
  const { room } = await new RoomsApi(server.url).createRoom();
  await fillBoard(`${server.url}/room/${room}`, LARGE_STROKES);
  const { page, context } = await openBoard(browser, server.url);
  await browser.startTracing(page, { categories: TASKS });
  const started = performance.now();
  await page.evaluate((id) => {
    location.hash = `#room=${id}`;
  }, room);
  const painted = async () => {
    const { strokes, drawn, settled } = await boardState(page);
    return settled && strokes === LARGE_STROKES && drawn === LARGE_STROKES;
  };
  await until('the large board is painted', painted);
  const opened = performance.now() - started;
  const { left, top, width, height } = await corner(page);
  await page.mouse.move(left + width / 2, top + height / 2);
  for (let step = 0; step < 40; step += 1) {
    if (step % 2 === 0) await page.keyboard.down('Control');
    await page.mouse.wheel(0, step % 4 < 2 ? -40 : 40);
    await page.keyboard.up('Control');
  }
  await until('it is painted again', painted);
  const [wallMs, processorMs] = longestTask(await browser.stopTracing());
  process.stdout.write(
    `\na board of ${LARGE_STROKES} strokes: painted ${opened.toFixed(0)} ms after its address was entered; ` +
      `longest task then and while it was zoomed and moved: ${wallMs.toFixed(0)} ms of the clock, ` +
      `${processorMs.toFixed(0)} ms of the processor\n`,
  );
  await context.close();
}

/** A pen that goes round and round, and remembers when it was where. */
class ScriptedPen {
  readonly session: BoardSession;
  /** When each point of each stroke was drawn. */
  readonly points = new Map<string, number[]>();
  readonly ups = new Map<string, number>();
  readonly #number: number;
  #strokes = 0;

  constructor(session: BoardSession, number: number) {
    this.session = session;
    this.#number = number;
  }

  get strokes(): number {
    return this.#strokes;
  }

  async draw(end: number): Promise<void> {
    let times: number[] = [];
    let next = performance.now() + Math.random() * 500;
    for (let step = 0; next < end; step += 1) {
      await new Promise((resolve) => setTimeout(resolve, Math.max(0, next - performance.now())));
      next += 1000 / POINTS_PER_SECOND;
      const angle = step / 15;
      const x = Math.round((((this.#number % 5) - 2) * 220 + Math.cos(angle) * 90) * 8);
      const y = Math.round((Math.floor(this.#number / 5) * 150 - 230 + Math.sin(angle * 1.3) * 60) * 8);
      if (step % STROKE_POINTS === 0) {
        if (step > 0) this.#finish();
        this.#strokes += 1;
        times = [];
        this.points.set(`${this.session.author}-${this.#strokes}`, times);
        times.push(wall());
        this.session.begin({ ink: 'purple', width: 3 }, x, y);
      } else {
        times.push(wall());
        this.session.extend(x, y);
      }
      this.session.moveTo([x, y]);
    }
    this.#finish();
    this.session.moveTo(null);
  }

  #finish(): void {
    this.ups.set(`${this.session.author}-${this.#strokes}`, wall());
    this.session.finish();
  }
}

function wall(): number {
  return performance.timeOrigin + performance.now();
}

async function drawWithMouse(page: PlainPage, end: number): Promise<void> {
  const middle = { x: DESK.width / 2, y: DESK.height / 2 };
  let down = false;
  for (let step = 0; performance.now() < end; step += 1) {
    const started = performance.now();
    const x = middle.x + Math.cos(step / 12) * 200;
    const y = middle.y + Math.sin(step / 9) * 120;
    await page.mouse('mouseMoved', x, y, down);
    const place = step % MOUSE_STROKE_POINTS;
    if (place === 0) await page.mouse('mousePressed', x, y, true);
    if (place === MOUSE_STROKE_POINTS - 1) await page.mouse('mouseReleased', x, y, false);
    down = place !== MOUSE_STROKE_POINTS - 1;
    await new Promise((resolve) =>
      setTimeout(resolve, Math.max(0, MOUSE_MS - (performance.now() - started))),
    );
  }
  if (down) await page.mouse('mouseReleased', middle.x, middle.y, false);
}

/** Runs in the page. */
function takeNotes(): void {
  const wallNow = () => performance.timeOrigin + performance.now();
  const notes: Notes = { drawn: [], ups: [], longTasks: [], frames: [] };
  window.seabagNotes = notes;
  document.addEventListener('seabag:drawn', (event) => {
    if (event instanceof CustomEvent) notes.drawn.push([wallNow(), event.detail]);
  });
  document.addEventListener('pointerup', () => notes.ups.push(wallNow()), { capture: true });
  new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) notes.longTasks.push(entry.duration);
  }).observe({ type: 'longtask' });
  let last: number | undefined;
  const frame = (now: number) => {
    if (last !== undefined) notes.frames.push(now - last);
    last = now;
    requestAnimationFrame(frame);
  };
  requestAnimationFrame(frame);
}

async function readNotes(page: PlainPage): Promise<Notes> {
  return JSON.parse(String(await page.evaluate('JSON.stringify(window.seabagNotes)')));
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}

async function report(
  drawing: PlainPage,
  watching: PlainPage,
  pens: readonly ScriptedPen[],
  [framesA, framesB]: readonly Notes[],
): Promise<void> {
  if (framesA === undefined || framesB === undefined) throw new Error('two pages');
  const fromPens = pens.reduce((sum, pen) => sum + pen.strokes, 0);
  const expected = fromPens + framesA.ups.length;
  for (const page of [drawing, watching]) {
    await until(`all ${expected} strokes are painted`, async () => {
      const { strokes, drawn, settled } = await facts(page);
      return Number(strokes) === expected && Number(drawn) === expected && settled === 'true';
    });
  }
  const [a, b] = [await readNotes(drawing), await readNotes(watching)];
  for (const notes of [a, b]) for (const pen of pens) expectComplete(notes, pen);
  const authors = new Set(pens.map(({ session }) => session.author));
  // Whoever is no pen is the drawing page.
  const isOwn = (id: string) => !authors.has(id.slice(0, id.lastIndexOf('-')));
  const rows: (readonly [string, readonly number[]])[] = [
    ['live ink, pen to page (newest point)', penLatencies(b, pens)],
    ['live ink, page to page (painted to painted)', pageLatencies(a, b, isOwn)],
    ['stored stroke, pen up to painted, pen to page', storedLatencies(b, pens)],
    ['stored stroke, pen up to painted, page to page', storedPageLatencies(a, b, isOwn)],
  ];
  print(`${PENS} pens, ${SECONDS} s, ${expected} strokes, none missing, none twice, on two pages`);
  print('| ms | n | p50 | p95 | p99 | max |');
  print('|---|---|---|---|---|---|');
  for (const [name, values] of rows) print(`| ${name} | ${summary(values)} |`);
  print('');
  print('| frames | drawing page | watching page |');
  print('|---|---|---|');
  const row = (name: string, tell: (notes: Notes) => string) =>
    print(`| ${name} | ${tell(framesA)} | ${tell(framesB)} |`);
  row('frames a second', ({ frames }) => (frames.length / SECONDS).toFixed(0));
  row('between two frames, ms: p50, p95, p99, max', ({ frames }) => summary(frames).replace(/^\d+ \| /, ''));
  row('of them above 50 ms', ({ frames }) => above(frames, 50));
  row(`of them above ${FRAME_MS_MAX} ms`, ({ frames }) => above(frames, FRAME_MS_MAX));
  row('tasks of the main thread above 50 ms', ({ longTasks }) => above(longTasks, 50));
  row('the longest of them, ms', ({ longTasks }) => longest(longTasks));
  print('');
}

async function reportTrace(trace: Buffer, shares: readonly (readonly [string, number])[]): Promise<void> {
  const pages = frameGaps(trace).filter((gaps) => gaps.length > SECONDS);
  for (const gaps of pages) {
    const late = above(gaps, FRAME_MS_MAX);
    print(
      `frames that were drawn, by the trace: ${gaps.length}, ${late} of them more than ${FRAME_MS_MAX} ms after the one before, at most ${longest(gaps)} ms`,
    );
  }
  const file = path.join(tmpdir(), 'seabag-whiteboard-trace.json');
  await writeFile(file, trace);
  print(`the trace: ${file}\n`);
  print('| share of a processor | % |');
  print('|---|---|');
  for (const [name, share] of shares.filter(([, part]) => part > 0.005)) {
    print(`| ${name} | ${(share * 100).toFixed(0)} |`);
  }
  print(`\n${cpus().length} processors, load ${loadavg()[0]?.toFixed(1)}`);
}

/** Every stroke of a pen came once, in order. */
function expectComplete(notes: Notes, { session, strokes }: ScriptedPen): void {
  const prefix = `${session.author}-`;
  const seen = notes.drawn.flatMap(([, { stored }]) => stored).filter((id) => id.startsWith(prefix));
  const wanted = Array.from({ length: strokes }, (_, index) => `${prefix}${index + 1}`);
  if (seen.join() !== wanted.join())
    throw new Error(`a gap: ${seen.length} of ${wanted.length} strokes of one pen`);
}

function penLatencies(notes: Notes, pens: readonly ScriptedPen[]): number[] {
  const times = new Map(pens.flatMap((pen) => [...pen.points]));
  return notes.drawn.flatMap(([at, { growing }]) =>
    growing.flatMap(([id, points]) => {
      const drawn = times.get(id)?.[points - 1];
      return drawn === undefined ? [] : [at - drawn];
    }),
  );
}

function storedLatencies(notes: Notes, pens: readonly ScriptedPen[]): number[] {
  const times = new Map(pens.flatMap((pen) => [...pen.ups]));
  return notes.drawn.flatMap(([at, { stored }]) =>
    stored.flatMap((id) => {
      const up = times.get(id);
      return up === undefined ? [] : [at - up];
    }),
  );
}

/** From when a point was painted on the drawing page to when it was on the other. */
function pageLatencies(a: Notes, b: Notes, isOwn: (id: string) => boolean): number[] {
  const painted = new Map<string, number>();
  const counts = new Map<string, number>();
  for (const [at, { growing }] of a.drawn) {
    for (const [id, points] of growing) {
      for (let count = (counts.get(id) ?? 0) + 1; count <= points; count += 1)
        painted.set(`${id} ${count}`, at);
      counts.set(id, points);
    }
  }
  return b.drawn.flatMap(([at, { growing }]) =>
    growing.flatMap(([id, points]) => {
      const before = painted.get(`${id} ${points}`);
      return before === undefined || !isOwn(id) ? [] : [at - before];
    }),
  );
}

function storedPageLatencies(a: Notes, b: Notes, isOwn: (id: string) => boolean): number[] {
  const stored = b.drawn.flatMap(([at, drawn]) => drawn.stored.map((id) => [id, at] as const));
  const own = stored.filter(([id]) => isOwn(id));
  return own.flatMap(([, at], index) => {
    const up = a.ups[index];
    return up === undefined ? [] : [at - up];
  });
}

function summary(values: readonly number[]): string {
  const sorted = [...values].sort((x, y) => x - y);
  const at = (share: number) =>
    (sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0).toFixed(0);
  return [String(sorted.length), at(0.5), at(0.95), at(0.99), at(1)].join(' | ');
}

function longest(values: readonly number[]): string {
  return values.length === 0 ? '-' : Math.max(...values).toFixed(0);
}

function above(values: readonly number[], bound: number): string {
  return String(values.filter((value) => value > bound).length);
}
