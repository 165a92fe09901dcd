// What holds on every page that the real server serves: it loads cleanly under the strict policy, asks no other origin,
// fits a phone, is right in the light and in the dark, can be used without eyes, and opens without the stage.server.

import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { lacks, small } from '../support/accessible.ts';
import { Server } from '../support/server.ts';
import { onStage } from '../support/stage.ts';
import { DESK, PHONE, visitAgain } from '../support/visit.ts';

const PAGES = ['/', '/whiteboard', '/notes', '/inspector'];
const SCREENS = [
  { name: 'on a desk', viewport: DESK },
  { name: 'on a phone', viewport: PHONE },
];

const stage = onStage();

describe.each(PAGES)('%s', (path) => {
  describe.each(SCREENS)('$name', ({ viewport }) => {
    test.each(['light', 'dark'] as const)(
      'loads cleanly and can be read and used in the %s',
      async (colorScheme) => {
        const { page, complaints } = await stage.visit(path, {
          viewport,
          colorScheme,
        });
        await page.waitForLoadState('networkidle');
        expect(await lacks(page)).toEqual([]);
        if (viewport === PHONE) expect(await small(page)).toEqual([]);
        const ground = await page.evaluate(() => getComputedStyle(document.documentElement).backgroundColor);
        const [red = 0] = (ground.match(/\d+/g) ?? []).map(Number);
        expect(red > 127, `the ground is ${ground}`).toBe(colorScheme === 'light');
        expect(complaints).toEqual([]);
      },
    );
  });

  test('shows where the keyboard is, and the first stop leads past the navigation', async () => {
    const { page } = await stage.visit(path);
    await page.keyboard.press('Tab');
    const skip = page.locator('.skip');
    expect(await skip.evaluate((found) => found === document.activeElement)).toBe(true);
    const outline = await skip.evaluate((found) => getComputedStyle(found).outlineStyle);
    expect(outline).not.toBe('none');
    await page.keyboard.press('Enter');
    expect(await page.evaluate(() => document.activeElement?.id)).toBe('main');
  });
});

test('the policy keeps out what a page must never do', async () => {
  const { page, complaints } = await stage.visit('');
  const tried = await page.evaluate(async () => {
    const refused = (work: () => unknown) => {
      try {
        work();
        return false;
      } catch {
        return true;
      }
    };
    const inline = refused(() => {
      const script = document.createElement('script');
      script.append('document.title = "inline code ran"');
      document.head.append(script);
    });
    return {
      // Later, since what a test evaluates directly may itself evaluate.
      evaluated: await new Promise((resolve) => {
        setTimeout(() => resolve(refused(() => Reflect.construct(Function, ['return 1']))));
      }),
      markup: refused(() => {
        document.createElement('div').innerHTML = '<img src="x" onerror="1">';
      }),
      elsewhere: await fetch('http://127.0.0.1:9/').then(
        () => false,
        () => true,
      ),
      inline: inline || document.title !== 'inline code ran',
    };
  });
  expect(tried).toEqual({ evaluated: true, markup: true, elsewhere: true, inline: true });
  // The watch over the other tests would have seen each of these.
  expect(
    complaints.filter((complaint) => /Content Security Policy|TrustedHTML/.test(complaint)).length,
  ).toBeGreaterThan(2);
});

test('the checks of this file notice what they are for', async () => {
  const { page } = await stage.visit('', { viewport: PHONE });
  await page.evaluate(() => {
    const faint = document.createElement('p');
    faint.append('hardly to be read');
    faint.style.color = getComputedStyle(document.body).getPropertyValue('--line');
    const tiny = document.createElement('button');
    tiny.style.minHeight = '20px';
    tiny.style.padding = '0';
    const wide = document.createElement('div');
    wide.style.width = '900px';
    wide.append('wide');
    document.querySelector('main')?.append(faint, tiny, wide, document.createElement('h1'));
  });
  const found = (await lacks(page)).join('\n');
  for (const part of ['contrast 1.', 'a button has no name', 'pixels too wide', '2 headings'])
    expect(found).toContain(part);
  expect(await small(page)).toHaveLength(1);
});

describe('once a page was opened', () => {
  test('all of them open while the server is away, hangs or fails, and are fresh when it is back', async () => {
    const own = await Server.start();
    onTestFinished(() => own.remove());
    const first = await stage.visit('', {}, own.url);
    await first.page.evaluate(() => navigator.serviceWorker.ready.then(() => undefined));
    const ready: { pid: number } = JSON.parse(await readFile(path.join(own.folder, 'ready-0.json'), 'utf8'));

    process.kill(ready.pid, 'SIGSTOP');
    const hanging = await visitAgain(first.context, `${own.url}/notes`);
    expect(await hanging.page.locator('nav [aria-current]').textContent()).toBe('Notes');
    process.kill(ready.pid, 'SIGCONT');

    await own.kill();
    for (const page of PAGES) {
      const kept = await visitAgain(first.context, `${own.url}${page}#room=none`);
      expect(await kept.page.locator('nav [aria-current]').count(), page).toBe(1);
      expect(await kept.page.evaluate(() => location.hash), page).not.toBe('');
      await kept.page.close();
    }

    await own.restart();
    const back = await visitAgain(first.context, own.url);
    await back.page.getByText(/^Version /).waitFor();
    expect(back.complaints).toEqual([]);
  });

  test('only built files are kept, and what an older version kept is dropped', async () => {
    const context = await stage.browser.newContext();
    stage.closes(context);
    const before = await context.newPage();
    await before.goto(`${stage.server.url}/favicon.svg`);
    await before.evaluate(async () => {
      await (await caches.open('seabag-pages-older')).put('/notes', new Response('old'));
      await (await caches.open('of-somebody-else')).put('/x', new Response('kept'));
    });
    const { page } = await visitAgain(context, stage.server.url);
    await page.evaluate(() => navigator.serviceWorker.ready.then(() => undefined));
    await page.reload();
    await page.waitForFunction(async () => !(await caches.has('seabag-pages-older')));
    const answers = await page.evaluate(async () => {
      const made: { room: string } = await (await fetch('/new', { method: 'POST' })).json();
      const room = `/room/${made.room}`;
      const push = { type: 'push', key: 'k', value: 1, action: { type: 'append' } };
      const headers = { 'content-type': 'application/json' };
      const sent = await fetch(`${room}/send`, { method: 'POST', headers, body: JSON.stringify(push) });
      const read = await fetch(`${room}/stream`);
      return {
        controlled: navigator.serviceWorker.controller !== null,
        statuses: [sent.status, read.status],
      };
    });
    expect(answers).toEqual({ controlled: true, statuses: [200, 200] });
    const kept = await page.evaluate(async () => {
      const names = await caches.keys();
      const lists = await Promise.all(
        names.map(async (name) =>
          (await (await caches.open(name)).keys()).map(({ url }) => new URL(url).pathname),
        ),
      );
      return { names, paths: lists.flat() };
    });
    expect(kept.names.filter((name) => name.startsWith('seabag-pages-'))).toHaveLength(1);
    expect(kept.names).toContain('of-somebody-else');
    const pattern = /^\/(|whiteboard|notes|inspector|favicon\.svg|manifest\.webmanifest|assets\/[\w.-]+|x)$/;
    expect(kept.paths.filter((path) => !pattern.test(path))).toEqual([]);
    expect(kept.paths).toEqual(expect.arrayContaining(PAGES));
  });
});
