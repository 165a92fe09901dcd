// Laws of the host protocol's codecs: what is written is read as the same and no further, what is cut is refused, and no
// bytes bring a decoder down.

import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  callRequest,
  checkTime,
  readSignedCall,
  readSignedTimestamp,
  type SignedCall,
  type SignedTimestamp,
  writeSignedCall,
  writeSignedTimestamp,
} from '../../src/protocol/host/auth.ts';
import {
  type Bag,
  bagLength,
  encodeBag,
  encodeSealedHead,
  readBag,
  readSealedHead,
  type SealedHead,
  sealedHeadLength,
  writeBag,
  writeSealedHead,
} from '../../src/protocol/host/bag.ts';
import { compareBytes, equalBytes, Reader, varintLength, Writer } from '../../src/protocol/host/bytes.ts';
import {
  compareEids,
  createdMsOf,
  eidParts,
  eidToBytes,
  makeEid,
  newEid,
  parseEid,
  TIME_MS_MAX,
} from '../../src/protocol/host/eid.ts';
import {
  type Cursor,
  epochRequest,
  readCursor,
  readEpochAnswer,
  writeCursor,
  writeEpochAnswer,
} from '../../src/protocol/host/epoch.ts';
import {
  checkBody,
  compareRank,
  decodeHead,
  encodeHead,
  isDelete,
  type MessageHead,
  makeHead,
  rankOf,
  readHead,
  timeMsOf,
} from '../../src/protocol/host/message.ts';
import { decodeNotice, readNoticeItem, writeNoticeItem } from '../../src/protocol/host/notice.ts';
import {
  peekPageRequest,
  peekRequest,
  readPageHead,
  readPeekItem,
  readPeekItems,
  writePageHead,
  writePeekItem,
} from '../../src/protocol/host/peek.ts';
import {
  type PrunePair,
  pruneBody,
  readPruneItem,
  readPruneItems,
  readPrunePairs,
  writePruneItem,
} from '../../src/protocol/host/prune.ts';
import {
  pullRequest,
  readNumbers,
  readPullItem,
  readPullItems,
  writePullItem,
} from '../../src/protocol/host/pull.ts';
import {
  type PushItem,
  pushRequest,
  readBags,
  readPushItem,
  readPushItems,
  writePushItem,
} from '../../src/protocol/host/push.ts';
import {
  type Quota,
  type ResponseHead,
  readResponseHead,
  writeResponseHead,
} from '../../src/protocol/host/response.ts';
import { Status, StatusError } from '../../src/protocol/host/status.ts';
import { decodeBase64Url, decodeHex, encodeBase64Url, encodeHex } from '../../src/protocol/host/text.ts';
import { attempt } from '../support/vectors.ts';

/** Numbers of every length. */
const number = fc
  .tuple(fc.nat(53), fc.maxSafeNat())
  .map(([bits, value]) => (bits === 53 ? value : value % 2 ** bits));
const bytes = fc.oneof(
  { arbitrary: fc.uint8Array({ maxLength: 20 }), weight: 4 },
  { arbitrary: fc.uint8Array({ minLength: 120, maxLength: 140 }), weight: 1 },
);
const exactly = (length: number) => fc.uint8Array({ minLength: length, maxLength: length });
const status = fc.constantFrom(...Object.values(Status));
const timestamp: fc.Arbitrary<SignedTimestamp> = fc.record({
  publicKey: exactly(32),
  signature: exactly(64),
  timeMs: number,
});
const call: fc.Arbitrary<SignedCall> = fc.record({
  publicKey: exactly(32),
  signature: exactly(64),
  timeMs: number,
  origin: fc.string({ unit: 'grapheme', maxLength: 30 }),
  epoch: exactly(16),
});
const sealed: fc.Arbitrary<SealedHead> = fc.record({
  signature: exactly(64),
  derivation: exactly(8),
  head: bytes,
});
const bag: fc.Arbitrary<Bag> = fc.record({ sealed, body: bytes });
const messageHead: fc.Arbitrary<MessageHead> = fc
  .tuple(bytes, number, number, number, fc.option(bytes))
  .map(([id, createdMs, offsetMs, counter, body]) =>
    makeHead(makeEid(id, createdMs), offsetMs, counter, body),
  );
