// How the tests run: in Node, in a real Chromium, and as a user of the pages that the real server serves.
import react from '@vitejs/plugin-react';
import { playwright } from '@vitest/browser-playwright';
import { defineConfig } from 'vitest/config';
import { chromiumArguments, chromiumPath } from './test/support/chromium.ts';
import { commands } from './test/support/commands.ts';

// No test is judged by how fast it is: a machine that is several times slower than usual passes too.
const bounds = { testTimeout: 180_000, hookTimeout: 180_000 };

export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: 'node',
          include: ['test/**/*.test.ts'],
          exclude: ['test/**/*.browser.test.ts', 'test/pages/**', 'test/examples/**'],
          ...bounds,
        },
      },
      {
        plugins: [react()],
        // Found late, a dependency would reload the page in the middle of a test.
        optimizeDeps: {
          include: [
            'react',
            'react-dom',
            'react-dom/client',
            'react-dom/server',
            'react/jsx-dev-runtime',
            '@msgpack/msgpack',
            'cbor2',
            'idb',
            'uqr',
            '@scure/bip39',
            '@scure/bip39/wordlists/english.js',
            '@noble/hashes/blake3.js',
            '@noble/hashes/sha2.js',
            '@noble/ciphers/salsa.js',
            '@noble/curves/ed25519.js',
            'fast-check',
          ],
        },
        test: {
          name: 'chromium',
          include: ['test/**/*.browser.test.{ts,tsx}'],
          ...bounds,
          browser: {
            enabled: true,
            headless: true,
            screenshotFailures: false,
            provider: playwright({
              launchOptions: { executablePath: chromiumPath, args: chromiumArguments },
            }),
            instances: [{ browser: 'chromium' }],
            commands,
          },
        },
      },
      {
        test: {
          name: 'pages',
          include: ['test/pages/**/*.test.ts', 'test/examples/**/*.test.ts'],
          exclude: ['test/**/*.browser.test.ts'],
          // Each test has browsers and a server of its own, and some build the package: one file after another.
          fileParallelism: false,
          ...bounds,
        },
      },
    ],
  },
});
