// The recorded session with a host: every request is made here again byte for byte from what was read of it, every answer
// and every notice is read and written back.

import { describe, expect, test } from 'vitest';
import { HostKeys } from '../../src/crypto/host_keys.ts';
import { Seed } from '../../src/crypto/seed.ts';
import { encodeSignedTimestamp, readSignedTimestamp } from '../../src/protocol/host/auth.ts';
import { Reader, Writer } from '../../src/protocol/host/bytes.ts';
import { decodeNotice, writeNoticeItem } from '../../src/protocol/host/notice.ts';
import * as paths from '../../src/protocol/host/path.ts';
import { peekRequest, readPeekItems, writePeekItem } from '../../src/protocol/host/peek.ts';
import { pullRequest, readNumbers, readPullItems, writePullItem } from '../../src/protocol/host/pull.ts';
import { pushRequest, readBags, readPushItems, writePushItem } from '../../src/protocol/host/push.ts';
import { readResponseHead, writeResponseHead } from '../../src/protocol/host/response.ts';
import { Status, statusName } from '../../src/protocol/host/status.ts';
import { decodeHex, encodeHex } from '../../src/protocol/host/text.ts';
import { bytes, type Case, group, list, namedStatus, number, text } from '../support/vectors.ts';

/** A request read and made again. */
function remake(path: string, request: Uint8Array): Uint8Array {
  const reader = new Reader(request);
  const auth = readSignedTimestamp(reader);
  switch (path) {
    case paths.USER_PATH:
      reader.end();
      return encodeSignedTimestamp(auth);
    case paths.PEEK_PATH: {
      const after = reader.varint();
      reader.end();
      return peekRequest(auth, after);
    }
    case paths.PULL_PATH:
      return pullRequest(auth, readNumbers(reader));
    case paths.PUSH_PATH:
      return pushRequest(auth, readBags(reader));
    default:
      throw new Error(`no call at ${path}`);
  }
}

/** The items of an answer read and written again, and how many there are. */
function remakeItems(path: string, reader: Reader, out: Writer): number {
  switch (path) {
    case paths.PEEK_PATH: {
      const items = readPeekItems(reader);
      for (const item of items) writePeekItem(out, item);
      return items.length;
    }
    case paths.PULL_PATH: {
      const items = readPullItems(reader);
      for (const item of items) writePullItem(out, item);
      return items.length;
    }
    case paths.PUSH_PATH: {
      const items = readPushItems(reader);
      for (const item of items) writePushItem(out, item);
      return items.length;
    }
    default:
      reader.end();
      return 0;
  }
}

function pathOf(step: Case): string {
  return text(step, 'path').replace(/\?.*/, '');
}

/** Registers the tests. */
export function testHostExchanges(): void {
  describe('the recorded session with a host', () => {
    const session = group('exchanges');
    const steps = list(session, 'steps');
    const granted = steps.filter((step) => namedStatus(step.status) === 'Success');

    test('its requests are made byte for byte', () => {
      expect(granted.length).toBeGreaterThan(20);
      for (const step of granted) {
        const remade = remake(pathOf(step), bytes(step, 'request'));
        expect(encodeHex(remade), text(step, 'name')).toBe(text(step, 'request'));
      }
    });

    test('its timestamps are signed byte for byte', async () => {
      const seed = await Seed.parse(text(session, 'seed'));
      const made = new Set<string>();
      for (const user of list(session, 'users')) {
        const keys = await HostKeys.derive(seed, text(session, 'label'), number(user, 'index'));
        expect(encodeHex(keys.publicKey)).toBe(text(user, 'public'));
        for (const step of granted) {
          const auth = readSignedTimestamp(new Reader(bytes(step, 'request')));
          if (encodeHex(auth.publicKey) !== text(user, 'public')) continue;
          expect(encodeSignedTimestamp(await keys.timestamp(auth.timeMs))).toEqual(
            encodeSignedTimestamp(auth),
          );
          made.add(text(user, 'public'));
        }
      }
      expect(made.size).toBe(2);
    });

    test('its answers are read and written back', () => {
      let items = 0;
      for (const step of steps) {
        const reader = new Reader(bytes(step, 'response'));
        const head = readResponseHead(reader);
        expect(statusName(head.status)).toBe(namedStatus(step.status));
        const out = new Writer();
        writeResponseHead(out, head);
        if (head.status === Status.Success) items += remakeItems(pathOf(step), reader, out);
        reader.end();
        expect(encodeHex(out.finish()), text(step, 'name')).toBe(text(step, 'response'));
      }
      expect(items).toBeGreaterThan(20);
    });

    test('its notices are read and written back', () => {
      const frames = steps.flatMap((step) => step.notif_frames).filter((frame) => typeof frame === 'string');
      expect(frames.length).toBeGreaterThan(8);
      for (const frame of frames) {
        const out = new Writer();
        for (const item of decodeNotice(decodeHex(frame))) writeNoticeItem(out, item);
        expect(encodeHex(out.finish())).toBe(frame);
      }
    });
  });
}
