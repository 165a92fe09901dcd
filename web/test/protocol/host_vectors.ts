// The shared vectors of the host protocol, both ways: the groups that need no secret. Registered by a test file for Node
// and by one for the browser.

import { blake3 } from '@noble/hashes/blake3.js';
import { describe, expect, test } from 'vitest';
import { verifyStrictly } from '../../src/crypto/ed25519_script.ts';
import {
  checkTime,
  encodeSignedTimestamp,
  readSignedTimestamp,
  type SignedTimestamp,
  timestampBytes,
} from '../../src/protocol/host/auth.ts';
import {
  bagLength,
  decodeSealedHead,
  encodeBag,
  encodeSealedHead,
  readBag,
  readSealedHead,
  storedBytesOf,
} from '../../src/protocol/host/bag.ts';
import { Reader, utf8, varintLength, Writer } from '../../src/protocol/host/bytes.ts';
import { eidFromBytes, eidParts, eidToBytes, makeEid, singletonEid } from '../../src/protocol/host/eid.ts';
import {
  compareRank,
  decodeHead,
  encodeHead,
  hashOf,
  makeHead,
  rankOf,
  readHead,
} from '../../src/protocol/host/message.ts';
import { INLINE_BYTES_MAX, readNoticeItem, writeNoticeItem } from '../../src/protocol/host/notice.ts';
import { readPeekItem, writePeekItem } from '../../src/protocol/host/peek.ts';
import { readPullItem, writePullItem } from '../../src/protocol/host/pull.ts';
import { readPushItem, writePushItem } from '../../src/protocol/host/push.ts';
import { clockOffsetMs, readResponseHead, writeResponseHead } from '../../src/protocol/host/response.ts';
import { Status, StatusError, statusFromCode } from '../../src/protocol/host/status.ts';
import { decodeBase64Url, decodeHex, encodeBase64Url, encodeHex } from '../../src/protocol/host/text.ts';
import {
  attempt,
  bodyOf,
  bytes,
  type Case,
  expectedStatus,
  group,
  groupNames,
  list,
  namedStatus,
  number,
  object,
  optionalBytes,
  pattern,
  readWhole,
  text,
} from '../support/vectors.ts';

/** Every group, and which tests read it. A new one has to be added, and to be read. */
const READ_BY: Readonly<Record<string, string>> = {
  auth_timestamp: 'here',
  bag: 'here, and ../crypto/vectors.ts',
  blake3: 'here',
  date: 'here',
  ed25519: '../crypto/vectors.ts',
  eid: 'here',
  entdb_body: './host_bodies.ts',
  exchanges: './host_exchanges.ts',
  export_file: '../crypto/archive_vectors.ts',
  items: 'here',
  kdm_keys: '../crypto/vectors.ts',
  keys: '../crypto/vectors.ts',
  lww: 'here',
  merge: 'here',
  message_head: 'here',
  recovery_phrase: '../crypto/vectors.ts',
  resp_head: 'here',
  secretbox: '../crypto/vectors.ts',
  signed_call: '../crypto/vectors.ts',
  status: 'here',
  text_codecs: 'here',
  var_string: 'here',
  varint: 'here',
};

/** What a decoder does with a case: the status, and how much it read when it succeeds. */
function checkRead<T>(vector: Case, read: (reader: Reader) => T): T | undefined {
  const reader = new Reader(bytes(vector, 'hex'));
  const { status, value } = attempt(() => read(reader));
  expect(status, JSON.stringify(vector)).toBe(expectedStatus(vector));
  const consumed = vector.consumed ?? vector.bytes_read;
  if (value !== undefined && typeof consumed === 'number') expect(reader.position).toBe(consumed);
  return value;
}

function written(write: (out: Writer) => void): string {
  const out = new Writer();
  write(out);
  return encodeHex(out.finish());
}

function hexes(head: { signature: Uint8Array; derivation: Uint8Array; head: Uint8Array }): string[] {
  return [head.signature, head.derivation, head.head].map(encodeHex);
}

