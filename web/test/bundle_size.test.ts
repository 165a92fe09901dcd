// How much a page has to load: the bundled, minified and compressed entries. Prints the sizes.
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { build } from 'vite';
import { expect, test } from 'vitest';

/** Bytes after gzip -9, of what is loaded at once. */
const LIMIT_ROOMS = 15_000;
/** With DriftDB's names, which bundlers leave out unless they are used. */
const LIMIT_ROOMS_AND_DRIFTDB = 16_300;
const LIMIT_ALL = 70_000;

const source = fileURLToPath(new URL('../src/', import.meta.url));

interface Chunk {
  readonly name: string;
  readonly bytes: number;
  /** Loaded only when it is asked for. */
  readonly later: boolean;
}

/** Bundles this module in memory, as it would be a part of an application: nothing that it exports is left out. */
async function bundle(module: string): Promise<Chunk[]> {
  const virtual = 'virtual:all';
  const output = await build({
    root: source,
    configFile: false,
    logLevel: 'silent',
    plugins: [
      {
        name: 'all',
        resolveId: (id) => (id === virtual ? id : null),
        load: (id) => (id === virtual ? module : null),
      },
    ],
    // Not the bundler's way of preloading chunks, which is no part of the package: so it is built as for a server, but
    // with what a browser would get.
    ssr: { noExternal: true, target: 'node', resolve: { conditions: ['browser', 'module', 'import'] } },
    build: {
      ssr: true,
      write: false,
      target: 'es2022',
      minify: true,
      // An application exports nothing: what is loaded later may use what is loaded at once.
      rollupOptions: { input: virtual, preserveEntrySignatures: 'allow-extension' },
    },
  });
  const files = (Array.isArray(output) ? output : 'output' in output ? [output] : [])
    .flatMap((one) => one.output)
    .filter((file) => file.type === 'chunk');
  const atOnce = new Set<string>();
  const load = (fileName: string) => {
    if (atOnce.has(fileName)) return;
    atOnce.add(fileName);
    for (const imported of files.find((file) => file.fileName === fileName)?.imports ?? []) load(imported);
  };
  for (const file of files) if (file.isEntry) load(file.fileName);
  return files.map(({ name, fileName, code }) => ({
    name,
    bytes: gzipSync(code, { level: 9 }).length,
    later: !atOnce.has(fileName),
  }));
}

function report(what: string, chunks: readonly Chunk[]): number {
  const now = chunks.filter(({ later }) => !later).reduce((sum, { bytes }) => sum + bytes, 0);
  const later = chunks.filter((chunk) => chunk.later).map(({ name, bytes }) => `${name} ${bytes}`);
  process.stdout.write(
    `${what}: ${now} bytes gzip${later.length > 0 ? `; when asked for: ${later.join(', ')}` : ''}\n`,
  );
  return now;
}

/** Exports all of these modules, or what they have besides the names that are left out. */
async function all(entries: readonly string[], leftOut: readonly string[] = []): Promise<string> {
  const lines: string[] = [];
  for (const entry of entries) {
    const path = source + entry;
    const names = Object.keys(await import(path)).filter((name) => !leftOut.includes(name));
    lines.push(`export { ${names.join(', ')} } from ${JSON.stringify(path)};`);
  }
  return lines.join('\n');
}

test('rooms are at most 15,000 bytes compressed, and 16,300 with DriftDB’s names', async () => {
  const driftdb = Object.keys(await import(`${source}driftdb.ts`));
  expect(Object.keys(await import(`${source}index.ts`))).toEqual(expect.arrayContaining(driftdb));
  const alone = await bundle(await all(['index.ts'], driftdb));
  const bytes = report('rooms alone', alone);
  expect(bytes).toBeGreaterThan(2_000);
  expect(bytes).toBeLessThanOrEqual(LIMIT_ROOMS);
  const entry = await bundle(await all(['index.ts']));
  expect(report('rooms with DriftDB’s names', entry)).toBeLessThanOrEqual(LIMIT_ROOMS_AND_DRIFTDB);
  const later = entry.filter((chunk) => chunk.later).map(({ name }) => name);
  expect(later.sort()).toEqual(['cbor', 'http_room', 'make', 'request']);
});

test('rooms and the entity database together are at most 70,000 bytes compressed', async () => {
  const chunks = await bundle(await all(['index.ts', 'entdb.ts'], ['SeabagError']));
  expect(report('all', chunks)).toBeLessThanOrEqual(LIMIT_ALL);
  const later = chunks.filter((chunk) => chunk.later).map(({ name }) => name);
  expect(later).toEqual(expect.arrayContaining(['archive', 'ed25519_script', 'words']));
});

test('no bundled code makes code from text: the pages forbid it', async () => {
  const output = await build({
    root: source,
    configFile: false,
    logLevel: 'silent',
    build: { write: false, minify: false, rollupOptions: { input: `${source}protocol/room/cbor.ts` } },
  });
  const files = Array.isArray(output)
    ? output.flatMap((one) => one.output)
    : 'output' in output
      ? output.output
      : [];
  const code = files.map((file) => (file.type === 'chunk' ? file.code : '')).join('\n');
  expect(code.length).toBeGreaterThan(10_000);
  expect(code).not.toMatch(/\beval\s*\(|new Function\b/);
});
