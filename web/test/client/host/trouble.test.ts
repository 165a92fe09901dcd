// Sessions in trouble: hosts that fail, that are full, whose clock differs. Nothing is lost, it is said, and it goes on
// by itself.

import { expect, test } from 'vitest';
import * as path from '../../../src/protocol/host/path.ts';
import { account, type Device, dead, MINUTE_MS, World } from './support/world.ts';

function retries(device: Device): number[] {
  return device.line.reports.flatMap((report) => (report.type === 'trouble' ? [report.retryMs] : []));
}

test('waits grow while a host is down and begin small again after it was up', async () => {
  const world = await World.simple(1);
  const device = world.device(0);
  await world.pass(MINUTE_MS);
  device.line.fault = dead;
  await world.put(device, 'waits');
  const beginMs = world.nowMs;
  await world.pass(60 * MINUTE_MS);
  const times = retries(device);
  expect(times.length).toBeGreaterThanOrEqual(10);
  expect(times.length).toBeLessThan(30);
  const waits = times.slice(1).map((time, at) => time - (times[at] ?? 0));
  expect((times[0] ?? 0) - beginMs).toBeLessThanOrEqual(2_000);
  expect(Math.max(...waits)).toBeLessThanOrEqual(5 * MINUTE_MS);
  expect(waits.at(-1)).toBeGreaterThanOrEqual(2 * MINUTE_MS);
  const trouble = await device.trouble();
  expect(trouble).toMatchObject({ code: 'network', sinceMs: beginMs });
  expect(trouble?.retryMs).toBeGreaterThan(world.nowMs - 5 * MINUTE_MS);

  device.line.fault = undefined;
  await world.tell(device, device.line, { type: 'online' });
  await world.settle();
  await world.expectConverged();
  expect(await device.trouble()).toBeNull();
  device.line.fault = dead;
  await world.put(device, 'another');
  await world.pass(200);
  expect((retries(device).at(-1) ?? 0) - world.nowMs, 'the next trouble is a first one').toBeLessThanOrEqual(
    2_000,
  );
});

test('many local writes do not wear out a host that is down', async () => {
  const world = await World.simple(1);
  const device = world.device(0);
  await world.pass(MINUTE_MS);
  device.line.fault = dead;
  for (let at = 0; at < 600; at += 1) {
    await world.put(device, `note ${at}`);
    await world.pass(100);
  }
  expect(retries(device).length).toBeLessThan(20);
});

test('trouble that was there before a restart keeps its beginning', async () => {
  const world = await World.simple(1);
  const device = world.device(0);
  device.line.fault = dead;
  await world.pass(MINUTE_MS);
  const began = (await device.trouble())?.sinceMs;
  await world.restartDevice(device);
  device.line.fault = dead;
  await world.pass(MINUTE_MS);
  expect(began).toBeDefined();
  expect((await device.trouble())?.sinceMs).toBe(began);
});

test('an answer that is lost costs nothing but a repeat', async () => {
  const world = await World.simple(2);
  const device = world.device(0);
  await world.pass(MINUTE_MS);
  let lost = 0;
  // Without notices, which would tell that it arrived after all.
  device.line.listening = false;
  device.line.fault = (at, answer) => {
    if (at !== path.PUSH_PATH || lost >= 3) return answer;
    lost += 1;
    return { type: 'silent' };
  };
  await world.put(device, 'once');
  await world.pass(20 * MINUTE_MS);
  expect(lost).toBeGreaterThan(0);
  await world.expectConverged();
  expect(world.host().bags(account).size).toBe(1);
});

test('what the host has no room for waits and resumes', async () => {
  const world = await World.create([{ bytesMax: 3_000 }], 2);
  const device = world.device(0);
  for (let at = 0; at < 30; at += 1) {
    await world.put(device, `note ${at}`);
    await world.pass(200);
  }
  await world.pass(MINUTE_MS);
  const stored = world.host().bags(account).size;
  expect(stored).toBeGreaterThanOrEqual(5);
  expect(stored).toBeLessThan(20);
  expect(await device.waiting()).toBe(30 - stored);
  const trouble = await device.trouble();
  expect(trouble?.code).toBe('quota');
  expect(trouble?.text).toContain('of 3000 bytes');
  expect(device.has((report) => report.type === 'quota_reached' && report.quota === 3_000)).toBe(true);

  expect(await world.device(1).state(), 'the other device still reads').toHaveLength(stored);
  world.host().settings.bytesMax = 100_000;
  await world.pass(20 * MINUTE_MS);
  await world.expectConverged();
  expect(await world.device(1).state()).toHaveLength(30);
  expect(await device.trouble()).toBeNull();
});

test('pruning makes room for what was refused', async () => {
  const world = await World.create([{ bytesMax: 800 }], 1);
  const device = world.device(0);
  const note = await world.put(device, 'note');
  for (let at = 0; at < 2; at += 1) {
    await world.pass(200);
    await world.edit(device, note, `edit ${at}`);
  }
  await world.pass(200);
  await world.put(device, 'one more');
  await world.settle();
  expect(await device.waiting(), JSON.stringify(device.line.reports)).toBe(1);
  await world.pass(3_000);
  await world.expectConverged();
  expect(world.host().bags(account).size).toBe(2);
  expect(await device.trouble()).toBeNull();
});

