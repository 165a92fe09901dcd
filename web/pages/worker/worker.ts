// The offline worker: keeps the built files, so that the pages open while the server is away. It answers for these
// files alone; rooms, accounts and other origins never pass through it.

import { contentHash } from './content_hash.ts';

/** Address and hash of every file that a page needs; written in by the build. */
declare const __SEABAG_FILES__: Readonly<Record<string, string>>;
/** Changes whenever any of the files does; written in by the build. */
declare const __SEABAG_VERSION__: string;

interface LifetimeEvent extends Event {
  waitUntil(work: Promise<unknown>): void;
}

interface RequestEvent extends LifetimeEvent {
  readonly request: Request;
  respondWith(answer: Promise<Response>): void;
}

const CACHE_PREFIX = 'seabag-pages-';
const CACHE = CACHE_PREFIX + __SEABAG_VERSION__;
const FILES = new Map(Object.entries(__SEABAG_FILES__));
/** A page waits this long for a server that neither answers nor refuses. */
const PATIENCE_MS = 3_000;

addEventListener('install', (event) => {
  (event as LifetimeEvent).waitUntil(keepAll());
});

// There is no skipWaiting: pages that are open go on with the files that they were built with, until the last is closed.
addEventListener('activate', (event) => {
  (event as LifetimeEvent).waitUntil(dropOthers());
});

addEventListener('fetch', (event) => {
  const asked = event as RequestEvent;
  const { method, mode, url } = asked.request;
  const { origin, pathname } = new URL(url);
  if (origin !== location.origin || method !== 'GET' || !FILES.has(pathname)) return;
  const answer = mode === 'navigate' ? networkFirst : cacheFirst;
  asked.respondWith(answer(asked.request, pathname));
});

/** All files or none: a set of mixed age would not fit together. */
async function keepAll(): Promise<void> {
  const cache = await caches.open(CACHE);
  try {
    await Promise.all(Array.from(FILES, ([path, hash]) => keep(cache, path, hash)));
  } catch (error) {
    await caches.delete(CACHE);
    throw error;
  }
}

async function keep(cache: Cache, path: string, hash: string): Promise<void> {
  // A worker that differs in nothing but its own code finds the files there already.
  if ((await cache.match(path)) !== undefined) return;
  const answer = await fetch(path, { cache: 'no-cache' });
  const found = answer.ok ? await contentHash(await answer.clone().arrayBuffer()) : '';
  // The server may be another version by now; its own worker is on the way.
  if (found !== hash) throw new Error(`${path} is not the file that this worker was built with`);
  await cache.put(path, answer);
}

async function dropOthers(): Promise<void> {
  const names = await caches.keys();
  const old = names.filter((name) => name.startsWith(CACHE_PREFIX) && name !== CACHE);
  await Promise.all(old.map((name) => caches.delete(name)));
}

/** A page: as the server has it now, or as it was kept when the server is away, is failing, or takes too long. */
async function networkFirst(request: Request, path: string): Promise<Response> {
  const asked = fetch(request);
  // Whoever waits no longer still must not leave a failure behind.
  asked.catch(() => undefined);
  const late = new Promise<undefined>((resolve) => setTimeout(resolve, PATIENCE_MS));
  const answer = await Promise.race([asked, late]).catch(() => undefined);
  if (answer !== undefined && answer.status < 500) return answer;
  return (await kept(path)) ?? asked;
}

/** A file whose name or list says that it is the same. */
async function cacheFirst(request: Request, path: string): Promise<Response> {
  return (await kept(path)) ?? fetch(request);
}

/** Where the browser has no cache for us (any more), the network is all there is. */
async function kept(path: string): Promise<Response | undefined> {
  try {
    return await (await caches.open(CACHE)).match(path);
  } catch {
    return undefined;
  }
}
