// How much a page has to load: the bundled, minified and compressed entries. Prints the sizes.
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { build } from 'vite';
import { expect, test } from 'vitest';

const KIB = 1024;
const LIMIT_ROOMS = 15 * KIB;
/** The aim is 70 KiB. Until the word list and the curves are loaded only when they are needed, this keeps it from growing. */
const LIMIT_ROOMS_AND_ENTDB = 86 * KIB;

const source = fileURLToPath(new URL('../src/', import.meta.url));

interface Chunk {
  readonly name: string;
  readonly bytes: number;
  /** Loaded only when it is asked for. */
  readonly later: boolean;
}

/** Bundles a module that exports all of these entries, in memory. */
async function bundle(...entries: string[]): Promise<Chunk[]> {
  const virtual = 'virtual:all';
  const output = await build({
    root: source,
    configFile: false,
    logLevel: 'silent',
    plugins: [
      {
        name: 'all',
        resolveId: (id) => (id === virtual ? id : null),
        load: (id) =>
          id === virtual
            ? entries.map((entry) => `export * from ${JSON.stringify(source + entry)};`).join('\n')
            : null,
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
      rollupOptions: { input: virtual, preserveEntrySignatures: 'strict' },
    },
  });
  const chunks: Chunk[] = [];
  for (const { output: files } of Array.isArray(output) ? output : 'output' in output ? [output] : []) {
    for (const file of files) {
      if (file.type !== 'chunk') continue;
      chunks.push({
        name: file.name,
        bytes: gzipSync(file.code, { level: 9 }).length,
        later: file.isDynamicEntry,
      });
    }
  }
  return chunks;
}

function report(what: string, chunks: readonly Chunk[]): number {
  const now = chunks.filter(({ later }) => !later).reduce((sum, { bytes }) => sum + bytes, 0);
  const later = chunks.filter((chunk) => chunk.later).map(({ name, bytes }) => `${name} ${bytes}`);
  process.stdout.write(
    `${what}: ${now} bytes gzip${later.length > 0 ? `; when asked for: ${later.join(', ')}` : ''}\n`,
  );
  return now;
}

test('all of the rooms entry is at most 15 KiB compressed, CBOR apart', async () => {
  const chunks = await bundle('index.ts');
  const bytes = report('rooms', chunks);
  expect(bytes).toBeGreaterThan(2_000);
  expect(bytes).toBeLessThanOrEqual(LIMIT_ROOMS);
  expect(chunks.some(({ later, name }) => later && name.includes('cbor'))).toBe(true);
});

test('rooms and the entity database together do not grow', async () => {
  expect(existsSync(`${source}entdb.ts`)).toBe(true);
  const bytes = report('rooms and entdb', await bundle('index.ts', 'entdb.ts'));
  expect(bytes).toBeLessThanOrEqual(LIMIT_ROOMS_AND_ENTDB);
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
