// How often the board is drawn, by the clock of the frames alone.

import { expect, test } from 'vitest';
import { Pace } from '../../pages/whiteboard/pace.ts';

/** Frames that come so many milliseconds apart until so long after `from`; returns when one was drawn. */
function drawn(pace: Pace, everyMs: number, from: number, until: number): number[] {
  const times: number[] = [];
  for (let now = from; now < until; now += everyMs) if (pace.due(now, true)) times.push(now);
  return times;
}

test('every frame is drawn while frames come in time', () => {
  expect(drawn(new Pace(), 16, 0, 4_800)).toHaveLength(300);
});

test('when frames come late it is drawn with every second one, for a while, and then with every one again', () => {
  const pace = new Pace();
  const late = drawn(pace, 40, 0, 400);
  expect(late).toHaveLength(10);
  const spared = drawn(pace, 16, 400, 4_400);
  expect(spared.length).toBeLessThanOrEqual(126);
  expect(spared.length).toBeGreaterThanOrEqual(124);
  expect(drawn(pace, 16, 6_000, 7_600)).toHaveLength(100);
});

test('a frame that comes late now and then changes nothing', () => {
  const pace = new Pace();
  let now = 0;
  for (let frame = 0; frame < 1_000; frame += 1) {
    now += frame % 20 === 0 ? 50 : 16;
    expect(pace.due(now, true)).toBe(true);
  }
});

test('a pause between frames is not lateness', () => {
  const pace = new Pace();
  for (let now = 0; now < 60_000; now += 500) expect(pace.due(now, false)).toBe(true);
  expect(drawn(pace, 16, 60_000, 60_160)).toHaveLength(10);
});
