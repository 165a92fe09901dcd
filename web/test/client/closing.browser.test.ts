// What a tab leaves behind when it closes, loses its turn, or is put aside by the browser: nothing half told, nothing that
// runs on, and nothing promised that did not happen.

import { openDB } from 'idb';
import { afterAll, beforeAll, expect, onTestFinished, test, vi } from 'vitest';
import { commands } from 'vitest/browser';
import { type EntDB, type OpenOptions, openEntDB } from '../../src/client/entdb.ts';
import { ClosingGuard } from '../../src/client/page.ts';
import { Tabs } from '../../src/client/tabs.ts';
import { Seed } from '../../src/crypto/seed.ts';
import { Database } from '../../src/entdb/database.ts';
import { openIndexedDb } from '../../src/entdb/storage/indexeddb.ts';
import { until } from '../support/until.ts';

let url: string;

beforeAll(async () => {
  url = await commands.startServer();
});

afterAll(() => commands.removeServer(url));

function newName(): string {
  return `closing ${crypto.randomUUID()}`;
}

async function openTab(seed: Seed, name: string, options: Partial<OpenOptions> = {}): Promise<EntDB> {
  const tab = await openEntDB({ seed, name, fillWaitMsMax: 300, ...options });
  onTestFinished(() => tab.close());
  return tab;
}

function note(body: unknown) {
  return { type: 'note', body };
}

/** Errors of the page that nobody catches, until the test ends. */
function uncaughtErrors(): unknown[] {
  const errors: unknown[] = [];
  const take = (event: ErrorEvent | PromiseRejectionEvent) => {
    event.preventDefault();
    event.stopImmediatePropagation();
    errors.push('reason' in event ? event.reason : event.error);
  };
  window.addEventListener('error', take, true);
  window.addEventListener('unhandledrejection', take, true);
  onTestFinished(() => {
    window.removeEventListener('error', take, true);
    window.removeEventListener('unhandledrejection', take, true);
  });
  return errors;
}

/** A host that never answers, until it is asked to. */
function deafFetch(): typeof fetch {
  return (_input, init) =>
    new Promise((_resolve, reject) => {
      init?.signal?.addEventListener('abort', () => reject(new TypeError('aborted')));
    });
}

test('what is being written when its tab closes is saved, is said to be, and goes up', async () => {
  const errors = uncaughtErrors();
  const [seed, name] = [Seed.generate(), newName()];
  const leader = await openTab(seed, name);
  await leader.link(url);
  await leader.sync();
  const follower = await openTab(seed, name);
  const heard: number[] = [];
  leader.watch({ type: 'note' }, (ents) => heard.push(ents.length));
  await until('it is asked', () => heard.length === 1);
  const writing = follower.insert(note('at the last moment'));
  const closing = follower.close();
  const { eid } = await writing;
  await closing;
  await until('the other tab shows it', () => heard.at(-1) === 1);
  await until('it is at the host', async () => (await leader.durableAt(eid))[0]?.stored);
  await expect(follower.insert(note('too late'))).rejects.toMatchObject({ code: 'closed' });
  await follower.wipe();
  expect(errors).toEqual([]);
});

test('what a killed tab had committed and told nobody is shown at once, and goes up', async () => {
  const [seed, name] = [Seed.generate(), newName()];
  const leader = await openTab(seed, name);
  await leader.link(url);
  await leader.sync();
  const follower = await openTab(seed, name);
  const shown = { here: 0, there: 0 };
  leader.watch({ type: 'note' }, (ents) => {
    shown.here = ents.length;
  });
  follower.watch({ type: 'note' }, (ents) => {
    shown.there = ents.length;
  });
  // A tab without an engine's words: what it writes, it tells nobody, as if it had been killed before it could.
  const killed = await Tabs.open(name, { hear: () => {}, lead: () => {}, follow: () => {} });
  killed.greet();
  const database = await Database.open(await openIndexedDb(name));
  const tell = vi.spyOn(BroadcastChannel.prototype, 'postMessage').mockImplementation(() => {});
  const { eid } = await database.insert(note('its last one'));
  tell.mockRestore();
  await database.close();
  killed.close();
  await until('both tabs show it', () => shown.here === 1 && shown.there === 1);
  await until('it is at the host', async () => (await leader.durableAt(eid))[0]?.stored);
});

