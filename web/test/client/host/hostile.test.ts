// Sessions against hosts that lie: what is here is never lost and never changed by it, nothing goes on for ever, and it is
// told what was seen.

import { expect, test } from 'vitest';
import type { Failure } from '../../../src/client/host/event.ts';
import { concatBytes, Reader, Writer } from '../../../src/protocol/host/bytes.ts';
import { makeEid } from '../../../src/protocol/host/eid.ts';
import { makeHead } from '../../../src/protocol/host/message.ts';
import { writeNoticeItem } from '../../../src/protocol/host/notice.ts';
import * as path from '../../../src/protocol/host/path.ts';
import {
  type PageHead,
  type PeekItem,
  readPageHead,
  readPeekItems,
  writePageHead,
  writePeekItem,
} from '../../../src/protocol/host/peek.ts';
import { type PruneItem, readPruneItems, writePruneItem } from '../../../src/protocol/host/prune.ts';
import { type PullItem, readPullItems, writePullItem } from '../../../src/protocol/host/pull.ts';
import { type PushItem, pushRequest, readPushItems, writePushItem } from '../../../src/protocol/host/push.ts';
import { readResponseHead } from '../../../src/protocol/host/response.ts';
import { Status, StatusError } from '../../../src/protocol/host/status.ts';
import { account, dice, type Fault, MINUTE_MS, sealer, stranger, World } from './support/world.ts';

/** Takes the answers of one call apart and puts them together again. */
function changed<T>(at: string, read: (reader: Reader) => T, write: (out: Writer, read: T) => void): Fault {
  return (path, answer) => {
    if (path !== at) return answer;
    const reader = new Reader(answer);
    const { status } = readResponseHead(reader);
    if (status !== Status.Success) return answer;
    const head = answer.subarray(0, reader.position);
    const out = new Writer();
    write(out, read(reader));
    return concatBytes(head, out.finish());
  };
}

function withPage(change: (page: PageHead, items: PeekItem[]) => void): Fault {
  return changed(
    path.PEEK_PAGE_PATH,
    (reader) => ({ page: readPageHead(reader), items: readPeekItems(reader) }),
    (out, { page, items }) => {
      change(page, items);
      writePageHead(out, page);
      for (const item of items) writePeekItem(out, item);
    },
  );
}

function withBodies(change: (items: PullItem[]) => void): Fault {
  return changed(path.PULL_PATH, readPullItems, (out, items) => {
    change(items);
    for (const item of items) writePullItem(out, item);
  });
}

function withPush(change: (items: PushItem[]) => void): Fault {
  return changed(path.PUSH_PATH, readPushItems, (out, items) => {
    change(items);
    for (const item of items) writePushItem(out, item);
  });
}

function withPrune(change: (items: PruneItem[]) => void): Fault {
  return changed(path.PRUNE_PATH, readPruneItems, (out, items) => {
    change(items);
    for (const item of items) writePruneItem(out, item);
  });
}

/** A world whose second device meets the fault from its first call on, and the eight notes that the first one has. */
async function withFault(fault: Fault): Promise<World> {
  const world = await World.simple(1);
  for (let at = 0; at < 8; at += 1) await world.put(world.device(0), `note ${at}`);
  await world.pass(MINUTE_MS);
  const victim = await world.addDevice();
  victim.line.fault = fault;
  await world.put(victim, 'of its own');
  await world.pass(5 * MINUTE_MS);
  return world;
}

/** The host is honest again, and an audit looks at all of it: everything is everywhere. */
async function expectHeals(world: World, messages: number): Promise<void> {
  for (const device of world.devices) {
    device.line.fault = undefined;
    await world.tell(device, device.line, { type: 'online' });
    await world.tell(device, device.line, { type: 'audit' });
  }
  await world.pass(30 * MINUTE_MS);
  await world.expectConverged();
  expect(await world.device(0).state()).toHaveLength(messages);
}

async function unreadable(world: World): Promise<number | undefined> {
  return (await world.device(1).database.status()).links[0]?.unreadable;
}

test('bags with a wrong signature are set aside and the others come', async () => {
  const world = await withFault(
    withPage((_, items) => {
      for (const { seq, sealed } of items) {
        if (seq <= 3) sealed.signature = sealed.signature.map((byte, at) => (at === 7 ? byte ^ 1 : byte));
      }
    }),
  );
  expect(await world.device(1).state()).toHaveLength(6);
  expect(world.device(1).odd('foreign_bag')).toBe(true);
  expect(await unreadable(world)).toBe(3);
  await expectHeals(world, 9);
});

