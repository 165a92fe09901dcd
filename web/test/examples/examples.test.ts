// The examples are short, and do what they say: each in a real browser, two people at once, against the real server.

import { spawn } from 'node:child_process';
import { copyFile, readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Server } from '../support/server.ts';
import { until } from '../support/until.ts';
import { startChromium } from '../support/visit.ts';
import { open, Project, startVite, type Vite } from './project.ts';

const LINES_MAX = 59;
const folder = fileURLToPath(new URL('../../examples/', import.meta.url));

let server: Server;
let browser: Browser;
let vite: Vite;
let url: string;
const complaints: string[][] = [];

beforeAll(async () => {
  server = await Server.start();
  browser = await startChromium();
  process.env.VITE_SEABAG = server.url;
  vite = await startVite(folder);
  ({ url } = vite);
});
afterAll(async () => {
  await vite?.close();
  await browser?.close();
  await server?.remove();
});

async function visit(address: string): Promise<Page> {
  const opened = await open(browser, address);
  complaints.push(opened.complaints);
  return opened.page;
}

/** Two people in one room: the second comes by the first one's address. */
async function two(name: string): Promise<[Page, Page]> {
  const first = await visit(`${url}/${name}/`);
  await first.waitForURL(/#room=/);
  return [first, await visit(first.url())];
}

function noComplaints(): void {
  expect(complaints.splice(0).flat()).toEqual([]);
}

async function shows(page: Page, selector: string, text: string): Promise<void> {
  await until(`${selector} shows ${text}`, async () => {
    return (await page.locator(selector).allInnerTexts()).join('\n').includes(text);
  });
}

const names = ['build-log', 'chat', 'counter', 'form', 'presence', 'todo'];

test('every example is here, is listed, and has less than 60 lines', async () => {
  const found = await readdir(folder, { withFileTypes: true });
  const folders = found.filter((entry) => entry.isDirectory()).map(({ name }) => name);
  expect(folders.filter((name) => !name.startsWith('.')).sort()).toEqual(names);
  const index = await readFile(path.join(folder, 'index.html'), 'utf8');
  for (const name of names) {
    expect(index).toContain(`href="/${name}/"`);
    const files = await readdir(path.join(folder, name));
    const texts = await Promise.all(files.map((file) => readFile(path.join(folder, name, file), 'utf8')));
    const lines = texts
      .map((text) => text.trimEnd().split('\n').length)
      .reduce((sum, count) => sum + count, 0);
    expect([name, lines <= LINES_MAX]).toEqual([name, true]);
  }
});

test('counter: both press, both see the sum', async () => {
  const [ada, bob] = await two('counter');
  await ada.getByRole('button', { name: '+' }).click();
  await bob.getByRole('button', { name: '+' }).click();
  await shows(ada, 'output', '2');
  await shows(bob, 'output', '2');
  await bob.getByRole('button', { name: '−' }).click();
  await shows(ada, 'output', '1');
  expect(await ada.getByRole('img', { name: /QR code/ }).count()).toBe(1);
  noComplaints();
});

test('chat: what one says, the other reads, and who comes late too', async () => {
  const [ada, bob] = await two('chat');
  await ada.getByLabel('Say').fill('Hello, Bob');
  await ada.keyboard.press('Enter');
  await shows(bob, '#messages', 'Hello, Bob');
  await bob.getByLabel('Say').fill('Hello, Ada');
  await bob.keyboard.press('Enter');
  await shows(ada, '#messages', 'Hello, Bob\nHello, Ada');
  await shows(await visit(ada.url()), '#messages', 'Hello, Bob\nHello, Ada');
  noComplaints();
});

test('presence: each sees the name of the other, until that one leaves', async () => {
  const [ada, bob] = await two('presence');
  await bob.getByLabel('Your name').fill('Bob');
  await bob.mouse.move(200, 200);
  await shows(ada, 'main', '➤ Bob');
  await bob.context().close();
  await shows(ada, 'main', 'Others here: 0');
  noComplaints();
});

test('form: both fill in, and what is typed while cut off arrives later', async () => {
  const [ada, bob] = await two('form');
  await ada.getByLabel('Name').fill('Ada');
  await bob.getByLabel('City').fill('London');
  await until('Bob has the name', async () => (await bob.getByLabel('Name').inputValue()) === 'Ada');
  // In the middle of a shared text the caret stays where it is.
  await ada.getByLabel('Name').press('Home');
  await ada.keyboard.type('Lady ');
  await until('Bob has the title', async () => (await bob.getByLabel('Name').inputValue()) === 'Lady Ada');
  await until('Ada has the city', async () => (await ada.getByLabel('City').inputValue()) === 'London');
  noComplaints();
  await server.kill();
  await shows(ada, '[role=status]', 'Not connected');
  await ada.getByLabel('Street').fill('Abbey Road');
  await server.restart();
  await until(
    'Bob has the street',
    async () => (await bob.getByLabel('Street').inputValue()) === 'Abbey Road',
  );
  await ada.getByLabel('Agreed').check();
  await until('Bob sees that', () => bob.getByLabel('Agreed').isChecked());
  // Sockets that found no server are complained of by the browser itself.
  complaints.length = 0;
});

test('build log: a program writes into the room with the packed package, the page shows it', async () => {
  const page = await visit(`${url}/build-log/`);
  await page.waitForURL(/#room=/);
  await shows(page, '#command', 'send.js');
  const [, origin, room] = /send\.js (\S+) (\S+)/.exec(await page.locator('#command').innerText()) ?? [];
  const project = await Project.make();
  await copyFile(path.join(folder, 'build-log/send.js'), path.join(project.folder, 'send.js'));
  const child = spawn(process.execPath, ['send.js', `${origin}`, `${room}`], {
    cwd: project.folder,
    stdio: ['pipe', 'inherit', 'inherit'],
  });
  const ended = new Promise((resolve) => child.once('exit', resolve));
  const lines = Array.from({ length: 2500 }, (_, index) => `step ${index + 1}`);
  child.stdin.end(`${lines.join('\n')}\n`);
  expect(await ended).toBe(0);
  await until('all lines are there, in order', async () => {
    return (await page.locator('#log').innerText()) === lines.join('\n');
  });
  await shows(await visit(page.url()), '#log', 'step 1\n');
  await project.remove();
  noComplaints();
});

test('todo: a second device with the same words has the same list', async () => {
  const ada = await visit(`${url}/todo/`);
  await ada.getByLabel('What to do').fill('Buy milk');
  await ada.getByRole('button', { name: 'Add' }).click();
  await shows(ada, 'main', 'Buy milk');
  await ada.reload();
  await shows(ada, 'main', 'Buy milk');
  await ada.getByRole('button', { name: 'Sync' }).click();
  await shows(ada, '[role=status]', 'in_sync, 0 waiting');
  const words = await ada.evaluate(() => localStorage.getItem('words'));
  const phone = await visit(`${url}/chat/`);
  await phone.evaluate((text) => localStorage.setItem('words', text ?? ''), words);
  await phone.goto(`${url}/todo/`);
  await phone.getByRole('button', { name: 'Sync' }).click();
  await shows(phone, 'main', 'Buy milk');
  await phone.getByLabel('Buy milk').click();
  await until('it is done on both', () => ada.getByLabel('Buy milk').isChecked());
  noComplaints();
});
