// A session against a host, step by step: both sides have the same in the end, at little cost, whatever happened to
// either.

import { expect, test } from 'vitest';
import * as path from '../../../src/protocol/host/path.ts';
import { account, dead, MINUTE_MS, World } from './support/world.ts';

test('two devices converge on inserts, edits and deletes', async () => {
  const world = await World.simple(2);
  const [one, other] = [world.device(0), world.device(1)];
  const first = await world.put(one, 'first');
  const second = await world.put(other, 'second');
  await world.pass(MINUTE_MS);
  await world.expectConverged();
  await world.edit(other, first, 'first, edited');
  await world.delete(one, second);
  await world.pass(MINUTE_MS);
  await world.expectConverged();
  expect((await one.database.get(first))?.body).toBe('first, edited');
  expect(await other.database.get(second)).toBeUndefined();
  expect(one.has((report) => report.type === 'in_sync')).toBe(true);
});

test('a local write reaches a listener without any list being read', async () => {
  const world = await World.simple(2);
  await world.pass(MINUTE_MS);
  const pages = world.host().calls(path.PEEK_PAGE_PATH);
  await world.put(world.device(0), 'short, so that the notice brings it along');
  await world.settle();
  await world.expectConverged();
  expect(await world.device(1).state()).toHaveLength(1);
  expect(world.host().calls(path.PEEK_PAGE_PATH)).toBe(pages);
  expect(world.host().calls(path.PULL_PATH)).toBe(0);
});

test('a device that was away reads only what it missed', async () => {
  const world = await World.simple(1);
  for (let at = 0; at < 30; at += 1) await world.put(world.device(0), `note ${at}`);
  await world.pass(MINUTE_MS);
  const late = await world.addDevice();
  await world.pass(MINUTE_MS);
  await world.expectConverged();
  const pulls = world.host().calls(path.PULL_PATH);
  await world.restartDevice(late);
  await world.pass(MINUTE_MS);
  expect(world.host().calls(path.PULL_PATH)).toBe(pulls);
  await world.expectConverged();
});

test('thousands of messages go in pages and batches', async () => {
  const world = await World.simple(1);
  const one = world.device(0);
  const drafts = Array.from({ length: 2_500 }, (_, at) => ({ type: 'many', body: at }));
  await one.database.insertMany(drafts);
  await world.written(one);
  await world.pass(MINUTE_MS);
  expect(world.host().calls(path.PUSH_PATH)).toBe(3);
  const late = await world.addDevice();
  await world.pass(MINUTE_MS);
  await world.expectConverged();
  expect(world.host().calls(path.PULL_PATH)).toBe(3);
  expect(await late.state()).toHaveLength(2_500);
});

test('superseded bags are pruned and deletes stay', async () => {
  const world = await World.simple(2);
  const kept = await world.put(world.device(0), 'kept');
  const gone = await world.put(world.device(0), 'gone');
  await world.pass(MINUTE_MS);
  for (let at = 0; at < 10; at += 1) {
    world.nowMs += 10;
    await world.edit(world.device(at % 2), kept, `edit ${at}`);
    await world.edit(world.device(at % 2), gone, `edit ${at}`);
    await world.pass(200);
  }
  await world.delete(world.device(1), gone);
  await world.pass(10 * MINUTE_MS);
  await world.expectConverged();
  expect(world.host().bags(account).size, 'one state and one end').toBe(2);
  await world.addDevice();
  await world.pass(MINUTE_MS);
  await world.expectConverged();
});

test('a wiped host is filled by whoever has something, and nothing deleted returns', async () => {
  const world = await World.simple(3);
  const gone = await world.put(world.device(0), 'gone');
  for (let at = 0; at < 20; at += 1) await world.put(world.device(at % 3), `note ${at}`);
  await world.pass(MINUTE_MS);
  await world.delete(world.device(2), gone);
  await world.pass(MINUTE_MS);
  const before = await world.device(0).state();
  world.host().wipe();
  await world.cut();
  await world.pass(20 * MINUTE_MS);
  await world.expectConverged();
  expect(await world.device(0).state()).toEqual(before);
  expect(world.host().bags(account).size).toBe(before.length);
  expect(world.device(0).has((report) => report.type === 'reset')).toBe(true);
});