const quota: fc.Arbitrary<Quota> = fc
  .tuple(number, number)
  .map(([bound, used]) => ({ quota: bound, usage: bound === 0 ? 0 : used }));
const responseHead: fc.Arbitrary<ResponseHead> = fc.record({
  status,
  receivedMs: number,
  sentMs: number,
  subscription: fc.record({ termMs: number, elapsedMs: number, stored: quota, moved: quota }),
});
const pushItem: fc.Arbitrary<PushItem> = fc
  .tuple(number, status, number)
  .map(([index, result, seq]) => ({ index, status: result, seq: result === Status.Success ? seq : null }));
const pair: fc.Arbitrary<PrunePair> = fc.record({
  bag: number,
  supersededBy: fc.option(number.map((by) => Math.max(by, 1))),
});
const cursor: fc.Arbitrary<Cursor> = fc.record({ epoch: exactly(16), seq: number });

/** Written, it is read as the same; what follows is left alone; cut anywhere, it is refused. */
function check<T>(value: T, write: (out: Writer, value: T) => void, read: (reader: Reader) => T): void {
  const out = new Writer();
  write(out, value);
  const length = out.length;
  const written = out.byte(0xff).finish();
  const reader = new Reader(written);
  expect(read(reader)).toEqual(value);
  expect([reader.position, reader.remaining]).toEqual([length, 1]);
  expect(attempt(() => reader.end()).status).toBe('ExtraBodyContent');
  for (let end = 0; end < length; end += 1) {
    const cut = attempt(() => read(new Reader(written.subarray(0, end))));
    expect(['OutOfBounds', 'InvalidMessage']).toContain(cut.status);
  }
}

/** Reads a whole request: who asks, and the rest. */
function readRequest<T>(request: Uint8Array, read: (reader: Reader) => T): [SignedTimestamp, T] {
  const reader = new Reader(request);
  const auth = readSignedTimestamp(reader);
  const rest = read(reader);
  reader.end();
  return [auth, rest];
}

test('primitives are read as they were written', () => {
  fc.assert(
    fc.property(number, bytes, fc.string({ unit: 'grapheme', maxLength: 20 }), (value, some, text) => {
      check(
        value,
        (out) => out.varint(value),
        (reader) => reader.varint(),
      );
      check(
        some,
        (out) => out.varBytes(some),
        (reader) => reader.varBytes(),
      );
      check(
        text,
        (out) => out.varString(text),
        (reader) => reader.varString(),
      );
      const written = new Writer().varint(value).finish();
      expect(varintLength(value)).toBe(written.length);
      // A longer form of the same number.
      if (written.length < 8) {
        const longer = Uint8Array.of(...written, 0);
        longer[written.length - 1] = (longer[written.length - 1] ?? 0) | 0x80;
        expect(new Reader(longer).varint()).toBe(value);
      }
    }),
    { numRuns: 300 },
  );
});

test('no number is written or read that JavaScript cannot tell from its neighbours', () => {
  for (const value of [2 ** 53, 2 ** 56, Number.POSITIVE_INFINITY]) {
    expect(attempt(() => new Writer().varint(value)).status).toBe('VarLimitExceeded');
    expect(attempt(() => varintLength(value)).status).toBe('VarLimitExceeded');
  }
  for (const value of [-1, 0.5, Number.NaN, Number.NEGATIVE_INFINITY]) {
    expect(attempt(() => new Writer().varint(value)).status).toBe('InvalidParam');
  }
  expect(new Writer().varint(-0).finish()).toEqual(Uint8Array.of(0));
  fc.assert(
    fc.property(fc.bigInt({ min: 2n ** 53n, max: 2n ** 56n - 1n }), (value) => {
      const written = Array.from({ length: 8 }, (_, at) => Number((value >> BigInt(7 * at)) & 127n) | 128);
      written[7] = (written[7] ?? 0) & 127;
      expect(attempt(() => new Reader(Uint8Array.from(written)).varint()).status).toBe('VarLimitExceeded');
    }),
    { numRuns: 1000 },
  );
});

