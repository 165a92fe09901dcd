// The whiteboard's rules without a page: the board as a function of the room's entries, compaction, the wire forms.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { decodeLive, encodeLive, Growth, type Part } from '../../pages/whiteboard/live.ts';
import {
  Board,
  CLEAR_KEY,
  COMPACT_AGAIN,
  COMPACT_AT,
  compactionDue,
  PAGE_STROKES,
  pageKey,
  pageOf,
} from '../../pages/whiteboard/model.ts';
import {
  decodePoints,
  decodeStroke,
  encodePoints,
  encodeStroke,
  type Stroke,
} from '../../pages/whiteboard/stroke.ts';
import { fitted, HOME, panned, toBoard, toWindow, zoomed } from '../../pages/whiteboard/view.ts';

interface Message {
  readonly key: string;
  readonly seq: number;
  readonly value: unknown;
}

function stroke(id: string, points: readonly number[] = [0, 0, 80, 80]): Stroke {
  return { id, ink: 'blue', width: 4, points };
}

function drawn(seq: number, id: string, page = 1): Message {
  return { key: pageKey(page), seq, value: { stroke: encodeStroke(stroke(id)) } };
}

function fed(messages: readonly Message[]): Board {
  const board = new Board();
  for (const { key, seq, value } of messages) board.apply(key, seq, value);
  return board;
}

function ids(board: Board): string[] {
  return board.strokes.map((placed) => placed.stroke.id);
}

describe('the board', () => {
  test('strokes lie in the order of the room, whichever page they came by', () => {
    const board = fed([drawn(1, 'a'), drawn(2, 'b', 2), drawn(3, 'c')]);
    expect(ids(board)).toEqual(['a', 'b', 'c']);
  });

  test('a stroke that was sent twice is there once', () => {
    expect(ids(fed([drawn(1, 'a'), drawn(2, 'a'), drawn(3, 'a', 2)]))).toEqual(['a']);
  });

  test('an undone stroke is gone, and its undo before it changes nothing', () => {
    const undo = (seq: number, id: string) => ({ key: pageKey(1), seq, value: { undo: id } });
    expect(ids(fed([undo(1, 'a'), drawn(2, 'a'), drawn(3, 'b'), undo(4, 'b')]))).toEqual(['a']);
  });

  test('a clear ends what was drawn before it, on every page, and nothing after it', () => {
    const board = fed([
      drawn(1, 'a'),
      drawn(2, 'b', 2),
      { key: CLEAR_KEY, seq: 3, value: {} },
      drawn(4, 'c'),
    ]);
    expect(ids(board)).toEqual(['c']);
  });

  test('a clear that is read before older strokes still ends them', () => {
    const board = fed([{ key: CLEAR_KEY, seq: 9, value: {} }, drawn(3, 'a'), drawn(10, 'b')]);
    expect(ids(board)).toEqual(['b']);
  });

  test('a compacted value says what its page was, and what came after it stays', () => {
    const board = fed([drawn(1, 'a'), drawn(2, 'b'), drawn(3, 'c')]);
    board.apply(pageKey(1), 2, { strokes: [[1, encodeStroke(stroke('a'))]] });
    expect(ids(board)).toEqual(['a', 'c']);
  });

  test('the next stroke goes to the next page when a page is full, counting strokes on their way', () => {
    const board = fed(Array.from({ length: PAGE_STROKES - 1 }, (_, index) => drawn(index + 1, `s${index}`)));
    expect(board.writePage()).toBe(1);
    board.expect(1, 1);
    expect(board.writePage()).toBe(2);
    board.expect(1, -1);
    expect(board.writePage()).toBe(1);
  });

  test('a compaction that would be too large is not made', () => {
    const board = fed([drawn(1, 'a'), drawn(2, 'b')]);
    expect(board.compaction(1, 20)).toBeUndefined();
    expect(board.compaction(1, 10_000)?.seq).toBe(2);
  });

  test('every size that calls for a compaction calls one sender', () => {
    expect(
      [COMPACT_AT - 1, COMPACT_AT, COMPACT_AT + 1, COMPACT_AT + COMPACT_AGAIN].map(compactionDue),
    ).toEqual([false, true, false, true]);
  });

  test('only keys of pages are pages', () => {
    const keys = ['strokes/1', 'strokes/0', 'strokes/01', 'strokes/99999', 'strokes/x', 'strokes', 'live'];
    expect(keys.map(pageOf)).toEqual([1, undefined, undefined, undefined, undefined, undefined, undefined]);
  });

  test('readers on either side of any compaction see the same board', () => {
    const step = fc.record({
      page: fc.integer({ min: 1, max: 3 }),
      kind: fc.constantFrom('draw', 'draw', 'draw', 'undo', 'clear'),
      id: fc.integer({ min: 0, max: 12 }),
    });
    fc.assert(
      fc.property(
        fc.array(step, { maxLength: 40 }),
        fc.nat(),
        fc.integer({ min: 1, max: 3 }),
        (steps, at, page) => {
          const log: Message[] = steps.map(({ page, kind, id }, index) => {
            const seq = index + 1;
            if (kind === 'clear') return { key: CLEAR_KEY, seq, value: {} };
            return kind === 'draw'
              ? drawn(seq, `${page}-${id}`, page)
              : { key: pageKey(page), seq, value: { undo: `${page}-${id}` } };
          });
          const cut = log.length === 0 ? 0 : at % (log.length + 1);
          const compactor = fed(log.slice(0, cut));
          const made = compactor.compaction(page, 1_000_000);
          if (made === undefined) return;
          const whole = fed(log);
          // The store after the compaction: the value in front of what came after it, pages in the order of numbers.
          const left = log.filter(({ key, seq }) => key !== pageKey(page) || seq > made.seq);
          const value = JSON.parse(JSON.stringify(made.value)) as unknown;
          const stored = [...left, { key: pageKey(page), seq: made.seq, value }].sort(
            (a, b) => a.seq - b.seq,
          );
          expect(ids(fed(stored))).toEqual(ids(whole));
          // A reader who was away and had seen some of it.
          for (const seen of [0, 1, 5, 20]) {
            const back = fed(log.slice(0, seen));
            for (const { key, seq, value } of stored) if (seq > seen) back.apply(key, seq, value);
            expect(ids(back)).toEqual(ids(whole));
          }
        },
      ),
    );
  });

  test('whatever lies in the room, the board stands', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.constantFrom('strokes/1', 'clear', 'x'), fc.jsonValue()), { maxLength: 20 }),
        (list) => {
          const board = fed(list.map(([key, value], index) => ({ key, seq: index + 1, value })));
          expect(board.strokes.length).toBeLessThanOrEqual(list.length);
        },
      ),
    );
  });
});

