// What a trace of the browser tells of its pages: the tasks of their main threads, and the frames that were drawn.

import type { Browser } from 'playwright-core';

/** What to record for `longestTask`: every task of every thread, which costs a tenth of a processor. */
export const TASKS = ['toplevel', '__metadata'];
/** What to record for `frameGaps`: a dozen small marks a frame. */
export const FRAMES = ['disabled-by-default-devtools.timeline.frame', '__metadata'];

interface TraceEvent {
  readonly name: string;
  readonly pid: number;
  readonly tid: number;
  readonly ts: number;
  /** Microseconds of the clock, and of the processor: the difference is what other programs took. */
  readonly dur?: number;
  readonly tdur?: number;
  readonly args?: { readonly name?: string; readonly layerTreeId?: number };
}

/** Records while something is done. */
export async function traced(
  browser: Browser,
  categories: readonly string[],
  work: () => Promise<unknown>,
): Promise<Buffer> {
  await browser.startTracing(undefined, { categories: [...categories] });
  await work();
  return browser.stopTracing();
}

/** The longest task of any page's main thread: milliseconds of the clock, and of the processor. */
export function longestTask(trace: Buffer): [number, number] {
  const events = read(trace);
  const mains = events.filter(({ name, args }) => name === 'thread_name' && args?.name === 'CrRendererMain');
  const tasks = events.filter(
    ({ name, pid, tid }) =>
      name === 'ThreadControllerImpl::RunTask' && mains.some((main) => main.pid === pid && main.tid === tid),
  );
  const most = (pick: (task: TraceEvent) => number | undefined) =>
    tasks.reduce((found, task) => Math.max(found, (pick(task) ?? 0) / 1000), 0);
  return [most(({ dur }) => dur), most(({ tdur }) => tdur)];
}

/** Milliseconds between the frames that each page's compositor drew, a list a page that drew. */
export function frameGaps(trace: Buffer): number[][] {
  const times = new Map<string, number[]>();
  for (const { name, pid, ts, args } of read(trace)) {
    if (name !== 'DrawFrame') continue;
    const page = `${pid} ${args?.layerTreeId}`;
    times.set(page, [...(times.get(page) ?? []), ts]);
  }
  return Array.from(times.values(), (drawn) => {
    const sorted = drawn.sort((a, b) => a - b);
    return sorted.slice(1).map((ts, index) => (ts - (sorted[index] ?? ts)) / 1000);
  });
}

function read(trace: Buffer): readonly TraceEvent[] {
  const { traceEvents } = JSON.parse(trace.toString()) as { traceEvents: readonly TraceEvent[] };
  return traceEvents;
}
