// Room messages against the vectors that the server's own tests read, and against bytes that are none.
import { readFileSync } from 'node:fs';
import { decode, encode, Tag } from 'cbor2';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { RoomError } from '../../src/protocol/error.ts';
import * as cborFunctions from '../../src/protocol/room/cbor.ts';
import type { ClientMessage } from '../../src/protocol/room/client_message.ts';
import { type Frame, jsonCodec, cborCodec as makeCborCodec } from '../../src/protocol/room/codec.ts';
import {
  formatCursor,
  isReadOnlyAddress,
  isRoomAddress,
  parseCursor,
  parseRoomUrl,
  roomUrl,
  socketUrl,
} from '../../src/protocol/room/name.ts';

const cborCodec = makeCborCodec(cborFunctions);

interface Vector {
  readonly json?: string;
  readonly cbor?: string;
}

function vectors<Row = Vector>(name: string): Row[] {
  const file = new URL(`../../../vectors/rooms/${name}.json`, import.meta.url);
  return JSON.parse(readFileSync(file, 'utf8')) as Row[];
}

const bytes = (hex: string): Uint8Array<ArrayBuffer> => new Uint8Array(Buffer.from(hex, 'hex'));
const hex = (frame: Frame): string => Buffer.from(frame).toString('hex');

function codeOf(read: () => unknown): string {
  try {
    read();
  } catch (error) {
    return error instanceof RoomError ? error.code : String(error);
  }
  return 'read';
}

describe('vectors', () => {
  test('client messages are written as the server writes them', () => {
    for (const { json = '', cbor = '' } of vectors('client_messages')) {
      const message = JSON.parse(json) as ClientMessage;
      if (/1\.0|18446744073709551615/.test(json)) {
        // JavaScript has one kind of number: 1.0 is written as 1, and 2^64 - 1 is not exact.
        continue;
      }
      expect(JSON.parse(jsonCodec.encode(message))).toEqual(JSON.parse(json));
      expect(hex(cborCodec.encode(message)), json).toBe(cbor);
    }
  });

  test('server messages are read alike from both encodings', () => {
    const rows = vectors('server_messages');
    expect(rows.length).toBeGreaterThan(15);
    for (const { json = '', cbor = '' } of rows) {
      const message = jsonCodec.decode(json);
      expect(cborCodec.decode(bytes(cbor)), json).toEqual(message);
      expect(message.type).toBe((JSON.parse(json) as { type: string }).type);
    }
  });

  test('what the server refuses is refused here', () => {
    // These rows are refused as client messages; the one that is a server message is left out.
    const pong = 'a1647479706564706f6e67';
    for (const { json, cbor } of vectors('refused').filter((row) => row.cbor !== pong)) {
      const read = () => (json === undefined ? cborCodec.decode(bytes(cbor ?? '')) : jsonCodec.decode(json));
      expect(codeOf(read), json ?? cbor).toBe('bad_message');
    }
  });

  test('CBOR values of every kind are read to something', () => {
    for (const { cbor = '', json = '' } of vectors('cbor_to_json')) {
      const message = bytes(`a464747970656470757368636b6579616b6576616c7565${cbor}6373657101`);
      const read = cborCodec.decode(message);
      expect(read.type).toBe('push');
      const plain = /^-?\d{1,15}(\.\d+)?$|^"/.test(json) && !cbor.startsWith('c1');
      if (plain && read.type === 'push') expect(read.value).toEqual(JSON.parse(json));
    }
  });

  test('room ids are told from other texts', () => {
    for (const row of vectors<{ room: string; read_only: string }>('room_ids')) {
      expect(isRoomAddress(row.room)).toBe(true);
      expect(isReadOnlyAddress(row.room)).toBe(false);
      expect(isRoomAddress(row.read_only) && isReadOnlyAddress(row.read_only)).toBe(true);
    }
    for (const text of ['', 'short', 'ro.short', 'has space has space has space', 'a'.repeat(65)]) {
      expect(isRoomAddress(text), text).toBe(false);
    }
  });
});

describe('decoding is total', () => {
  test('any text and any bytes give a message or bad_message', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.json(), fc.uint8Array({ maxLength: 200 })), (data) => {
        const frame: Frame = typeof data === 'string' ? data : new Uint8Array(data);
        for (const codec of [jsonCodec, cborCodec])
          expect(['read', 'bad_message']).toContain(codeOf(() => codec.decode(frame)));
      }),
      { numRuns: 2_000 },
    );
  });

  test('a message with any one field damaged gives a message or bad_message', () => {
    const rows = vectors('server_messages').map(
      ({ json = '' }) => JSON.parse(json) as Record<string, unknown>,
    );
    const odd = fc.oneof(
      fc.constant(null),
      fc.double(),
      fc.string(),
      fc.boolean(),
      fc.array(fc.anything()),
      fc.dictionary(fc.string(), fc.anything()),
    );
    fc.assert(
      fc.property(fc.constantFrom(...rows), fc.nat(), odd, (row, at, value) => {
        const names = Object.keys(row);
        const damaged = { ...row, [names[at % names.length] ?? '']: value };
        let text: string | undefined;
        try {
          text = JSON.stringify(damaged);
        } catch {
          return;
        }
        expect(['read', 'bad_message']).toContain(codeOf(() => jsonCodec.decode(text)));
      }),
      { numRuns: 3_000 },
    );
  });

  test('tags that stand around the wrong thing, or that nobody knows, do not end a message', () => {
    // Tag 1 around a text, tag 2 around a number, tag 85 around three bytes, tag 35 (a regular expression), tag 64 around a list.
    for (const value of [
      'c16161',
      'c205',
      'd85543010203',
      'd8236161',
      'd84080',
      'd9ffff00',
      'd818430102 03'.replace(' ', ''),
    ]) {
      const message = bytes(`a464747970656470757368636b6579616b6576616c7565${value}6373657101`);
      expect(
        codeOf(() => cborCodec.decode(message)),
        value,
      ).toBe('read');
    }
  });

  test('a key named __proto__ is a key like any other', () => {
    const tree = bytes('a1695f5f70726f746f5f5fa16161f5');
    expect(Object.entries(Object(cborFunctions.readCbor(tree)))).toEqual([['__proto__', { a: true }]]);
    const message = jsonCodec.decode('{"type":"push","key":"k","value":{"__proto__":{"a":true}},"seq":1}');
    expect(message.type === 'push' && Object.getPrototypeOf(message.value)).toBe(Object.prototype);
  });
});

