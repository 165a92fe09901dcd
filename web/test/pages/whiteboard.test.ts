// The whiteboard as people use it together: real server, real Chromium, one context a person. What is compared in the
// end is what is painted.

import { rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { Browser } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { encodeLive, LIVE_KEY } from '../../pages/whiteboard/live.ts';
import { PAGE_STROKES } from '../../pages/whiteboard/model.ts';
import { RoomsApi } from '../../src/client/room/api.ts';
import { RoomConnection } from '../../src/client/room/connection.ts';
import { lacks, small } from '../support/accessible.ts';
import {
  boardState,
  corner,
  type Drawer,
  draw,
  openBoard,
  openBoardTab,
  painted,
  roomOf,
  untilDrawn,
  zigzag,
} from '../support/board.ts';
import { serveFreshPages } from '../support/fresh_pages.ts';
import { fillBoard } from '../support/pen.ts';
import { ByteProxy } from '../support/proxy.ts';
import { Server } from '../support/server.ts';
import { until } from '../support/until.ts';
import { DESK, PHONE, startChromium } from '../support/visit.ts';

let server: Server;
let browser: Browser;
let drawers: Drawer[] = [];

beforeAll(async () => {
  browser = await startChromium();
});

afterAll(async () => {
  await browser?.close();
});

beforeEach(async () => {
  server = await Server.start();
});

afterEach(async () => {
  for (const { context } of drawers) await context.close();
  drawers = [];
  await server?.remove();
});

async function somebody(room?: string, options = {}): Promise<Drawer> {
  const drawer = await openBoard(browser, server.url, room, options);
  drawers.push(drawer);
  return drawer;
}

/** So many people at one board, all of whom know of each other. */
async function together(count: number): Promise<{ people: Drawer[]; room: string }> {
  const first = await somebody();
  const room = roomOf(first.page);
  const people = [first];
  while (people.length < count) people.push(await somebody(room));
  for (const { page } of people) {
    await until('everybody is there', async () => (await boardState(page)).people === count);
  }
  return { people, room };
}

/** All of them see the same strokes, and the same pixels. */
async function expectSame(people: readonly Drawer[], strokes: number): Promise<void> {
  for (const { page } of people) await untilDrawn(page, strokes);
  const pictures = await Promise.all(people.map(({ page }) => painted(page)));
  expect(pictures[0]?.inked).toBeGreaterThan(strokes === 0 ? -1 : 50);
  for (const picture of pictures) expect(picture).toEqual(pictures[0]);
}

function expectQuiet(people: readonly Drawer[]): void {
  expect(people.flatMap(({ complaints }) => complaints)).toEqual([]);
}

describe('together', () => {
  test('what one draws is painted for the others, and for whoever comes later', async () => {
    const { people, room } = await together(3);
    for (const [index, { page }] of people.entries()) await draw(page, zigzag(index));
    await expectSame(people, 3);
    people.push(await somebody(room));
    await expectSame(people, 3);
    await people[0]?.page.reload();
    await expectSame(people, 3);
    expectQuiet(people);
  });

  test('a stroke shows while it is drawn, and is stored once when the pen is up', async () => {
    const { people } = await together(2);
    const [one, other] = people.map(({ page }) => page);
    if (one === undefined || other === undefined) throw new Error('two');
    const { left, top } = await corner(one);
    await one.mouse.move(left + 100, top + 100);
    await one.mouse.down();
    await one.mouse.move(left + 300, top + 200, { steps: 20 });
    await until('the stroke grows elsewhere', async () => (await boardState(other)).growing === 1);
    expect((await boardState(other)).strokes).toBe(0);
    await one.mouse.up();
    await expectSame(people, 1);
    expectQuiet(people);
  });

  test('names and pens show, move, and go at once when somebody is gone', async () => {
    const { people } = await together(3);
    const [one, other, third] = people;
    if (one === undefined || other === undefined || third === undefined) throw new Error('three');
    await one.page.getByRole('button', { name: '3 people' }).click();
    await one.page.getByLabel('Your name').fill('Ada <b>L</b>');
    await one.page.getByRole('button', { name: 'Use this name' }).click();
    const { left, top } = await corner(one.page);
    await one.page.mouse.move(left + 200, top + 150);
    const pen = other.page.locator('.pen', { hasText: 'Ada <b>L</b>' });
    await pen.waitFor();
    await one.page.mouse.move(left + 400, top + 250);
    await until('the pen is where it is', async () => {
      const box = await pen.boundingBox();
      return box !== null && Math.abs(box.x - left - 400) < 2 && Math.abs(box.y - top - 250) < 2;
    });
    await other.page.getByRole('button', { name: '3 people' }).click();
    await other.page.getByRole('dialog').getByText('Ada <b>L</b>').waitFor();
    await other.page.keyboard.press('Escape');
    // Kept for the next time.
    await one.page.reload();
    await until('back', async () => (await boardState(one.page)).people === 3);
    await one.page.getByRole('button', { name: '3 people' }).click();
    expect(await one.page.getByLabel('Your name').inputValue()).toBe('Ada <b>L</b>');
    await one.page.keyboard.press('Escape');
    // Killed, not closed in order: nothing is said on the way out.
    await one.context.close();
    // Sooner than presence would give up on somebody silent (70 s): the server told.
    await until('noticed', async () => (await boardState(other.page)).people === 2);
    await until('noticed', async () => (await boardState(third.page)).people === 2);
    await until('its pen is gone', async () => (await other.page.locator('.pen').count()) === 0);
    expectQuiet([other, third]);
  });

  test('pens of nobody who is here leave room for those who are', async () => {
    const { people, room } = await together(2);
    const [one, other] = people.map(({ page }) => page);
    if (one === undefined || other === undefined) throw new Error('two');
    const nobody = new RoomConnection(`${server.url}/room/${room}`, { webSocket: WebSocket });
    await nobody.connect();
    for (let pen = 0; pen < 100; pen += 1) {
      nobody.push(LIVE_KEY, encodeLive({ by: `nobody-${pen}`, at: [pen * 8, 0] }), { type: 'relay' });
    }
    await until('they show', async () => (await one.locator('.pen').count()) === 100);
    const { left, top } = await corner(other);
    await other.mouse.move(left + 400, top + 250);
    await until('the pen of somebody shows', async () => {
      const boxes = await one
        .locator('.pen')
        .evaluateAll((pens) => pens.map((pen) => pen.getBoundingClientRect()));
      return boxes.some(({ x, y }) => Math.abs(x - left - 400) < 2 && Math.abs(y - top - 250) < 2);
    });
    expect(await one.locator('.pen').count()).toBe(100);
    nobody.close();
    expectQuiet(people);
  });

  test('an own stroke is taken back, the eraser erases, and a cleared board is empty for everybody', async () => {
    const { people, room } = await together(2);
    const [one, other] = people.map(({ page }) => page);
    if (one === undefined || other === undefined) throw new Error('two');
    await draw(one, zigzag(1));
    await untilDrawn(other, 1);
    const before = await painted(other);
    await draw(other, zigzag(9));
    await draw(one, zigzag(2));
    await expectSame(people, 3);
    await one.keyboard.press('Control+z');
    await expectSame(people, 2);
    await other.getByRole('button', { name: 'Undo my last stroke' }).click();
    await expectSame(people, 1);
    expect(await painted(one)).toEqual(before);
    expect(await other.getByRole('button', { name: 'Undo my last stroke' }).isDisabled()).toBe(true);
    await one.getByRole('button', { name: 'Eraser' }).click();
    await one.getByRole('button', { name: 'Marker' }).click();
    await draw(one, zigzag(1));
    for (const { page } of people) await untilDrawn(page, 2);
    expect((await painted(other)).inked).toBe(0);
    await one.getByRole('button', { name: 'Red' }).click();
    await draw(one, zigzag(3));
    await expectSame(people, 3);
    await one.getByRole('button', { name: 'Clear the board' }).click();
    await one.getByRole('button', { name: 'Cancel' }).click();
    await expectSame(people, 3);
    await one.getByRole('button', { name: 'Clear the board' }).click();
    await one.getByRole('dialog').getByRole('button', { name: 'Clear the board' }).click();
    await expectSame(people, 0);
    expect((await painted(other)).inked).toBe(0);
    await draw(other, zigzag(4));
    people.push(await somebody(room));
    await expectSame(people, 1);
    expectQuiet(people);
  });

  test('two tabs of one browser are two people', async () => {
    const { people, room } = await together(1);
    const [one] = people;
    if (one === undefined) throw new Error('one');
    const second = await openBoardTab(one.context, server.url, room);
    await until('two', async () => (await boardState(one.page)).people === 2);
    await draw(second.page, zigzag(1));
    await draw(one.page, zigzag(2));
    await expectSame([one, second], 2);
    expectQuiet([one, second]);
  });

  test('whoever was given the link to look at cannot draw, and sees that', async () => {
    const { people } = await together(1);
    const [one] = people;
    if (one === undefined) throw new Error('one');
    await one.page.getByRole('button', { name: 'Invite' }).click();
    await one.page.getByLabel('can only look').check();
    const link = await one.page.getByLabel('Link to this board').inputValue();
    await one.page.keyboard.press('Escape');
    expect(link).toMatch(/#room=ro\./);
    const viewer = await somebody(new URLSearchParams(new URL(link).hash.slice(1)).get('room') ?? '');
    await viewer.page.getByText('you can look, not draw').waitFor();
    expect(await viewer.page.getByRole('button', { name: 'Eraser' }).isDisabled()).toBe(true);
    await draw(viewer.page, zigzag(5));
    await draw(one.page, zigzag(6));
    await untilDrawn(viewer.page, 1);
    await untilDrawn(one.page, 1);
    await viewer.page.getByRole('button', { name: 'Invite' }).click();
    expect(await viewer.page.getByLabel('Link to this board').inputValue()).toBe(link);
    expectQuiet([one, viewer]);
  });
});

describe('trouble', () => {
  test('strokes drawn while the server is killed wait, and are there once when it is back', async () => {
    const { people } = await together(2);
    const [one, other] = people.map(({ page }) => page);
    if (one === undefined || other === undefined) throw new Error('two');
    await draw(one, zigzag(0));
    await expectSame(people, 1);
    // In the middle of a stroke.
    const { left, top } = await corner(one);
    await one.mouse.move(left + 100, top + 300);
    await one.mouse.down();
    await one.mouse.move(left + 200, top + 320, { steps: 5 });
    await server.kill();
    await one.mouse.move(left + 300, top + 300, { steps: 5 });
    await one.mouse.up();
    await draw(one, zigzag(1));
    await draw(other, zigzag(2));
    await one.getByText('Offline · 2 strokes wait').waitFor();
    await other.getByText('Offline · 1 stroke waits').waitFor();
    await server.restart();
    await expectSame(people, 4);
    await one.getByText('Connected').waitFor();
    expect((await boardState(one)).waiting).toBe(0);
  });

  test('a network that is cut in the middle of strokes loses none and doubles none, and a reload shows them all', async () => {
    const first = await somebody();
    const room = roomOf(first.page);
    const proxy = await ByteProxy.start(server.url);
    const far = await openBoard(browser, proxy.url, room);
    drawers.push(far);
    for (let round = 0; round < 4; round += 1) {
      const { left, top } = await corner(far.page);
      await far.page.mouse.move(left + 80, top + 80 + round * 60);
      await far.page.mouse.down();
      await far.page.mouse.move(left + 200, top + 90 + round * 60, { steps: 4 });
      if (round % 2 === 0) proxy.cut();
      else proxy.refuse();
      await far.page.mouse.move(left + 300, top + 80 + round * 60, { steps: 4 });
      await far.page.mouse.up();
      await draw(first.page, zigzag(round));
      proxy.pass();
      await untilDrawn(far.page, round * 2 + 2);
    }
    await expectSame([first, far], 8);
    // Offline as the browser sees it.
    proxy.refuse();
    await draw(far.page, zigzag(20));
    await far.page.getByText('Offline · 1 stroke waits').waitFor();
    proxy.pass();
    await expectSame([first, far], 9);
    await far.page.reload();
    await expectSame([first, far], 9);
    await far.context.close();
    drawers.pop();
    await until('noticed', async () => (await boardState(first.page)).people === 1);
    await proxy.stop();
    expectQuiet([first]);
  });

  test('strokes that are being stored while the server dies again and again are there once each', async () => {
    const { people, room } = await together(2);
    const [one, other] = people.map(({ page }) => page);
    if (one === undefined || other === undefined) throw new Error('two');
    for (let round = 0; round < 3; round += 1) {
      const drawing = (async () => {
        for (let stroke = 0; stroke < 8; stroke += 1) {
          await draw(one, zigzag(round * 16 + stroke));
          await draw(other, zigzag(round * 16 + stroke + 8));
        }
      })();
      await until('some are drawn', async () => (await boardState(one)).strokes >= round * 16 + 2);
      await server.kill();
      await drawing;
      await server.restart();
    }
    await expectSame(people, 48);
    const late = await somebody(room);
    await expectSame([...people, late], 48);
  });

  test('strokes that wait survive a closed tab and another room, as nobody but this browser knows', async () => {
    const first = await somebody();
    const room = roomOf(first.page);
    const proxy = await ByteProxy.start(server.url);
    const far = await openBoard(browser, proxy.url, room);
    drawers.push(far);
    await draw(far.page, zigzag(0));
    await expectSame([first, far], 1);
    proxy.refuse();
    await far.page.getByText('Offline').waitFor();
    for (let stroke = 1; stroke <= 3; stroke += 1) await draw(far.page, zigzag(stroke));
    await far.page.keyboard.press('Control+z');
    await far.page.getByText('strokes wait').waitFor();
    const stored = await far.page.evaluate(() => JSON.stringify({ ...localStorage }));
    expect(stored).toContain('seabag-unsent/');
    expect(stored).not.toContain(room);
    await far.page.close();
    proxy.pass();
    const again = await openBoardTab(far.context, proxy.url, room);
    await expectSame([first, again], 3);
    // Another room meanwhile: what waits is neither sent there nor lost.
    proxy.refuse();
    await again.page.getByText('Offline').waitFor();
    await draw(again.page, zigzag(4));
    await again.page.getByText('1 stroke waits').waitFor();
    const other = (await new RoomsApi(server.url).createRoom()).room;
    await again.page.evaluate((id) => {
      location.hash = `#room=${id}`;
    }, other);
    await again.page.getByText('is kept in this browser').waitFor();
    proxy.pass();
    await until('the other room', async () => (await boardState(again.page)).state === 'live');
    await untilDrawn(again.page, 0);
    await again.page.evaluate((id) => {
      location.hash = `#room=${id}`;
    }, room);
    await expectSame([first, again], 4);
    await until('nothing is left over', () =>
      again.page.evaluate(() => !Object.keys(localStorage).some((key) => key.startsWith('seabag-unsent/'))),
    );
    await again.context.close();
    drawers = [first];
    await proxy.stop();
  });

  test('where nothing can be kept, another room is asked about first', async () => {
    const { people, room } = await together(1);
    const [one] = people;
    if (one === undefined) throw new Error('one');
    await one.page.evaluate(() => {
      Storage.prototype.setItem = () => {
        throw new Error('no storage');
      };
    });
    await server.kill();
    await draw(one.page, zigzag(1));
    await one.page.getByText('1 stroke waits').waitFor();
    await one.page.evaluate(() => {
      location.hash = '#room=thereIsNoSuchRoomHere000000';
    });
    await one.page.getByRole('button', { name: 'Cancel' }).click();
    await until('the address leads to the old board again', () => roomOf(one.page) === room);
    await server.restart();
    await untilDrawn(one.page, 1);
  });

  test('a board that is not there says so and offers a new one', async () => {
    const { page } = await somebody();
    await page.evaluate(() => {
      location.hash = '#room=thereIsNoSuchRoomHere000000';
    });
    await page.getByText('There is no such board on this server').waitFor();
    await page.evaluate(() => {
      location.hash = '#room=cut';
    });
    await page.getByRole('heading', { name: 'The address leads to no board' }).waitFor();
    await page.getByText('There is no such board on this server').waitFor();
    await page.getByRole('button', { name: 'Start a new board' }).click();
    await until('a new board', async () => (await boardState(page)).state === 'live');
    await draw(page, zigzag(1));
    await untilDrawn(page, 1);
  });

  test('a server that asks for a token is told one, and asked again after a wrong one', async () => {
    await server.remove();
    const file = path.join(tmpdir(), `seabag-token-${process.pid}`);
    await writeFile(file, 'open-sesame-1234567890');
    server = await Server.start(['--creation-token-file', file]);
    const context = await browser.newContext({ viewport: DESK });
    await serveFreshPages(context);
    const page = await context.newPage();
    await page.goto(`${server.url}/whiteboard`);
    await page.getByLabel('Token').fill('wrong');
    await page.getByRole('button', { name: 'Start a board' }).click();
    await page.getByText('That was not the token').waitFor();
    await page.getByLabel('Token').fill('open-sesame-1234567890');
    await page.getByRole('button', { name: 'Start a board' }).click();
    await until('it is open', async () => (await boardState(page)).state === 'live');
    await rm(file);
    // Joining needs none.
    const guest = await somebody(roomOf(page));
    await draw(page, zigzag(1));
    await untilDrawn(guest.page, 1);
    await context.close();
  });
});

describe('everywhere', () => {
  test('it can be drawn on with a finger on a phone, moved with two, and fits the screen', async () => {
    const first = await somebody(undefined, {
      viewport: PHONE,
      hasTouch: true,
      isMobile: true,
      deviceScaleFactor: 2,
    });
    const room = roomOf(first.page);
    const second = await somebody(room, {
      viewport: PHONE,
      hasTouch: true,
      isMobile: true,
      deviceScaleFactor: 2,
    });
    const { left, top } = await corner(first.page);
    const touch = await first.context.newCDPSession(first.page);
    const send = (
      type: 'touchStart' | 'touchMove' | 'touchEnd',
      points: readonly (readonly [number, number])[],
    ) =>
      touch.send('Input.dispatchTouchEvent', {
        type,
        touchPoints: points.map(([x, y], id) => ({ x: left + x, y: top + y, id })),
      });
    await send('touchStart', [[50, 60]]);
    for (let step = 1; step <= 10; step += 1) await send('touchMove', [[50 + step * 20, 60 + step * 10]]);
    await send('touchEnd', []);
    await expectSame([first, second], 1);
    // Two fingers: the board moves and grows, and nothing is drawn.
    const before = await painted(first.page);
    await send('touchStart', [[100, 100]]);
    await send('touchStart', [
      [100, 100],
      [200, 200],
    ]);
    for (let step = 1; step <= 8; step += 1) {
      await send('touchMove', [
        [100 - step * 5, 100 - step * 5],
        [200 + step * 5, 200 + step * 5],
      ]);
    }
    await send('touchEnd', []);
    await until('it is painted anew', async () => (await painted(first.page)).sum !== before.sum);
    await untilDrawn(first.page, 1);
    expect((await boardState(second.page)).strokes).toBe(1);
    expect(await lacks(first.page)).toEqual([]);
    expect(await small(first.page)).toEqual([]);
    expectQuiet([first, second]);
  });

  test('a pen draws, whatever of the hand lies on the board before it', async () => {
    const { page, context } = await somebody(undefined, { hasTouch: true });
    const { left, top } = await corner(page);
    const input = await context.newCDPSession(page);
    const hand = (type: 'touchStart' | 'touchMove' | 'touchEnd', x = 500, y = 400) =>
      input.send('Input.dispatchTouchEvent', {
        type,
        touchPoints: type === 'touchEnd' ? [] : [{ x: left + x, y: top + y }],
      });
    const pen = (type: 'mousePressed' | 'mouseMoved' | 'mouseReleased', x: number, y: number) =>
      input.send('Input.dispatchMouseEvent', {
        type,
        x: left + x,
        y: top + y,
        button: 'left',
        buttons: type === 'mouseReleased' ? 0 : 1,
        clickCount: 1,
        pointerType: 'pen',
      });
    for (let stroke = 1; stroke <= 2; stroke += 1) {
      await hand('touchStart');
      await pen('mousePressed', 100, stroke * 100);
      await pen('mouseMoved', 200, stroke * 100);
      // Rolling a little while the pen draws.
      await hand('touchMove', 520, 420);
      await pen('mouseMoved', 300, stroke * 100);
      await pen('mouseReleased', 300, stroke * 100);
      await hand('touchEnd');
      await untilDrawn(page, stroke);
    }
    // The paper did not move under it, so that both lines are where the pen was.
    const inked = await page.evaluate(() => {
      const canvas = document.querySelector<HTMLCanvasElement>('canvas.layer');
      const context = canvas?.getContext('2d');
      return [100, 200].map((y) => context?.getImageData(200, y, 1, 1).data.join());
    });
    expect(inked).toEqual(['27,36,48,255', '27,36,48,255']);
  });

  test('a link that is opened while a new board is still being made leads to its own board', async () => {
    const { people, room } = await together(1);
    const visitor = await browser.newContext({ viewport: DESK });
    await serveFreshPages(visitor);
    let make = () => {};
    const made = new Promise<void>((resolve) => {
      make = resolve;
    });
    await visitor.route('**/new', async (route) => {
      await made;
      await route.continue();
    });
    const page = await visitor.newPage();
    const asked = page.waitForRequest('**/new');
    await page.goto(`${server.url}/whiteboard`);
    await asked;
    await page.evaluate((id) => {
      location.hash = `room=${id}`;
    }, room);
    await until('it is there', async () => (await boardState(page)).state === 'live');
    const answered = page.waitForResponse('**/new');
    make();
    await answered;
    const [first] = people;
    if (first === undefined) throw new Error('one');
    await draw(first.page, zigzag(1));
    await untilDrawn(page, 1);
    expect(roomOf(page)).toBe(room);
    await visitor.close();
  });

  test('it can be drawn on with the keyboard alone', async () => {
    const { people } = await together(2);
    const [one] = people.map(({ page }) => page);
    if (one === undefined) throw new Error('one');
    const focused = () => one.evaluate(() => document.activeElement?.getAttribute('aria-label') ?? '');
    const reach = async (name: string) => {
      for (let presses = 0; presses < 60 && !(await focused()).startsWith(name); presses += 1) {
        await one.keyboard.press('Tab');
      }
      expect(await focused()).toContain(name);
    };
    await reach('Green');
    await one.keyboard.press('Enter');
    expect(await one.getByRole('button', { name: 'Green' }).getAttribute('aria-pressed')).toBe('true');
    await reach('Board');
    await one.keyboard.press('Space');
    for (let press = 0; press < 12; press += 1) await one.keyboard.press('ArrowRight');
    for (let press = 0; press < 6; press += 1) await one.keyboard.press('ArrowDown');
    await one.keyboard.press('Space');
    await expectSame(people, 1);
    await one.keyboard.press('z');
    await expectSame(people, 0);
    expectQuiet(people);
  });

  test('light and dark paper show the same strokes in colours of their own', async () => {
    const light = await somebody(undefined, { colorScheme: 'light' });
    const dark = await somebody(roomOf(light.page), { colorScheme: 'dark' });
    await draw(light.page, zigzag(1));
    await untilDrawn(light.page, 1);
    await untilDrawn(dark.page, 1);
    const [one, other] = [await painted(light.page), await painted(dark.page)];
    // Where a line only just touches a pixel, one paper hides it and the other does not.
    expect(Math.abs(one.inked - other.inked)).toBeLessThan(one.inked / 50);
    expect(one.sum).not.toBe(other.sum);
    await dark.page.emulateMedia({ colorScheme: 'light' });
    await untilDrawn(dark.page, 1);
    await until('repainted', async () => (await painted(dark.page)).sum === one.sum);
    expect(await lacks(dark.page)).toEqual([]);
    expectQuiet([light, dark]);
  });

  test('a board of 10,000 strokes opens, and is kept in few, small messages', async () => {
    const { people, room } = await together(1);
    const [one] = people;
    if (one === undefined) throw new Error('one');
    await one.context.close();
    drawers = [];
    await fillBoard(`${server.url}/room/${room}`, 10_000);
    const opened = await somebody(room);
    await untilDrawn(opened.page, 10_000);
    const reader = new RoomConnection(`${server.url}/room/${room}`, { webSocket: WebSocket });
    await reader.connect();
    const pages = (await reader.keys()).filter(({ key }) => key.startsWith('strokes/'));
    reader.close();
    expect(pages.length).toBeLessThanOrEqual(Math.ceil(10_000 / PAGE_STROKES) + 2);
    // Every full page is one value, and the last one is short.
    expect(pages.map(({ size }) => size).filter((size) => size > 2).length).toBeLessThanOrEqual(1);
    expect(Math.max(...pages.map(({ bytes }) => bytes))).toBeLessThan(512 * 1024);
    expectQuiet([opened]);
  });
});
