// Random messages give the same entities here and in the Rust crates: outcomes, entities, and every message that is kept.

import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Database, type Ent, type Outcome } from '../../src/entdb/database.ts';
import { encodeEnvelope } from '../../src/entdb/envelope.ts';
import { MsgpackWriter } from '../../src/entdb/msgpack_writer.ts';
import { memoryStorage } from '../../src/entdb/storage/memory.ts';
import { concatBytes } from '../../src/protocol/host/bytes.ts';
import { type Eid, eidToBytes, makeEid } from '../../src/protocol/host/eid.ts';
import { encodeHead, type Message, makeHead } from '../../src/protocol/host/message.ts';
import { encodeHex } from '../../src/protocol/host/text.ts';
import { Oracle } from '../support/oracle.ts';
import { eid, raw, START_MS } from './support.ts';

let oracle: Oracle;
beforeAll(() => {
  oracle = new Oracle();
});
afterAll(() => oracle?.close());

const anId: fc.Arbitrary<Eid> = fc.oneof(
  fc.nat(3).map((id) => eid(id)),
  fc
    .tuple(fc.uint8Array({ maxLength: 12 }), fc.constantFrom(0, 1, START_MS, 8_640_000_000_000_000))
    .map(([id, at]) => makeEid(id, at)),
);

/** A value that JSON Lines of both sides need not say: only its bytes are compared. */
const value = fc.oneof(
  fc.nat(3),
  fc.string({ maxLength: 5 }),
  fc.constant(null),
  fc.jsonValue({ maxDepth: 2 }),
  fc.date({ noInvalidDate: true }),
  fc.double(),
);

/** Anything for an attribute of an envelope, most of it of another kind than it should be. */
const odd = fc.oneof(
  value.map((one) => new MsgpackWriter().value(one).finish()),
  fc.uint8Array({ maxLength: 6 }).map((one) => new MsgpackWriter().value(one).finish()),
  anId.map((one) => new MsgpackWriter().value(eidToBytes(one)).finish()),
  fc.constantFrom(
    raw(0xa2, 0xff, 0xfe),
    raw(0xca, 0, 0, 0, 0),
    raw(0xd9, 1, 't'),
    raw(0xcf, 0, 0, 0, 0, 0, 0, 0, 1),
    raw(0xd4, 1, 2),
    raw(0x81, 5, 1),
    raw(0xc1),
  ),
);
const name = fc
  .constantFrom('body', 'type', 'gid', 'pid', 'more')
  .map((text) => new MsgpackWriter().value(text).finish());

const oddEnvelope = fc
  .tuple(
    fc.array(fc.tuple(fc.oneof({ weight: 9, arbitrary: name }, { weight: 1, arbitrary: odd }), odd), {
      maxLength: 5,
    }),
    fc.constantFrom(0, 0, 0, 1),
  )
  .map(([entries, more]) => concatBytes(raw(0x80 + entries.length + more), ...entries.flat()));

const usual = fc
  .tuple(
    fc.constantFrom('todo', 'note', 'é'),
    fc.option(anId, { nil: undefined }),
    fc.option(fc.string({ unit: 'grapheme', maxLength: 4 }), { nil: undefined }),
    value,
  )
  .map(([type, parent, group, body]) => encodeEnvelope(type, parent, group, body));

const body = fc.oneof(
  { weight: 6, arbitrary: usual },
  { weight: 3, arbitrary: oddEnvelope },
  { weight: 1, arbitrary: fc.uint8Array({ minLength: 1, maxLength: 12 }) },
  { weight: 2, arbitrary: fc.constant(null) },
);

const sent: fc.Arbitrary<Message> = fc
  .tuple(
    anId,
    fc.oneof(fc.nat(4), fc.constant(Number.MAX_SAFE_INTEGER)),
    fc.oneof(fc.nat(3), fc.constant(Number.MAX_SAFE_INTEGER)),
    body,
    fc.nat(20),
  )
  .map(([id, offsetMs, counter, content, forged]) => ({
    head: makeHead(id, offsetMs, counter, content),
    // Now and then the body is not the head's.
    body: forged === 0 ? raw('x') : content,
  }));

