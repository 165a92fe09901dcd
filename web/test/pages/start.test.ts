// The start page as somebody who has just started the server sees it: what it says works when it is done as it says.

import { execFile } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import path from 'node:path';
import { promisify } from 'node:util';
import type { Page } from 'playwright-core';
import { encode } from 'uqr';
import { expect, onTestFinished, test } from 'vitest';
import { lacks, small } from '../support/accessible.ts';
import { Server } from '../support/server.ts';
import { onStage } from '../support/stage.ts';
import { until } from '../support/until.ts';
import { PHONE } from '../support/visit.ts';

const run = promisify(execFile);
const stage = onStage();

/** What the box shows under a label. */
async function shown(page: Page, label: string): Promise<string> {
  return (await page.locator('.shown', { hasText: label }).locator('code').textContent()) ?? '';
}

test('it leads to the other pages and says which version runs', async () => {
  const { page, complaints } = await stage.visit('');
  await page.getByText(/^Version \d+\.\d+\.\d+$/).waitFor();
  for (const [title, address] of [
    ['Whiteboard', '/whiteboard'],
    ['Notes', '/notes'],
    ['Inspector', '/inspector'],
  ] as const) {
    await page.goto(stage.server.url);
    await page.locator('.cards').getByRole('link', { name: title }).click();
    // The whiteboard goes on to a room at once.
    await page.waitForURL((url) => url.pathname === address);
    await page.locator('main h1').first().waitFor();
  }
  expect(complaints).toEqual([]);
});

test('a room that it makes can be used by the commands it shows, and is there after a reload', async () => {
  const { page, complaints } = await stage.visit('', { viewport: PHONE });
  await page.getByRole('button', { name: 'Create a room' }).click();
  const id = await shown(page, 'Room id');
  expect(await page.evaluate(() => location.hash)).toBe(`#room=${id}`);
  expect(await shown(page, 'Address for programs')).toBe(`${stage.server.url}/room/${id}`);
  const focused = () => page.evaluate(() => document.activeElement?.textContent);
  await until('the room has the focus', async () => (await focused()) === 'Your room');

  // On this machine a phone is told how to get here: at the port that is really used.
  await page.getByText(`--listen 0.0.0.0:${new URL(stage.server.url).port} `).waitFor();

  const { stdout } = await run('sh', ['-e', '-c', await shown(page, 'From a terminal')]);
  expect(stdout).toContain('"key":"greeting","value":"hello"');
  const readOnly = await shown(page, 'Id that may only read');
  expect((await fetch(`${stage.server.url}/room/${readOnly}/stream`)).status).toBe(200);

  expect(await lacks(page)).toEqual([]);
  expect(await small(page)).toEqual([]);
  await page.reload();
  expect(await shown(page, 'Room id')).toBe(id);
  await page.getByRole('button', { name: 'Done with it' }).click();
  await page.getByRole('button', { name: 'Create a room' }).waitFor();
  expect(await page.evaluate(() => location.hash)).toBe('');
  expect(complaints).toEqual([]);
});

test('the program that it shows runs in a page of another origin, without npm', async () => {
  const { page } = await stage.visit('');
  await page.getByRole('button', { name: 'Create a room' }).click();
  const program = await shown(page, 'From a web page');
  const room = await shown(page, 'Address for programs');

  const elsewhere = createServer((_request, response) => {
    response.setHeader('content-type', 'text/html; charset=utf-8');
    response.end(`<!doctype html><title>Elsewhere</title>${program}`);
  });
  onTestFinished(() => void elsewhere.close());
  await new Promise<void>((resolve) => elsewhere.listen(0, '127.0.0.1', resolve));
  const address = elsewhere.address();
  if (typeof address !== 'object' || address === null) throw new Error('no port');
  const context = await stage.browser.newContext();
  stage.closes(context);
  const visitor = await context.newPage();
  const heard: string[] = [];
  visitor.on('console', (message) => heard.push(message.text()));
  visitor.on('pageerror', (error) => heard.push(String(error)));
  await visitor.goto(`http://127.0.0.1:${address.port}/`);
  const stored = await until('the greeting is in the room', async () => {
    const text = await (await fetch(`${room}/stream`)).text();
    return text.includes('"greeting"') ? text : undefined;
  });
  expect(stored).toContain('"key":"greeting","value":"hello"');
  await until('the page has heard its own greeting', () => heard.some((text) => text.includes('hello')));
  expect(heard.filter((text) => /error/i.test(text))).toEqual([]);
  // What the module loads only when it is asked for comes from the server too.
  const roomUrl = await visitor.evaluate<string>(`(async () => {
    const { RoomsApi, RoomHttp, RoomConnection } = await import('${stage.server.url}/seabag.js');
    const api = new RoomsApi('${stage.server.url}');
    const url = api.url((await api.createRoom()).room);
    await new RoomHttp(url).push('key', 'over HTTP');
    const bytes = new RoomConnection(url, { encoding: 'cbor' });
    await bytes.connect();
    await bytes.push('key', 'in CBOR').done;
    bytes.close();
    return url;
  })()`);
  const both = await (await fetch(`${roomUrl}/stream`)).text();
  expect(both).toMatch(/"over HTTP".*"in CBOR"/);
});

test('its QR code leads to the whiteboard in this room, module by module', async () => {
  const { page } = await stage.visit('');
  await page.getByRole('button', { name: 'Create a room' }).click();
  const id = await shown(page, 'Room id');
  const code = page.getByRole('img', { name: /QR code/ });
  const drawn = await code.evaluate((svg) => {
    const dark = new Set<string>();
    for (const [, x, y] of (svg.querySelector('path')?.getAttribute('d') ?? '').matchAll(
      /M(\d+) (\d+)h1v1h-1z/g,
    )) {
      dark.add(`${x} ${y}`);
    }
    return { side: Number(svg.getAttribute('viewBox')?.split(' ')[2]), dark: [...dark] };
  });
  const { data, size } = encode(`${stage.server.url}/whiteboard#room=${id}`, { ecc: 'M', border: 4 });
  const expected = data.flatMap((row, y) => row.flatMap((isDark, x) => (isDark ? [`${x} ${y}`] : [])));
  expect(drawn.side).toBe(size);
  expect(drawn.dark.sort()).toEqual(expected.sort());
  await page.getByRole('link', { name: 'Draw in it' }).click();
  await page.waitForURL(`${stage.server.url}/whiteboard#room=${id}`);
});

test('where rooms need a token it asks for one, and says when it was wrong', async () => {
  const file = path.join(stage.server.folder, 'token');
  await writeFile(file, 'correct horse battery staple');
  const guarded = await Server.start(['--creation-token-file', file]);
  onTestFinished(() => guarded.remove());
  const { page } = await stage.visit('', {}, guarded.url);
  await page.getByLabel('Token').fill('wrong');
  await page.getByRole('button', { name: 'Create a room' }).click();
  await page.getByRole('alert').filter({ hasText: 'No room' }).waitFor();
  await page.getByLabel('Token').fill('correct horse battery staple');
  await page.getByRole('button', { name: 'Create a room' }).click();
  expect(await shown(page, 'Room id')).toMatch(/^[\w-]{22,}$/);
  expect(await page.evaluate(() => location.href)).not.toContain('horse');
});

test('a room in the address that is not there is told and not shown', async () => {
  const { page } = await stage.visit('/#room=AAAAAAAAAAAAAAAAAAAAAA');
  await page.getByRole('alert').waitFor();
  expect(await page.locator('.shown').count()).toBe(0);
});
