// The first sync of a browser: one device writes and uploads, another one, with nothing on it, links the same account.
// Both in Chromium with IndexedDB on disk, through the real server; beside the parts alone in the same page.
//
// `node benches/run.js first_sync`; SEABAG_ENTS (10000,100000), SEABAG_BYTES (300), SEABAG_BINARY, SEABAG_PROFILE.

import { Seed } from '../src/crypto/seed.ts';
import { Server } from '../test/support/server.ts';
import { duration, mebibytes, perSecond, printTable } from './support/figures.ts';
import { Lab, printMachine } from './support/lab.ts';

const COUNTS = (process.env.SEABAG_ENTS ?? '10000,100000').split(',').map(Number);
const BODY_BYTES = Number(process.env.SEABAG_BYTES ?? 300);

/** Runs it and prints tables. */
export async function run(): Promise<void> {
  printMachine();
  const lab = await Lab.open();
  try {
    for (const count of COUNTS) await measure(lab, count);
  } finally {
    await lab.close();
  }
}

async function measure(lab: Lab, count: number): Promise<void> {
  const server = await Server.start();
  const seed = Seed.generate().hex();
  try {
    const writer = await lab.browser();
    const written = await writer.call('writeDevice', 'first', seed, server.url, count, BODY_BYTES);
    await writer.close();
    const reader = await lab.browser();
    const { answer: read, cost } = await reader.measure('readDevice', 'second', seed, server.url);
    if (read.ents !== count) throw new Error(`${read.ents} of ${count} entities came: ${read.links}`);
    const checksMs = await reader.call('bareChecks', count);
    const fetchMs = await reader.call('bareFetch', read.sizes);
    const bare = await reader.call('bareRows', 'second');
    await reader.close();
    const { openHeads = 0, headBoxes = 0, openBody = 0, judge = 0, receive = 0 } = read.times;
    const { fill = 0, waiting = 0, setStage = 0, doubt = 0 } = read.times;
    const parts: [string, number, string][] = [
      ['network', read.networkMs, `${duration(fetchMs)} (as many bytes, ready)`],
      ['signatures', openHeads - headBoxes, `${duration(checksMs)} (WebCrypto alone)`],
      ['opening heads and bodies', headBoxes + openBody, ''],
      ['IndexedDB: what is here already', judge, ''],
      [
        'merging, IndexedDB: writing',
        receive,
        `${duration(bare.entsMs)} (bare puts of the entities), ${duration(bare.allMs)} (and of the numbers)`,
      ],
      ['IndexedDB: whether the host lacks anything', fill + waiting + setStage + doubt, ''],
    ];
    const sum = parts.reduce((total, [, ms]) => total + ms, 0);
    const bytes = read.sizes.reduce((sum, size) => sum + size, 0);
    process.stdout.write(
      `${count} entities: written in ${duration(written.writeMs)} (${perSecond(count, written.writeMs)}/s), ` +
        `uploaded in ${duration(written.uploadMs)} (${perSecond(count, written.uploadMs)}/s), ` +
        `first sync in ${duration(read.totalMs)} (${perSecond(count, read.totalMs)}/s), ` +
        `${mebibytes(bytes)} in ${read.sizes.length} answers\n\n`,
    );
    printTable(
      ['part', 'time, from its beginning to its end', 'alone'],
      parts.map(([part, ms, alone]) => [part, duration(ms), alone]),
    );
    process.stdout.write(`one after the other ${duration(sum)}, side by side ${duration(read.totalMs)}\n\n`);
    process.stdout.write(
      `calls of the database, upload: ${listed(written.times)}; first sync: ${listed(read.times)}\n\n`,
    );
    process.stdout.write(
      `main thread busy ${duration(cost.busyMs)}; resident memory of the page ${mebibytes(cost.residentBefore)} before, ` +
        `${mebibytes(cost.residentMost)} at most, ${mebibytes(cost.residentAfter)} after; heap after ${mebibytes(cost.heapAfter)}\n\n`,
    );
  } finally {
    await server.remove();
  }
}

/** What took a while, longest first. `status` is read beside the others, for whoever looks at it. */
function listed(times: Readonly<Record<string, number>>): string {
  const sorted = Object.entries(times).sort((a, b) => b[1] - a[1]);
  return sorted.map(([name, ms]) => `${name} ${duration(ms)}`).join(', ');
}
