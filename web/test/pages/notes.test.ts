// The notes page as its users have it: one device after the other, offline, with the server killed in between, in two
// tabs, on a phone, and beside the command line on the same account.

import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import type { Browser, BrowserContext, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { lacks, small } from '../support/accessible.ts';
import { binary, Server } from '../support/server.ts';
import { until } from '../support/until.ts';
import { PHONE, startChromium, type Visit, visit, visitAgain } from '../support/visit.ts';

const run = promisify(execFile);
let browser: Browser;
let server: Server;
const open: BrowserContext[] = [];

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
  for (const context of open.splice(0)) await context.close();
  await server.remove();
});

/** A first device: a new seed. Returns its words too. */
async function firstDevice(options: Parameters<typeof visit>[2] = {}): Promise<Visit & { words: string }> {
  const device = await visit(browser, `${server.url}/notes`, options);
  open.push(device.context);
  await device.page.getByRole('button', { name: 'Start writing' }).click();
  await device.page.locator('.words li').nth(23).waitFor();
  const words = await device.page.locator('.words li').allTextContents();
  expect(words).toHaveLength(24);
  await device.page.getByRole('button', { name: 'I have written them down' }).click();
  await device.page.getByRole('button', { name: 'New note', exact: true }).waitFor();
  return { ...device, words: words.join(' ') };
}

/** A further device, by the words. */
async function furtherDevice(words: string, options: Parameters<typeof visit>[2] = {}): Promise<Visit> {
  const device = await visit(browser, `${server.url}/notes`, options);
  open.push(device.context);
  await device.page.getByLabel('Your 24 words').fill(words.toUpperCase());
  await device.page.getByRole('button', { name: 'Open my notes' }).click();
  await device.page.getByRole('button', { name: 'New note', exact: true }).waitFor();
  return device;
}

async function write(page: Page, text: string, group?: string): Promise<void> {
  await page.getByRole('button', { name: 'New note', exact: true }).click();
  await page.getByLabel('Note', { exact: true }).fill(text);
  if (group !== undefined) {
    await page.getByLabel('Group', { exact: true }).fill(group);
    await page.getByLabel('Group', { exact: true }).blur();
  }
  await saved(page);
}

async function saved(page: Page): Promise<void> {
  await page.getByText('Saved on this device.').waitFor();
}

/** A host that lost everything is filled after up to half a minute, so that of many devices one comes first. */
const FILLED_MS = 60_000;

async function inSync(page: Page, timeout = 20_000): Promise<void> {
  await page.locator('.sync[data-state="in_sync"][data-waiting="0"]').waitFor({ timeout });
}

async function titles(page: Page): Promise<string[]> {
  return (await page.locator('.notes .title').allTextContents()).sort();
}

async function shows(page: Page, wanted: readonly string[]): Promise<void> {
  await until(`the notes are ${wanted.join(', ')}`, async () => {
    const found = await titles(page);
    return JSON.stringify(found) === JSON.stringify([...wanted].sort());
  });
}

test('a note written on one device is on another that was told the words, and back', async () => {
  const laptop = await firstDevice();
  await write(laptop.page, 'Buy milk\nand bread', 'home');
  await inSync(laptop.page);
  const phone = await furtherDevice(laptop.words, { viewport: PHONE });
  await shows(phone.page, ['Buy milk']);
  await phone.page.getByRole('link', { name: 'Buy milk' }).click();
  expect(await phone.page.getByLabel('Note', { exact: true }).inputValue()).toBe('Buy milk\nand bread');
  expect(await phone.page.getByLabel('Group', { exact: true }).inputValue()).toBe('home');
  await phone.page.getByLabel('Note', { exact: true }).fill('Buy oat milk');
  await saved(phone.page);
  await shows(laptop.page, ['Buy oat milk']);
  expect(await lacks(phone.page)).toEqual([]);
  expect(await small(phone.page)).toEqual([]);
  expect([...laptop.complaints, ...phone.complaints]).toEqual([]);
});

test('endless words, and text from right to left, fit a phone', async () => {
  const { page, complaints } = await firstDevice({ viewport: { width: 360, height: 640 } });
  const endless = 'Donaudampfschifffahrtsgesellschaft'.repeat(8);
  for (const text of [endless, '\u{1f469}\u200d\u{1f680} مرحبا بالعالم!']) {
    await write(page, text, text);
    expect(await lacks(page)).toEqual([]);
    await page.getByRole('button', { name: 'Back to the list' }).click();
    await page.locator('.notes .title').first().waitFor();
    expect(await lacks(page)).toEqual([]);
  }
  const title = page.locator('.notes .title', { hasText: 'مرحبا' });
  expect(await title.evaluate((found) => getComputedStyle(found).direction)).toBe('rtl');
  // Now the list of what it may stand under is as long as the longest title.
  await page.getByRole('button', { name: 'New note', exact: true }).click();
  await page.getByLabel('Under').waitFor();
  expect(await lacks(page)).toEqual([]);
  expect(complaints).toEqual([]);
});