test('who asks is read as it was written', () => {
  fc.assert(
    fc.property(timestamp, call, bytes, (auth, whole, body) => {
      check(auth, writeSignedTimestamp, readSignedTimestamp);
      check(whole, writeSignedCall, readSignedCall);
      const reader = new Reader(callRequest(whole, body));
      expect(readSignedCall(reader)).toEqual(whole);
      expect(reader.rest()).toEqual(body);
    }),
    { numRuns: 50 },
  );
});

test('sealed things are read as they were written', () => {
  fc.assert(
    fc.property(sealed, bag, messageHead, (part, whole, head) => {
      check(part, writeSealedHead, readSealedHead);
      expect(encodeSealedHead(part).length).toBe(sealedHeadLength(part));
      check(whole, writeBag, readBag);
      expect(encodeBag(whole).length).toBe(bagLength(whole));
      check(head, (out) => out.bytes(encodeHead(head)), readHead);
    }),
    { numRuns: 50 },
  );
});

test('answers are read as they were written', () => {
  const parts = fc.tuple(sealed, bytes, number, number, exactly(16), fc.boolean());
  fc.assert(
    fc.property(
      responseHead,
      pushItem,
      status,
      parts,
      (head, pushed, code, [part, body, seq, index, epoch, valid]) => {
        check(head, writeResponseHead, readResponseHead);
        check({ sealed: part, seq }, writePeekItem, readPeekItem);
        check({ epoch, last: seq, through: index }, writePageHead, readPageHead);
        check({ seq, body }, writePullItem, readPullItem);
        check({ seq, sealed: part, body }, writeNoticeItem, readNoticeItem);
        check(pushed, writePushItem, readPushItem);
        check({ index, status: code }, writePruneItem, readPruneItem);
        check({ epoch, last: seq, valid }, writeEpochAnswer, readEpochAnswer);
        check({ epoch, seq }, writeCursor, readCursor);
      },
    ),
    { numRuns: 50 },
  );
});

test('requests are read as they were written', () => {
  const lists = fc.tuple(fc.array(bag, { maxLength: 4 }), fc.array(number, { maxLength: 6 }));
  fc.assert(
    fc.property(
      timestamp,
      lists,
      number,
      number,
      fc.option(cursor),
      (auth, [bags, numbers], after, most, known) => {
        expect(readRequest(pushRequest(auth, bags), readBags)).toEqual([auth, bags]);
        expect(readRequest(pullRequest(auth, numbers), readNumbers)).toEqual([auth, numbers]);
        expect(readRequest(peekRequest(auth, after), readNumbers)).toEqual([auth, [after]]);
        expect(readRequest(peekPageRequest(auth, after, most), readNumbers)).toEqual([auth, [after, most]]);
        const read = (reader: Reader) => (reader.isEmpty ? null : readCursor(reader));
        expect(readRequest(epochRequest(auth, known), read)).toEqual([auth, known]);
      },
    ),
    { numRuns: 200 },
  );
});

test('lists are read to their ends', () => {
  const lists = fc.tuple(fc.array(bag, { maxLength: 4 }), fc.array(pair, { maxLength: 6 }));
  fc.assert(
    fc.property(lists, fc.array(pushItem, { maxLength: 6 }), ([bags, pairs], pushed) => {
      const items = bags.map((whole, at) => ({ ...whole, seq: at + 1 }));
      const [peeked, pulled, notice, push] = [new Writer(), new Writer(), new Writer(), new Writer()];
      for (const item of items) writePeekItem(peeked, item);
      for (const item of items) writePullItem(pulled, item);
      for (const item of items) writeNoticeItem(notice, item);
      for (const item of pushed) writePushItem(push, item);
      const heads = items.map(({ sealed: part, seq }) => ({ sealed: part, seq }));
      expect(readPeekItems(new Reader(peeked.finish()))).toEqual(heads);
      expect(readPullItems(new Reader(pulled.finish()))).toEqual(
        items.map(({ seq, body }) => ({ seq, body })),
      );
      expect(decodeNotice(notice.finish())).toEqual(items);
      expect(readPushItems(new Reader(push.finish()))).toEqual(pushed);
      expect(readPrunePairs(new Reader(pruneBody(pairs)))).toEqual(pairs);
    }),
    { numRuns: 200 },
  );
});

