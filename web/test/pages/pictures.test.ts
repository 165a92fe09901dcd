// The pictures of the documents, taken of the real pages: three people at a whiteboard, notes on two devices, the
// inspector at work. `SEABAG_PICTURES` names the folder to write them to (`docs/images`); without it they are only taken.

import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { Page } from 'playwright-core';
import { expect, test } from 'vitest';
import { boardState, untilDrawn } from '../support/board.ts';
import { onStage } from '../support/stage.ts';
import { until } from '../support/until.ts';
import { PHONE } from '../support/visit.ts';

const folder = process.env.SEABAG_PICTURES;
const PLAIN_BYTES = 4_000;

const stage = onStage();

/** Takes a picture, which must show something. */
async function take(page: Page, name: string): Promise<void> {
  const image = await page.screenshot({ animations: 'disabled' });
  expect(image.length).toBeGreaterThan(PLAIN_BYTES);
  if (folder !== undefined) await writeFile(path.join(folder, `${name}.png`), image);
}

/** Draws a line through these points of the window, with the button held until the end unless told otherwise. */
async function draw(
  page: Page,
  points: readonly (readonly [number, number])[],
  release = true,
): Promise<void> {
  const [first, ...others] = points;
  if (first === undefined) return;
  await page.mouse.move(first[0], first[1]);
  await page.mouse.down();
  for (const [x, y] of others) await page.mouse.move(x, y);
  if (release) await page.mouse.up();
}

function circle(x: number, y: number, radius: number): [number, number][] {
  return Array.from({ length: 25 }, (_, step) => {
    const angle = (step / 24) * 2 * Math.PI;
    return [x + radius * Math.cos(angle), y + radius * Math.sin(angle)];
  });
}

async function fieldIsEmpty(page: Page): Promise<void> {
  const field = page.getByLabel('Note', { exact: true });
  await until('the new note is open', async () => (await field.inputValue()) === '');
}

test('start page', async () => {
  const { page } = await stage.visit('');
  await page.getByText(/^Version/).waitFor();
  await take(page, 'start');
});

test('three people at a whiteboard', async () => {
  const first = await stage.visit('/whiteboard');
  await first.page.waitForURL(/#room=/);
  const room = new URL(first.page.url()).hash;
  const second = await stage.visit(`/whiteboard${room}`);
  const third = await stage.visit(`/whiteboard${room}`, { viewport: PHONE, colorScheme: 'dark' });
  const pick = (page: Page, name: string) => page.getByRole('button', { name }).click();
  await pick(first.page, 'Orange');
  await draw(first.page, circle(420, 380, 120));
  await pick(first.page, 'Blue');
  await draw(first.page, circle(380, 350, 12));
  await draw(first.page, circle(465, 350, 12));
  await pick(second.page, 'Red');
  await draw(second.page, [
    [360, 420],
    [390, 450],
    [430, 458],
    [470, 445],
    [490, 415],
  ]);
  await pick(second.page, 'Green');
  await draw(second.page, [
    [640, 500],
    [700, 320],
    [760, 500],
    [640, 390],
    [760, 390],
  ]);
  await draw(third.page, [
    [60, 300],
    [150, 260],
    [250, 320],
  ]);
  await draw(
    second.page,
    [
      [820, 300],
      [900, 360],
      [980, 300],
      [990, 290],
    ],
    false,
  );
  await first.page.mouse.move(700, 620);
  // Six strokes are stored, and one grows, seen by the others.
  for (const { page } of [first, third]) {
    await until('all of it is painted', async () => {
      const { strokes, drawn, growing } = await boardState(page);
      return strokes === 6 && drawn === 6 && growing === 1;
    });
  }
  await take(first.page, 'whiteboard');
  await take(third.page, 'whiteboard-phone');
});

test('the inspector at a room in use', async () => {
  const board = await stage.visit('/whiteboard');
  await board.page.waitForURL(/#room=/);
  const room = new URL(board.page.url()).hash;
  const { page } = await stage.visit(`/inspector${room}`, {
    viewport: { width: 1280, height: 1150 },
  });
  await page.getByText(/Live from here/).waitFor();
  for (let line = 0; line < 5; line += 1) {
    await draw(board.page, circle(300 + 120 * line, 300, 40));
  }
  await untilDrawn(board.page, 5);
  await page.getByRole('button', { name: /^Stored: strokes/ }).waitFor();
  await take(page, 'inspector');
});

test('notes on a desk and on a phone', async () => {
  const one = await stage.visit('/notes');
  await one.page.getByRole('button', { name: 'Start writing' }).click();
  await one.page.locator('.words li').nth(23).waitFor();
  const words = (await one.page.locator('.words li').allTextContents()).join(' ');
  await one.page.getByRole('button', { name: 'I have written them down' }).click();
  const notes = [
    ['Reading list\n\nThe Name of the Rose\nRoadside Picnic', 'books'],
    ['Buy oat milk and bread', 'home'],
    [
      'Journey to Lisbon\n\nNight train on Friday, bring the small suitcase.\nAsk Ana about the tram.',
      'travel',
    ],
  ];
  for (const [text = '', group = ''] of notes) {
    await one.page.getByRole('button', { name: 'New note', exact: true }).click();
    await fieldIsEmpty(one.page);
    await one.page.getByLabel('Note', { exact: true }).fill(text);
    await one.page.getByLabel('Group', { exact: true }).fill(group);
    await one.page.getByLabel('Group', { exact: true }).blur();
    await one.page.locator('.notes .title', { hasText: text.split('\n')[0] ?? '' }).waitFor();
  }
  await one.page.getByRole('button', { name: 'New note under this one' }).click();
  await fieldIsEmpty(one.page);
  await one.page.getByLabel('Note', { exact: true }).fill('Tickets: coach 7, seats 21 and 22');
  await one.page.locator('.sync[data-state="in_sync"][data-waiting="0"]').waitFor();
  await one.page.getByRole('link', { name: 'Journey to Lisbon' }).click();
  const dismiss = one.page.getByRole('button', { name: 'Dismiss' }).first();
  if (await dismiss.isVisible()) await dismiss.click();
  await one.page.locator('.sync[data-state="in_sync"][data-waiting="0"]').waitFor();
  await take(one.page, 'notes');

  const other = await stage.visit('/notes', { viewport: PHONE, colorScheme: 'dark' });
  await other.page.getByLabel('Your 24 words').fill(words);
  await other.page.getByRole('button', { name: 'Open my notes' }).click();
  await other.page.getByRole('link', { name: 'Tickets' }).waitFor();
  await other.page.locator('.sync[data-state="in_sync"]').waitFor();
  await take(other.page, 'notes-phone');
});
