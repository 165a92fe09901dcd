// The inspector's rules without a page: values as bounded text, the bounded log, the rate, what a form says.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { RATE_SECONDS, RateMeter, rateText } from '../../pages/inspector/rate.ts';
import { roomIn } from '../../pages/inspector/room.ts';
import { readOrder } from '../../pages/inspector/room_push.ts';
import { LOG_BYTES_MAX, LOG_MESSAGES_MAX, StreamLog } from '../../pages/inspector/stream_log.ts';
import { copyText, hex, kindOf, preview, roughBytes, visible } from '../../pages/inspector/value_text.ts';

describe('values as text', () => {
  test('a preview is short, whatever the value', () => {
    fc.assert(
      fc.property(
        fc.anything({ withBigInt: true, withDate: true, withMap: true, withTypedArray: true }),
        (value) => {
          expect(preview(value, 80).length).toBeLessThan(700);
          expect(kindOf(value).length).toBeLessThan(60);
          expect(roughBytes(value)).toBeGreaterThan(0);
        },
      ),
    );
  });

  test('a value that is very deep or very wide is cut', () => {
    let deep: unknown = 1;
    for (let level = 0; level < 5_000; level += 1) deep = [deep];
    expect(preview(deep, 80)).toBe('[[[[[…]]]]]');
    const wide = preview(
      Array.from({ length: 300_000 }, (_, index) => index),
      80,
    );
    expect(wide.startsWith('[0, 1, 2')).toBe(true);
    expect(wide.length).toBeLessThan(100);
    expect(preview('x'.repeat(1_000_000), 80).length).toBeLessThan(100);
    expect(copyText(deep).length).toBeGreaterThan(5);
  });

  test('bytes are hexadecimal digits', () => {
    expect(preview(Uint8Array.of(0, 255, 16), 80)).toBe('3 bytes 00 ff 10');
    expect(hex(new Uint8Array())).toBe('');
    expect(copyText({ a: Uint8Array.of(1) })).toContain('"01"');
  });

  test('nothing in a text acts: no control characters, no turned direction', () => {
    expect(visible('a\u202eb\u0000c\u2066\n\u200b')).toBe('a\\u{202e}b\\u{0}c\\u{2066}\\n\\u{200b}');
    expect(preview({ '<img src=x>': '\u202e' }, 80)).toBe('{<img src=x>: "\\u{202e}"}');
  });
});

describe('the log', () => {
  const add = (log: StreamLog, seq: number, value: unknown = seq, key = 'k') => log.add({ seq, key, value });
  const numbers = (log: StreamLog) => log.shown.map((row) => (row.type === 'message' ? row.seq : row.text));

  test('it keeps the newest, in order', () => {
    const log = new StreamLog();
    for (let seq = 1; seq <= LOG_MESSAGES_MAX + 10; seq += 1) add(log, seq);
    expect(numbers(log).length).toBe(LOG_MESSAGES_MAX);
    expect(numbers(log)[0]).toBe(11);
    expect(log.dropped).toBe(10);
  });

  test('large values are forgotten, oldest first, and the newest never', () => {
    const log = new StreamLog();
    const large = 'x'.repeat(3 * 1024 * 1024);
    for (let seq = 1; seq <= 20; seq += 1) add(log, seq, large);
    const forgotten = log.shown.map((row) => row.type === 'message' && row.forgotten);
    const kept = forgotten.filter((gone) => !gone).length;
    expect(kept).toBe(Math.floor(LOG_BYTES_MAX / (large.length + 8)));
    expect(forgotten.indexOf(false)).toBe(20 - kept);
    for (let seq = 21; seq <= LOG_MESSAGES_MAX + 40; seq += 1) add(log, seq);
    expect(log.shown.every((row) => row.type === 'message' && !row.forgotten)).toBe(true);
  });

  test('a pause holds the view and counts what comes; a filter shows one key and the notes', () => {
    const log = new StreamLog();
    add(log, 1);
    log.pause(true);
    add(log, 2);
    log.note(0, 'cut');
    expect(numbers(log)).toEqual([1]);
    expect(log.missedWhilePaused).toBe(1);
    log.pause(false);
    add(log, 3, 'v', 'other');
    expect(numbers(log)).toEqual([1, 2, 'cut', 3]);
    log.setFilter('other');
    expect(numbers(log)).toEqual(['cut', 3]);
    expect(log.shown).toBe(log.shown);
  });
});

describe('the rate', () => {
  test('counts fall into their seconds, and go after a minute', () => {
    const meter = new RateMeter();
    meter.add(1_000_000);
    meter.add(1_000_999, 4);
    meter.add(1_002_000);
    expect(meter.series(1_003_000).slice(-4)).toEqual([5, 0, 1, 0]);
    expect(meter.series(1_003_000).length).toBe(RATE_SECONDS);
    expect(rateText(meter.series(1_003_000))).toBe(
      '1 in the last second, 6 in the last minute, at most 5 in one second',
    );
    expect(meter.series(1_064_000).every((count) => count === 0)).toBe(true);
    meter.add(5);
    expect(meter.series(1_064_000).at(-1)).toBe(1);
  });
});

describe('what is typed', () => {
  test('a room is found in an id, in its address, and in a page’s', () => {
    const id = 'abcdefghijklmnopqrstuv';
    expect(roomIn(` ${id} `)).toBe(id);
    expect(roomIn(`https://bags.example/room/${id}`)).toBe(id);
    expect(roomIn(`wss://bags.example/room/${id}/connect`)).toBe(id);
    expect(roomIn(`https://bags.example/whiteboard#room=${id}`)).toBe(id);
    expect(roomIn('https://bags.example/')).toBe('https://bags.example/');
  });

  test('an order that cannot be carried out says why', () => {
    expect(readOrder('k', 'append', '[1]', '')).toEqual({ key: 'k', action: 'append', value: [1], seq: 0 });
    expect(readOrder('k', 'trim', 'rubbish', '7')).toEqual({
      key: 'k',
      action: 'trim',
      value: undefined,
      seq: 7,
    });
    expect(() => readOrder('k', 'append', '{', '')).toThrow('no JSON');
    expect(() => readOrder('k', 'append', 'null', '')).toThrow('null');
    for (const bad of ['', '-1', '1.5', 'x', '9007199254740993']) {
      expect(() => readOrder('k', 'compact', '1', bad)).toThrow('number');
    }
  });
});