test('a message that fits goes past one that does not', async () => {
  const world = await World.create([{ bytesMax: 5_000 }], 1);
  const device = world.device(0);
  const small = Array.from({ length: 6 }, () => ({ type: 'note', body: 'small' }));
  await device.database.insertMany([{ type: 'large', body: 'x'.repeat(8_192) }, ...small]);
  await world.written(device);
  await world.pass(MINUTE_MS);
  expect(world.host().bags(account).size).toBe(6);
  expect(await device.waiting()).toBe(1);
});

test('a push that is too large for the host is split, and what is too large alone waits', async () => {
  const world = await World.simple(1);
  const device = world.device(0);
  await world.pass(MINUTE_MS);
  // Fewer than ten items were pushed if the answer is short.
  device.line.fault = (at, answer) =>
    at === path.PUSH_PATH && answer.length > 60 ? { type: 'http', status: 413 } : answer;
  await device.database.insertMany(Array.from({ length: 100 }, () => ({ type: 'note', body: 'x' })));
  await world.written(device);
  await world.pass(MINUTE_MS);
  await world.expectConverged();
  expect(world.host().bags(account).size).toBe(100);
  device.line.fault = (at, answer) => (at === path.PUSH_PATH ? { type: 'http', status: 413 } : answer);
  // Without notices, which would tell that it is there after all.
  device.line.listening = false;
  await world.put(device, 'too large alone');
  await world.settle();
  expect(await device.trouble()).toMatchObject({ code: 'refused' });
});

test.each([-3_600_000, -31_000, 31_000, 3_600_000])(
  'clocks that differ by %i ms are bridged and told',
  async (skewMs) => {
    const world = await World.simple(1);
    const device = world.device(0);
    await world.pass(MINUTE_MS);
    device.skewMs = skewMs;
    await world.put(device, 'by a wrong clock');
    await world.addDevice();
    await world.pass(20 * MINUTE_MS);
    await world.tell(device, device.line, { type: 'online' });
    await world.pass(MINUTE_MS);
    await world.expectConverged();
    expect(device.has((report) => report.type === 'clock_skew' && report.offsetMs === -skewMs)).toBe(true);
    expect(await device.trouble()).toBeNull();
  },
);

test('a clock that is days off is a trouble until it is right', async () => {
  const world = await World.simple(1);
  const device = world.device(0);
  await world.pass(MINUTE_MS);
  device.skewMs = -3 * 24 * 3_600_000;
  await world.tell(device, device.line, { type: 'online' });
  await world.pass(MINUTE_MS);
  const trouble = await device.trouble();
  expect(trouble?.code).toBe('clock');
  expect(trouble?.text).toContain('259200 s');
  device.skewMs = 0;
  await world.tell(device, device.line, { type: 'online' });
  await world.pass(MINUTE_MS);
  expect(await device.trouble()).toBeNull();
});

test('a link that fails holds up no other', async () => {
  const world = await World.create([{}, {}], 2);
  for (const { line } of world.devices) line.fault = dead;
  await world.put(world.device(0), 'note');
  await world.pass(MINUTE_MS);
  expect(await world.device(1).state()).toHaveLength(1);
  expect(world.host(1).bags(account).size).toBe(1);
  for (const { line } of world.devices) line.fault = undefined;
  await world.pass(20 * MINUTE_MS);
  await world.expectConverged();
  expect(world.host(0).bags(account).size).toBe(1);
});

test('a listener that is cut off again and again comes back ever later', async () => {
  const world = await World.simple(1);
  const { line } = world.device(0);
  expect(line.listening, 'not before the host answered').toBe(false);
  await world.pass(MINUTE_MS);
  expect(line.listening).toBe(true);
  const gaps: number[] = [];
  for (let at = 0; at < 12; at += 1) {
    await world.cut();
    const cutMs = world.nowMs;
    while (!line.listening) await world.pass(500);
    gaps.push(world.nowMs - cutMs);
  }
  expect(gaps[0]).toBeLessThanOrEqual(2_000);
  expect(gaps[11]).toBeGreaterThan(60_000);
});

test('a write while the version before it is on the way is no refusal', async () => {
  const world = await World.simple(1);
  const device = world.device(0);
  await world.pass(MINUTE_MS);
  const eid = await world.put(device, 'on the way');
  await world.edit(device, eid, 'written meanwhile');
  await world.pass(MINUTE_MS);
  expect(retries(device)).toEqual([]);
  await world.expectConverged();
});

test('trouble over a refused message ends when another tab brought it to the host', async () => {
  const world = await World.simple(1);
  const device = world.device(0);
  await world.pass(MINUTE_MS);
  device.line.listening = false;
  // The only item: place 0, and a status in place of success and a number.
  device.line.fault = (at, answer) =>
    at === path.PUSH_PATH ? Uint8Array.from([...answer.slice(0, -3), 0, 24]) : answer;
  await world.put(device, 'refused');
  await world.settle();
  expect((await device.trouble())?.code).toBe('refused');
  const { messages } = await device.database.messages(null, 1);
  const [message] = messages;
  if (message === undefined) throw new Error('nothing is here');
  expect(await device.database.pushed(device.line.session.link, [[message.head, 1]])).toEqual([true]);
  await world.pass(MINUTE_MS);
  expect(await device.trouble()).toBeNull();
});
