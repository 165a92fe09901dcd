// A user's project in a folder of its own: the package as `npm pack` makes it, next to what else npm would install.

import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readdir, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { Browser, Page } from 'playwright-core';
import { createServer, type InlineConfig } from 'vite';

const run = promisify(execFile);
const web = fileURLToPath(new URL('../../', import.meta.url));

/** A folder with the packed package installed. */
export class Project {
  readonly folder: string;

  private constructor(folder: string) {
    this.folder = folder;
  }

  static async make(): Promise<Project> {
    const project = new Project(await mkdtemp(path.join(tmpdir(), 'seabag-project-')));
    const modules = path.join(project.folder, 'node_modules');
    await mkdir(path.join(modules, 'seabag'), { recursive: true });
    const { stdout } = await run('npm', ['pack', '--json', '--pack-destination', project.folder], {
      cwd: web,
    });
    const name = /"filename": "([^"]+)"/.exec(stdout)?.[1];
    if (name === undefined) throw new Error(`npm pack said ${stdout}`);
    const tarball = path.join(project.folder, name);
    await run('tar', ['-xzf', tarball, '--strip-components=1', '-C', path.join(modules, 'seabag')]);
    for (const found of await readdir(path.join(web, 'node_modules'))) {
      // What the package depends on, and React and Vite, without asking the network.
      if (found.startsWith('.')) continue;
      await symlink(path.join(web, 'node_modules', found), path.join(modules, found));
    }
    await project.write('package.json', '{ "type": "module", "private": true }');
    return project;
  }

  async write(name: string, text: string): Promise<void> {
    await writeFile(path.join(this.folder, name), text);
  }

  async remove(): Promise<void> {
    await rm(this.folder, { recursive: true, force: true });
  }
}

/** A running `npx vite`. */
export interface Vite {
  readonly url: string;
  close(): Promise<void>;
}

/** `npx vite`, on a free port, with a cache of its own. */
export async function startVite(root: string, config: InlineConfig = {}): Promise<Vite> {
  const cache = await mkdtemp(path.join(tmpdir(), 'seabag-vite-'));
  const vite = await createServer({
    root,
    logLevel: 'error',
    cacheDir: path.join(cache, 'vite'),
    // Dependencies that are found late are bundled anew, under a page that has the old ones: so all are looked for first.
    optimizeDeps: { entries: ['**/*.{html,js,jsx,tsx}', '!node_modules'] },
    ...config,
    server: { host: '127.0.0.1', port: 0, hmr: false, fs: { strict: false }, ...config.server },
  });
  const close = async () => {
    await vite.close();
    await rm(cache, { recursive: true, force: true });
  };
  await vite.listen();
  const url = vite.resolvedUrls?.local[0]?.replace(/\/$/, '');
  if (url === undefined) throw new Error('vite told no address');
  return { url, close };
}

/** A page of somebody with a storage of their own; what goes wrong and what is logged in it. */
export interface Opened {
  page: Page;
  complaints: string[];
  logged: string[];
}

export async function open(browser: Browser, url: string): Promise<Opened> {
  const page = await (await browser.newContext()).newPage();
  const complaints: string[] = [];
  const logged: string[] = [];
  page.on('pageerror', (error) => complaints.push(String(error)));
  page.on('console', (message) => {
    if (message.type() === 'log') logged.push(message.text());
    // The browser's own wish for an icon is nobody's fault.
    else if (message.type() === 'error' && !message.location().url.endsWith('/favicon.ico')) {
      complaints.push(message.text());
    }
  });
  await page.goto(url);
  return { page, complaints, logged };
}
