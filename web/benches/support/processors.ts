// Who took how much of the processors while something was measured: the programs of the measurement by name, and the
// rest of the machine, so that figures from a busy machine show that they are.

import { readFile } from 'node:fs/promises';
import { cpus } from 'node:os';
import type { Browser } from 'playwright-core';

/** Clock ticks a second, in which Linux counts. */
const TICKS = 100;

/** Seconds of a processor by name; `machine` is everything. */
type Spent = ReadonlyMap<string, number>;

/** Counts from when it was made. */
export class Processors {
  readonly #browser: Browser;
  readonly #server: number | undefined;
  #from: Spent = new Map();
  #sinceMs = 0;

  private constructor(browser: Browser, server: number | undefined) {
    this.#browser = browser;
    this.#server = server;
  }

  /** `server`: its process. */
  static async watch(browser: Browser, server: number | undefined): Promise<Processors> {
    const processors = new Processors(browser, server);
    processors.#from = await processors.#spent();
    processors.#sinceMs = performance.now();
    return processors;
  }

  /** Share of one processor by name since then, the largest first. */
  async shares(): Promise<readonly (readonly [name: string, share: number])[]> {
    const seconds = (performance.now() - this.#sinceMs) / 1000;
    const now = await this.#spent();
    const shares = Array.from(
      now,
      ([name, spent]) => [name, (spent - (this.#from.get(name) ?? 0)) / seconds] as const,
    );
    return shares.sort((a, b) => b[1] - a[1]);
  }

  async #spent(): Promise<Spent> {
    const cdp = await this.#browser.newBrowserCDPSession();
    const { processInfo } = await cdp.send('SystemInfo.getProcessInfo');
    await cdp.detach();
    const spent = new Map<string, number>();
    const add = (name: string, seconds: number) => spent.set(name, (spent.get(name) ?? 0) + seconds);
    for (const { type, cpuTime } of processInfo) add(`browser: ${type}`, cpuTime);
    const { user, system } = process.cpuUsage();
    add('this program and its pens', (user + system) / 1e6);
    if (this.#server !== undefined) add('server', await processSeconds(this.#server));
    for (const { times } of cpus()) add('machine', (times.user + times.nice + times.sys + times.irq) / 1000);
    return spent;
  }
}

async function processSeconds(pid: number): Promise<number> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) / TICKS;
}