test('notes under notes and in groups look alike on both devices', async () => {
  const one = await firstDevice();
  await write(one.page, 'Journey', 'travel');
  await one.page.getByRole('button', { name: 'New note under this one' }).click();
  await one.page.getByLabel('Note', { exact: true }).fill('Tickets');
  await saved(one.page);
  await write(one.page, 'Unrelated');
  const other = await furtherDevice(one.words);
  await shows(other.page, ['Journey', 'Tickets', 'Unrelated']);
  for (const { page } of [one, other]) {
    await page.locator('.notes ul ul .title', { hasText: 'Tickets' }).waitFor();
    await page.getByRole('group', { name: 'Groups' }).getByRole('button', { name: 'travel' }).click();
    await shows(page, ['Journey', 'Tickets']);
    await page.getByRole('group', { name: 'Groups' }).getByRole('button', { name: 'All' }).click();
    await page.getByLabel('Search').fill('tick');
    await shows(page, ['Tickets']);
    await page.getByLabel('Search').fill('');
  }
  await one.page.getByRole('link', { name: 'Unrelated' }).click();
  await one.page.getByLabel('Under', { exact: true }).selectOption({ label: 'Tickets' });
  await other.page.locator('.notes ul ul ul .title', { hasText: 'Unrelated' }).waitFor();
  expect([...one.complaints, ...other.complaints]).toEqual([]);
});

test('what is written offline and over a reload arrives when the network is back', async () => {
  const one = await firstDevice();
  await write(one.page, 'Before');
  await inSync(one.page);
  const other = await furtherDevice(one.words);
  await shows(other.page, ['Before']);
  // The worker has to hold the page before the network goes.
  await one.page.evaluate(async () => void (await navigator.serviceWorker.ready));
  await one.page.reload();
  await one.page.getByRole('button', { name: 'New note', exact: true }).waitFor();
  await one.context.setOffline(true);
  await write(one.page, 'In the train');
  await one.page.reload();
  await shows(one.page, ['Before', 'In the train']);
  await one.page.locator('.sync', { hasText: '1 change to go' }).waitFor();
  expect(await titles(other.page)).toEqual(['Before']);
  await one.context.setOffline(false);
  await shows(other.page, ['Before', 'In the train']);
  await inSync(one.page);
});

test('a server that is killed in the middle costs nothing, and a wiped one is filled again', async () => {
  const one = await firstDevice();
  const other = await furtherDevice(one.words);
  await write(one.page, 'First');
  await shows(other.page, ['First']);
  await server.kill();
  await write(one.page, 'While it was away');
  await write(other.page, 'Here too');
  await server.restart();
  await shows(one.page, ['First', 'Here too', 'While it was away']);
  await shows(other.page, ['First', 'Here too', 'While it was away']);
  await server.kill();
  await server.restart({ wipe: true });
  await inSync(one.page, FILLED_MS);
  const third = await furtherDevice(one.words);
  await shows(third.page, ['First', 'Here too', 'While it was away']);
});

test('two tabs show the same, one of them syncs, and the other takes over', async () => {
  const one = await firstDevice();
  const tab = await visitAgain(one.context, `${server.url}/notes`);
  await write(one.page, 'From the first tab');
  await shows(tab.page, ['From the first tab']);
  await write(tab.page, 'From the second tab');
  await shows(one.page, ['From the first tab', 'From the second tab']);
  await one.page.close();
  await write(tab.page, 'After the first tab');
  await inSync(tab.page);
  const other = await furtherDevice(one.words);
  await shows(other.page, ['After the first tab', 'From the first tab', 'From the second tab']);
  expect([...tab.complaints, ...other.complaints]).toEqual([]);
});

test('a deleted note goes everywhere, and undo brings it back everywhere', async () => {
  const one = await firstDevice();
  await write(one.page, 'Do not lose me');
  const other = await furtherDevice(one.words);
  await shows(other.page, ['Do not lose me']);
  await one.page.getByRole('button', { name: 'Delete' }).click();
  await shows(other.page, []);
  await one.page.getByRole('button', { name: 'Undo' }).click();
  await shows(one.page, ['Do not lose me']);
  await shows(other.page, ['Do not lose me']);
  // It is open again, and can be written in.
  expect(await one.page.getByLabel('Note', { exact: true }).inputValue()).toBe('Do not lose me');
  await one.page.getByLabel('Note', { exact: true }).fill('Not lost');
  await shows(other.page, ['Not lost']);
  expect([...one.complaints, ...other.complaints]).toEqual([]);
});