test.each([0, 1, 5, 12])(
  'a host restored from a backup is filled again, %i pushes later',
  async (pushesBetween) => {
    const world = await World.simple(3);
    for (let at = 0; at < 5; at += 1) await world.put(world.device(at % 3), `before ${at}`);
    await world.pass(MINUTE_MS);
    const backup = world.host().backup();
    for (let at = 0; at < 10; at += 1) await world.put(world.device(at % 3), `after ${at}`);
    await world.pass(MINUTE_MS);
    world.host().restore(backup);
    // A device that knows nothing of it pushes first: numbers are given out a second time.
    const late = await world.addDevice();
    await world.settle();
    for (let at = 0; at < pushesBetween; at += 1) await world.put(late, `between ${at}`);
    await world.settle();
    await world.cut();
    await world.pass(20 * MINUTE_MS);
    await world.expectConverged();
    expect(await late.state()).toHaveLength(15 + pushesBetween);
    expect(world.host().bags(account).size).toBe(15 + pushesBetween);
  },
);

test('a push that a restore took back is pushed again though the cursor is still good', async () => {
  const world = await World.simple(1);
  const one = world.device(0);
  await world.put(one, 'read');
  await world.pass(MINUTE_MS);
  await world.restartDevice(one);
  await world.pass(MINUTE_MS);
  const backup = world.host().backup();
  await world.put(one, 'pushed, and not read back');
  await world.settle();
  expect(world.host().bags(account).size).toBe(2);
  world.host().restore(backup);
  await world.restartDevice(one);
  await world.pass(20 * MINUTE_MS);
  expect(
    one.has((report) => report.type === 'reset'),
    'the cursor is good',
  ).toBe(false);
  expect(world.host().bags(account).size).toBe(2);
  await world.expectConverged();
});

test('a host of the old kind serves all the same', async () => {
  const world = await World.create([{ oldKind: true }], 2);
  const note = await world.put(world.device(0), 'note');
  await world.pass(MINUTE_MS);
  for (let at = 0; at < 5; at += 1) {
    world.nowMs += 1;
    await world.edit(world.device(at % 2), note, `edit ${at}`);
  }
  await world.pass(MINUTE_MS);
  await world.expectConverged();
  await world.restartDevice(world.device(1));
  await world.put(world.device(0), 'more');
  await world.pass(20 * MINUTE_MS);
  await world.expectConverged();
  expect(await world.device(1).state()).toHaveLength(2);
  expect(world.host().calls(path.PRUNE_PATH)).toBe(0);
  expect(world.device(1).has((report) => report.type === 'reset')).toBe(false);
});

test.each([0, 3, 12])(
  'a host of the old kind that went back is noticed, %i pushes later',
  async (pushesBetween) => {
    const world = await World.create([{ oldKind: true }], 2);
    for (let at = 0; at < 5; at += 1) await world.put(world.device(at % 2), `before ${at}`);
    await world.pass(MINUTE_MS);
    const backup = world.host().backup();
    for (let at = 0; at < 8; at += 1) await world.put(world.device(at % 2), `after ${at}`);
    await world.pass(20 * MINUTE_MS);
    world.host().restore(backup);
    const late = await world.addDevice();
    await world.settle();
    for (let at = 0; at < pushesBetween; at += 1) await world.put(late, `between ${at}`);
    await world.settle();
    await world.cut();
    await world.pass(20 * MINUTE_MS);
    await world.expectConverged();
    expect(await world.device(0).state()).toHaveLength(13 + pushesBetween);
    const noticed = world.devices.some((device) =>
      device.has((report) => report.type === 'reset' && report.reason === 'numbers_go_back'),
    );
    expect(noticed).toBe(true);
  },
);

test('a host of the old kind that lost the account is filled again', async () => {
  const world = await World.create([{ oldKind: true }], 2);
  for (let at = 0; at < 5; at += 1) await world.put(world.device(at % 2), `note ${at}`);
  await world.pass(MINUTE_MS);
  world.host().wipe();
  await world.cut();
  await world.pass(20 * MINUTE_MS);
  await world.expectConverged();
  expect(world.host().bags(account).size).toBeGreaterThanOrEqual(5);
  const gone = world.device(0).has((report) => report.type === 'reset' && report.reason === 'account_gone');
  expect(gone).toBe(true);
});