test('a tab that takes over hears when another one is killed', async () => {
  const [seed, name] = [Seed.generate(), newName()];
  const leader = await openTab(seed, name);
  await leader.link(url);
  const heir = await openTab(seed, name);
  const killed = await Tabs.open(name, { hear: () => {}, lead: () => {}, follow: () => {} });
  killed.greet();
  await leader.close();
  await until('it has taken over', () => heir.status.role === 'leader');
  await heir.sync();
  const database = await Database.open(await openIndexedDb(name));
  const { eid } = await database.insert(note('its last one'));
  await database.close();
  killed.close();
  await until('it is at the host', async () => (await heir.durableAt(eid))[0]?.stored);
});

test('a sync that another tab asked for is not done because the tab that syncs closes', async () => {
  const errors = uncaughtErrors();
  const [seed, name] = [Seed.generate(), newName()];
  const leader = await openTab(seed, name, { fetch: deafFetch() });
  await leader.link(url);
  const follower = await openTab(seed, name);
  const { eid } = await follower.insert(note('to the host'));
  const asked = follower.sync();
  const own = leader.sync().then(
    () => 'done',
    (error: { code?: string }) => error.code,
  );
  await until('the session works', () => leader.status.links[0]?.phase === 'working');
  await leader.close();
  expect(await own).toBe('closed');
  await asked;
  expect((await follower.durableAt(eid))[0]).toMatchObject({ stored: 1, waiting: false });
  expect(follower.status).toMatchObject({ state: 'in_sync', waiting: 0 });
  expect(errors).toEqual([]);
});

test('a guard that was closed holds no page, whatever is found out later', () => {
  const asks = () => !window.dispatchEvent(new Event('beforeunload', { cancelable: true }));
  const guard = new ClosingGuard();
  guard.set(true);
  expect(asks()).toBe(true);
  guard.close();
  // How it stands was being read when the database was closed.
  guard.set(true);
  expect(asks()).toBe(false);
});

test('a tab whose turn is taken away stops, follows, and syncs again when it is its turn', async () => {
  const open = new Set<WebSocket>();
  class Counted extends WebSocket {
    constructor(address: string) {
      super(address);
      open.add(this);
      this.addEventListener('close', () => open.delete(this));
    }
  }
  const [seed, name] = [Seed.generate(), newName()];
  let deaf = false;
  const reach: typeof fetch = (input, init) => (deaf ? deafFetch() : fetch)(input, init);
  const tab = await openTab(seed, name, { webSocket: Counted, fetch: reach });
  await tab.link(url);
  await tab.sync();
  await until('it listens', () => open.size === 1);
  deaf = true;
  const asked = tab.sync();
  let release = () => {};
  const taken = navigator.locks.request(`seabag:sync:${name}`, { steal: true }, async () => {
    await new Promise<void>((resolve) => {
      release = resolve;
    });
  });
  await until('it follows', () => tab.status.role === 'follower');
  await until('nothing of it runs on', () => open.size === 0);
  deaf = false;
  release();
  await Promise.all([taken, asked]);
  await until('it syncs again', () => tab.status.role === 'leader' && open.size === 1);
  const { eid } = await tab.insert(note('afterwards'));
  await tab.sync();
  expect((await tab.durableAt(eid))[0]?.waiting).toBe(false);
  await tab.close();
  await until('nothing of it runs on', () => open.size === 0);
});

test('a page that the browser put aside and took back shows what it could not hear of meanwhile', async () => {
  const [seed, name] = [Seed.generate(), newName()];
  const tab = await openTab(seed, name);
  const heard: unknown[] = [];
  tab.watch({ type: 'note' }, (ents) => heard.push(ents.map(({ body }) => body)));
  const { eid } = await tab.insert(note('before'));
  await until('it is heard', () => heard.length === 2);
  // Pages that are put aside are told nothing: so this is written without telling.
  const database = await openDB(`seabag:entdb:${name}`);
  const row = await database.get('entities', eid);
  await database.put('entities', { ...row, bod: 'meanwhile' });
  database.close();
  window.dispatchEvent(new PageTransitionEvent('pageshow', { persisted: true }));
  await until('it shows', () => JSON.stringify(heard.at(-1)) === '["meanwhile"]');
});
