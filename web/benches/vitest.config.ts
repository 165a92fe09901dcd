// How measurements run: in Chromium, one after the other, printing what they find.
import { playwright } from '@vitest/browser-playwright';
import { defineConfig } from 'vitest/config';
import { chromiumArguments, chromiumPath } from '../test/support/chromium.ts';

export default defineConfig({
  test: {
    name: 'benches',
    include: ['benches/**/*.bench.ts'],
    fileParallelism: false,
    browser: {
      enabled: true,
      headless: true,
      screenshotFailures: false,
      provider: playwright({ launchOptions: { executablePath: chromiumPath, args: chromiumArguments } }),
      instances: [{ browser: 'chromium' }],
    },
  },
});
