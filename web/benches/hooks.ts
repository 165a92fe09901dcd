// How often components render while others write: renders a message, in Chromium with React's production build and
// without StrictMode. What writes is in this process, over the real server.
//
// `node benches/run.js hooks`; SEABAG_MESSAGES (1000), SEABAG_BINARY. With `npm install --no-save driftdb-react@1.0.12`
// the published hooks are measured too.

import { WebSocket } from 'ws';
import { RoomConnection } from '../src/client/room/connection.ts';
import { openEntDB, Seed } from '../src/entdb.ts';
import type { PushAction } from '../src/protocol/room/action.ts';
import { newRoom } from '../test/support/network.ts';
import { Server } from '../test/support/server.ts';
import { until } from '../test/support/until.ts';
import { draftOf } from './page/ents.ts';
import { printTable } from './support/figures.ts';
import { Lab, type LabBrowser, printMachine } from './support/lab.ts';

const MESSAGES = Number(process.env.SEABAG_MESSAGES ?? 1_000);
/** Each of these is synced on its own, through a host that stores it. */
const SYNCED = Math.ceil(MESSAGES / 5);
/** Nothing comes any more after so long without a render, milliseconds. */
const QUIET_MS = 500;

type Renders = Record<string, number>;

/** Runs it and prints tables. */
export async function run(): Promise<void> {
  printMachine();
  const [lab, server] = await Promise.all([Lab.open(), Server.start()]);
  const browser = await lab.browser();
  try {
    await measureRooms(browser, server, 'seabag');
    if (await browser.call('hasPublished')) await measureRooms(browser, server, 'driftdb-react');
    await measureEnts(browser, server);
  } finally {
    await browser.close();
    await server.remove();
    await lab.close();
  }
}

/** What is pushed, and how. */
interface Writing {
  readonly key: string;
  readonly action: PushAction['type'];
  readonly value: (at: number) => unknown;
}

const WRITINGS: Readonly<Record<string, Writing>> = {
  useSharedState: { key: 'value', action: 'replace', value: (at) => ({ v: at, i: ['other', at] }) },
  useSharedReducer: { key: 'reducer', action: 'append', value: (at) => ({ apply: 1, i: ['other', at] }) },
  usePresence: { key: 'presence', action: 'relay', value: (at) => ({ client: 'other', value: at }) },
  'usePresence, signs of life': {
    key: 'presence',
    action: 'relay',
    value: () => ({ client: 'other', value: 'here' }),
  },
  'none of these keys': { key: 'elsewhere', action: 'relay', value: (at) => ({ at }) },
};

async function measureRooms(
  browser: LabBrowser,
  server: Server,
  whose: 'seabag' | 'driftdb-react',
): Promise<void> {
  const url = await newRoom(server);
  const room = new RoomConnection(url, { webSocket: WebSocket });
  await room.connect();
  await browser.call('showRoomHooks', whose, server.url, room.id);
  await quiet(browser);
  const before = await browser.call('countRenders');
  const found: [string, Renders, Renders][] = [];
  for (const [what, { key, action, value }] of Object.entries(WRITINGS)) {
    const push = (at: number) => room.push(key, value(at), { type: action } as PushAction).done;
    const apart = await counted(browser, async () => {
      for (let at = 0; at < MESSAGES; at += 1) await push(at);
    });
    const together = await counted(browser, () =>
      Promise.all(Array.from({ length: MESSAGES }, (_, at) => push(MESSAGES + at))),
    );
    found.push([what, apart, together]);
  }
  room.close();
  await browser.call('hideHooks');
  process.stdout.write(`${whose}: renders a message, ${MESSAGES} one at a time / all at once\n\n`);
  print(before, found, MESSAGES);
}

async function measureEnts(browser: LabBrowser, server: Server): Promise<void> {
  const seed = Seed.generate();
  const other = await openEntDB({ seed, storage: 'memory', webSocket: WebSocket });
  await other.link(server.url);
  const { eid } = await other.insert(draftOf(0, 100));
  await other.sync();
  await browser.call('showEntHooks', seed.hex(), server.url, eid);
  await quiet(browser);
  const before = await browser.call('countRenders');
  const writings: Record<string, (at: number) => Promise<unknown>> = {
    'new entities of the group': (at) => other.insert({ ...draftOf(0, 100), body: at }),
    'updates of the entity': (at) => other.put(eid, { ...draftOf(0, 100), body: at }),
    'entities of no list': (at) => other.insert({ type: 'another', body: at }),
  };
  const found: [string, Renders, Renders][] = [];
  for (const [what, write] of Object.entries(writings)) {
    const apart = await counted(browser, async () => {
      for (let at = 0; at < SYNCED; at += 1) {
        await write(at);
        await other.sync();
      }
    });
    const together = await counted(browser, async () => {
      await Promise.all(Array.from({ length: SYNCED }, (_, at) => write(at)));
      await other.sync();
    });
    found.push([what, apart, together]);
  }
  await other.close();
  await browser.call('hideHooks');
  process.stdout.write(`entities: renders a message, ${SYNCED} one at a time / all at once\n\n`);
  print(before, found, SYNCED);
}

/** Renders during this and until it is quiet. */
async function counted(browser: LabBrowser, work: () => Promise<unknown>): Promise<Renders> {
  const before = await browser.call('countRenders');
  await work();
  const after = await quiet(browser);
  return Object.fromEntries(
    Object.entries(after).map(([name, renders]) => [name, renders - (before[name] ?? 0)]),
  );
}

async function quiet(browser: LabBrowser): Promise<Renders> {
  let last = JSON.stringify(await browser.call('countRenders'));
  return until('nothing renders any more', async () => {
    await new Promise((resolve) => setTimeout(resolve, QUIET_MS));
    const renders = await browser.call('countRenders');
    const same = JSON.stringify(renders) === last && Object.keys(renders).length > 0;
    last = JSON.stringify(renders);
    return same ? renders : undefined;
  });
}

function print(
  first: Renders,
  found: readonly (readonly [string, Renders, Renders])[],
  messages: number,
): void {
  const names = Object.keys(first);
  const rate = (renders: number | undefined) => ((renders ?? 0) / messages).toFixed(3).replace(/\.?0+$/, '');
  printTable(
    ['others write', ...names],
    [
      ['(renders until it is live)', ...names.map((name) => String(first[name]))],
      ...found.map(([what, apart, together]) => [
        what,
        ...names.map((name) => `${rate(apart[name])} / ${rate(together[name])}`),
      ]),
    ],
  );
}
