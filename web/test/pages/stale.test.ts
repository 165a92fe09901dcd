// The built pages that are committed are what the sources build now.

import { execFile } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';

const web = fileURLToPath(new URL('../../', import.meta.url));

async function contents(folder: string): Promise<Map<string, string>> {
  const found = await readdir(folder, { recursive: true, withFileTypes: true });
  const files = found.filter((item) => item.isFile()).map((item) => path.join(item.parentPath, item.name));
  const read = files.sort().map(async (file) => {
    return [path.relative(folder, file), (await readFile(file)).toString('latin1')] as const;
  });
  return new Map(await Promise.all(read));
}

test('web/dist is what `npm run pages` builds', async () => {
  const folder = await mkdtemp(path.join(tmpdir(), 'seabag-pages-'));
  // The build is to see nothing of the test that runs it.
  const { NODE_ENV: _mode, VITEST: _vitest, ...env } = process.env;
  const vite = path.join(web, 'node_modules/vite/bin/vite.js');
  await promisify(execFile)(process.execPath, [vite, 'build', '--outDir', folder, '--emptyOutDir'], {
    cwd: web,
    env,
  });
  const [built, committed] = [await contents(folder), await contents(path.join(web, 'dist'))];
  await rm(folder, { recursive: true });
  const names = [...new Set([...built.keys(), ...committed.keys()])].sort();
  const stale = names.filter((name) => built.get(name) !== committed.get(name));
  expect(built.size).toBeGreaterThan(4);
  expect(stale, 'web/dist is stale: run `npm run pages` in web/, then `cargo build`, and commit it').toEqual(
    [],
  );
});
