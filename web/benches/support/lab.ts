// A real Chromium with a profile on disk, and a page in it that measures: built as users build theirs, for production.
// An incognito window would keep IndexedDB in memory. Cross-origin isolated, so that the page's clock is not coarse.
//
// SEABAG_PROFILE=1 leaves names as they are and prints where a call's time went on the page's main thread.

import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server as HttpServer, type ServerResponse } from 'node:http';
import { cpus, loadavg, tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { type BrowserContext, type CDPSession, chromium, type Page } from 'playwright-core';
import { build } from 'vite';
import { chromiumArguments, chromiumPath } from '../../test/support/chromium.ts';
import type { Bench } from '../page/main.ts';

const PROFILING = process.env.SEABAG_PROFILE === '1';
const PROFILE_LINES = 45;
const SAMPLE_MS = 50;
/** A measurement may take its time. */
const PATIENCE_MS = 600_000;
const TYPES: Readonly<Record<string, string>> = { '.html': 'text/html', '.js': 'text/javascript' };

/** What the page exposes, without its types. */
declare global {
  interface Window {
    seabagBench?: Readonly<Record<string, (...given: unknown[]) => unknown>>;
  }
}

/** What something cost the page. */
export interface Cost {
  /** How long its main thread was busy, milliseconds. */
  readonly busyMs: number;
  /** Resident memory of its process: before, the most meanwhile, and at the end; bytes. */
  readonly residentBefore: number;
  readonly residentMost: number;
  readonly residentAfter: number;
  /** JavaScript's heap at the end, garbage collected; bytes. */
  readonly heapAfter: number;
}

/** The built page, served to browsers. */
export class Lab {
  readonly #http: HttpServer;
  readonly #folder: string;
  /** Where the page is. */
  readonly origin: string;

  private constructor(http: HttpServer, folder: string) {
    this.#http = http;
    this.#folder = folder;
    const address = http.address();
    const port = typeof address === 'object' && address !== null ? address.port : 0;
    this.origin = `http://127.0.0.1:${port}`;
  }

  /** Builds the page and serves it; `/bytes?n=` answers with so many bytes that are ready. */
  static async open(): Promise<Lab> {
    const folder = await mkdtemp(path.join(tmpdir(), 'seabag-bench-'));
    await build({
      configFile: false,
      logLevel: 'error',
      root: fileURLToPath(new URL('../page', import.meta.url)),
      build: { outDir: path.join(folder, 'page'), target: 'es2022', minify: !PROFILING },
    });
    const http = createServer((request, response) => void serve(folder, request.url ?? '/', response));
    await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve));
    return new Lab(http, folder);
  }

  /** A browser of somebody new. */
  async browser(): Promise<LabBrowser> {
    return LabBrowser.open(await mkdtemp(path.join(this.#folder, 'profile-')), this.origin);
  }

  async close(): Promise<void> {
    this.#http.close();
    this.#http.closeAllConnections();
    await rm(this.#folder, { recursive: true, force: true });
  }
}

const ready = Buffer.alloc(16 * 1024 * 1024, 'x');

async function serve(folder: string, address: string, response: ServerResponse): Promise<void> {
  const { pathname, searchParams } = new URL(address, 'http://localhost');
  response.setHeader('Cross-Origin-Opener-Policy', 'same-origin');
  response.setHeader('Cross-Origin-Embedder-Policy', 'require-corp');
  if (pathname === '/bytes') return void response.end(ready.subarray(0, Number(searchParams.get('n'))));
  const file = path.join(folder, 'page', path.normalize(pathname === '/' ? '/index.html' : pathname));
  const content = await readFile(file).catch(() => null);
  response.setHeader('Content-Type', TYPES[path.extname(file)] ?? 'application/octet-stream');
  response.statusCode = content === null ? 404 : 200;
  response.end(content ?? '');
}

/** A browser with the page. */
export class LabBrowser {
  readonly #context: BrowserContext;
  readonly #page: Page;
  readonly #cdp: CDPSession;
  readonly #profile: string;
  #profiling = false;

  private constructor(context: BrowserContext, page: Page, cdp: CDPSession, profile: string) {
    this.#context = context;
    this.#page = page;
    this.#cdp = cdp;
    this.#profile = profile;
  }

  static async open(profile: string, origin: string): Promise<LabBrowser> {
    const options = { executablePath: chromiumPath, args: chromiumArguments };
    const context = await chromium.launchPersistentContext(profile, options);
    const page = context.pages()[0] ?? (await context.newPage());
    page.on('pageerror', (error) => process.stderr.write(`in the page: ${error.stack ?? error}\n`));
    await page.goto(origin);
    await page.waitForFunction(() => window.seabagBench !== undefined);
    const cdp = await context.newCDPSession(page);
    await cdp.send('Performance.enable', { timeDomain: 'threadTicks' });
    return new LabBrowser(context, page, cdp, profile);
  }

  /** Has the page do something. */
  async call<Name extends keyof Bench>(
    name: Name,
    ...given: Parameters<Bench[Name]>
  ): Promise<Awaited<ReturnType<Bench[Name]>>> {
    this.#page.setDefaultTimeout(PATIENCE_MS);
    const answer = await this.#profiled(name, () =>
      this.#page.evaluate(([called, listed]) => window.seabagBench?.[called]?.(...listed), [
        name,
        given,
      ] as const),
    );
    return answer as Awaited<ReturnType<Bench[Name]>>;
  }

  /** Has it do something, and looks at what that costs. */
  async measure<Name extends keyof Bench>(
    name: Name,
    ...given: Parameters<Bench[Name]>
  ): Promise<{ answer: Awaited<ReturnType<Bench[Name]>>; cost: Cost }> {
    return this.measureWhile(name, () => this.call(name, ...given));
  }

  /** Looks at what this costs the page. */
  async measureWhile<T>(name: string, work: () => Promise<T>): Promise<{ answer: T; cost: Cost }> {
    await this.#cdp.send('HeapProfiler.collectGarbage');
    const pid = await this.#renderer();
    const residentBefore = await resident(pid);
    const busyBefore = await this.#metric('TaskDuration');
    let residentMost = residentBefore;
    const timer = setInterval(async () => {
      residentMost = Math.max(residentMost, await resident(pid));
    }, SAMPLE_MS);
    const answer = await this.#profiled(name, work);
    clearInterval(timer);
    const busyMs = ((await this.#metric('TaskDuration')) - busyBefore) * 1000;
    await this.#cdp.send('HeapProfiler.collectGarbage');
    const residentAfter = await resident(pid);
    const heapAfter = await this.#metric('JSHeapUsedSize');
    return { answer, cost: { busyMs, residentBefore, residentMost, residentAfter, heapAfter } };
  }

  async close(): Promise<void> {
    await this.#context.close();
    await rm(this.#profile, { recursive: true, force: true });
  }

  async #metric(name: string): Promise<number> {
    const { metrics } = await this.#cdp.send('Performance.getMetrics');
    return metrics.find((metric) => metric.name === name)?.value ?? Number.NaN;
  }

  /** The page's process: of all renderers the largest, since the others are empty. */
  async #renderer(): Promise<number> {
    const browser = this.#context.browser();
    const cdp =
      browser === null ? await this.#context.newCDPSession(this.#page) : await browser.newBrowserCDPSession();
    const { processInfo } = await cdp.send('SystemInfo.getProcessInfo');
    const renderers = processInfo.filter(({ type }) => type === 'renderer').map(({ id }) => id);
    const sizes = await Promise.all(renderers.map(async (id) => [id, await resident(id)] as const));
    return sizes.sort((a, b) => b[1] - a[1])[0]?.[0] ?? 0;
  }

  async #profiled<T>(name: string, work: () => Promise<T>): Promise<T> {
    if (!PROFILING || this.#profiling) return work();
    this.#profiling = true;
    await this.#cdp.send('Profiler.enable');
    await this.#cdp.send('Profiler.start');
    const answer = await work();
    await this.#printProfile(name);
    this.#profiling = false;
    return answer;
  }

  async #printProfile(name: string): Promise<void> {
    const { profile } = await this.#cdp.send('Profiler.stop');
    const file = path.join(tmpdir(), `seabag-${name}.cpuprofile`);
    await writeFile(file, JSON.stringify(profile));
    const nodes = new Map(profile.nodes.map((node) => [node.id, node]));
    const self = new Map<string, number>();
    for (const [at, id] of (profile.samples ?? []).entries()) {
      const { functionName = '', lineNumber = 0 } = nodes.get(id)?.callFrame ?? {};
      const frame = `${functionName || '(anonymous)'}:${lineNumber}`;
      self.set(frame, (self.get(frame) ?? 0) + (profile.timeDeltas?.[at] ?? 0) / 1000);
    }
    const lines = [...self].sort((a, b) => b[1] - a[1]).slice(0, PROFILE_LINES);
    process.stdout.write(`\n${name}: self time, ms (${file})\n`);
    for (const [frame, ms] of lines) process.stdout.write(`${ms.toFixed(0).padStart(8)} ${frame}\n`);
  }
}

/** Resident memory of a process, bytes. */
async function resident(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '');
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1] ?? Number.NaN) * 1024;
}

/** What the figures were taken on. */
export function printMachine(): void {
  const load = loadavg()[0]?.toFixed(1);
  process.stdout.write(
    `${cpus().length} processors (${cpus()[0]?.model}), load ${load}, Node ${process.version}\n\n`,
  );
}