describe('CBOR values that somebody else made', () => {
  const { readCbor, writeCbor } = cborFunctions;
  /** A push, all but its value. */
  const push = 'a464747970656470757368636b6579616b63736571016576616c7565';

  test('everything that the server takes, nested as deep as it takes it, is read', () => {
    // Lists, lists without a length, maps, tags.
    for (const [opening, closing] of [
      ['81', ''],
      ['9f', 'ff'],
      ['a16161', ''],
      ['d903e8', ''],
    ] as const) {
      const value = `${opening.repeat(250)}00${closing.repeat(250)}`;
      expect(cborCodec.decode(bytes(push + value)).type, opening).toBe('push');
    }
    expect(() => readCbor(bytes(`${'81'.repeat(100_000)}00`))).toThrow('too deep');
  });

  test('great integers beyond reason stay as they came, at once', () => {
    const hex = `c25a00100000${'ff'.repeat(0x100000)}`;
    const read = readCbor(bytes(hex));
    expect(read).toBeInstanceOf(Tag);
    expect(Buffer.from(writeCbor(read)).equals(bytes(hex))).toBe(true);
    expect(readCbor(bytes(`c2590400${'ff'.repeat(1_024)}`))).toBe(2n ** 8_192n - 1n);
    expect(readCbor(bytes('c349010000000000000000'))).toBe(-(2n ** 64n) - 1n);
  });

  test('dates come back to the millisecond', () => {
    fc.assert(
      fc.property(
        fc.date({ noInvalidDate: true, min: new Date('0001-01-01'), max: new Date('9999-12-31') }),
        (date) => {
          expect(readCbor(writeCbor(date))).toEqual(date);
        },
      ),
      { numRuns: 2_000 },
    );
  });

  test('lengths that are claimed and not there end the reading, and take no memory', () => {
    for (const kind of ['5', '7', '9', 'b']) {
      for (const claim of ['affffffff', 'b7fffffffffffffff', 'bffffffffffffffff', 'a00ffffff'])
        expect(() => readCbor(bytes(kind + claim)), kind + claim).toThrow();
    }
    for (const broken of ['', '1c', 'ff', '5f6161ff', '7f5f', '9f', 'bf61', 'bf00ff', 'f818', '61ff', '0000'])
      expect(() => readCbor(bytes(broken)), broken).toThrow();
  });

  test('whatever is written is read as the library that wrote it reads it', () => {
    const value = fc.anything({
      withBigInt: true,
      withDate: false,
      withMap: true,
      withSet: true,
      withTypedArray: true,
      maxDepth: 5,
    });
    fc.assert(
      fc.property(value, (given) => {
        const written = encode(given);
        expect(readCbor(written)).toEqual(decode(written));
      }),
      { numRuns: 500 },
    );
  });

  test('any bytes are read as the library reads them, or refused by both', () => {
    const either = (read: () => unknown): unknown => {
      try {
        return { read: read() };
      } catch {
        return 'refused';
      }
    };
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 12 }), (given) => {
        // What these stand for here is told above.
        fc.pre(!given.some((byte) => byte >> 5 === 6));
        expect(either(() => readCbor(given))).toEqual(either(() => decode(given)));
      }),
      { numRuns: 1_000 },
    );
  });
});

describe('names', () => {
  test('cursors round trip and bad ones are refused', () => {
    for (const text of ['0', 'abc.0', 'A-b_9.9007199254740991'])
      expect(formatCursor(parseCursor(text))).toBe(text);
    for (const text of [
      '',
      '1',
      '.1',
      'a.',
      'a.-1',
      'a.+1',
      'a.1.2',
      'a.1x',
      'a b.1',
      'a.9007199254740992',
    ]) {
      expect(
        codeOf(() => parseCursor(text)),
        text,
      ).toBe('bad_parameter');
    }
  });

  test('a room is read from every kind of URL that a user has', () => {
    const id = 'AAAAAAAAAAAAAAAAAAAAAA';
    for (const text of [
      `http://s:1/room/${id}`,
      ` http://s:1/room/${id}/ `,
      `http://s:1/room/${id}/connect?since=0`,
      `ws://s:1/room/${id}/connect`,
    ]) {
      expect(roomUrl(parseRoomUrl(text)), text).toBe(`http://s:1/room/${id}`);
    }
    const under = parseRoomUrl(`wss://s/under/room/${id}/connect`);
    expect(socketUrl(under, 'since=0')).toBe(`wss://s/under/room/${id}/connect?since=0`);
    for (const text of [
      '',
      'short',
      'http://s/',
      'http://s/room/short',
      `ftp://s/room/${id}`,
      `http:///room/${id}`,
    ]) {
      expect(
        codeOf(() => parseRoomUrl(text)),
        text,
      ).toBe('bad_parameter');
    }
  });
});
