// The whiteboard as its users meet it in a test: opening it, drawing on it, and looking at what is really painted.

import type { Browser, BrowserContext, BrowserContextOptions, Page } from 'playwright-core';
import { serveFreshPages } from './fresh_pages.ts';
import { until } from './until.ts';
import { DESK, type Visit, visitAgain } from './visit.ts';

/** What the page says of itself, see pages/whiteboard/probe.ts. */
export interface BoardState {
  readonly state: string;
  readonly people: number;
  readonly waiting: number;
  readonly strokes: number;
  readonly drawn: number;
  readonly growing: number;
  readonly settled: boolean;
  readonly seq: number;
}

/** A place on the board's canvas, in CSS pixels from its corner. */
export type Spot = readonly [x: number, y: number];

/** Somebody at a board. */
export interface Drawer extends Visit {
  readonly context: BrowserContext;
}

/** Opens a board, or a new one without `room`, as somebody new. */
export async function openBoard(
  browser: Browser,
  origin: string,
  room?: string,
  options: BrowserContextOptions = {},
): Promise<Drawer> {
  const context = await browser.newContext({ viewport: DESK, ...options });
  await serveFreshPages(context);
  return openBoardTab(context, origin, room);
}

/** Opens a board in a further tab of somebody. */
export async function openBoardTab(context: BrowserContext, origin: string, room?: string): Promise<Drawer> {
  const visit = await visitAgain(context, `${origin}/whiteboard${room === undefined ? '' : `#room=${room}`}`);
  await until('the board is open', async () => (await boardState(visit.page)).state === 'live').catch(
    async (error: unknown) => {
      const text = await visit.page.locator('body').textContent();
      throw new Error([String(error), text ?? '', ...visit.complaints].join('\n'));
    },
  );
  // The address is told by another process than the page.
  await visit.page.waitForURL(/#room=/);
  return visit;
}

/** The room in the page's address. */
export function roomOf(page: Page): string {
  return new URLSearchParams(new URL(page.url()).hash.slice(1)).get('room') ?? '';
}

export async function boardState(page: Page): Promise<BoardState> {
  const facts = await page.evaluate(() => ({ ...document.documentElement.dataset }));
  const number = (name: string) => Number(facts[name] ?? -1);
  return {
    state: facts.state ?? '',
    people: number('people'),
    waiting: number('waiting'),
    strokes: number('strokes'),
    drawn: number('drawn'),
    growing: number('growing'),
    settled: facts.settled === 'true',
    seq: number('seq'),
  };
}

/** Waits until so many strokes are stored and painted, and nothing is on its way. */
export async function untilDrawn(page: Page, strokes: number): Promise<void> {
  let seen: BoardState | undefined;
  await until(`${strokes} strokes are painted`, async () => {
    seen = await boardState(page);
    return seen.strokes === strokes && seen.drawn === strokes && seen.settled && seen.growing === 0;
  }).catch((error: unknown) => {
    throw new Error(`${String(error)}: ${JSON.stringify(seen)}`);
  });
}

/** Draws one stroke with the mouse. */
export async function draw(page: Page, spots: readonly Spot[]): Promise<void> {
  const { left, top } = await corner(page);
  const [first, ...rest] = spots;
  if (first === undefined) return;
  await page.mouse.move(left + first[0], top + first[1]);
  await page.mouse.down();
  for (const [x, y] of rest) await page.mouse.move(left + x, top + y, { steps: 4 });
  await page.mouse.up();
}

/** Where the board begins in the window. */
export async function corner(
  page: Page,
): Promise<{ left: number; top: number; width: number; height: number }> {
  return page.locator('.board').evaluate((board) => {
    const { left, top, width, height } = board.getBoundingClientRect();
    return { left, top, width, height };
  });
}

/** What is painted of the stored strokes: how many pixels are not paper, and a number that differs when any differs. */
export async function painted(page: Page): Promise<{ inked: number; sum: number }> {
  return page.evaluate(() => {
    const canvas = document.querySelector<HTMLCanvasElement>('canvas.layer');
    if (canvas === null) throw new Error('no canvas');
    // A copy: reading the page's own canvas would change how it is drawn on.
    const copy = document.createElement('canvas');
    copy.width = canvas.width;
    copy.height = canvas.height;
    const context = copy.getContext('2d', { willReadFrequently: true });
    if (context === null) throw new Error('no context');
    context.drawImage(canvas, 0, 0);
    const { data } = context.getImageData(0, 0, canvas.width, canvas.height);
    const pixels = new Uint32Array(data.buffer);
    const sheet = getComputedStyle(canvas.parentElement ?? canvas).backgroundColor;
    const [red = 0, green = 0, blue = 0] = (sheet.match(/\d+/g) ?? []).map(Number);
    const [paper] = new Uint32Array(Uint8Array.of(red, green, blue, 255).buffer);
    let inked = 0;
    let sum = 2166136261;
    for (const pixel of pixels) {
      if (pixel !== paper) inked += 1;
      sum = Math.imul(sum ^ pixel, 16777619) >>> 0;
    }
    return { inked, sum };
  });
}

/** A zigzag of its own for each number, somewhere in the middle of a board. */
export function zigzag(number: number): Spot[] {
  const x = 60 + ((number * 37) % 500);
  const y = 60 + ((number * 53) % 350);
  return [
    [x, y],
    [x + 30, y + 25],
    [x + 60, y],
    [x + 90, y + 25],
  ];
}