test('no bytes bring a decoder down', () => {
  const byte = fc.oneof(fc.integer({ min: 0, max: 255 }), fc.integer({ min: 0, max: 4 }), fc.constant(0x80));
  const decoders: readonly ((reader: Reader) => unknown)[] = [
    (reader) => checkTime(readSignedTimestamp(reader).timeMs, 0),
    readSignedCall,
    readBags,
    readNumbers,
    readPrunePairs,
    readCursor,
    readResponseHead,
    readPushItems,
    readPullItems,
    readPeekItems,
    readPruneItems,
    readPageHead,
    readEpochAnswer,
    (reader) => decodeNotice(reader.rest()),
    (reader) => reader.varString(),
    (reader) => {
      const head = decodeHead(reader.rest());
      expect(decodeHead(encodeHead(head))).toEqual(head);
      expect(eidToBytes(head.eid).length).toBeGreaterThan(1);
      attempt(() => checkBody(head, Uint8Array.of(1)));
      return rankOf(head);
    },
  ];
  let decoded = 0;
  fc.assert(
    fc.property(fc.array(byte, { maxLength: 300 }), fc.constantFrom(...decoders), (raw, decode) => {
      // Anything but a status is thrown on, and fails the test.
      if (attempt(() => decode(new Reader(Uint8Array.from(raw)))).status === 'Success') decoded += 1;
    }),
    { numRuns: 20_000 },
  );
  expect(decoded).toBeGreaterThan(100);
});

test('bytes and their texts say the same, and every text is that of other bytes', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 40 }), fc.uint8Array({ maxLength: 40 }), (one, other) => {
      expect(decodeHex(encodeHex(one))).toEqual(one);
      expect(decodeBase64Url(encodeBase64Url(one))).toEqual(one);
      expect(encodeBase64Url(one)).toBe(Buffer.from(one).toString('base64url'));
      expect(encodeHex(one)).toBe(Buffer.from(one).toString('hex'));
      expect(Math.sign(compareBytes(one, other))).toBe(Buffer.compare(one, other));
      expect(equalBytes(one, other)).toBe(Buffer.compare(one, other) === 0);
    }),
  );
  fc.assert(
    fc.property(fc.string({ maxLength: 12 }), (text) => {
      const { value } = attempt(() => decodeBase64Url(text));
      if (value !== undefined) expect(encodeBase64Url(value)).toBe(text);
      attempt(() => decodeHex(text));
      attempt(() => parseEid(text));
    }),
    { numRuns: 5_000 },
  );
  for (const text of ['A', 'AB', 'AAAAA', 'AA==', 'A A', 'AA\n', '+/8', 'é', 'Ā']) {
    expect(attempt(() => decodeBase64Url(text)).status, text).toBe('InvalidParam');
  }
  for (const text of ['0', '0g', 'é', '0x00'])
    expect(attempt(() => decodeHex(text)).status).toBe('InvalidParam');
});

test('ids are ordered by their bytes, and a new one has its time', () => {
  const random = Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8);
  const eid = newEid(random, 1_767_225_600_000);
  expect(eidParts(eid)).toEqual({ id: random, createdMs: 1_767_225_600_000 });
  expect(eid.length).toBe(20);
  expect(createdMsOf(parseEid(eid))).toBe(1_767_225_600_000);
  for (const nowMs of [-1, 0.5, TIME_MS_MAX + 1, Number.NaN]) {
    expect(attempt(() => newEid(random, nowMs)).status).toBe('InvalidParam');
  }
  expect(attempt(() => newEid(new Uint8Array(7), 0)).status).toBe('InvalidParam');
  fc.assert(
    fc.property(bytes, bytes, number, (one, other, createdMs) => {
      const [a, b] = [makeEid(one, createdMs), makeEid(other, createdMs)];
      expect(Math.sign(compareEids(a, b))).toBe(Buffer.compare(eidToBytes(a), eidToBytes(b)));
    }),
  );
});

