// Tabs of one database in a real browser: one syncs and the others follow, whoever closes or crashes, and everything that
// was written is still there after a reload.

import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { commands } from 'vitest/browser';
import { type EntDB, type OpenOptions, openEntDB } from '../../src/client/entdb.ts';
import { Seed } from '../../src/crypto/seed.ts';
import { deleteIndexedDb } from '../../src/entdb/storage/indexeddb.ts';
import { until } from '../support/until.ts';

let url: string;
let names = 0;

beforeAll(async () => {
  url = await commands.startServer();
});

afterAll(() => commands.removeServer(url));

/** A name that no other test has. */
function newName(): string {
  names += 1;
  return `test ${names} ${crypto.randomUUID()}`;
}

/** A tab, in this page: each has its own connections, channels and locks, as tabs have. */
async function openTab(seed: Seed, name: string, options: Partial<OpenOptions> = {}): Promise<EntDB> {
  const tab = await openEntDB({ seed, name, fillWaitMsMax: 300, ...options });
  onTestFinished(() => tab.close());
  return tab;
}

/** Another device of the same person. */
async function openDevice(seed: Seed): Promise<EntDB> {
  const device = await openTab(seed, '', { storage: 'memory' });
  await device.link(url);
  return device;
}

async function has(device: EntDB, count: number): Promise<boolean> {
  return (await device.count({ type: 'note' })) === count;
}

function note(body: unknown) {
  return { type: 'note', body };
}

test('one tab syncs and the other follows: what either writes is at the host, and both show how it stands', async () => {
  const [seed, name] = [Seed.generate(), newName()];
  const leader = await openTab(seed, name);
  const follower = await openTab(seed, name);
  expect([leader.status.role, follower.status.role]).toEqual(['leader', 'follower']);
  const id = await follower.link(url);
  const device = await openDevice(seed);
  await follower.insert(note('by the follower'));
  await leader.insert(note('by the leader'));
  await until('both arrive', () => has(device, 2));
  await device.insert(note('by another device'));
  await until('it is in both tabs', async () => (await has(leader, 3)) && (await has(follower, 3)));
  await follower.sync();
  for (const tab of [leader, follower]) {
    await until('it is said', () => tab.status.state === 'in_sync' && tab.status.waiting === 0);
    await until('it counts', () => tab.status.savedHere === 3);
    expect(tab.status.links[0]).toMatchObject({ id, phase: 'in_sync', label: 'main' });
  }
  expect(follower.status.links[0]?.activity?.pushed).toBe(leader.status.links[0]?.activity?.pushed);
});

test('watches hear of what other tabs and hosts bring', async () => {
  const [seed, name] = [Seed.generate(), newName()];
  const leader = await openTab(seed, name);
  const follower = await openTab(seed, name);
  await leader.link(url);
  const heard: number[] = [];
  follower.watch({ type: 'note' }, (ents) => heard.push(ents.length));
  const { eid } = await leader.insert(note('by the leader'));
  await until('it is heard', () => heard.includes(1));
  const device = await openDevice(seed);
  await until('it arrives', () => has(device, 1));
  await device.insert(note('by another device'));
  await until('it is heard', () => heard.includes(2));
  await device.delete(eid);
  await until('the end is heard', () => heard.at(-1) === 1);
});

test('when the tab that syncs closes, the next takes over, with what it was asked for', async () => {
  const [seed, name] = [Seed.generate(), newName()];
  const tabs = [await openTab(seed, name), await openTab(seed, name), await openTab(seed, name)];
  const [first, second, third] = tabs;
  if (first === undefined || second === undefined || third === undefined) throw new Error('no tab');
  await first.link(url);
  await second.insert(note('before'));
  const asked = third.sync();
  await first.close();
  await asked;
  await until('the next one leads', () => second.status.role === 'leader');
  expect(third.status.role).toBe('follower');
  const device = await openDevice(seed);
  await third.insert(note('after'));
  await until('both are there', () => has(device, 2));
  await third.sync();
  await until('it is said', () => third.status.state === 'in_sync');
  await second.close();
  await until('the last one leads', () => third.status.role === 'leader');
  await third.insert(note('alone'));
  await until('it is there', () => has(device, 3));
});

/**
 * A page of its own, with its own code, that syncs: when it is removed nothing of it runs on. `before` is a script that
 * runs before all others there.
 */