describe('the wire', () => {
  test('points go and come as steps', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: -(2 ** 26), max: 2 ** 26 }), { minLength: 2, maxLength: 200 }),
        (numbers) => {
          const points = numbers.slice(0, numbers.length - (numbers.length % 2));
          expect(decodePoints(encodePoints(points))).toEqual(points);
        },
      ),
    );
  });

  test('what is no stroke is refused', () => {
    const good = encodeStroke(stroke('a'));
    const bad: unknown[] = [
      null,
      [],
      'x',
      { ...good, id: '' },
      { ...good, id: '<b>' },
      { ...good, width: 0 },
      { ...good, width: Number.NaN },
      { ...good, points: [] },
      { ...good, points: [1] },
      { ...good, points: [1, 2, 3] },
      { ...good, points: [0.5, 1] },
      { ...good, points: [2 ** 26, 0, 1, 0] },
      { ...good, points: Array.from({ length: 5_000 }, () => 0) },
      { ...good, points: ['1', '2'] },
    ];
    expect(bad.map(decodeStroke)).toEqual(bad.map(() => undefined));
    expect(decodeStroke({ ...good, ink: 'ultraviolet' })?.ink).toBe('ink');
  });

  test('a relay goes and comes whole, and what is none is refused', () => {
    const part: Part = { id: 'a-1', ink: 'red', width: 2, from: 3, points: [8, 9, 10, 11] };
    for (const message of [
      { by: 'a', at: null },
      { by: 'a', at: [1, 2] as const, part },
    ]) {
      expect(decodeLive(JSON.parse(JSON.stringify(encodeLive(message))))).toEqual(message);
    }
    const bad = [
      null,
      {},
      { by: 'a' },
      { by: 'a', at: [1] },
      { by: 'a', at: [1, 1e99] },
      { by: 5, at: null },
    ];
    expect(bad.map(decodeLive)).toEqual(bad.map(() => undefined));
  });
});

describe('growing strokes', () => {
  const part = (from: number, points: readonly number[]): Part => ({
    id: 'x',
    ink: 'ink',
    width: 2,
    from,
    points,
  });

  test('parts join, a repeated point counts once, and an empty part ends the stroke', () => {
    const growth = new Growth();
    growth.apply('a', part(0, [0, 0, 1, 1]));
    expect(growth.apply('a', part(1, [1, 1, 2, 2]))?.growing.points).toEqual([0, 0, 1, 1, 2, 2]);
    expect(growth.apply('a', part(0, []))).toBeUndefined();
    expect(growth.size).toBe(0);
  });

  test('nobody grows the stroke of another, and whoever leaves takes his along', () => {
    const growth = new Growth();
    growth.apply('a', part(0, [0, 0]));
    expect(growth.apply('b', part(1, [9, 9]))?.growing.points).toEqual([0, 0]);
    expect(growth.dropBy('b')).toEqual([]);
    expect(growth.dropBy('a')).toEqual(['x']);
  });

  test('there are never more than so many', () => {
    const growth = new Growth();
    for (let index = 0; index < 1_000; index += 1) growth.apply('a', { ...part(0, [0, 0]), id: `s${index}` });
    expect(growth.size).toBe(256);
    expect(growth.ids()[0]).toBe('s744');
  });
});

describe('the view', () => {
  const size = { width: 800, height: 600 };

  test('what is under the fingers stays there while the board is zoomed and moved', () => {
    const place = { x: 100, y: 500 };
    const before = toBoard(HOME, size, place);
    const view = zoomed(HOME, size, place, 2.5);
    expect(toWindow(view, size, before).x).toBeCloseTo(place.x);
    expect(toWindow(view, size, before).y).toBeCloseTo(place.y);
    const moved = toWindow(panned(view, 30, -10), size, before);
    expect([moved.x, moved.y].map(Math.round)).toEqual([130, 490]);
  });

  test('a box that is shown whole lies in the window, and is never enlarged', () => {
    const view = fitted({ left: 8_000, top: 8_000, right: 80_000, bottom: 16_000 }, size);
    expect(view.zoom).toBeLessThan(1);
    expect(toWindow(view, size, { x: 1_000, y: 1_000 }).x).toBeGreaterThanOrEqual(0);
    expect(toWindow(view, size, { x: 10_000, y: 2_000 }).x).toBeLessThanOrEqual(size.width);
    expect(fitted({ left: 0, top: 0, right: 8, bottom: 8 }, size).zoom).toBe(1);
  });
});
