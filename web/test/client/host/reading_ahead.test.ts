// Reading ahead: the next bags are on their way while some are merged. However long a merge takes, wherever it ends and
// whatever comes in between, they are merged in their order and the cursor is never ahead of what is there.

import { expect, test } from 'vitest';
import { readAnswer } from '../../../src/client/host/call.ts';
import { type Database, DatabaseError, type Received } from '../../../src/entdb/database.ts';
import { KNOWN } from '../../../src/entdb/outcome.ts';
import * as path from '../../../src/protocol/host/path.ts';
import { readPullItems } from '../../../src/protocol/host/pull.ts';
import { until } from '../../support/until.ts';
import { account, type Device, dead, dice, MINUTE_MS, World } from './support/world.ts';

/** Merges of a device's database that wait until they are let go. */
class Gate {
  readonly database: Database;
  /** The merge that waits, if one does. */
  held: { run: () => Promise<Received>; drop: (error: Error) => void } | undefined;
  /** How many were asked for; and how many at once, at most. */
  asked = 0;
  #running = 0;
  most = 0;
  #looks = 0;

  /** Of its looks at what is here these, counted from 1, say that everything is. */
  constructor(database: Database, lies: readonly number[] = []) {
    this.database = new Proxy(database, {
      get: (target, name) => {
        if (name === 'receive')
          return (...given: Parameters<Database['receive']>) => this.#hold(target, given);
        if (name === 'judge') this.#looks += 1;
        if (name === 'judge' && lies.includes(this.#looks))
          return async (heads: readonly unknown[]) => heads.map(() => KNOWN);
        const found: unknown = Reflect.get(target, name);
        return typeof found === 'function' ? found.bind(target) : found;
      },
    });
  }

  #hold(database: Database, given: Parameters<Database['receive']>): Promise<Received> {
    this.asked += 1;
    this.#running += 1;
    this.most = Math.max(this.most, this.#running);
    return new Promise((resolve, reject) => {
      const run = () => {
        this.held = undefined;
        const received = database.receive(...given).finally(() => {
          this.#running -= 1;
        });
        received.then(resolve, reject);
        return received;
      };
      const drop = (error: Error) => {
        this.held = undefined;
        this.#running -= 1;
        reject(error);
      };
      this.held = { run, drop };
    });
  }
}

/** A host that has so many notes in pages of these sizes, and a device that has just been linked. */
async function newcomer(notes: number, pageItemsMax: number): Promise<{ world: World; late: Device }> {
  const world = await World.create([{ pageItemsMax }], 1);
  const drafts = Array.from({ length: notes }, (_, at) => ({ type: 'note', body: at }));
  await world.device(0).database.insertMany(drafts);
  await world.written(world.device(0));
  await world.pass(MINUTE_MS);
  return { world, late: await world.addDevice() };
}

async function cursorOf(device: Device): Promise<number> {
  return (await device.database.link(device.line.session.link)).cursor?.seq ?? 0;
}

test('while bags are merged the next ones are fetched and those behind them listed, and no more', async () => {
  const { world, late } = await newcomer(40, 5);
  const gate = new Gate(late.database);
  late.database = gate.database;
  const [pages, pulls] = [world.host().calls(path.PEEK_PAGE_PATH), world.host().calls(path.PULL_PATH)];
  const settling = world.settle();
  for (let merged = 0; merged < 8; merged += 1) {
    await until('bags are merged', () => gate.held !== undefined && gate.asked === merged + 1);
    const listed = Math.min(merged + 3, 8);
    const fetched = Math.min(merged + 2, 8);
    await until('the next are listed', () => world.host().calls(path.PEEK_PAGE_PATH) - pages === listed);
    await until('the next are fetched', () => world.host().calls(path.PULL_PATH) - pulls === fetched);
    expect(await cursorOf(late), 'what is fetched ahead does not count').toBe(5 * merged);
    await gate.held?.run();
  }
  await settling;
  await world.pass(MINUTE_MS);
  await world.expectConverged();
  expect(gate.most, 'one at a time').toBe(1);
  expect(world.host().calls(path.PEEK_PAGE_PATH) - pages, 'no page twice').toBe(8);
  expect(world.host().calls(path.PULL_PATH) - pulls, 'no body twice').toBe(8);
});

test('who ends at any moment of reading ahead goes on from what was merged', async () => {
  for (const end of [1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 14]) {
    const { world, late } = await newcomer(12, 2);
    const below = chances(end);
    const gate = new Gate(late.database);
    const whole = late.database;
    late.database = gate.database;
    for (let step = 0; step < end; step += 1) {
      const answering = { over: false };
      const answered = world.answer(late, late.line).finally(() => {
        answering.over = true;
      });
      // Merges end at some moment, the latest when nothing goes on without them.
      await until('it goes on', async () => {
        if (below(4) === 0) await gate.held?.run();
        return answering.over;
      });
      await answered;
    }
    // The end comes before the commit, or right after it.
    const { held } = gate;
    gate.held = undefined;
    if (below(2) === 0) await held?.run();
    late.database = whole;
    expect(await cursorOf(late)).toBeLessThanOrEqual((await late.state()).length);
    await world.restartDevice(late);
    await world.pass(MINUTE_MS);
    await world.expectConverged();
    expect(await late.state()).toHaveLength(12);
  }
});

test('bags whose bodies turn out to be needed hold up those behind them', async () => {
  const { world, late } = await newcomer(12, 2);
  const gate = new Gate(late.database, [1, 3, 4]);
  late.database = gate.database;
  const settling = world.settle();
  for (let read = 0; read < 12; read = await cursorOf(late)) {
    await until('bags are merged', () => gate.held !== undefined);
    await gate.held?.run();
    expect(await cursorOf(late)).toBeLessThanOrEqual(read + 2);
    expect(await late.state()).toHaveLength(await cursorOf(late));
  }
  await settling;
  await world.pass(MINUTE_MS);
  await world.expectConverged();
  expect(gate.most).toBe(1);
  expect(gate.asked, 'six, and three of them once more').toBe(9);
});

test('what is here already, behind much that is new, is noticed soon and does no harm', async () => {
  const { world, late } = await newcomer(1_560, 260);
  const { database } = world.device(0);
  const ents = await database.query({ type: 'note' });
  const last = new Set(ents.flatMap(({ eid, body }) => (Number(body) >= 780 ? [eid] : [])));
  const { messages } = await database.messages(null, 1_560);
  // They came in a file before.
  await late.database.merge(messages.filter(({ head }) => last.has(head.eid)));
  let pulled = 0;
  late.line.fault = (at, answer) => {
    if (at === path.PULL_PATH) pulled += readPullItems(readAnswer(answer)[1]).length;
    return answer;
  };
  await world.pass(MINUTE_MS);
  await world.expectConverged();
  expect(await late.state()).toHaveLength(1_560);
  expect(world.host().bags(account).size, 'nothing is there twice').toBe(1_560);
  expect(pulled, 'what is new, and two chunks more').toBe(1_300);
}, 180_000);

test('a merge that fails while more is fetched is made up for later', async () => {
  const { world, late } = await newcomer(12, 2);
  const gate = new Gate(late.database);
  const whole = late.database;
  late.database = gate.database;
  late.mayFail = true;
  const settling = world.settle();
  await until('bags are merged', () => gate.held !== undefined);
  await gate.held?.run();
  await until('the next are merged', () => gate.held !== undefined);
  gate.held?.drop(new DatabaseError('storage_full', 'there is no room'));
  await settling;
  expect(await cursorOf(late)).toBe(2);
  expect(late.has((report) => report.type === 'trouble' && report.code === 'local')).toBe(true);
  late.database = whole;
  await world.pass(MINUTE_MS);
  await world.expectConverged();
  expect(await late.state()).toHaveLength(12);
});

test('a connection that breaks while bags are merged takes nothing back of them', async () => {
  const { world, late } = await newcomer(12, 2);
  const gate = new Gate(late.database);
  const whole = late.database;
  late.database = gate.database;
  const settling = world.settle();
  await until('bags are merged', () => gate.held !== undefined);
  late.line.fault = dead;
  let over = false;
  void settling.then(() => {
    over = true;
  });
  await until('the call has failed', async () => {
    await gate.held?.run();
    return over;
  });
  expect(await cursorOf(late), 'what was being merged is in').toBeGreaterThanOrEqual(2);
  late.line.fault = undefined;
  late.database = whole;
  await world.pass(MINUTE_MS);
  await world.expectConverged();
});

test('who is told to stop while bags are merged ends when they are', async () => {
  const { world, late } = await newcomer(12, 2);
  const gate = new Gate(late.database);
  late.database = gate.database;
  while (gate.held === undefined) await world.answer(late, late.line);
  const stopping = world.tell(late, late.line, { type: 'stop' });
  let stopped = false;
  void stopping.then(() => {
    stopped = true;
  });
  const { held } = gate;
  await turn();
  expect(stopped).toBe(false);
  await held?.run();
  await stopping;
  expect(await cursorOf(late)).toBe(2);
});

test('a call that cannot be made while bags are merged waits for what comes of them', async () => {
  const { world, late } = await newcomer(12, 2);
  const gate = new Gate(late.database);
  late.database = gate.database;
  while (gate.held === undefined) await world.answer(late, late.line);
  // A time that no call can name.
  late.skewMs = 2 ** 53;
  let answered = false;
  const answering = world.answer(late, late.line).finally(() => {
    answered = true;
  });
  await until('the call is given up', async () => {
    await gate.held?.run();
    return answered;
  });
  await answering;
  expect(late.has((report) => report.type === 'trouble' && report.code === 'local')).toBe(true);
  expect(await cursorOf(late)).toBeGreaterThanOrEqual(2);
  expect(late.line.session.reading.cursor?.seq, 'it knows what was merged').toBe(await cursorOf(late));
});

/** A turn of the event loop. */
function turn(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 0));
}

/** Numbers below a bound, that depend on a seed only. */
function chances(seed: number): (bound: number) => number {
  const random = dice(seed);
  return (bound) => (random(1)[0] ?? 0) % bound;
}