async function leadingFrame(seed: Seed, name: string, before = ''): Promise<HTMLIFrameElement> {
  const frame = document.createElement('iframe');
  document.body.append(frame);
  const inside = frame.contentDocument;
  if (inside === null) throw new Error('no document');
  const module = new URL('../../src/entdb.ts', import.meta.url).pathname;
  const script = inside.createElement('script');
  script.type = 'module';
  script.textContent = `
    ${before}
    const { openEntDB, Seed } = await import(${JSON.stringify(module)});
    const tab = await openEntDB({ seed: await Seed.parse(${JSON.stringify(seed.hex())}), name: ${JSON.stringify(name)} });
    await tab.link(${JSON.stringify(url)});
    await tab.insert({ type: 'note', body: 'from the frame' });
    document.title = tab.status.role;
  `;
  inside.body.append(script);
  onTestFinished(() => frame.remove());
  await until('it leads', () => inside.title === 'leader');
  return frame;
}

test('when the tab that syncs crashes, another takes over', async () => {
  const [seed, name] = [Seed.generate(), newName()];
  const frame = await leadingFrame(seed, name);
  const follower = await openTab(seed, name);
  expect(follower.status.role).toBe('follower');
  frame.remove();
  await until('this one leads', () => follower.status.role === 'leader');
  await follower.insert(note('from here'));
  await follower.sync();
  expect(follower.status).toMatchObject({ state: 'in_sync', savedHere: 2, waiting: 0 });
  const device = await openDevice(seed);
  await until('both are there', () => has(device, 2));
});

test('a tab in the background, whose timers stand still, brings up at once what the others write', async () => {
  const [seed, name] = [Seed.generate(), newName()];
  const slow = 'const real = setTimeout; window.setTimeout = (work, ms) => real(work, ms + 3_600_000);';
  await leadingFrame(seed, name, slow);
  const follower = await openTab(seed, name);
  const device = await openDevice(seed);
  for (let at = 2; at < 8; at += 1) {
    await follower.insert(note(`number ${at}`));
    await until('it arrives', () => has(device, at));
  }
  await device.insert(note('by another device'));
  await until('it arrives', () => has(follower, 8));
  await until('it is said', () => follower.status.state === 'in_sync' && follower.status.waiting === 0);
  expect(follower.status.role).toBe('follower');
});

test('a wiped host is filled from IndexedDB, and stays as small as what there is', async () => {
  const own = await commands.startServer();
  try {
    const [seed, name] = [Seed.generate(), newName()];
    const tab = await openTab(seed, name);
    const id = await tab.link(own);
    const [first, gone] = await tab.insertMany([note(0), note('gone'), ...Array.from({ length: 30 }, note)]);
    if (first === undefined || gone === undefined) throw new Error('nothing was written');
    await tab.sync();
    for (let at = 0; at < 5; at += 1) {
      await tab.update(first.eid, { body: at });
      await tab.sync();
    }
    await tab.delete(gone.eid);
    await until('superseded ones are gone', () => (tab.status.links[0]?.activity?.pruned ?? 0) >= 6);
    await commands.killServer(own);
    await commands.restartServer(own, true);
    await tab.sync();
    expect(tab.status).toMatchObject({ state: 'in_sync', waiting: 0, savedHere: 31 });
    expect(tab.status.links[0]?.activity?.resets).toBe(1);
    await tab.audit(id);
    await tab.sync();
    const device = await openTab(seed, '', { storage: 'memory' });
    await device.link(own);
    await device.sync();
    expect(device.status).toMatchObject({ state: 'in_sync', savedHere: 31 });
    expect((await device.get(first.eid))?.body).toBe(4);
    expect(await device.durableAt(gone.eid), 'its end is there too').toMatchObject([{ waiting: false }]);
  } finally {
    await commands.removeServer(own);
  }
});

test('what is written while the host is away is there after a reload, and goes up when it is back', async () => {
  const own = await commands.startServer();
  try {
    const [seed, name] = [Seed.generate(), newName()];
    const before = await openTab(seed, name);
    await before.link(own);
    await before.insert(note('online'));
    await before.sync();
    await commands.killServer(own);
    await before.insert(note('offline'));
    await before.sync();
    expect(before.status).toMatchObject({ state: 'stuck', waiting: 1, savedHere: 2 });
    const since = before.status.links[0]?.stuck?.sinceMs;
    expect(before.status.links[0]?.stuck?.code).toBe('network');
    await before.close();

    const after = await openTab(seed, name);
    expect(after.status).toMatchObject({ waiting: 1, savedHere: 2 });
    expect(after.status.links[0]?.stuck?.sinceMs).toBe(since);
    await commands.restartServer(own);
    await after.sync();
    expect(after.status).toMatchObject({ state: 'in_sync', waiting: 0 });
    expect(after.status.links[0]?.stuck).toBeUndefined();
    const [ent] = await after.query({ type: 'note', reverse: true, limit: 1 });
    expect((await after.durableAt(ent?.eid ?? ''))[0]?.stored).toBe(2);
  } finally {
    await commands.removeServer(own);
  }
});