test('bags of another account are not taken', async () => {
  const body = new Uint8Array([0xa1, 0x78]);
  const head = makeHead(makeEid(new TextEncoder().encode('stranger'), 5), 0, 0, body);
  const [bag] = await stranger.seal([{ head, body }]);
  if (bag === undefined || bag instanceof StatusError) throw new Error('it cannot be sealed');
  const world = await withFault(
    withPage((_, items) => {
      for (const item of items) {
        if (item.seq === 2) item.sealed = bag.sealed;
      }
    }),
  );
  expect(await world.device(1).state()).toHaveLength(8);
  expect(world.device(1).odd('foreign_bag')).toBe(true);
  await expectHeals(world, 9);
});

test('bags with other derivation bytes do not open', async () => {
  const world = await withFault(
    withPage((_, items) => {
      for (const { sealed } of items) sealed.derivation = sealed.derivation.map((byte) => byte ^ 1);
    }),
  );
  expect(world.device(1).odd('unopenable')).toBe(true);
  expect(await world.device(1).state()).toHaveLength(1);
  await expectHeals(world, 9);
});

test("bodies in each other's places are not taken", async () => {
  const world = await withFault(
    withBodies((items) => {
      const [first, second] = items;
      if (first === undefined || second === undefined) return;
      [first.body, second.body] = [second.body, first.body];
    }),
  );
  expect(world.device(1).odd('unopenable')).toBe(true);
  expect(await world.device(1).state()).toHaveLength(7);
  await expectHeals(world, 9);
});

test('bodies that nobody asked for and empty ones are not taken', async () => {
  const world = await withFault(
    withBodies((items) => {
      const [first] = items;
      if (first !== undefined) first.body = new Uint8Array();
      items.push({ seq: 77, body: new TextEncoder().encode('unasked') });
    }),
  );
  expect(world.device(1).odd('unasked_body')).toBe(true);
  expect(await world.device(1).state()).toHaveLength(8);
  await expectHeals(world, 9);
});

test('bodies that are withheld are told of once the list still shows their bags', async () => {
  const world = await withFault(
    withBodies((items) => {
      items.splice(0, items.length, ...items.filter((item) => item.seq % 2 === 0));
    }),
  );
  expect(world.device(1).odd('body_withheld')).toBe(true);
  expect(await world.device(1).state()).toHaveLength(5);
  expect(await unreadable(world)).toBe(4);
  await expectHeals(world, 9);
});

test('a bag that was pruned between list and fetch is no trouble', async () => {
  const world = await World.simple(1);
  for (let at = 0; at < 3; at += 1) await world.put(world.device(0), `note ${at}`);
  await world.pass(MINUTE_MS);
  const late = await world.addDevice();
  while (world.host().calls(path.PEEK_PAGE_PATH) === 0 || late.line.call === undefined) {
    await world.answer(late, late.line);
  }
  world.host().bags(account).delete(2);
  await world.pass(MINUTE_MS);
  expect(late.odd('body_withheld')).toBe(false);
  expect(late.has((report) => report.type === 'in_sync')).toBe(true);
});

test('numbers in any order and numbers twice change nothing', async () => {
  const world = await withFault(
    withPage((page, items) => {
      items.reverse();
      items.push(...items);
      const [first] = items;
      if (first === undefined) return;
      items.push({ ...first, seq: page.through + 50 }, { ...first, seq: 0 });
    }),
  );
  expect(world.device(1).odd('numbers_out_of_order')).toBe(true);
  await world.expectConverged();
  await expectHeals(world, 9);
});

test('bags under wrong numbers change nothing here', async () => {
  const world = await withFault(
    withPage((_, items) => {
      const sealed = items.map((item) => item.sealed).reverse();
      items.forEach((item, at) => {
        item.sealed = sealed[at] ?? item.sealed;
      });
    }),
  );
  await expectHeals(world, 9);
});

test('bags that are left out come with an audit', async () => {
  const world = await withFault(
    withPage((_, items) => {
      items.splice(0, items.length, ...items.filter((item) => item.seq > 4));
    }),
  );
  expect(await world.device(1).state()).toHaveLength(5);
  await expectHeals(world, 9);
});

test.each<[string, (page: PageHead, items: PeekItem[]) => void]>([
  [
    'stay where they are',
    (page, items) => {
      page.through = 0;
      items.splice(0);
    },
  ],
  [
    'go past their end',
    (page) => {
      page.through = page.last + 5;
    },
  ],
  [
    'promise without end',
    (page, items) => {
      page.last = 2 ** 50;
      page.through = Math.max(page.through, 8) + 1;
      items.splice(0);
    },
  ],
  [
    'end before they begin',
    (page) => {
      page.last = 0;
    },
  ],
])('pages that %s are a trouble and not a loop', async (_, change) => {
  const world = await withFault(withPage(change));
  expect(await world.device(1).trouble()).toMatchObject({ code: 'answer' });
  expect(world.host().calls(path.PEEK_PAGE_PATH)).toBeLessThan(1_000);
  await expectHeals(world, 9);
});