function outcomeName(outcome: Outcome): string {
  if (outcome.type === 'refused') return outcome.status;
  return { applied: 'Applied', known: 'Known', superseded: 'Superseded', 'set-aside': 'SetAside' }[
    outcome.type
  ];
}

function shown(ent: Ent): object {
  return {
    eid: encodeHex(eidToBytes(ent.eid)),
    type: ent.type,
    parent: ent.parent === undefined ? null : encodeHex(eidToBytes(ent.parent)),
    group: ent.group ?? null,
    created: ent.createdMs,
    updated: ent.updatedMs,
    counter: ent.counter,
  };
}

function line({ head, body: content }: Message): { head: string; body: string | null } {
  return { head: encodeHex(encodeHead(head)), body: content === null ? null : encodeHex(content) };
}

function byText(items: readonly unknown[]): string[] {
  return items.map((item) => JSON.stringify(item, Object.keys(Object(item)).sort())).sort();
}

/** What the oracle answers to messages. */
interface Merged {
  outcomes: string[];
  ents: { eid: string; body: string }[];
  tombstones: number;
  set_aside: number;
  messages: unknown[];
}

function isMerged(answer: unknown): answer is Merged {
  return typeof answer === 'object' && answer !== null && 'ents' in answer && 'messages' in answer;
}

test('the same messages give the same here and in Rust', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(sent, { minLength: 1, maxLength: 25 }), async (messages) => {
      const theirs = await oracle.ask({ op: 'merge', messages: messages.map(line) });
      if (!isMerged(theirs)) throw new Error(JSON.stringify(theirs));
      const database = await Database.open(memoryStorage());
      const outcomes = await database.merge(messages);
      expect(outcomes.map(outcomeName)).toEqual(theirs.outcomes);
      const status = await database.status();
      expect([status.tombstones, status.setAside]).toEqual([theirs.tombstones, theirs.set_aside]);
      const kept = await database.messages(null, 1_000);
      expect(byText(kept.messages.map(line))).toEqual(byText(theirs.messages));
      const ids = [...new Set(messages.map((one) => one.head.eid))];
      const ents = (await Promise.all(ids.map((id) => database.get(id)))).flatMap((ent) => ent ?? []);
      expect(byText(ents.map(shown))).toEqual(byText(theirs.ents.map(({ body: _, ...ent }) => ent)));
      // A content that can be written again is the very bytes that Rust has; of the others the envelope is kept.
      for (const ent of ents) {
        const found = theirs.ents.find((one) => one.eid === encodeHex(eidToBytes(ent.eid)));
        const again = encodeHex(new MsgpackWriter().value(ent.body).finish());
        const whole = kept.messages.find((one) => one.head.eid === ent.eid && one.body !== null);
        const envelope = whole?.body ? encodeHex(whole.body) : '';
        expect(envelope).toContain(found?.body);
        const usualForm = encodeHex(encodeEnvelope(ent.type, ent.parent, ent.group, ent.body));
        if (envelope === usualForm) expect(again).toBe(found?.body);
      }
    }),
    { numRuns: 300 },
  );
});

test('the oracle answers whatever it is asked', async () => {
  for (const question of [
    null,
    5,
    {},
    { op: 'x' },
    { op: 'merge' },
    { op: 'merge', messages: [{ head: 'zz' }] },
    { op: 'room', commands: 5 },
  ])
    expect(await oracle.ask(question)).toHaveProperty('error');
  const commands = [
    { key: 'a', value: 1, action: { type: 'append' } },
    { key: 'a', value: 2, action: { type: 'append' }, client: 'client-number-0001', id: 1 },
    { key: 'a', value: 3, action: { type: 'compact', seq: 2 } },
    { key: 'b', value: 4, action: { type: 'relay' } },
    { key: 'b' },
  ];
  expect(await oracle.ask({ op: 'room', commands })).toMatchObject({
    broadcasts: [
      { key: 'a', seq: 1, value: 1, stored: true },
      { key: 'a', seq: 2, value: 2, stored: true },
      { key: 'b', seq: 3, value: 4, stored: false },
    ],
    keys: { a: [{ seq: 2, value: 3 }] },
  });
});
