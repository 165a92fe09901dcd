// The first sync of a device, and where its time goes. Each part is timed where it begins and ends; parts run side by side,
// so that they add up to more than the whole. Nothing of the package is changed but the functions that are timed.

import { BoxKey } from '../../src/crypto/box_key.ts';
import { Sealer } from '../../src/crypto/seal.ts';
import { Seed } from '../../src/crypto/seed.ts';
import { Database } from '../../src/entdb/database.ts';
import { openEntDB } from '../../src/entdb.ts';
import { BATCH, copyTables, draftOf, TYPE } from './ents.ts';

/** Signatures that are checked at once by the reference. */
const AT_ONCE = 256;
const RESOURCES_MAX = 100_000;

/** Writes so many entities, then uploads them. */
export async function writeDevice(name: string, seed: string, url: string, count: number, bodyBytes: number) {
  const entdb = await openEntDB({ name, seed: await Seed.parse(seed), guardClosing: false });
  const start = performance.now();
  for (let at = 0; at < count; at += BATCH) {
    const drafts = Array.from({ length: Math.min(BATCH, count - at) }, (_, index) =>
      draftOf(at + index, bodyBytes),
    );
    await entdb.insertMany(drafts);
  }
  const written = performance.now();
  const times: Times = {};
  const stop = timeParts(times);
  await entdb.link(url);
  await entdb.sync();
  const uploaded = performance.now();
  stop();
  const { links } = entdb.status;
  await entdb.close();
  return { writeMs: written - start, uploadMs: uploaded - written, times, links: JSON.stringify(links) };
}

/** What a session asks of the database; and `status`, which is read beside it. */
const METHODS = [
  'judge',
  'receive',
  'follow',
  'doubt',
  'setStage',
  'setTrouble',
  'waiting',
  'fill',
  'outbox',
  'pushed',
  'prunable',
  'pruned',
  'lost',
  'status',
] as const;

/** Milliseconds, or calls, by what took them. */
type Times = Record<string, number>;

/** Links an empty device and waits until everything is here. */
export async function readDevice(name: string, seed: string, url: string) {
  performance.setResourceTimingBufferSize(RESOURCES_MAX);
  performance.clearResourceTimings();
  const times: Times = {};
  const stop = timeParts(times);
  const sizes: number[] = [];
  const counted: typeof fetch = async (input, init) => weighed(await fetch(input, init), sizes);
  const entdb = await openEntDB({ name, seed: await Seed.parse(seed), fetch: counted, guardClosing: false });
  const start = performance.now();
  await entdb.link(url);
  await entdb.sync();
  const totalMs = performance.now() - start;
  stop();
  const ents = await entdb.count({ type: TYPE });
  const links = JSON.stringify(entdb.status.links);
  await entdb.close();
  const calls = performance.getEntriesByType('resource') as PerformanceResourceTiming[];
  const networkMs = calls.reduce((sum, { startTime, responseEnd }) => sum + responseEnd - startTime, 0);
  return { totalMs, ents, times, sizes, networkMs, links };
}

/** The same answer, whose bytes are counted as they are read. */
function weighed(response: Response, sizes: number[]): Response {
  const { body, ok, status, headers } = response;
  const at = sizes.push(0) - 1;
  const getReader = () => {
    const reader = body?.getReader();
    const read = async () => {
      const part = await reader?.read();
      sizes[at] = (sizes[at] ?? 0) + (part?.value?.length ?? 0);
      return part;
    };
    return { read, cancel: () => reader?.cancel() };
  };
  return { ok, status, headers, body: { getReader, cancel: () => body?.cancel() } } as unknown as Response;
}

/** Adds up how long each part takes. Returns what ends that. */
function timeParts(times: Times): () => void {
  const add = (part: string, from: number) => {
    times[part] = (times[part] ?? 0) + performance.now() - from;
  };
  let inBody = false;
  const ends = [
    around(Sealer.prototype, 'openHeads', (open) => async (...given) => {
      const from = performance.now();
      const heads = await open(...given);
      add('openHeads', from);
      return heads;
    }),
    around(Sealer.prototype, 'openBody', (open) => (...given) => {
      const from = performance.now();
      inBody = true;
      const body = open(...given);
      inBody = false;
      add('openBody', from);
      return body;
    }),
    around(BoxKey.prototype, 'open', (open) => (...given) => {
      const from = performance.now();
      const plain = open(...given);
      if (!inBody) add('headBoxes', from);
      return plain;
    }),
    around(BoxKey, 'ofBag', (make) => (...given) => {
      const from = performance.now();
      const key = make(...given);
      if (!inBody) add('headBoxes', from);
      return key;
    }),
    ...METHODS.map((name) =>
      around(Database.prototype, name, (call) => async (...given) => {
        const from = performance.now();
        const answer = await call(...given);
        add(name, from);
        return answer;
      }),
    ),
  ];
  return () => {
    for (const end of ends) end();
  };
}

/** Puts a function around a method. Returns what takes it away. */
function around<Name extends string, Call extends (...given: never[]) => unknown>(
  owner: { [name in Name]: Call },
  name: Name,
  wrap: (call: Call) => (...given: Parameters<Call>) => ReturnType<Call>,
): () => void {
  const original = owner[name];
  const wrapped = function (this: unknown, ...given: Parameters<Call>) {
    const bound = ((...inner: Parameters<Call>) => original.apply(this, inner)) as unknown as Call;
    return wrap(bound)(...given);
  };
  owner[name] = wrapped as unknown as Call;
  return () => {
    owner[name] = original;
  };
}

/** The rows of a device put into a bare store: entities alone, and with what the host is known to hold. */
export async function bareRows(name: string) {
  const ents = await copyTables(name, 'bare ents', ['entities']);
  const all = await copyTables(name, 'bare all', ['entities', 'bags']);
  return { entsMs: ents.ms, ents: ents.puts, allMs: all.ms, all: all.puts };
}

/** As many bytes in as many answers, from a server that has them ready. */
export async function bareFetch(sizes: readonly number[]): Promise<number> {
  const start = performance.now();
  for (const size of sizes) {
    const response = await fetch(`/bytes?n=${size}`, { method: 'POST', cache: 'no-store' });
    await response.arrayBuffer();
  }
  return performance.now() - start;
}

/** As many signatures checked, and nothing else. */
export async function bareChecks(count: number): Promise<number> {
  const pair = await crypto.subtle.generateKey('Ed25519', false, ['sign', 'verify']);
  if (!('publicKey' in pair)) throw new Error('no keypair');
  const message = crypto.getRandomValues(new Uint8Array(90));
  const signature = await crypto.subtle.sign('Ed25519', pair.privateKey, message);
  const start = performance.now();
  for (let at = 0; at < count; at += AT_ONCE) {
    const checks = Array.from({ length: Math.min(AT_ONCE, count - at) }, () =>
      crypto.subtle.verify('Ed25519', pair.publicKey, signature, message),
    );
    await Promise.all(checks);
  }
  return performance.now() - start;
}