test('a host that learned the further calls is read anew', async () => {
  const world = await World.create([{ oldKind: true }], 2);
  for (let at = 0; at < 5; at += 1) await world.put(world.device(at % 2), `note ${at}`);
  await world.pass(20 * MINUTE_MS);
  world.host().settings.oldKind = false;
  world.host().restart();
  await world.cut();
  await world.put(world.device(0), 'more');
  await world.pass(20 * MINUTE_MS);
  await world.expectConverged();
  expect(await world.device(1).state()).toHaveLength(6);
});

test('what came from one host goes to the other', async () => {
  const world = await World.create([{}, { oldKind: true }], 2);
  await world.pass(MINUTE_MS);
  const other = world.device(1);
  // The second device does not reach the first host any more.
  other.line.fault = dead;
  other.line.listening = false;
  await world.put(world.device(0), 'from the first');
  await world.pass(MINUTE_MS);
  expect(await other.state(), 'through the second host').toHaveLength(1);
  other.line.fault = undefined;
  await world.tell(other, other.line, { type: 'online' });
  await world.pass(20 * MINUTE_MS);
  await world.expectConverged();
  for (const host of world.hosts) expect(host.bags(account).size).toBe(1);
});

test('one run brings both sides together and ends', async () => {
  const world = await World.create([{}], 2, false);
  await world.put(world.device(0), 'one');
  await world.put(world.device(1), 'two');
  await world.settle();
  await world.tell(world.device(0), world.device(0).line, { type: 'online' });
  await world.settle();
  await world.expectConverged();
  for (const { line } of world.devices) {
    expect(line.reports.at(-1)).toEqual({ type: 'in_sync' });
    expect(line.wakeMs).toBeUndefined();
  }
});

test('an audit mends what the host damaged', async () => {
  const world = await World.simple(2);
  for (let at = 0; at < 6; at += 1) await world.put(world.device(0), `note ${at}`);
  await world.pass(MINUTE_MS);
  const bag = world.host().bags(account).get(3);
  if (bag !== undefined) bag.body[45] = (bag.body[45] ?? 0) ^ 1;
  await world.tell(world.device(0), world.device(0).line, { type: 'audit' });
  await world.pass(MINUTE_MS);
  expect(world.device(0).has((report) => report.type === 'mended' && report.bags === 1)).toBe(true);
  expect(world.host().bags(account).has(3)).toBe(false);
  expect(world.host().bags(account).size).toBe(6);
  const late = await world.addDevice();
  await world.pass(MINUTE_MS);
  await world.expectConverged();
  expect(await late.state()).toHaveLength(6);
});

test('an audit that is asked for while a call is under way is done', async () => {
  const world = await World.simple(1);
  const { line } = world.device(0);
  await world.put(world.device(0), 'something');
  await world.pass(MINUTE_MS);
  await world.tell(world.device(0), line, { type: 'online' });
  expect(line.call, 'a call is under way').toBeDefined();
  await world.tell(world.device(0), line, { type: 'audit' });
  const pulls = world.host().calls(path.PULL_PATH);
  await world.pass(MINUTE_MS);
  expect(world.host().calls(path.PULL_PATH)).toBe(pulls + 1);
  expect(line.reports.at(-1)).toEqual({ type: 'in_sync' });
});

test('an account is removed on request and nothing here is', async () => {
  const world = await World.simple(1);
  const device = world.device(0);
  await world.put(device, 'stays here');
  await world.pass(MINUTE_MS);
  await world.tell(device, device.line, { type: 'delete_account' });
  await world.settle();
  expect(world.host().hasAccount(account)).toBe(false);
  expect(device.has((report) => report.type === 'account_deleted')).toBe(true);
  expect(await device.state()).toHaveLength(1);
  await world.pass(20 * MINUTE_MS);
  expect(world.host().hasAccount(account), 'a session that ended does nothing').toBe(false);
});

test('a guarded host is told the token', async () => {
  const world = await World.create([{ token: 'token' }], 1);
  const device = world.device(0);
  const beganMs = world.nowMs;
  await world.put(device, 'note');
  await world.pass(MINUTE_MS);
  expect(await device.trouble()).toMatchObject({ code: 'refused', sinceMs: beganMs });
  device.line.token = 'token';
  await world.pass(20 * MINUTE_MS);
  await world.expectConverged();
  expect(await device.trouble()).toBeNull();
});