test('a closing page is held only while something is on its way', async () => {
  const asks = () => !window.dispatchEvent(new Event('beforeunload', { cancelable: true }));
  const own = await commands.startServer();
  try {
    const [seed, name] = [Seed.generate(), newName()];
    const tab = await openTab(seed, name);
    await tab.insert(note('saved here, and nowhere to go'));
    expect(asks()).toBe(false);
    await tab.link(own);
    await tab.sync();
    expect(asks()).toBe(false);
    await commands.killServer(own);
    await tab.insert(note('on its way'));
    await until('it waits', () => tab.status.waiting === 1);
    expect(asks()).toBe(true);
    await commands.restartServer(own);
    await tab.sync();
    expect(asks()).toBe(false);
    await commands.killServer(own);
    await tab.insert(note('on its way'));
    await until('it waits', () => tab.status.waiting === 1);
    await tab.close();
    expect(asks(), 'nobody is left who could bring it there').toBe(false);
  } finally {
    await commands.removeServer(own);
  }
});

test('a database belongs to one seed, and can be wiped from any tab', async () => {
  const [seed, name] = [Seed.generate(), newName()];
  const leader = await openTab(seed, name);
  const follower = await openTab(seed, name);
  await leader.insert(note('mine'));
  await expect(openEntDB({ seed: Seed.generate(), name })).rejects.toMatchObject({ code: 'other_seed' });
  expect(await follower.persist()).toBeTypeOf('boolean');
  await follower.wipe();
  await expect(leader.insert(note('too late'))).rejects.toMatchObject({ code: 'closed' });
  const another = await openTab(Seed.generate(), name);
  expect(another.status).toMatchObject({ savedHere: 0, role: 'leader' });
});

test('whoever was closed is told so when asked for anything, follower or not', async () => {
  const [seed, name] = [Seed.generate(), newName()];
  const leader = await openTab(seed, name);
  const follower = await openTab(seed, name);
  for (const tab of [follower, leader]) {
    await tab.close();
    let code: unknown;
    tab.sync().catch((error: unknown) => {
      code = error instanceof Error && 'code' in error ? error.code : error;
    });
    await until('it is refused', () => code !== undefined);
    expect(code).toBe('closed');
  }
});

test('a tab that is told of a wipe while it opens is in nobody’s way', async () => {
  const [seed, name] = [Seed.generate(), newName()];
  const lock = `seabag:sync:${name}`;
  const other = new BroadcastChannel(lock);
  const { request } = LockManager.prototype;
  // It hears of it after it has begun to listen, and before it knows whose turn it is.
  LockManager.prototype.request = async function (this: LockManager, ...given: unknown[]) {
    if (given[0] === lock) {
      LockManager.prototype.request = request;
      other.postMessage({ type: 'wipe' });
      await deleteIndexedDb(name);
    }
    return await Reflect.apply(request, this, given);
  };
  try {
    await expect(openEntDB({ seed, name })).rejects.toMatchObject({ code: 'closed' });
  } finally {
    LockManager.prototype.request = request;
    other.close();
  }
  const next = await openTab(seed, name);
  await until('the next one leads', () => next.status.role === 'leader');
});

test('an export of one tab is taken in by another database, and goes to its host', async () => {
  const seed = Seed.generate();
  const source = await openTab(seed, newName());
  const bodies = [new Uint8Array([0, 255]), new Date(5), 'text', { deep: [1, { x: null }] }];
  await source.insertMany(bodies.map(note));
  const { file, messages } = await source.exportFile();
  expect(messages).toBe(4);
  const other = await openTab(seed, newName());
  await other.link(url);
  expect(await other.importFile(file)).toMatchObject({ applied: 4, known: 0, refused: 0 });
  await other.sync();
  const device = await openDevice(seed);
  await device.sync();
  const got = await device.query({ type: 'note' });
  expect(new Set(got.map(({ body }) => JSON.stringify(body)))).toEqual(
    new Set(bodies.map((body) => JSON.stringify(body))),
  );
});

test('six tabs that all write show the same, and only one of them listens to the host', async () => {
  const [seed, name] = [Seed.generate(), newName()];
  const opened: string[] = [];
  class Counted extends WebSocket {
    constructor(address: string) {
      super(address);
      opened.push(name);
    }
  }
  const tabs: EntDB[] = [];
  for (let at = 0; at < 6; at += 1) tabs.push(await openTab(seed, name, { webSocket: Counted }));
  await tabs[3]?.link(url);
  await Promise.all(tabs.map((tab, at) => Promise.all([1, 2, 3].map((n) => tab.insert(note(`${at} ${n}`))))));
  await Promise.all(tabs.map((tab) => tab.sync()));
  for (const tab of tabs) {
    expect(await tab.count({ type: 'note' })).toBe(18);
    await until('it is said', () => tab.status.state === 'in_sync' && tab.status.savedHere === 18);
  }
  const device = await openDevice(seed);
  await until('all is there', () => has(device, 18));
  expect(opened).toHaveLength(1);
});