test('a history that is another every time is a trouble and not a loop', async () => {
  const world = await withFault((at, answer) =>
    at === path.EPOCH_PATH ? concatBytes(answer.subarray(0, -1), new Uint8Array(1)) : answer,
  );
  expect(world.host().calls(path.EPOCH_PATH)).toBeLessThan(500);
  await expectHeals(world, 9);
});

/** Says of every bag that was stored that it has this number. */
function numbered(seq: number): (items: PushItem[]) => void {
  return (items) => {
    for (const item of items) item.seq = item.seq === null ? null : seq;
  };
}

test.each<[string, (items: PushItem[]) => void]>([
  [
    'other places',
    (items) => {
      for (const item of items) item.index += 100;
    },
  ],
  ['no number', numbered(0)],
  ['the number of another', numbered(3)],
  ['far numbers', numbered(2 ** 52)],
  ['nothing', (items) => void items.splice(0)],
  ['everything twice', (items) => void items.push(...items)],
  [
    'refusals',
    (items) => {
      for (const item of items) Object.assign(item, { status: Status.InvalidSignature, seq: null });
    },
  ],
])('forged answers to a push, with %s, lose nothing', async (_, forgery) => {
  const world = await withFault(withPush(forgery));
  for (let at = 0; at < 4; at += 1) await world.put(world.device(1), `more ${at}`);
  await world.pass(5 * MINUTE_MS);
  expect(world.host().calls(path.PUSH_PATH)).toBeLessThan(60);
  expect(await world.device(1).state()).toHaveLength(13);
  await expectHeals(world, 13);
});

test('answers that never end are not read to their end', async () => {
  // Beyond what any call but the oldest list may answer.
  const world = await withFault((_, answer) => concatBytes(answer, new Uint8Array(17 * 1024 * 1024)));
  const told = world
    .device(1)
    .has(
      (report) => report.type === 'trouble' && report.code === 'answer' && /longer than/.test(report.text),
    );
  expect(told).toBe(true);
  await expectHeals(world, 9);
});

test('notices that are broken, forged or far ahead change nothing', async () => {
  const world = await World.simple(2);
  const victim = world.device(1);
  await world.put(world.device(0), 'note');
  await world.pass(MINUTE_MS);
  const body = new Uint8Array([0xa1, 0x78]);
  const head = makeHead(makeEid(new TextEncoder().encode('forged'), 1), 0, 0, body);
  const [bag] = await stranger.seal([{ head, body }]);
  if (bag === undefined || bag instanceof StatusError) throw new Error('it cannot be sealed');
  for (const seq of [0, 1, 2, 3, 2 ** 40]) {
    const out = new Writer();
    writeNoticeItem(out, { seq, sealed: bag.sealed, body: bag.body });
    const frame = out.finish();
    await world.tell(victim, victim.line, { type: 'notice', frame });
    await world.tell(victim, victim.line, { type: 'notice', frame: frame.subarray(0, frame.length / 2) });
    await world.tell(victim, victim.line, { type: 'notice', frame: new Uint8Array() });
    await world.pass(1_000);
  }
  const frame = new Uint8Array([255, 255]);
  for (let at = 0; at < 3_000; at += 1) await world.tell(victim, victim.line, { type: 'notice', frame });
  await world.pass(MINUTE_MS);
  expect(await victim.state()).toHaveLength(1);
  expect(victim.odd('broken_notice')).toBe(true);
  expect(victim.odd('foreign_bag')).toBe(true);
  await world.put(world.device(0), 'after all that');
  await world.pass(20 * MINUTE_MS);
  await expectHeals(world, 2);
});

test('a bag that a device of the account sealed wrongly stops nobody', async () => {
  const world = await World.simple(1);
  await world.pass(MINUTE_MS);
  // Its head has a time past the range, which honest devices do not make.
  const body = new Uint8Array([0xa1, 0x78]);
  const head = makeHead(makeEid(new TextEncoder().encode('future'), 9_000_000_000_000_000), 0, 0, body);
  const [bag] = await sealer.seal([{ head, body }]);
  if (bag === undefined || bag instanceof StatusError) throw new Error('it cannot be sealed');
  const request = pushRequest(await sealer.keys.timestamp(world.nowMs), [bag]);
  world.host().answer(path.PUSH_PATH, undefined, request, world.nowMs);
  await world.put(world.device(0), 'note');
  await world.addDevice();
  await world.pass(20 * MINUTE_MS);
  await world.expectConverged();
  expect(await world.device(1).state()).toHaveLength(1);
  expect(await unreadable(world)).toBe(1);
});