test('the code opens the notes on another device once it is agreed to, and leaves the address', async () => {
  const one = await firstDevice();
  await write(one.page, 'Seen by code');
  await inSync(one.page);
  await one.page.getByRole('button', { name: 'This device' }).click();
  await one.page.getByRole('button', { name: 'Code for another device' }).click();
  await one.page.getByRole('img', { name: 'QR code that opens your notes on another device' }).waitFor();
  const hex = await one.page.evaluate(() => localStorage.getItem('seabag.notes.seed'));
  const other = await visit(browser, `${server.url}/notes#seed=${hex}`);
  open.push(other.context);
  expect(other.page.url()).toBe(`${server.url}/notes`);
  await other.page.getByRole('button', { name: 'They are mine' }).click();
  await shows(other.page, ['Seen by code']);
  expect([...one.complaints, ...other.complaints]).toEqual([]);
});

test('words with a slip are refused with the reason, and nothing is made', async () => {
  const device = await visit(browser, `${server.url}/notes`);
  open.push(device.context);
  await device.page.getByLabel('Your 24 words').fill('abandon abandon');
  await device.page.getByRole('button', { name: 'Open my notes' }).click();
  const complaint = device.page.locator('form .error');
  await until('it says why', async () => ((await complaint.textContent()) ?? '').includes('24'));
  expect(await device.page.evaluate(() => localStorage.length)).toBe(0);
  expect(device.complaints).toEqual([]);
});

test('the file holds everything, on this device and on another', async () => {
  const one = await firstDevice();
  await write(one.page, 'In the file', 'kept');
  await one.page.getByRole('button', { name: 'This device' }).click();
  const download = one.page.waitForEvent('download');
  await one.page.getByRole('button', { name: 'Export' }).click();
  const file = await (await download).path();
  await server.kill();
  await server.restart({ wipe: true });
  const folder = await mkdtemp(path.join(tmpdir(), 'seabag-notes-'));
  const seabag = (...words: string[]) =>
    run(binary, words, { env: { ...process.env, SEABAG_HOME: folder, SEABAG_SEED: one.words } });
  await seabag('ent', 'import', file);
  const { stdout } = await seabag('ent', 'ls', '--json');
  expect(JSON.parse(stdout)).toMatchObject({ type: 'note', group: 'kept', body: { text: 'In the file' } });
  await rm(folder, { recursive: true });
});

test('the command line and the page are two devices of one account', async () => {
  const one = await firstDevice();
  const folder = await mkdtemp(path.join(tmpdir(), 'seabag-notes-'));
  const seabag = (...words: string[]) =>
    run(binary, words, { env: { ...process.env, SEABAG_HOME: folder, SEABAG_SEED: one.words } });
  await seabag('ent', 'put', 'note', '{"text":"from the terminal","colour":"red"}');
  await seabag('ent', 'link', server.url);
  await shows(one.page, ['from the terminal']);
  await one.page.getByRole('link', { name: 'from the terminal' }).click();
  await one.page.getByLabel('Note', { exact: true }).fill('from the page');
  await saved(one.page);
  await inSync(one.page);
  await seabag('ent', 'sync');
  const { stdout } = await seabag('ent', 'ls', '--json');
  expect(JSON.parse(stdout).body).toEqual({ text: 'from the page', colour: 'red' });
  expect(one.complaints).toEqual([]);
  await rm(folder, { recursive: true });
});

test('who goes to another note before a new one is saved stays there, and the new one is saved', async () => {
  const one = await firstDevice();
  await write(one.page, 'Old');
  await one.page.getByRole('button', { name: 'New note', exact: true }).click();
  await one.page.getByLabel('Note', { exact: true }).fill('New');
  await one.page.getByRole('link', { name: 'Old' }).click();
  await shows(one.page, ['New', 'Old']);
  expect(await one.page.locator('.notes a[aria-current] .title').allTextContents()).toEqual(['Old']);
  expect(await one.page.getByLabel('Note', { exact: true }).inputValue()).toBe('Old');
});

