// What the build makes besides the pages: the package as one module (`seabag.js`), and the offline worker (`sw.js`),
// which is told every file's name and hash and so is built last.

import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { build, type InlineConfig, type Plugin } from 'vite';

/** The name under which the worker finds the list of files. */
const LIST = '__SEABAG_FILES__';
const HASH_CHARACTERS = 16;

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
    async closeBundle() {
      await build(alone(folder, library, 'seabag.js'));
      const list = JSON.stringify(await listFiles(folder));
      await build({ ...alone(folder, worker, 'sw.js'), define: { [LIST]: list } });
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
        preserveEntrySignatures: 'strict',
        output: { entryFileNames: name, chunkFileNames: 'assets/seabag-[name]-[hash].js' },
      },
    },
  };
}

/** Every built file by its path from `/`, with a hash of its bytes. */
async function listFiles(folder: string): Promise<Record<string, string>> {
  const found = await readdir(folder, { recursive: true, withFileTypes: true });
  const files = found.filter((item) => item.isFile()).map((item) => path.join(item.parentPath, item.name));
  const list: Record<string, string> = {};
  for (const file of files.sort()) {
    const hash = createHash('sha256').update(await readFile(file));
    const name = path.relative(folder, file).split(path.sep).join('/');
    if (name !== 'sw.js') list[`/${name}`] = hash.digest('hex').slice(0, HASH_CHARACTERS);
  }
  return list;
}
