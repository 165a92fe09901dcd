// Pages where the browser grants less than usual: an address over plain HTTP, storage that is refused, or held by
// another version. They work, or say what is missing before anybody has done work that is lost.

import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { lacks, small } from '../support/accessible.ts';
import { serveFreshPages } from '../support/fresh_pages.ts';
import { Server } from '../support/server.ts';
import { PHONE, startChromium, visit, visitAgain } from '../support/visit.ts';

const PLAIN = 'seabag.test';
let server: Server;
let browser: Browser;

beforeAll(async () => {
  server = await Server.start();
  browser = await startChromium([`--host-resolver-rules=MAP ${PLAIN} 127.0.0.1`]);
});

afterAll(async () => {
  await browser?.close();
  await server?.remove();
});

/** The server by a name that no browser takes for this machine: as a phone in the same network has it. */
function plain(path: string): string {
  return server.url.replace('127.0.0.1', PLAIN) + path;
}

/** What is worth a look. Browsers say of every page over plain HTTP that one of its headers, for the others, is of no use. */
function troubles(complaints: readonly string[]): string[] {
  return complaints.filter(
    (text) => !text.startsWith('The Cross-Origin-Opener-Policy header has been ignored'),
  );
}

async function begin(page: Page): Promise<string> {
  await page.getByRole('button', { name: 'Start writing' }).click();
  await page.locator('.words li').nth(23).waitFor();
  const words = await page.locator('.words li').allTextContents();
  await page.getByRole('button', { name: 'I have written them down' }).click();
  await page.getByRole('button', { name: 'New note', exact: true }).waitFor();
  return words.join(' ');
}

async function write(page: Page, text: string): Promise<void> {
  await page.getByRole('button', { name: 'New note', exact: true }).click();
  await page.getByLabel('Note', { exact: true }).fill(text);
  await page.getByText('Saved on this device.').waitFor();
}

test('over plain HTTP notes sync between devices, and it is said what that is worth', async () => {
  const one = await visit(browser, plain('/notes'), { viewport: PHONE });
  expect(await one.page.evaluate(() => [isSecureContext, typeof crypto.subtle])).toEqual([
    false,
    'undefined',
  ]);
  await one.page.getByText('This page came over plain HTTP').waitFor();
  expect(await lacks(one.page)).toEqual([]);
  const words = await begin(one.page);
  expect(await one.page.locator('main').textContent()).not.toContain('offline');
  await write(one.page, 'Written without a certificate');
  await one.page.locator('.sync[data-state="in_sync"][data-waiting="0"]').waitFor();

  const two = await visit(browser, plain('/notes'));
  await two.page.getByLabel('Your 24 words').fill(words);
  await two.page.getByRole('button', { name: 'Open my notes' }).click();
  await two.page.locator('.notes').getByText('Written without a certificate').waitFor();
  await two.page.getByRole('button', { name: 'This device' }).click();
  await two.page.getByText('the page itself opens only while the server can be reached').waitFor();
  await two.page.getByRole('button', { name: 'Show my words' }).click();
  await two.page.getByRole('button', { name: 'Copy', exact: true }).click();
  const byHand = two.page.getByLabel('This browser lets no page at this address copy for you');
  expect(await byHand.inputValue()).toBe(words);
  expect(troubles([...one.complaints, ...two.complaints])).toEqual([]);
  await one.context.close();
  await two.context.close();
});

test('over plain HTTP the inspector opens an account, and warns before the seed is typed', async () => {
  const notes = await visit(browser, plain('/notes'));
  const words = await begin(notes.page);
  await write(notes.page, 'To be looked at');
  await notes.page.locator('.sync[data-state="in_sync"][data-waiting="0"]').waitFor();
  const { page, context, complaints } = await visit(browser, plain('/inspector#tab=entities'));
  await page.getByText('This page came over plain HTTP').waitFor();
  await page.getByLabel('Seed').fill(words);
  await page.getByRole('button', { name: 'Open', exact: true }).click();
  await page.locator('.bags').getByText('To be looked at').first().waitFor();
  expect(troubles(complaints)).toEqual([]);
  await context.close();
  await notes.context.close();
});

test('from this machine nothing is warned of', async () => {
  const { page, context } = await visit(browser, `${server.url}/notes`);
  await page.getByRole('button', { name: 'Start writing' }).waitFor();
  expect(await page.locator('.warning').count()).toBe(0);
  await context.close();
});

test('where nothing can be kept that is said before there are words to write down', async () => {
  for (const refused of ['indexedDB', 'localStorage']) {
    const context = await browser.newContext({ viewport: PHONE });
    await context.addInitScript((name) => {
      Object.defineProperty(window, name, {
        get() {
          throw new DOMException('Access is denied for this document.', 'SecurityError');
        },
      });
    }, refused);
    await serveFreshPages(context);
    const { page, complaints } = await visitAgain(context, `${server.url}/notes`);
    const start = page.getByRole('button', { name: 'Start writing' });
    const told = page.getByRole('alert').filter({ hasText: 'cookies and site data are blocked' });
    await start.or(told).first().waitFor();
    if (await start.isVisible()) await start.click();
    await told.waitFor();
    expect(await page.locator('.words').count()).toBe(0);
    expect(await lacks(page)).toEqual([]);
    expect(await small(page)).toEqual([]);
    await page.getByRole('button', { name: 'Try again' }).waitFor();
    expect(complaints).toEqual([]);
    await context.close();
  }
});

test('words of other notes than those that are kept here do not lock anybody out', async () => {
  const { page, context } = await visit(browser, `${server.url}/notes`);
  const words = await begin(page);
  await write(page, 'Of the first words');
  // A browser that drops one kind of storage and keeps the other.
  await page.evaluate(() => localStorage.clear());
  await page.reload();
  await page.getByRole('button', { name: 'Start writing' }).click();
  await page.getByRole('button', { name: 'I have written them down' }).click();
  await page.getByRole('alert').filter({ hasText: 'belong to other words' }).waitFor();
  await page.getByRole('button', { name: 'Use other words' }).click();
  await page.getByLabel('Your 24 words').fill(words);
  await page.getByRole('button', { name: 'Open my notes' }).click();
  await page.locator('.notes').getByText('Of the first words').waitFor();
  await context.close();
});

test('a tab that holds the notes in another version is told of, and then they open', async () => {
  const context = await browser.newContext();
  await serveFreshPages(context);
  const other = await context.newPage();
  await other.goto(`${server.url}/favicon.svg`);
  await other.evaluate(
    () =>
      new Promise<void>((resolve, reject) => {
        const opening = indexedDB.open('seabag:entdb:notes', 99);
        opening.onsuccess = () => {
          opening.result.close();
          resolve();
        };
        opening.onerror = () => reject(opening.error);
      }),
  );
  const { page } = await visitAgain(context, `${server.url}/notes`);
  await page.getByRole('button', { name: 'Start writing' }).click();
  await page.getByRole('alert').filter({ hasText: 'A newer version of this page' }).waitFor();
  await other.evaluate(() => {
    indexedDB.deleteDatabase('seabag:entdb:notes');
  });
  await page.getByRole('button', { name: 'Try again' }).click();
  await begin(page);
  await context.close();
});
