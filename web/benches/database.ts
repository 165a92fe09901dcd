// The local database in a browser: merging, writing, asking, watching, in Chromium with IndexedDB on disk, in memory, and
// beside bare IndexedDB with the same tables. No server.
//
// `node benches/run.js database`; SEABAG_ENTS (10000,100000), SEABAG_BYTES (300), SEABAG_PROFILE.

import { duration, perSecond, printTable, quantile, spread } from './support/figures.ts';
import { Lab, type LabBrowser, printMachine } from './support/lab.ts';

const COUNTS = (process.env.SEABAG_ENTS ?? '10000,100000').split(',').map(Number);
const BODY_BYTES = Number(process.env.SEABAG_BYTES ?? 300);
const KEPT = ['indexeddb', 'memory'] as const;
const WRITES = 1_000;
const QUESTIONS = 200;
const CHANGES = 500;
const WATCHERS = 10;

/** Runs it and prints tables. */
export async function run(): Promise<void> {
  printMachine();
  const lab = await Lab.open();
  try {
    for (const count of COUNTS) await inBrowser(lab, (browser) => applyAndAsk(browser, count));
    await inBrowser(lab, write);
    await inBrowser(lab, watch);
  } finally {
    await lab.close();
  }
}

async function inBrowser(lab: Lab, work: (browser: LabBrowser) => Promise<void>): Promise<void> {
  const browser = await lab.browser();
  try {
    await work(browser);
  } finally {
    await browser.close();
  }
}

async function applyAndAsk(browser: LabBrowser, count: number): Promise<void> {
  const rows: string[][] = [];
  const rate = (ms: number) => perSecond(count, ms);
  for (const kept of KEPT) {
    const { newMs, updatesMs, mergeMs } = await browser.call('applyAll', kept, kept, count, BODY_BYTES);
    rows.push([kept, rate(newMs), rate(updatesMs), rate(mergeMs)]);
  }
  const { entsMs } = await browser.call('applyBare', 'indexeddb', count);
  rows.push(['bare puts of the entities', rate(entsMs), '', '']);
  process.stdout.write(`${count} entities, merged 1,000 a transaction\n\n`);
  printTable(['entities/s', 'new, from a link', 'updates, from a link', 'new, from a file'], rows);
  const asked = await browser.call('askAll', 'indexeddb', count, QUESTIONS);
  process.stdout.write(`pages of 100 of ${2 * count} entities in IndexedDB\n\n`);
  printTable(
    ['question', 'p50 / p99', 'found'],
    asked.map(([what, times, found]) => [what, spread(times), String(found)]),
  );
}

async function write(browser: LabBrowser): Promise<void> {
  const rows: string[][] = [];
  for (const kept of KEPT)
    for (const linked of [false, true]) {
      const ones = await browser.call('writeOnes', kept, WRITES, linked, BODY_BYTES);
      rows.push([
        `${kept}, ${linked ? 'one host linked' : 'no host'}`,
        each(ones.inserts),
        each(ones.updates),
        perSecond(WRITES, ones.beside),
        perSecond(WRITES, ones.many),
      ]);
    }
  const bare = await browser.call('writeOnesBare', WRITES, BODY_BYTES);
  rows.push(['bare puts of the entity', each(bare.ones), '', '', perSecond(WRITES, bare.many)]);
  process.stdout.write('local writes, synced\n\n');
  const heads = ['writes/s (p50 / p99)', 'insert', 'put', '1,000 inserts at once', 'insertMany of 1,000'];
  printTable(heads, rows);
}

function each(times: readonly number[]): string {
  const sum = times.reduce((total, ms) => total + ms, 0);
  return `${perSecond(times.length, sum)} (${spread(times)})`;
}

async function watch(browser: LabBrowser): Promise<void> {
  const rows: string[][] = [];
  for (const kept of KEPT) {
    const none = await browser.call('watchOne', kept, 0, false, CHANGES);
    const others = await browser.call('watchOne', kept, WATCHERS, false, CHANGES);
    const all = await browser.call('watchOne', kept, WATCHERS, true, CHANGES);
    const more = quantile(all, 0.5) - quantile(none, 0.5);
    rows.push([kept, spread(none), spread(others), spread(all), duration(Math.max(more, 0))]);
  }
  process.stdout.write(`one put, until ${WATCHERS} watchers of pages of 100 have heard it\n\n`);
  printTable(['p50 / p99', 'no watcher', 'of another group', 'all are told', 'more for telling (p50)'], rows);
}