test('whatever a host answers, nothing is lost', async () => {
  const seeds = Number(process.env.SEABAG_SEEDS ?? 6);
  for (let seed = 0; seed < seeds; seed += 1) {
    // Of small pages many are on their way at once.
    const world = await World.create([{ pageItemsMax: seed % 2 === 0 ? 1_000 : 2 }], 2);
    const victim = world.device(1);
    const notes: string[] = [];
    for (let at = 0; at < 6; at += 1) notes.push(await world.put(world.device(at % 2), `note ${at}`));
    await world.pass(MINUTE_MS);
    victim.line.fault = damaging(seed);
    for (let at = 0; at < 40; at += 1) {
      world.nowMs += 7;
      const note = notes[at % 6] ?? '';
      if (at % 4 === 0) await world.put(world.device(at % 2), `new ${at}`);
      else if (at % 4 === 1) await world.edit(victim, note, `edit ${at}`);
      else if (at % 4 === 2) await world.edit(world.device(0), note, `edit ${at}`);
      else await world.tell(victim, victim.line, { type: 'online' });
      await world.pass(5_000);
    }
    const before = await victim.state();
    await world.restartDevice(victim);
    expect(await victim.state(), `seed ${seed}`).toEqual(before);
    await expectHeals(world, 16);
  }
});

/** Answers damaged in every way that chance comes upon. */
function damaging(seed: number): Fault {
  const random = dice(seed);
  const below = (bound: number) => ((random(1)[0] ?? 0) * 256 + (random(1)[0] ?? 0)) % bound;
  return (_, answer): Uint8Array | Failure => {
    const place = below(Math.max(answer.length, 1));
    switch (below(10)) {
      case 0:
        return { type: 'silent' };
      case 1:
        return { type: 'http', status: 500 };
      case 2:
        return answer.slice(0, place);
      case 3: {
        const bit = 1 << below(8);
        return answer.map((byte, at) => (at === place ? byte ^ bit : byte));
      }
      case 4:
        return concatBytes(answer, answer.subarray(place));
      case 5:
        return concatBytes(answer.subarray(0, place), answer.subarray(place + 3));
      case 6: {
        const status = below(30);
        return answer.map((byte, at) => (at === 0 ? status : byte));
      }
      default:
        return answer;
    }
  };
}

test.each([true, false])(
  'a host that denies what supersedes is not told of it for ever (live: %s)',
  async (live) => {
    const world = await World.create([{}], 1, live);
    const device = world.device(0);
    await world.pass(MINUTE_MS);
    device.line.fault = withPrune((items) => {
      for (const item of items) item.status = Status.NotFound;
    });
    const notes: string[] = [];
    for (let at = 0; at < 5; at += 1) notes.push(await world.put(device, `note ${at}`));
    await world.pass(MINUTE_MS);
    for (const eid of notes) await world.edit(device, eid, 'again');
    await world.pass(60 * MINUTE_MS);
    expect(world.host().calls(path.PUSH_PATH)).toBeLessThan(100);
    expect(world.host().calls(path.PRUNE_PATH)).toBeLessThan(100);
    device.line.fault = undefined;
    await world.tell(device, device.line, { type: 'online' });
    await world.pass(60 * MINUTE_MS);
    await world.expectConverged();
    expect(world.host().bags(account).size).toBeGreaterThanOrEqual(5);
  },
);

test.each([true, false])(
  'a host that never shows what it takes is not given it for ever (live: %s)',
  async (live) => {
    const world = await World.create([{}], 1, live);
    const device = world.device(0);
    await world.pass(MINUTE_MS);
    let next = 1_000;
    const lying = withPush((items) => {
      for (const item of items) {
        next += 2;
        if (item.seq !== null) item.seq = next;
      }
    });
    // Nothing is there, it says.
    const hiding = withPage((page, items) => {
      Object.assign(page, { last: 0, through: 0 });
      items.splice(0);
    });
    device.line.fault = (at, answer) => {
      const lie = lying(at, answer);
      return lie instanceof Uint8Array ? hiding(at, lie) : lie;
    };
    for (let at = 0; at < 5; at += 1) await world.put(device, `note ${at}`);
    await world.pass(60 * MINUTE_MS);
    expect(world.host().calls(path.PUSH_PATH)).toBeLessThan(100);
    device.line.fault = undefined;
    await world.tell(device, device.line, { type: 'online' });
    await world.pass(60 * MINUTE_MS);
    await world.expectConverged();
    expect(world.host().bags(account).size).toBe(5);
  },
);
