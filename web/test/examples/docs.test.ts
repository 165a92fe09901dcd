// The page for web developers says what is so: every snippet in it runs, in a real browser, against the real server.

import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Server } from '../support/server.ts';
import { until } from '../support/until.ts';
import { startChromium } from '../support/visit.ts';
import { type Opened, open, Project, startVite, type Vite } from './project.ts';

const DOCUMENTED = 'http://127.0.0.1:8080';
const page = fileURLToPath(new URL('../../../docs/web.md', import.meta.url));
const readme = fileURLToPath(new URL('../../README.md', import.meta.url));

let server: Server;
let browser: Browser;
let project: Project;
let vite: Vite;
let url: string;
let snippets: { kind: string; text: string }[];

beforeAll(async () => {
  server = await Server.start();
  browser = await startChromium();
  project = await Project.make();
  const texts = await Promise.all([page, readme].map((file) => readFile(file, 'utf8')));
  snippets = texts.flatMap((text) => {
    return [...text.matchAll(/^```(\w+)\n(.*?)^```$/gms)].map(([, kind = '', code = '']) => ({
      kind,
      text: code,
    }));
  });
  for (const snippet of snippets) {
    const name = nameOf(snippet.text);
    if (name !== undefined) await project.write(name, snippet.text.replaceAll(DOCUMENTED, server.url));
  }
  vite = await startVite(project.folder);
  ({ url } = vite);
});
afterAll(async () => {
  await vite?.close();
  await browser?.close();
  await project?.remove();
  await server?.remove();
});

/** A snippet that is a file says so in its first line. */
function nameOf(text: string): string | undefined {
  return /^(?:\/\/|<!--) (\S+\.\w+)/.exec(text)?.[1];
}

/** Opens a page that consists of one snippet. */
async function runs(name: string, at = url): Promise<Opened> {
  await project.write(`${name}.html`, `<!doctype html><script type="module" src="/${name}"></script>`);
  return open(browser, `${at}/${name}.html`);
}

async function logs(opened: Opened, lines: string[]): Promise<void> {
  await until(`${lines} are logged, not ${opened.logged}; ${opened.complaints}`, () =>
    lines.every((line) => opened.logged.includes(line)),
  );
  expect(opened.complaints).toEqual([]);
}

const RUN_HERE = [
  'index.html',
  'main.jsx',
  'rooms.js',
  'shared.js',
  'entities.js',
  'driftdb.js',
  'readme.jsx',
  'readme.js',
];

test('no snippet is left out: each is a file that a test here runs, the first page, a command, or the policy', () => {
  const named = snippets.map(({ text }) => nameOf(text)).filter((name) => name !== undefined);
  expect(named).toEqual(RUN_HERE);
  const others = snippets.filter(({ text }) => nameOf(text) === undefined).map(({ kind }) => kind);
  expect(others).toEqual(['sh', 'html', 'sh', 'http', 'sh']);
});

test('without npm: the page from a file, with the module of the running server, is shared by its address', async () => {
  const html = snippets.find(({ kind, text }) => kind === 'html' && nameOf(text) === undefined)?.text ?? '';
  await project.write('counter.html', html.replaceAll(DOCUMENTED, server.url));
  const ada = await open(browser, pathToFileURL(path.join(project.folder, 'counter.html')).href);
  await ada.page.waitForURL(/#room=/);
  const bob = await open(browser, ada.page.url());
  await ada.page.getByRole('button').click();
  await until('Bob sees it', async () => (await bob.page.locator('output').innerText()) === '1');
  await bob.page.getByRole('button').click();
  await until('Ada sees it', async () => (await ada.page.locator('output').innerText()) === '2');
  expect([...ada.complaints, ...bob.complaints]).toEqual([]);
});

test('with npm and React: the packed package and the two files make a shared counter', async () => {
  const ada = await open(browser, url);
  await ada.page.waitForURL(/#room=/);
  const bob = await open(browser, ada.page.url());
  await ada.page.getByRole('button').click();
  await until('Bob sees it', async () => (await bob.page.getByRole('button').innerText()) === '1');
  await until(
    'the status is shown',
    async () => (await bob.page.getByRole('status').innerText()) === 'Connected',
  );
  expect([...ada.complaints, ...bob.complaints]).toEqual([]);
});

test('rooms', async () => {
  await logs(await runs('rooms.js'), ['until now 0', 'new hello', 'new just now', 'new the end', 'kept 1']);
});

test('things to share, with two in the room', async () => {
  const ada = await runs('shared.js');
  await logs(ada, ['Minutes yes 1']);
  const bob = await open(browser, ada.page.url());
  await logs(bob, ['others here: 1']);
  await logs(ada, ['others here: 1']);
});

test('entities', async () => {
  await logs(await runs('entities.js'), ['todos: 0', 'todos: 1', 'in_sync']);
});

test('coming from DriftDB', async () => {
  await logs(await runs('driftdb.js'), ['name is Ada']);
});

test('the policy is enough for rooms and for entities', async () => {
  const said = snippets.find(({ kind }) => kind === 'http')?.text.trim() ?? '';
  const policy = said
    .replace('Content-Security-Policy: ', '')
    .replace('https://rooms.example.org', server.url)
    .replace('wss://rooms.example.org', server.url.replace('http', 'ws'));
  const headers = { 'content-security-policy': policy };
  const strict = await startVite(project.folder, { server: { headers } });
  await logs(await runs('shared.js', strict.url), ['Minutes yes 1']);
  await logs(await runs('entities.js', strict.url), ['in_sync']);
  const forbidden = await startVite(project.folder, {
    server: { headers: { 'content-security-policy': "default-src 'self'" } },
  });
  const stopped = await runs('shared.js', forbidden.url);
  await until('the browser complains', () =>
    stopped.complaints.some((text) => /Content Security Policy/.test(text)),
  );
  await strict.close();
  await forbidden.close();
});

test('the snippets of the README', async () => {
  const counter = await runs('readme.jsx');
  await until('it counts', async () => (await counter.page.getByRole('button').innerText()) === '0');
  expect(counter.complaints).toEqual([]);
  await logs(await runs('readme.js'), ['1']);
});