test('times past the range have no rank', () => {
  const head = (createdMs: number, offsetMs: number) =>
    makeHead(makeEid(Uint8Array.of(1), createdMs), offsetMs, 0, null);
  expect(rankOf(head(TIME_MS_MAX, 0)).timeMs).toBe(TIME_MS_MAX);
  for (const late of [head(TIME_MS_MAX, 1), head(Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER)]) {
    expect(timeMsOf(late)).toBeNull();
    expect(attempt(() => rankOf(late)).status).toBe('InvalidParam');
  }
});

test('an empty body is none, and a wrong one is noticed', () => {
  const eid = makeEid(Uint8Array.of(1), 5);
  const none = makeHead(eid, 0, 0, new Uint8Array());
  expect(none).toEqual(makeHead(eid, 0, 0, null));
  expect(isDelete(none)).toBe(true);
  checkBody(none, null);
  checkBody(none, new Uint8Array());
  const some = makeHead(eid, 0, 0, Uint8Array.of(1, 2));
  checkBody(some, Uint8Array.of(1, 2));
  for (const [head, body] of [
    [none, Uint8Array.of(1)],
    [some, null],
    [some, new Uint8Array()],
    [some, Uint8Array.of(1, 3)],
    [{ ...some, length: 3 }, Uint8Array.of(1, 2)],
    [{ ...some, hash: null }, Uint8Array.of(1, 2)],
  ] as const) {
    expect(attempt(() => checkBody(head, body)).status).toBe('HashMismatch');
  }
});

test('the order of messages is total: antisymmetric, transitive, and equal only for the same message', () => {
  const eid = makeEid(Uint8Array.of(1), 5);
  const near = fc
    .tuple(fc.nat(2), fc.nat(2), fc.option(fc.uint8Array({ minLength: 1, maxLength: 1 })))
    .map(([offset, counter, body]) => makeHead(eid, offset, counter, body));
  fc.assert(
    fc.property(near, near, near, (...heads) => {
      const [a, b, c] = heads.map(rankOf);
      if (a === undefined || b === undefined || c === undefined)
        throw new Error('three heads have three ranks');
      expect(Math.sign(compareRank(a, b))).toBe(0 - Math.sign(compareRank(b, a)));
      expect(compareRank(a, b) === 0).toBe(equalBytes(encodeHead(heads[0]), encodeHead(heads[1])));
      if (compareRank(a, b) <= 0 && compareRank(b, c) <= 0) expect(compareRank(a, c)).toBeLessThanOrEqual(0);
    }),
    { numRuns: 2_000 },
  );
});

test('a status without meaning is no answer', () => {
  for (const code of [1, 2, 29, 255]) {
    const raw = Uint8Array.of(0, code, 0);
    for (const read of [readPushItem, readPruneItem]) {
      expect(attempt(() => read(new Reader(raw))).status).toBe('InvalidResponse');
    }
    const head = Uint8Array.of(code, 0, 0, 0, 0, 0, 0);
    expect(attempt(() => readResponseHead(new Reader(head))).status).toBe('InvalidResponse');
  }
  const answer = new Writer().bytes(new Uint8Array(16)).varint(1).byte(2).finish();
  expect(attempt(() => readEpochAnswer(new Reader(answer))).status).toBe('InvalidResponse');
  const lost = { index: 0, status: Status.Success, seq: null };
  expect(attempt(() => writePushItem(new Writer(), lost)).status).toBe('MissingParam');
});

test('a status error says its code and its words', () => {
  const error = new StatusError(Status.DecryptionError);
  expect([error.status, error.code, error.message]).toEqual([20, 'DecryptionError', 'it cannot be opened']);
  expect(String(error)).toBe('StatusError: it cannot be opened');
});

test("Node's own kind of bytes is read like any other, and is left as it was", () => {
  const head = makeHead(makeEid(Uint8Array.of(1), 5), 0, 0, Uint8Array.of(7));
  const buffer = Buffer.from(encodeHead(head));
  const read = decodeHead(buffer);
  buffer.fill(0);
  expect(read).toEqual(head);
});
