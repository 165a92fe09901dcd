// MessagePack: whatever bytes come, reading ends with an answer; and whoever says that it can make the bytes again can.

import { decode, encode } from '@msgpack/msgpack';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { DEPTH_MAX, MsgpackError } from '../../src/entdb/msgpack.ts';
import { MsgpackReader } from '../../src/entdb/msgpack_reader.ts';
import { MsgpackWriter } from '../../src/entdb/msgpack_writer.ts';

function write(value: unknown): Uint8Array {
  return new MsgpackWriter().value(value).finish();
}

function read(bytes: Uint8Array): { value: unknown; exact: boolean; length: number } {
  const reader = new MsgpackReader(bytes);
  const value = reader.value();
  return { value, exact: reader.exact, length: reader.position };
}

const leaf = fc.oneof(
  fc.constant(null),
  fc.boolean(),
  fc.maxSafeInteger(),
  fc.integer({ min: -70_000, max: 70_000 }),
  fc.double({ noNaN: true }).filter((value) => !Object.is(value, -0)),
  fc.string({ unit: 'grapheme', maxLength: 40 }),
  fc.string({ maxLength: 400 }),
  fc.uint8Array({ maxLength: 300 }),
  fc.date({ noInvalidDate: true }),
);

const content = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 4, depthSize: 'small' },
    leaf,
    fc.array(tie('value'), { maxLength: 20 }),
    fc.dictionary(
      fc.string({ maxLength: 9 }).filter((key) => key !== '__proto__' && key !== '$ext' && !/^\d/.test(key)),
      tie('value'),
      { maxKeys: 20, noNullPrototype: true },
    ),
  ),
})).value;

test('what is written is read, exactly, and is what the other clients write and read', () => {
  fc.assert(
    fc.property(content, (value) => {
      const bytes = write(value);
      expect(read(bytes)).toEqual({ value, exact: true, length: bytes.length });
      expect(bytes).toEqual(encode(value));
      expect(decode(bytes)).toEqual(value);
    }),
    { numRuns: 300 },
  );
});

test('any bytes are read or refused, and those said to be exact can be made again', () => {
  const marker = fc.constantFrom(
    0x81,
    0x82,
    0x91,
    0xa1,
    0xc4,
    0xc7,
    0xca,
    0xcb,
    0xcc,
    0xcf,
    0xd3,
    0xd4,
    0xd6,
    0xd7,
    0xd9,
    0xdc,
    0xde,
    0xdf,
  );
  const some = fc.oneof(
    fc.uint8Array({ maxLength: 40 }),
    fc.array(fc.oneof(marker, fc.nat(255)), { maxLength: 40 }).map((all) => Uint8Array.from(all)),
  );
  fc.assert(
    fc.property(some, (bytes) => {
      try {
        const { value, exact, length } = read(bytes);
        const again = write(value);
        if (exact) expect(again).toEqual(bytes.slice(0, length));
        // What was stored and read back is the same to the writer: no class of ours is among it.
        expect(write(structuredClone(value))).toEqual(again);
      } catch (error) {
        expect(error).toBeInstanceOf(MsgpackError);
      }
    }),
    { numRuns: 20_000 },
  );
});

test('integers of every width are read as they are', () => {
  for (const [bytes, value] of [
    [[0xd3, 0x80, 0, 0, 0, 0, 0, 0, 0], -(2n ** 63n)],
    [[0xcf, 0, 0x20, 0, 0, 0, 0, 0, 0], 2n ** 53n],
    [[0xcf, 0, 0x1f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff], Number.MAX_SAFE_INTEGER],
    [[0xd0, 0xdf], -33],
    [[0xcd, 1, 0], 256],
  ] as const)
    expect(read(Uint8Array.from(bytes))).toEqual({ value, exact: true, length: bytes.length });
  for (const bytes of [
    [0xd0, 5],
    [0xd0, 0xe0],
    [0xcc, 5],
    [0xcd, 0, 255],
    [0xd1, 0xff, 0x80],
    [0xcf, 0, 0, 0, 0, 0, 0, 0, 5],
  ])
    expect(read(Uint8Array.from(bytes)).exact).toBe(false);
});

test('values are nested to a bound, and lengths that cannot be are refused at once', () => {
  const deep = (levels: number) => Uint8Array.from([...Array.from({ length: levels }, () => 0x91), 0xc0]);
  expect(read(deep(DEPTH_MAX)).exact).toBe(true);
  expect(() => read(deep(DEPTH_MAX + 1))).toThrow(MsgpackError);
  expect(write(read(deep(DEPTH_MAX)).value)).toEqual(deep(DEPTH_MAX));
  expect(() => write([read(deep(DEPTH_MAX)).value])).toThrow(MsgpackError);
  for (const marker of [0xc6, 0xc9, 0xdb, 0xdd, 0xdf])
    expect(() => read(Uint8Array.from([marker, 0xff, 0xff, 0xff, 0xff]))).toThrow(MsgpackError);
});

test('what other clients write in other classes is written as bytes, and undefined as nil', () => {
  expect(write(new Uint8Array([9, 1, 2]).subarray(1))).toEqual(Uint8Array.from([0xc4, 2, 1, 2]));
  expect(write(new Uint8Array([1]).buffer)).toEqual(Uint8Array.from([0xc4, 1, 1]));
  expect(write({ a: undefined })).toEqual(Uint8Array.from([0x81, 0xa1, 0x61, 0xc0]));
  expect(write(new Array(2).fill(1, 1))).toEqual(Uint8Array.from([0x92, 0xc0, 1]));
  expect(write({ $ext: [-5, new Uint8Array([7, 7, 7])] })).toEqual(Uint8Array.from([0xc7, 3, 0xfb, 7, 7, 7]));
});
