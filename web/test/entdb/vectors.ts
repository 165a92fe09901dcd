// The shared vectors of envelopes and of merging, run wherever a test file registers them.

import { expect, test } from 'vitest';
import { Database } from '../../src/entdb/database.ts';
import { memoryStorage } from '../../src/entdb/storage/memory.ts';
import { eidFromBytes, eidToBytes } from '../../src/protocol/host/eid.ts';
import { decodeHead, hashOf, type Message, makeHead } from '../../src/protocol/host/message.ts';
import { decodeHex } from '../../src/protocol/host/text.ts';
import {
  bytes,
  type Case,
  group,
  type Json,
  list,
  number,
  object,
  optionalBytes,
  text,
} from '../support/vectors.ts';
import { eid, message } from './support.ts';

/** What the vectors write for a value that JSON has no form for. */
function plain(value: Json | undefined): unknown {
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value !== 'object' || value === null) return value;
  if (typeof value.$bytes === 'string') return decodeHex(value.$bytes);
  if (typeof value.$date === 'number') return new Date(value.$date);
  if (value.$undefined === true) return undefined;
  return Object.fromEntries(Object.entries(value).map(([key, held]) => [key, plain(held)]));
}

/** A field that may be missing, null or marked as undefined. */
function optional(from: Case, field: string): Json | undefined {
  const value = from[field];
  return value === null || plain(value) === undefined ? undefined : value;
}

function readMessage(from: Case): Message {
  const head = decodeHead(bytes(from, 'head'));
  expect(hashOf(head)).toEqual(bytes(from, 'head_hash'));
  return { head, body: optionalBytes(from, 'body') };
}

function permutations<T>(items: readonly T[]): T[][] {
  if (items.length === 0) return [[]];
  return items.flatMap((item, at) =>
    permutations(items.filter((_, other) => other !== at)).map((rest) => [item, ...rest]),
  );
}

/** Registers the tests. */
export function testEntdbVectors(): void {
  test('envelopes are read and written as the vectors have them', async () => {
    for (const [index, one] of list(group('entdb_body'), 'encode').entries()) {
      const name = text(one, 'name');
      const source = object(one.source, name);
      const database = await Database.open(memoryStorage(), { now: () => 2_000 });
      const arrived = message(eid(index, 1_000), 0, 0, bytes(one, 'hex'));
      expect(await database.merge([arrived]), name).toEqual([{ type: 'applied' }]);
      const ent = await database.get(arrived.head.eid);
      if (ent === undefined) throw new Error(name);
      const parent = plain(optional(source, 'pid'));
      expect(ent, name).toMatchObject({ type: source.type, body: plain(source.body) });
      expect(ent.group, name).toEqual(optional(source, 'gid'));
      expect(ent.parent && eidToBytes(ent.parent), name).toEqual(parent);

      const written = eid(index, 2_000);
      await database.put(written, ent);
      const { messages } = await database.messages(null, 10);
      const ours = messages.find((kept) => kept.head.eid === written);
      expect(ours?.body, name).toEqual(arrived.body);
      // Nothing was kept beside the attributes: they say all of it.
      expect(
        messages.find((kept) => kept.head.eid === arrived.head.eid),
        name,
      ).toEqual(arrived);
    }
  });

  test('envelopes of other forms are read or set aside', async () => {
    for (const [index, one] of list(group('entdb_body'), 'decode').entries()) {
      const name = text(one, 'name');
      const body = optionalBytes(one, 'hex');
      const database = await Database.open(memoryStorage());
      const id = eid(index, 1_000);
      const arrived = { head: makeHead(id, 5, 1, body), body };
      const [outcome] = await database.merge([arrived]);
      const ent = await database.get(id);
      const status = one.status === null ? null : object(one.status, name);
      // The reference program takes a type of any sort; here a type is text, and the message is kept.
      const readable = status?.code === 0 && !name.startsWith('type is a number');
      if (!readable) expect([outcome, ent], name).toEqual([{ type: 'set-aside' }, undefined]);
      else if (one.kind === 'delete') expect([outcome, ent], name).toEqual([{ type: 'applied' }, undefined]);
      else {
        const op = object(one.op, name);
        expect(ent, name).toMatchObject({ type: op.type, body: plain(op.body) });
        expect(ent?.group, name).toEqual(optional(op, 'gid'));
      }
      // Whatever form it has, it can be handed on byte for byte.
      const [kept] = (await database.messages(null, 10)).messages;
      expect(kept, name).toEqual({ head: arrived.head, body: body?.length === 0 ? null : body });
    }
  });

  test('the greatest message wins in every order of arrival', async () => {
    for (const file of ['lww', 'merge'])
      for (const one of list(group(file), 'cases')) {
        const messages = list(one, 'messages').map(readMessage);
        const winner = messages[number(one, 'total_order_winner')];
        for (const order of permutations(messages)) {
          const database = await Database.open(memoryStorage());
          for (const sent of order) await database.merge([sent]);
          const label = `${text(one, 'name')}: ${order.map((sent) => messages.indexOf(sent))}`;
          expect((await database.messages(null, 10)).messages, label).toEqual([winner]);
          const shown = await database.get(eidFromBytes(bytes(one, 'eid')));
          expect(shown?.body ?? null, label).toEqual(one.total_order_final);
          // All at once come to the same.
          const whole = await Database.open(memoryStorage());
          await whole.merge(order);
          expect((await whole.messages(null, 10)).messages, label).toEqual([winner]);
        }
      }
  });
}
