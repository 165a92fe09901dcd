// Runs a measurement that is written in TypeScript: `node benches/run.js whiteboard`. Node 20 cannot do so by itself.

import { fileURLToPath } from 'node:url';
import { createServer } from 'vite';

const [name] = process.argv.slice(2);
if (name === undefined) throw new Error('which measurement? a file in benches/, without .ts');
// It stays until the end: parts of the package are loaded when they are needed.
const loader = await createServer({
  configFile: false,
  root: fileURLToPath(new URL('..', import.meta.url)),
  appType: 'custom',
  logLevel: 'warn',
  optimizeDeps: { noDiscovery: true },
  server: { middlewareMode: true, hmr: false, ws: false, watch: null },
});
try {
  const { run } = await loader.ssrLoadModule(`/benches/${name}.ts`);
  await run();
} finally {
  await loader.close();
}
