// The whiteboard with a class of twenty at it: scripted pens that draw without a pause, two real browser pages, one of
// them drawing too. Tells how long a stroke takes to its peers, whether any is missing, and how long frames take.
//
// `node benches/run.js whiteboard`; SEABAG_PENS (20), SEABAG_SECONDS (60), SEABAG_BINARY.

import { writeFile } from 'node:fs/promises';
import { cpus, loadavg, tmpdir } from 'node:os';
import path from 'node:path';
import type { Page } from 'playwright-core';
import type { Drawn } from '../pages/whiteboard/probe.ts';
import type { BoardSession } from '../pages/whiteboard/session.ts';
import { boardState, corner, type Drawer, openBoard, roomOf } from '../test/support/board.ts';
import { scriptedPen } from '../test/support/pen.ts';
import { Server } from '../test/support/server.ts';
import { until } from '../test/support/until.ts';
import { startChromium } from '../test/support/visit.ts';

const PENS = Number(process.env.SEABAG_PENS ?? 20);
const SECONDS = Number(process.env.SEABAG_SECONDS ?? 60);
/** A pen that moves is heard of so often; its points come twice as often. */
const POINTS_PER_SECOND = 60;
/** Points of one stroke: a second and a half. */
const STROKE_POINTS = 90;
const MOUSE_MS = 16;
const FRAME_MS_MAX = 100;

/** What a page notes while it draws. Times are milliseconds since 1970. */
interface Notes {
  readonly drawn: (readonly [at: number, drawn: Drawn])[];
  readonly ups: number[];
  readonly longTasks: number[];
  longestFrame: number;
  frames: number;
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
    const drawing = await openBoard(browser, server.url);
    const room = roomOf(drawing.page);
    const watching = await openBoard(browser, server.url, room);
    const pens: ScriptedPen[] = [];
    while (pens.length < PENS) {
      pens.push(
        new ScriptedPen(await scriptedPen(`${server.url}/room/${room}`, `Pen ${pens.length}`), pens.length),
      );
    }
    for (const { page } of [drawing, watching]) {
      await until('everybody is there', async () => (await boardState(page)).people === PENS + 2, 60_000);
      await takeNotes(page);
    }
    await browser.startTracing(watching.page, { categories: ['disabled-by-default-devtools.timeline'] });
    const end = performance.now() + SECONDS * 1000;
    await Promise.all([...pens.map((pen) => pen.draw(end)), drawWithMouse(drawing, end)]);
    const trace = await browser.stopTracing();
    await report(drawing, watching, pens, trace);
    for (const { session } of pens) session.close();
  } finally {
    await browser.close();
    await server.remove();
  }
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

async function drawWithMouse({ page }: Drawer, end: number): Promise<void> {
  const { left, top, width, height } = await corner(page);
  for (let step = 0; performance.now() < end; step += 1) {
    const started = performance.now();
    const x = left + width / 2 + Math.cos(step / 12) * 200;
    const y = top + height / 2 + Math.sin(step / 9) * 120;
    await page.mouse.move(x, y);
    if (step % STROKE_POINTS === 0) await page.mouse.down();
    if (step % STROKE_POINTS === STROKE_POINTS - 1) await page.mouse.up();
    await new Promise((resolve) =>
      setTimeout(resolve, Math.max(0, MOUSE_MS - (performance.now() - started))),
    );
  }
  await page.mouse.up();
}

async function takeNotes(page: Page): Promise<void> {
  await page.evaluate(() => {
    const wallNow = () => performance.timeOrigin + performance.now();
    const notes: Notes = { drawn: [], ups: [], longTasks: [], longestFrame: 0, frames: 0 };
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
      if (last !== undefined) notes.longestFrame = Math.max(notes.longestFrame, now - last);
      last = now;
      notes.frames += 1;
      requestAnimationFrame(frame);
    };
    requestAnimationFrame(frame);
  });
}

async function readNotes(page: Page): Promise<Notes> {
  const notes = await page.evaluate(() => window.seabagNotes);
  if (notes === undefined) throw new Error('the page took no notes');
  return notes;
}

