// The inspector's half for sealed entities: what the host has of an account, opened with a seed that stays in the page.

import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import type { BrowserContextOptions } from 'playwright-core';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { Seed } from '../../src/crypto/seed.ts';
import { lacks, small } from '../support/accessible.ts';
import { binary } from '../support/server.ts';
import { onStage } from '../support/stage.ts';
import { PHONE } from '../support/visit.ts';

const run = promisify(execFile);
const stage = onStage({ fresh: true });
let home: string;
let seed: Seed;

beforeEach(async () => {
  home = await mkdtemp(path.join(tmpdir(), 'seabag-inspector-'));
  seed = Seed.generate();
});

afterEach(() => rm(home, { recursive: true }));

/** The command line as a device of this seed. */
async function seabag(...words: string[]): Promise<string> {
  const env = { ...process.env, SEABAG_HOME: home, SEABAG_SEED: seed.hex() };
  return (await run(binary, words, { env })).stdout.trim();
}

async function openAccount(text: string, options: BrowserContextOptions = {}) {
  const opened = await stage.visit('/inspector#tab=entities', options);
  const sent: string[] = [];
  opened.page.on('request', (request) => {
    sent.push(request.url(), request.postDataBuffer()?.toString('hex') ?? '');
  });
  await opened.page.getByLabel('Seed').fill(text);
  await opened.page.getByRole('button', { name: 'Open', exact: true }).click();
  return { ...opened, sent };
}

test('shows what the host sees of each bag and what is in it, and what comes while it looks', async () => {
  const parent = await seabag('ent', 'put', 'list', '{"name":"<b>shopping</b>"}');
  await seabag('ent', 'put', 'todo', '{"text":"milk"}', '--parent', parent, '--group', 'home');
  await seabag('ent', 'link', stage.server.url);
  const { page, complaints, sent } = await openAccount(seed.hex());
  const rows = page.locator('.bags tbody tr');
  await rows.nth(1).waitFor();
  const [list, todo] = [rows.filter({ hasText: '<b>shopping</b>' }), rows.filter({ hasText: 'milk' })];
  expect(await list.locator('b').count()).toBe(0);
  expect(await list.textContent()).toContain(parent);
  expect(await todo.textContent()).toContain(`under ${parent}`);
  expect(await todo.textContent()).toContain('in home');
  await page.locator('.facts', { hasText: 'Last number2' }).waitFor();

  await seabag('ent', 'rm', parent);
  await seabag('ent', 'sync');
  await rows.nth(2).waitFor();
  expect(await rows.nth(2).textContent()).toContain('deleted');

  expect(sent.join('\n')).not.toContain(seed.hex());
  expect(await page.getByLabel('Seed').inputValue()).toBe('');
  const kept = await page.evaluate(() =>
    JSON.stringify([{ ...localStorage }, { ...sessionStorage }, location.href]),
  );
  expect(kept).not.toContain(seed.hex());
  await page.getByRole('button', { name: 'Forget the seed' }).click();
  await page.getByLabel('Seed').waitFor();
  expect(await rows.count()).toBe(0);
  expect(complaints).toEqual([]);
});

test('an account that the host does not know is told as such and is not made', async () => {
  const { page, complaints } = await openAccount(seed.hex());
  await page.getByText('This host knows no such account').waitFor();
  await page.getByRole('button', { name: 'Forget the seed' }).click();
  await page.getByLabel('Seed').fill(seed.hex());
  await page.getByRole('button', { name: 'Open', exact: true }).click();
  await page.getByText('This host knows no such account').waitFor();
  expect(complaints).toEqual([]);
});

test('what is no seed is refused with the reason', async () => {
  const { page, complaints } = await openAccount('one two three');
  await page.getByText(/24/).first().waitFor();
  expect(complaints).toEqual([]);
});

test('a long account is read page by page, on a phone too', async () => {
  for (let index = 0; index < 3; index += 1) {
    await seabag('ent', 'put', 'number', JSON.stringify({ index, text: 'x'.repeat(400) }));
  }
  const lines = Array.from({ length: 60 }, (_, index) => JSON.stringify({ index })).join('\n');
  await new Promise<void>((resolve, reject) => {
    const child = execFile(
      binary,
      ['ent', 'put', 'line', '--lines'],
      { env: { ...process.env, SEABAG_HOME: home, SEABAG_SEED: seed.hex() } },
      (error) => (error === null ? resolve() : reject(error)),
    );
    child.stdin?.end(lines);
  });
  await seabag('ent', 'link', stage.server.url);
  const { page, complaints } = await openAccount(seed.hex(), { viewport: PHONE });
  const rows = page.locator('.bags tbody tr');
  await rows.nth(49).waitFor();
  expect(await rows.count()).toBe(50);
  await page.getByRole('button', { name: 'More', exact: true }).click();
  await rows.nth(62).waitFor();
  expect(await rows.count()).toBe(63);
  expect(await page.getByRole('button', { name: 'More', exact: true }).count()).toBe(0);
  expect(await lacks(page)).toEqual([]);
  expect(await small(page)).toEqual([]);
  expect(complaints).toEqual([]);
});