/** Registers the tests. */
export function testHostVectors(): void {
  describe('the vectors of the host protocol', () => {
    test('every group is read by somebody', () => {
      expect(groupNames).toEqual(Object.keys(READ_BY).sort());
    });

    test('status codes are those of the vectors', () => {
      const values = object(group('status').values);
      expect(Status).toEqual(values);
      for (const [name, code] of Object.entries(values)) {
        const status = statusFromCode(Number(code));
        expect(status).toBe(code);
        if (status !== undefined) expect(new StatusError(status).code).toBe(name);
      }
      for (const code of [1, 2, 29, 255, -1, 0.5]) expect(statusFromCode(code)).toBeUndefined();
    });

    test('varints are written and read as the vectors say, as far as numbers reach', () => {
      const vectors = group('varint');
      for (const vector of list(vectors, 'encode')) {
        const [exact, hex] = [BigInt(text(vector, 'value')), text(vector, 'hex')];
        if (exact > BigInt(Number.MAX_SAFE_INTEGER)) {
          // Rust has more numbers; here they are refused and never rounded.
          expect(attempt(() => new Reader(decodeHex(hex)).varint()).status).toBe('VarLimitExceeded');
          expect(attempt(() => new Writer().varint(Number(exact))).status).toBe('VarLimitExceeded');
          continue;
        }
        expect(written((out) => out.varint(Number(exact)))).toBe(hex);
        expect(varintLength(Number(exact))).toBe(hex.length / 2);
        expect(readWhole(decodeHex(hex), (reader) => reader.varint())).toBe(Number(exact));
      }
      for (const vector of list(vectors, 'encode_errors')) {
        const value = Number(text(vector, 'value'));
        expect(attempt(() => new Writer().varint(value)).status).toBe(expectedStatus(vector));
      }
      for (const vector of list(vectors, 'decode')) {
        const unsafe = BigInt(String(vector.value ?? 0)) > BigInt(Number.MAX_SAFE_INTEGER);
        const changed = unsafe ? { ...vector, status: { code: 26, name: 'VarLimitExceeded' } } : vector;
        const value = checkRead(changed, (reader) => reader.varint());
        if (value !== undefined) expect(String(value)).toBe(text(vector, 'value'));
      }
    });

    test('strings are written and read as the vectors say', () => {
      const vectors = group('var_string');
      for (const vector of list(vectors, 'encode')) {
        expect(written((out) => out.varString(text(vector, 'text')))).toBe(text(vector, 'hex'));
        expect(readWhole(bytes(vector, 'hex'), (reader) => reader.varString())).toBe(text(vector, 'text'));
      }
      for (const vector of list(vectors, 'decode_errors')) checkRead(vector, (reader) => reader.varString());
    });

    test('times are written and read as the vectors say', () => {
      const vectors = group('date');
      for (const vector of list(vectors, 'encode')) {
        expect(written((out) => out.varint(number(vector, 'ms')))).toBe(text(vector, 'hex'));
        expect(readWhole(bytes(vector, 'hex'), (reader) => reader.varint())).toBe(number(vector, 'ms'));
      }
      for (const vector of list(vectors, 'encode_errors')) {
        expect(attempt(() => new Writer().varint(number(vector, 'ms'))).status).toBe(expectedStatus(vector));
      }
    });

    test('bytes become text as the vectors say, but for padding and the two last characters', () => {
      for (const vector of list(group('text_codecs'), 'cases')) {
        const raw = bytes(vector, 'hex');
        expect(encodeHex(raw)).toBe(text(vector, 'hex'));
        expect(decodeHex(text(vector, 'hex').toUpperCase())).toEqual(raw);
        const url = text(vector, 'base64').replaceAll('=', '').replaceAll('+', '-').replaceAll('/', '_');
        expect(encodeBase64Url(raw)).toBe(url);
        expect(decodeBase64Url(url)).toEqual(raw);
        if (url !== text(vector, 'base64')) {
          expect(attempt(() => decodeBase64Url(text(vector, 'base64'))).status).toBe('InvalidParam');
        }
      }
    });

    test('entity ids are written and read as the vectors say', () => {
      const vectors = group('eid');
      for (const vector of list(vectors, 'encode')) {
        const eid = makeEid(bytes(vector, 'id'), number(vector, 'ts'));
        expect(encodeHex(eidToBytes(eid))).toBe(text(vector, 'hex'));
        const url = text(vector, 'b64').replaceAll('=', '').replaceAll('+', '-').replaceAll('/', '_');
        expect(eid).toBe(url);
        expect(eidFromBytes(bytes(vector, 'hex'))).toBe(eid);
        expect(eidParts(eid)).toEqual({ id: bytes(vector, 'id'), createdMs: number(vector, 'ts') });
      }
      for (const vector of list(vectors, 'decode')) {
        const raw = bytes(vector, 'hex');
        const { status, value } = attempt(() => eidFromBytes(raw));
        expect(status, JSON.stringify(vector)).toBe(expectedStatus(vector));
        if (value === undefined) continue;
        expect(eidParts(value)).toEqual({ id: bytes(vector, 'id'), createdMs: number(vector, 'ts') });
        // Another encoding of the same parts is another entity, and stays it.
        expect(eidToBytes(value)).toEqual(raw);
      }
      for (const vector of list(vectors, 'singleton')) {
        const eid = singletonEid(text(vector, 'type'));
        expect(encodeHex(eidToBytes(eid))).toBe(text(vector, 'eid'));
        expect(eidParts(eid)).toEqual({ id: bytes(vector, 'id'), createdMs: 0 });
      }
    });

    test('message heads are written and read as the vectors say', () => {
      const vectors = group('message_head');
      for (const vector of list(vectors, 'encode')) {
        const eid = eidFromBytes(bytes(vector, 'eid'));
        const head = makeHead(eid, number(vector, 'off'), number(vector, 'ctr'), bodyOf(vector));
        expect(head.length).toBe(number(vector, 'len'));
        expect(head.hash).toEqual(optionalBytes(vector, 'hsh'));
        expect(encodeHex(encodeHead(head))).toBe(text(vector, 'hex'));
        expect(encodeHex(hashOf(head))).toBe(text(vector, 'head_hash'));
        expect(decodeHead(bytes(vector, 'hex'))).toEqual(head);
      }
      for (const vector of list(vectors, 'encode_errors')) {
        const head = makeHead(makeEid(new Uint8Array(), 0), number(vector, 'off'), 0, null);
        expect(attempt(() => encodeHead(head)).status).toBe(expectedStatus(vector));
      }
      for (const vector of list(vectors, 'decode')) checkRead(vector, readHead);
    });

    test('hashes are those of the vectors', () => {
      for (const vector of list(group('blake3'), 'cases')) {
        expect(encodeHex(blake3(pattern(number(vector, 'input_len'))))).toBe(text(vector, 'hash'));
      }
    });

    test.each(['lww', 'merge'])('the winner is the one of the vectors, whatever the order: %s', (name) => {
      for (const vector of list(group(name), 'cases')) {
        const messages = list(vector, 'messages');
        const heads = messages.map((message) => {
          const head = makeHead(
            eidFromBytes(bytes(vector, 'eid')),
            number(message, 'off'),
            number(message, 'ctr'),
            optionalBytes(message, 'body'),
          );
          expect(encodeHex(encodeHead(head))).toBe(text(message, 'head'));
          expect(encodeHex(hashOf(head))).toBe(text(message, 'head_hash'));
          return head;
        });
        const wins = heads.map(rankOf);
        const winner = wins[number(vector, 'total_order_winner')];
        if (winner === undefined) throw new Error('no such message');
        for (const rank of wins) {
          expect(compareRank(winner, rank), text(vector, 'name')).toBeGreaterThanOrEqual(0);
          expect(Math.sign(compareRank(rank, winner))).toBe(-Math.sign(compareRank(winner, rank)) + 0);
        }
        const final = messages[number(vector, 'total_order_winner')]?.value;
        expect(final).toEqual(vector.total_order_final);
      }
    });

    test('signed timestamps are let in as the vectors say', () => {
      const cases = list(group('auth_timestamp'), 'cases');
      let stricter = 0;
      for (const vector of cases) {
        const nowMs = number(vector, 'host_clock_ms');
        const authenticate = (reader: Reader): SignedTimestamp => {
          const auth = readSignedTimestamp(reader);
          checkTime(auth.timeMs, nowMs);
          const signed = verifyStrictly(auth.publicKey, timestampBytes(auth.timeMs), auth.signature);
          if (!signed) throw new StatusError(Status.InvalidSignature);
          return auth;
        };
        const decoded = attempt(() => readSignedTimestamp(new Reader(bytes(vector, 'hex'))));
        expect(decoded.status !== 'Success').toBe(vector.stage === 'decode');
        const accepted = expectedStatus(vector) === 'Success';
        const lax = vector.status !== null && namedStatus(vector.status) === 'Success';
        if (lax && !accepted) stricter += 1;
        const auth = checkRead(accepted ? vector : { ...vector, consumed: null }, authenticate);
        if (auth !== undefined && !text(vector, 'name').includes('overlong')) {
          expect(encodeHex(encodeSignedTimestamp(auth))).toBe(text(vector, 'hex'));
        }
      }
      expect(cases.length).toBe(20);
      // The two that only a lax check lets in: keys of small order.
      expect(stricter).toBe(2);
    });

    test('bags are written and read as the vectors say', () => {
      const vectors = group('bag');
      for (const vector of list(vectors, 'sealed')) {
        const sealed = {
          signature: bytes(vector, 'sig'),
          derivation: bytes(vector, 'kdm'),
          head: bytes(vector, 'head_cph'),
        };
        expect(hexes(decodeSealedHead(encodeSealedHead(sealed)))).toEqual(hexes(sealed));
        // Of long bodies the vectors have only the length.
        const body = optionalBytes(vector, 'body_cph');
        if (body === null) continue;
        const encoded = encodeBag({ sealed, body });
        expect(encodeHex(encoded)).toBe(text(vector, 'bag'));
        expect(encodeHex(blake3(encoded))).toBe(text(vector, 'bag_blake3'));
        expect(bagLength({ sealed, body })).toBe(number(vector, 'bag_bytes'));
        expect(storedBytesOf({ sealed, body }) + varintLength(body.length)).toBe(encoded.length);
        const read = readWhole(encoded, readBag);
        expect([...hexes(read.sealed), encodeHex(read.body)]).toEqual([...hexes(sealed), encodeHex(body)]);
      }
      for (const vector of list(vectors, 'decode_errors')) checkRead(vector, readBag);
    });

    test('response heads are written and read as the vectors say', () => {
      const vectors = group('resp_head');
      const quota = (vector: Case, field: string) => {
        const told = object(vector[field]);
        return { quota: number(told, 'quota'), usage: Number(told.usage ?? 0) };
      };
      for (const vector of list(vectors, 'encode')) {
        const status = statusFromCode(number(vector, 'status'));
        if (status === undefined) throw new Error('no such status');
        const head = {
          status,
          receivedMs: number(vector, 'timeRcvd'),
          sentMs: number(vector, 'timeSent'),
          subscription: {
            termMs: number(vector, 'term'),
            elapsedMs: number(vector, 'elapsed'),
            stored: quota(vector, 'stat'),
            moved: quota(vector, 'dyn'),
          },
        };
        expect(written((out) => writeResponseHead(out, head))).toBe(text(vector, 'hex'));
        expect(readWhole(bytes(vector, 'hex'), readResponseHead)).toEqual(head);
      }
      for (const vector of list(vectors, 'decode_errors')) checkRead(vector, readResponseHead);
      for (const vector of list(object(vectors.clock_offset), 'cases')) {
        const head = { receivedMs: number(vector, 't2'), sentMs: number(vector, 't3') };
        const offset = clockOffsetMs(number(vector, 't1'), head, number(vector, 't4'));
        expect(offset).toBe(number(vector, 'offset'));
      }
    });

    test('items are written and read as the vectors say', () => {
      const vectors = group('items');
      const bags = list(group('bag'), 'sealed');
      const body = (vector: Case, field: string) => encodeHex(bytes(vector, field));
      for (const vector of list(vectors, 'peek_item_head')) {
        const found = bags.find((bag) => bag.name === vector.bag);
        const read = readWhole(bytes(vector, 'hex'), readSealedHead);
        if (found === undefined) throw new Error('no such bag');
        expect(hexes(read)).toEqual([text(found, 'sig'), text(found, 'kdm'), text(found, 'head_cph')]);
        expect(encodeHex(encodeSealedHead(read))).toBe(text(vector, 'hex'));
      }
      for (const vector of list(vectors, 'peek_item')) {
        const item = readWhole(bytes(vector, 'hex'), readPeekItem);
        expect(item.seq).toBe(number(vector, 'seq'));
        expect(written((out) => writePeekItem(out, item))).toBe(text(vector, 'hex'));
      }
      for (const vector of list(vectors, 'pull_item')) {
        const item = readWhole(bytes(vector, 'hex'), readPullItem);
        expect([item.seq, encodeHex(item.body)]).toEqual([number(vector, 'seq'), body(vector, 'bodyCph')]);
        expect(written((out) => writePullItem(out, item))).toBe(text(vector, 'hex'));
      }
      for (const vector of list(vectors, 'push_item')) {
        const item = readWhole(bytes(vector, 'hex'), readPushItem);
        const { idx, status, seq } = vector;
        expect(item).toEqual({ index: idx, status, seq: seq ?? null });
        expect(written((out) => writePushItem(out, item))).toBe(text(vector, 'hex'));
      }
      for (const vector of list(vectors, 'notif_item')) {
        const item = readWhole(bytes(vector, 'hex'), readNoticeItem);
        expect([item.seq, item.body.length > 0]).toEqual([number(vector, 'seq'), vector.inlined]);
        expect(item.body.length).toBeLessThanOrEqual(INLINE_BYTES_MAX);
        expect(written((out) => writeNoticeItem(out, item))).toBe(text(vector, 'hex'));
      }
    });

    test('broken items are refused as the vectors say', () => {
      for (const vector of list(group('items'), 'decode_errors')) {
        const readers = new Map<string, (reader: Reader) => unknown>([
          ['push_item', readPushItem],
          ['pull_item', readPullItem],
          ['peek_item', readPeekItem],
          ['notif_item', readNoticeItem],
        ]);
        const read = readers.get(text(vector, 'struct'));
        if (read === undefined) throw new Error('no such structure');
        checkRead(vector, read);
      }
    });

    test('what is no UTF-8 is replaced, and a byte order mark is kept', () => {
      const read = (raw: Uint8Array) => new Reader(new Writer().varBytes(raw).finish()).varString();
      expect(read(Uint8Array.of(0x61, 0xff, 0xe2, 0x82, 0x62))).toBe('a\ufffd\ufffdb');
      expect(read(utf8('\ufeffa'))).toBe('\ufeffa');
    });
  });
}
