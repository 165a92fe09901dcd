// What the build makes besides the pages: the package as one module (`seabag.js`), and the offline worker (`sw.js`),
// which is told every file's name and hash and so is built last.

import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { build, type InlineConfig, type Plugin } from 'vite';
import { contentHash } from '../worker/content_hash.ts';

const LIBRARY = 'seabag.js';
const WORKER = 'sw.js';
/** What the library imports lazily. No page does. */
const LIBRARY_CHUNKS = 'assets/seabag-';

/** The entries of the two further outputs. */
export interface Entries {
  worker: string;
  library: string;
}

/** After the pages, builds the rest into the same folder. */
export function further({ worker, library }: Entries): Plugin {
  let folder = '';
  return {
    name: 'seabag-further',
    apply: 'build',
    configResolved(config) {
      folder = path.resolve(config.root, config.build.outDir);
    },
    async closeBundle(error) {
      if (error !== undefined) return;
      await build(alone(folder, library, LIBRARY));
      const files = JSON.stringify(await listFiles(folder));
      const version = await contentHash(new TextEncoder().encode(files));
      const define = { __SEABAG_FILES__: files, __SEABAG_VERSION__: JSON.stringify(version) };
      await build({ ...alone(folder, worker, WORKER), define });
    },
  };
}

/** One entry as one module with a name that does not change; what it imports lazily gets a hashed name. */
function alone(folder: string, entry: string, name: string): InlineConfig {
  return {
    configFile: false,
    logLevel: 'warn',
    publicDir: false,
    build: {
      outDir: folder,
      emptyOutDir: false,
      target: 'es2022',
      reportCompressedSize: false,
      modulePreload: false,
      rolldownOptions: {
        input: entry,
        // What is loaded later uses what is loaded at once: both would move into a third file otherwise.
        preserveEntrySignatures: 'allow-extension',
        output: { entryFileNames: name, chunkFileNames: `${LIBRARY_CHUNKS}[name]-[hash].js` },
      },
    },
  };
}

/** What the pages consist of: each file's address on the server, with a hash of its bytes. */
async function listFiles(folder: string): Promise<Record<string, string>> {
  const found = await readdir(folder, { recursive: true, withFileTypes: true });
  const files = found.filter((item) => item.isFile()).map((item) => path.join(item.parentPath, item.name));
  const list: Record<string, string> = {};
  for (const file of files.sort()) {
    const name = path.relative(folder, file).split(path.sep).join('/');
    if (name === LIBRARY || name === WORKER || name.startsWith(LIBRARY_CHUNKS)) continue;
    list[address(name)] = await contentHash(await readFile(file));
  }
  return list;
}

/** As the server has it: `/` for index.html, `/notes` for notes.html. */
function address(name: string): string {
  const page = name.replace(/\.html$/, '');
  return page === 'index' ? '/' : `/${page}`;
}
