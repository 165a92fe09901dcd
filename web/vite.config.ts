// Builds the pages that the server carries, into dist/ (committed): four pages, their offline worker, and the
// package as one file for people without npm. Nothing inline, since the server's Content-Security-Policy refuses that.

import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vite';
import { further } from './pages/build/further.ts';

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url));

// `npx vite` shows the pages while they are being written; what is no page is asked of this server.
const server = process.env.SEABAG_SERVER ?? 'http://127.0.0.1:8080';

export default defineConfig({
  root: here('pages'),
  appType: 'mpa',
  plugins: [further({ worker: here('pages/worker/worker.ts'), library: here('src/index.ts') })],
  server: {
    proxy: Object.fromEntries(
      ['/new', '/about', '/room', '/push', '/pull', '/users', '/readyz', '/healthz'].map((path) => [
        path,
        { target: server, ws: true },
      ]),
    ),
  },
  build: {
    outDir: here('dist'),
    emptyOutDir: true,
    target: 'es2022',
    sourcemap: false,
    reportCompressedSize: false,
    // A picture in a stylesheet stays a file of its own.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    rolldownOptions: {
      input: ['index', 'whiteboard', 'notes', 'inspector'].map((page) => here(`pages/${page}.html`)),
      output: {
        entryFileNames: 'assets/[name]-[hash].js',
        chunkFileNames: 'assets/[name]-[hash].js',
        assetFileNames: 'assets/[name]-[hash][extname]',
      },
    },
  },
});
