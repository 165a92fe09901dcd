// The shared vectors of what a message's body holds, both ways. What becomes of it in a database is tested elsewhere.

import { describe, expect, test } from 'vitest';
import { encodeEnvelope, readEnvelope } from '../../src/entdb/envelope.ts';
import { eidFromBytes } from '../../src/protocol/host/eid.ts';
import { isDelete, makeHead } from '../../src/protocol/host/message.ts';
import { decodeHex, encodeHex } from '../../src/protocol/host/text.ts';
import { bytes, group, type Json, list, object, optionalBytes, text } from '../support/vectors.ts';

/** A value as it is here, where the vectors write what JSON has not. */
function plain(value: Json | undefined): unknown {
  if (value === undefined || value === null || typeof value !== 'object') return value;
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value.$bytes === 'string') return decodeHex(value.$bytes);
  if (typeof value.$date === 'number') return new Date(value.$date);
  if (value.$undefined === true) return undefined;
  return Object.fromEntries(Object.entries(value).map(([key, held]) => [key, plain(held)]));
}

/** Type, body, group and parent of a case; null is the same as nothing for the last two. */
function meant(source: { [key: string]: Json }) {
  const parent = plain(source.pid) ?? undefined;
  return {
    type: source.type,
    body: plain(source.body),
    group: plain(source.gid) ?? undefined,
    parent: parent instanceof Uint8Array ? eidFromBytes(parent) : undefined,
  };
}

/** Registers the tests. */
export function testHostBodies(): void {
  describe('the vectors of bodies', () => {
    test('envelopes are written and read as the vectors say', () => {
      for (const vector of list(group('entdb_body'), 'encode')) {
        const source = object(vector.source);
        const expected = meant(source);
        const read = readEnvelope(bytes(vector, 'hex'));
        expect(read, text(vector, 'name')).toMatchObject({ ...expected, exact: true });
        const { body } = expected;
        const ours = encodeEnvelope(
          text(source, 'type'),
          expected.parent,
          optionalText(expected.group),
          body,
        );
        expect(encodeHex(ours), text(vector, 'name')).toBe(text(vector, 'hex'));
      }
    });

    test('envelopes of other forms are read, or it is said why not', () => {
      for (const vector of list(group('entdb_body'), 'decode')) {
        const [name, raw] = [text(vector, 'name'), optionalBytes(vector, 'hex')];
        const head = makeHead(eidFromBytes(decodeHex('010000')), 5, 1, raw);
        expect(isDelete(head), name).toBe(vector.kind === 'delete');
        if (raw === null || isDelete(head)) continue;
        const read = readEnvelope(raw);
        // The reference program takes a type of any sort; here a type is text.
        if (vector.kind !== 'mutate' || name.startsWith('type is a number')) {
          expect(read, name).toHaveProperty('reason');
        } else {
          expect(read, name).toMatchObject(meant(object(vector.op)));
        }
      }
    });
  });
}

function optionalText(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined;
}
