// The package as npm would install it, used from outside: each entry from modules and from `require`, and its types read as
// strictly as they can be, by both ways of resolving them.

import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Project } from './project.ts';

const run = promisify(execFile);
const ENTRIES = ['seabag', 'seabag/driftdb', 'seabag/entdb', 'seabag/react', 'seabag/webrtc'];

let project: Project;

beforeAll(async () => {
  project = await Project.make();
});
afterAll(() => project.remove());

function node(...words: string[]): Promise<{ stdout: string }> {
  return run(process.execPath, words, { cwd: project.folder });
}

test('every entry is there for modules and for `require`, with the same names', async () => {
  await project.write(
    'module.mjs',
    ENTRIES.map((entry) => `console.log(Object.keys(await import('${entry}')).sort().join());`).join('\n'),
  );
  await project.write(
    'script.cjs',
    ENTRIES.map((entry) => `console.log(Object.keys(require('${entry}')).sort().join());`).join('\n'),
  );
  const [imported, required] = await Promise.all([node('module.mjs'), node('script.cjs')]);
  expect(
    imported.stdout
      .trim()
      .split('\n')
      .every((names) => names !== ''),
  ).toBe(true);
  expect(imported.stdout.trim().split('\n')).toHaveLength(ENTRIES.length);
  expect(required.stdout).toBe(imported.stdout);
});

test.each([
  ['bundler', 'esnext'],
  ['nodenext', 'nodenext'],
])('its types hold for a strict user, resolved by %s', async (moduleResolution, module) => {
  await project.write(
    'strict.mts',
    ENTRIES.map((entry, at) => `import * as entry${at} from '${entry}';\nvoid entry${at};`).join('\n'),
  );
  const options = { strict: true, exactOptionalPropertyTypes: true, skipLibCheck: false, noEmit: true };
  const compilerOptions = { ...options, target: 'es2022', module, moduleResolution, types: [] };
  await project.write('tsconfig.json', JSON.stringify({ compilerOptions, files: ['strict.mts'] }));
  const tsc = path.join(project.folder, 'node_modules/typescript/bin/tsc');
  const { stdout } = await node(tsc, '-p', 'tsconfig.json').catch((error: { stdout: string }) => error);
  expect(stdout).toBe('');
});

test('the texts of its licences come along', async () => {
  const file = (name: string) => readFile(path.join(project.folder, 'node_modules/seabag', name), 'utf8');
  expect(await file('LICENSE-MIT')).toContain('MIT License');
  expect(await file('LICENSE-APACHE')).toContain('Apache License');
});