test('a clock that is put back keeps nothing waiting', async () => {
  const world = await World.simple(2);
  const device = world.device(0);
  device.skewMs = 6 * 60 * MINUTE_MS;
  await world.put(device, 'by a clock that is hours ahead');
  await world.pass(MINUTE_MS);
  await world.put(device, 'just pushed');
  device.skewMs = 0;
  await world.put(device, 'by a clock that is right again');
  await world.pass(20 * MINUTE_MS);
  await world.expectConverged();
  expect(await world.device(1).state()).toHaveLength(3);
});

test('what notices have shown need not be shown again by a list', async () => {
  const world = await World.simple(2);
  const [one, other] = [world.device(0), world.device(1)];
  await world.pass(MINUTE_MS);
  // Notices come late, and in order: another's bag, and then what was just pushed here.
  await world.put(other, "another's");
  const frames = await world.answerAndHoldNotices(other, other.line);
  await world.put(one, 'ours');
  frames.push(...(await world.answerAndHoldNotices(one, one.line)));
  for (const frame of frames) await world.tell(one, one.line, { type: 'notice', frame });
  await world.settle();
  // One is missed, so that the list is looked at.
  world.nowMs += 1_000;
  await world.put(other, 'a third one');
  await world.answerAndHoldNotices(other, other.line);
  world.nowMs += 1_000;
  await world.put(other, 'a fourth one');
  const pushes = world.host().calls(path.PUSH_PATH);
  await world.pass(MINUTE_MS);
  await world.expectConverged();
  expect(world.host().calls(path.PUSH_PATH), 'the fourth one').toBe(pushes + 1);
});

test('frames that there was no room for are made up for by the list', async () => {
  const world = await World.simple(2);
  await world.pass(MINUTE_MS);
  const [one, other] = [world.device(0), world.device(1)];
  await world.put(other, 'its frame is lost');
  await world.answerAndHoldNotices(other, other.line);
  await world.tell(one, one.line, { type: 'notices_lost' });
  await world.pass(1_000);
  await world.expectConverged();
  expect(await one.state()).toHaveLength(1);
});

test('what is asked for while the last list is on its way is looked for after it', async () => {
  const events = [{ type: 'online' }, { type: 'notices_opened' }] as const;
  for (const event of events) {
    const world = await World.simple(2);
    const [one, other] = [world.device(0), world.device(1)];
    await world.pass(MINUTE_MS);
    await world.put(other, 'listed');
    await world.answerAndHoldNotices(other, other.line);
    await world.tell(one, one.line, { type: 'online' });
    await world.answer(one, one.line);
    const { call } = one.line;
    if (call?.path !== path.PEEK_PAGE_PATH) throw new Error('no list is on its way');
    one.line.call = undefined;
    const body = world.host().answer(call.path, undefined, call.body, world.nowMs);
    // Stored after the host listed, and before anybody could hear of it.
    world.nowMs += 1_000;
    await world.put(other, 'not listed');
    await world.answerAndHoldNotices(other, other.line);
    await world.tell(one, one.line, event);
    await world.tell(one, one.line, { type: 'response', call: call.call, result: { ok: true, body } });
    await world.settle();
    expect(await one.state(), event.type).toHaveLength(2);
    await world.expectConverged();
  }
});

test('a host of the old kind is not read anew for what comes up while its list is on its way', async () => {
  const world = await World.create([{ oldKind: true }], 2);
  const [one, other] = [world.device(0), world.device(1)];
  await world.put(other, 'read before');
  await world.pass(MINUTE_MS);
  await world.put(other, 'listed');
  await world.answerAndHoldNotices(other, other.line);
  await world.tell(one, one.line, { type: 'notices_lost' });
  await world.tell(one, one.line, { type: 'wake' });
  world.nowMs += 1_000;
  await world.tell(one, one.line, { type: 'wake' });
  expect(one.line.call?.path, 'a list is on its way').toBe(path.PEEK_PATH);
  await world.tell(one, one.line, { type: 'online' });
  await world.settle();
  await world.pass(MINUTE_MS);
  await world.expectConverged();
  expect(await one.state()).toHaveLength(2);
  expect(one.has((report) => report.type === 'reset')).toBe(false);
});
