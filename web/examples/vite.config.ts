// Serves the examples: `npx vite examples`, then open the address that it prints. They talk to a Seabag server on
// port 8080, or to the one in the variable VITE_SEABAG. Here they use the package's sources; yours uses npm's.

import { fileURLToPath } from 'node:url';
import react from '@vitejs/plugin-react';
import { defineConfig } from 'vite';

const source = (path: string) => fileURLToPath(new URL(`../src/${path}`, import.meta.url));

export default defineConfig({
  appType: 'mpa',
  plugins: [react()],
  resolve: {
    alias: [
      { find: /^seabag$/, replacement: source('index.ts') },
      { find: /^seabag\/(.*)$/, replacement: source('$1.ts') },
    ],
  },
});