async function report(
  drawing: Drawer,
  watching: Drawer,
  pens: readonly ScriptedPen[],
  trace: Buffer,
): Promise<void> {
  const own = await readNotes(drawing.page);
  const fromPens = pens.reduce((sum, pen) => sum + pen.strokes, 0);
  const expected = fromPens + own.ups.length;
  for (const { page } of [drawing, watching]) {
    await until(`all ${expected} strokes are painted`, async () => {
      const state = await boardState(page);
      return state.strokes === expected && state.drawn === expected && state.settled;
    });
  }
  const [a, b] = [await readNotes(drawing.page), await readNotes(watching.page)];
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
  const print = (line: string) => process.stdout.write(`${line}\n`);
  print(`${PENS} pens, ${SECONDS} s, ${expected} strokes, none missing, none twice, on two pages`);
  print('| ms | n | p50 | p95 | p99 | max |');
  print('|---|---|---|---|---|---|');
  for (const [name, values] of rows) print(`| ${name} | ${summary(values)} |`);
  print('');
  print('| frames | drawing page | watching page |');
  print('|---|---|---|');
  print(`| frames | ${a.frames} | ${b.frames} |`);
  print(
    `| longest time between two frames, ms | ${a.longestFrame.toFixed(0)} | ${b.longestFrame.toFixed(0)} |`,
  );
  print(`| long tasks (over 50 ms) | ${a.longTasks.length} | ${b.longTasks.length} |`);
  print(`| longest of them, ms | ${longest(a.longTasks)} | ${longest(b.longTasks)} |`);
  const [wallMs, processorMs] = longestTask(trace);
  print(`| longest task of a main thread in the trace, ms of the clock | ${wallMs.toFixed(0)} | |`);
  print(`| the same, ms of the processor | ${processorMs.toFixed(0)} | |`);
  print(`| share of a processor that a main thread took | ${(processorShare(trace) * 100).toFixed(0)} % | |`);
  print(`\nload of this machine's ${cpus().length} processors: ${loadavg()[0]?.toFixed(1)}`);
  const file = path.join(tmpdir(), 'seabag-whiteboard-trace.json');
  await writeFile(file, trace);
  print(
    `\nframes above ${FRAME_MS_MAX} ms: ${tasks > FRAME_MS_MAX ? 'YES' : 'none'}; the trace is in ${file}`,
  );
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

interface TraceEvent {
  readonly name: string;
  readonly ph: string;
  readonly pid: number;
  readonly tid: number;
  readonly ts: number;
  /** Microseconds of the clock, and of the processor: the difference is what other programs took. */
  readonly dur?: number;
  readonly tdur?: number;
  readonly args?: { readonly name?: string };
}

/** The tasks of the pages' main threads, a list a thread. */
function mainTasks(trace: Buffer): TraceEvent[][] {
  const { traceEvents } = JSON.parse(trace.toString()) as { traceEvents: readonly TraceEvent[] };
  const mains = traceEvents.filter(
    ({ name, args }) => name === 'thread_name' && args?.name === 'CrRendererMain',
  );
  return mains.map(({ pid, tid }) =>
    traceEvents.filter((event) => event.name === 'RunTask' && event.pid === pid && event.tid === tid),
  );
}

/** The longest task of any page's main thread: milliseconds of the clock, and of the processor. */
function longestTask(trace: Buffer): [number, number] {
  const tasks = mainTasks(trace).flat();
  const most = (pick: (task: TraceEvent) => number | undefined) =>
    tasks.reduce((found, task) => Math.max(found, (pick(task) ?? 0) / 1000), 0);
  return [most(({ dur }) => dur), most(({ tdur }) => tdur)];
}

/** How much of one processor the busiest main thread took. */
function processorShare(trace: Buffer): number {
  const shares = mainTasks(trace).map((tasks) => {
    const span = (tasks.at(-1)?.ts ?? 0) - (tasks[0]?.ts ?? 0);
    return span > 0 ? tasks.reduce((sum, { tdur = 0 }) => sum + tdur, 0) / span : 0;
  });
  return Math.max(0, ...shares);
}
