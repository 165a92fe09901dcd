// A page that goes away and comes back, as by the browser's buttons: what was pushed as it went is stored, and when the
// browser kept the page, its connection goes on where it was.

import { createServer, type Server as HttpServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type Browser, chromium, type Page } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { RoomsApi } from '../../src/client/room/api.ts';
import { chromiumArguments, chromiumPath } from '../support/chromium.ts';
import { closeAll, gather, live } from '../support/rooms.ts';
import { Server } from '../support/server.ts';
import { until } from '../support/until.ts';

/** A page of another origin, with the package that the server brings along. */
const pageOf = (seabag: string) => `<!doctype html><title>room</title><script type="module">
  import { RoomConnection } from '${seabag}/seabag.js';
  const room = new RoomConnection(decodeURIComponent(location.hash.slice(1)));
  const kept = { room, values: [], states: [], shows: [] };
  window.kept = kept;
  addEventListener('pageshow', ({ persisted }) => kept.shows.push(persisted));
  room.onStatus(({ state }) => kept.states.push(state));
  room.subscribe('k', (event) => {
    if (event.type === 'init') kept.values = event.entries.map(({ value }) => value);
    else kept.values.push(event.value);
  });
  await room.connect();
  await room.will('left', 'gone');
  kept.ready = true;
</script>`;

interface Kept {
  room: { push(key: string, value: unknown): unknown; status: { state: string } };
  values: unknown[];
  states: string[];
  shows: boolean[];
  ready?: boolean;
}

/** The page's window. */
interface Holder {
  kept: Kept;
}

/** More than may be on the way at once. */
const LAST_WORDS = 1_500;

let server: Server;
let files: HttpServer;
let browser: Browser;
let origin: string;

beforeAll(async () => {
  server = await Server.start();
  files = createServer((request, response) => {
    response.setHeader('content-type', 'text/html');
    response.end(request.url === '/room' ? pageOf(server.url) : '<!doctype html><title>other</title>');
  });
  await new Promise<void>((resolve) => files.listen(0, '127.0.0.1', resolve));
  origin = `http://127.0.0.1:${(files.address() as AddressInfo).port}`;
  browser = await chromium.launch({
    executablePath: chromiumPath,
    args: chromiumArguments,
    ignoreDefaultArgs: ['--disable-back-forward-cache'],
  });
});
afterAll(async () => {
  closeAll();
  await browser?.close();
  files?.close();
  await server?.remove();
});

async function openRoom(): Promise<{ page: Page; url: string }> {
  const api = new RoomsApi(server.url);
  const url = api.url((await api.createRoom()).room);
  const page = await (await browser.newContext()).newPage();
  await page.goto(`${origin}/room#${encodeURIComponent(url)}`);
  await page.waitForFunction(() => (window as unknown as Partial<Holder>).kept?.ready === true);
  return { page, url };
}

test('a page that goes and comes back goes on where it was; meanwhile the others know that it left', async () => {
  const { page, url } = await openRoom();
  const reader = await live(url);
  const left = gather(reader, 'left');
  const heard = gather(reader, 'k');
  await page.evaluate(() => (window as unknown as Holder).kept.room.push('k', 'before'));
  await until('the first is heard', () => heard.values.length === 1);
  await page.goto(`${origin}/other`);
  await until('the will is heard', () => left.values.length === 1);
  await reader.push('k', 'meanwhile').done;
  // A page that was kept is not loaded again.
  await page.goBack({ waitUntil: 'commit' });
  await page.waitForFunction(() => (window as unknown as Holder).kept.room.status.state === 'live');
  await page.evaluate(() => (window as unknown as Holder).kept.room.push('k', 'after'));
  await until('the last is heard', () => heard.values.length === 3);
  await page.waitForFunction(() => (window as unknown as Holder).kept.values.length >= 3);
  const { values, states, shows } = await page.evaluate(() => {
    const { values, states, shows } = (window as unknown as Holder).kept;
    return { values, states, shows };
  });
  expect(shows).toEqual([false, true]);
  expect(values).toEqual(['before', 'meanwhile', 'after']);
  expect(states).toContain('waiting');
  expect(left.values).toEqual(['gone']);
});

test('what is pushed as a page goes is stored, each once, though it never comes back', async () => {
  const { page, url } = await openRoom();
  const reader = await live(url);
  const heard = gather(reader, 'k');
  await page.evaluate(
    ([count, other]) => {
      addEventListener('pagehide', () => {
        for (let number = 0; number < Number(count); number += 1)
          (window as unknown as Holder).kept.room.push('k', number);
      });
      location.href = String(other);
    },
    [LAST_WORDS, `${origin}/other`],
  );
  await until('all is stored', () => heard.values.length === LAST_WORDS);
  await page.close();
  expect(heard.values).toEqual(Array.from({ length: LAST_WORDS }, (_, number) => number));
});
