// Prints what sealing costs in Chromium: npx vitest run --config benches/vitest.config.ts

import { test } from 'vitest';
import { measureSealing } from './sealing.ts';

const SIZES = [16, 512, 16 * 1024];

test('the cost of sealing', { timeout: 300_000 }, async () => {
  const lines = ['us a message          seal  open head  open body       hash'];
  for (const provider of ['webcrypto', 'javascript'] as const) {
    for (const size of SIZES) {
      const count = provider === 'webcrypto' ? 2_000 : 200;
      const cost = await measureSealing(provider, size, size > 1_000 ? count / 2 : count);
      const columns = [cost.seal, cost.openHead, cost.openBody, cost.hash];
      const shown = columns.map((column) => column.toFixed(1).padStart(10)).join(' ');
      lines.push(`${provider.padEnd(10)} ${String(size).padStart(6)} ${shown}`);
    }
  }
  // biome-ignore lint/suspicious/noConsole: to print is what a measurement is for.
  console.log(lines.join('\n'));
});