test('text that is not yet saved outlives a change from elsewhere until one has chosen', async () => {
  const one = await firstDevice();
  await write(one.page, 'Shared');
  const other = await furtherDevice(one.words);
  await shows(other.page, ['Shared']);
  await other.page.getByRole('link', { name: 'Shared' }).click();
  // Held back, saving would never end; so this device is mid-word when the change comes.
  const typing = (async () => {
    const field = other.page.getByLabel('Note', { exact: true });
    await field.focus();
    while (!(await other.page.getByRole('button', { name: 'Keep both' }).isVisible())) {
      await other.page.keyboard.type('x');
    }
  })();
  await one.page.getByLabel('Note', { exact: true }).fill('Theirs');
  await typing;
  await other.page.getByRole('button', { name: 'Keep both' }).click();
  await until('both are there on both', async () => {
    const [here, there] = [await titles(one.page), await titles(other.page)];
    const mine = here.find((title) => title.includes('xx'));
    return mine !== undefined && here.length === 2 && JSON.stringify(here) === JSON.stringify(there);
  });
  expect([...one.complaints, ...other.complaints]).toEqual([]);
});

test('forgetting takes the notes and the key from this device, and the words bring them back', async () => {
  const one = await firstDevice();
  await write(one.page, 'Kept by the server');
  await inSync(one.page);
  await one.page.getByRole('button', { name: 'This device' }).click();
  await one.page.getByRole('button', { name: 'Forget everything on this device' }).click();
  await one.page.getByRole('button', { name: 'Forget', exact: true }).click();
  await one.page.getByRole('button', { name: 'Start writing' }).waitFor();
  const left = await one.page.evaluate(async () => ({
    seed: localStorage.getItem('seabag.notes.seed'),
    databases: (await indexedDB.databases()).map(({ name }) => name),
  }));
  expect(left).toEqual({ seed: null, databases: [] });
  const again = await furtherDevice(one.words);
  await shows(again.page, ['Kept by the server']);
});

test('a code that is opened in a tab that is open already leaves the address too, and is asked about', async () => {
  const one = await firstDevice();
  await write(one.page, 'Mine');
  await one.page.evaluate(() => {
    location.hash = `seed=${'ab'.repeat(32)}`;
  });
  await one.page.getByRole('heading', { name: 'These are other notes' }).waitFor();
  expect(one.page.url()).not.toContain('abab');
  await one.page.getByRole('button', { name: 'I see' }).click();
  await shows(one.page, ['Mine']);
});

test('syncing that was stopped stays so over a reload, until it is wanted again', async () => {
  const one = await firstDevice();
  await write(one.page, 'Here only');
  await inSync(one.page);
  await one.page.locator('.sync button').click();
  await one.page.getByRole('button', { name: 'Stop syncing here' }).click();
  await one.page.getByRole('button', { name: 'Stop syncing', exact: true }).click();
  await one.page.locator('.sync', { hasText: 'On this device only' }).waitFor();
  await one.page.reload();
  await shows(one.page, ['Here only']);
  // Another reload: a link that the first one made would be there by now.
  await one.page.reload();
  await one.page.locator('.sync', { hasText: 'On this device only' }).waitFor();
  await one.page.locator('.sync button').click();
  await one.page.getByRole('button', { name: 'Sync with this server' }).click();
  await one.page.getByRole('button', { name: 'Stop syncing here' }).waitFor();
  await one.page.keyboard.press('Escape');
  await inSync(one.page);
  await one.page.reload();
  await inSync(one.page);
});

test('the focus stays on a button of the syncing dialog while the state changes', async () => {
  const one = await firstDevice();
  await inSync(one.page);
  await one.page.locator('.sync button').click();
  await one.page.getByRole('button', { name: 'Stop syncing here' }).focus();
  const other = await furtherDevice(one.words);
  await write(other.page, 'One');
  await one.page.getByRole('dialog').getByText('Saved on this device: 1 note').waitFor();
  // The server is linked already: what would link it is not offered.
  expect(await one.page.getByRole('button', { name: 'Sync with this server' }).isVisible()).toBe(false);
  expect(await one.page.evaluate(() => document.activeElement?.textContent)).toBe('Stop syncing here');
});

test('a server that asks for a token is not said to be away, and syncs once it is told', async () => {
  const token = 'a token that only friends know';
  await server.remove();
  const file = path.join(await mkdtemp(path.join(tmpdir(), 'seabag-token-')), 'token');
  await writeFile(file, token, { mode: 0o600 });
  server = await Server.start(['--registration', 'token', '--registration-token-file', file]);
  const one = await firstDevice();
  await one.page.locator('.sync', { hasText: 'Not in sync' }).waitFor();
  await one.page.locator('.sync button').click();
  await one.page.getByText('The server asks for a token').click();
  await one.page.getByLabel('Token').fill(token);
  await one.page.getByRole('button', { name: 'Use it' }).click();
  await one.page.keyboard.press('Escape');
  await inSync(one.page);
  await rm(path.dirname(file), { recursive: true });
});
