// The shared vectors of what only the holder of a seed may do, both ways and with both ways of computing signatures.
// Registered by a test file for Node and by one for the browser.

import { blake3 } from '@noble/hashes/blake3.js';
import { describe, expect, test } from 'vitest';
import { BoxKey } from '../../src/crypto/box_key.ts';
import { derive, deriveHostSecret } from '../../src/crypto/derive.ts';
import { type Ed25519Provider, openKeyPair } from '../../src/crypto/ed25519.ts';
import { verifyStrictly } from '../../src/crypto/ed25519_script.ts';
import { HostKeys } from '../../src/crypto/host_keys.ts';
import { PhraseError, parsePhrase } from '../../src/crypto/phrase.ts';
import { Sealer } from '../../src/crypto/seal.ts';
import { Seed } from '../../src/crypto/seed.ts';
import {
  callBytes,
  callRequest,
  encodeSignedTimestamp,
  readSignedCall,
  readSignedTimestamp,
} from '../../src/protocol/host/auth.ts';
import { encodeBag, readBag } from '../../src/protocol/host/bag.ts';
import { concatBytes, Reader } from '../../src/protocol/host/bytes.ts';
import { eidFromBytes } from '../../src/protocol/host/eid.ts';
import { encodeHead, hashOf, makeHead } from '../../src/protocol/host/message.ts';
import { StatusError } from '../../src/protocol/host/status.ts';
import { decodeHex, encodeHex } from '../../src/protocol/host/text.ts';
import {
  attemptLater,
  bodyOf,
  bytes,
  type Case,
  expectedStatus,
  group,
  list,
  namedStatus,
  number,
  object,
  optionalBytes,
  readWhole,
  text,
} from '../support/vectors.ts';

/** Both ways of computing signatures. */
export const PROVIDERS: readonly Ed25519Provider[] = ['webcrypto', 'javascript'];

/** A source of these random bytes, in this order. */
export function fixedRandom(...parts: readonly (Uint8Array | null)[]): (length: number) => Uint8Array {
  let left = concatBytes(...parts.filter((part) => part !== null));
  return (length) => {
    if (length > left.length) throw new Error('more random bytes were drawn than there are');
    const drawn = left.slice(0, length);
    left = left.slice(length);
    return drawn;
  };
}

function sealerOf(
  vector: Case,
  provider: Ed25519Provider,
  random?: (length: number) => Uint8Array,
): Promise<Sealer> {
  const options = random === undefined ? { provider } : { provider, random };
  return Sealer.create(
    Seed.fromBytes(bytes(vector, 'seed')),
    text(vector, 'label'),
    number(vector, 'index'),
    options,
  );
}

function testSecrets(): void {
  test('boxes have the bytes of the vectors and open again', () => {
    for (const vector of list(group('secretbox'), 'cases')) {
      const key = new BoxKey(bytes(vector, 'key'));
      const sealed = key.seal(bytes(vector, 'nonce'), bytes(vector, 'plaintext'));
      expect(encodeHex(sealed)).toBe(text(vector, 'combined'));
      expect(encodeHex(key.open(sealed))).toBe(text(vector, 'plaintext'));
    }
  });

  test('bag keys follow from seed and derivation bytes as the vectors say', () => {
    for (const vector of list(group('kdm_keys'), 'cases')) {
      const [seed, derivation] = [bytes(vector, 'seed'), bytes(vector, 'kdm')];
      expect(encodeHex(derive(seed, derivation))).toBe(text(vector, 'key'));
      const nonce = new Uint8Array(24).fill(7);
      const sealed = BoxKey.ofBag(seed, derivation).seal(nonce, Uint8Array.of(1, 2, 3));
      expect(new BoxKey(bytes(vector, 'key')).open(sealed)).toEqual(Uint8Array.of(1, 2, 3));
    }
  });

  test('phrases are read, written and refused as the vectors say', async () => {
    const vectors = group('recovery_phrase');
    for (const vector of list(vectors, 'phrases')) {
      const seed = await Seed.parse(text(vector, 'words'));
      expect(seed.hex()).toBe(text(vector, 'seed'));
      expect(await seed.words()).toBe(text(vector, 'words'));
      expect((await Seed.parse(seed.hex())).hex()).toBe(text(vector, 'seed'));
    }
    for (const vector of list(vectors, 'accepted')) {
      expect((await Seed.parse(text(vector, 'text'))).hex()).toBe(text(vector, 'seed'));
    }
    for (const vector of list(vectors, 'refused')) {
      const { code, place, found } = await refusal(text(vector, 'text'));
      expect([code, place, found], text(vector, 'name')).toEqual([
        vector.reason,
        vector.place ?? undefined,
        vector.found ?? undefined,
      ]);
    }
  });

  test('what a refusal says holds nothing of what was typed', async () => {
    // Words that the messages use themselves, and which are in the list as well.
    const common = new Set(['word', 'list', 'one']);
    for (const vector of list(group('recovery_phrase'), 'refused')) {
      const { message, stack, cause } = await refusal(text(vector, 'text'));
      expect(cause).toBeUndefined();
      const told = new Set(`${message} ${stack?.split('\n')[0]}`.toLowerCase().split(/[^a-z0-9]+/));
      for (const word of text(vector, 'text').toLowerCase().split(/\s+/)) {
        if (word !== '' && !common.has(word)) expect(told.has(word), message).toBe(false);
      }
    }
  });
}

async function refusal(typed: string): Promise<PhraseError> {
  try {
    await parsePhrase(typed);
  } catch (error) {
    if (error instanceof PhraseError) return error;
    throw error;
  }
  throw new Error('it was not refused');
}

function testKeys(provider: Ed25519Provider): void {
  test('signatures are those of the vectors and verify', async () => {
    for (const vector of list(group('ed25519'), 'cases')) {
      const pair = await openKeyPair(bytes(vector, 'seed'), provider);
      const [message, signature] = [bytes(vector, 'message'), bytes(vector, 'signature')];
      expect(encodeHex(pair.publicKey)).toBe(text(vector, 'public'));
      expect(encodeHex(concatBytes(bytes(vector, 'seed'), pair.publicKey))).toBe(text(vector, 'private64'));
      expect(encodeHex(await pair.sign(message))).toBe(text(vector, 'signature'));
      expect(await pair.verify(message, signature)).toBe(true);
      expect(verifyStrictly(pair.publicKey, message, signature)).toBe(true);
      expect(await pair.verify(Uint8Array.of(1, 2, 3, 4), signature)).toBe(false);
      for (const at of [0, 31, 32, 40, 63]) {
        const wrong = signature.slice();
        wrong[at] = (wrong[at] ?? 0) ^ 1;
        expect(await pair.verify(message, wrong)).toBe(false);
        expect(verifyStrictly(pair.publicKey, message, wrong)).toBe(false);
      }
    }
  });

  test('keypairs follow from seed, label and index as the vectors say', async () => {
    for (const vector of list(group('keys'), 'cases')) {
      const seed = Seed.fromBytes(bytes(vector, 'seed'));
      const [label, index] = [text(vector, 'label'), number(vector, 'index')];
      expect(encodeHex(deriveHostSecret(seed.bytes, label, index))).toBe(text(vector, 'derived'));
      const keys = await HostKeys.derive(seed, label, index, provider);
      expect(encodeHex(keys.publicKey)).toBe(text(vector, 'public'));
      expect(keys.provider).toBe(provider);
    }
  });

  test('a time is signed to the bytes of the vectors', async () => {
    const vectors = group('auth_timestamp');
    const { keys } = await sealerOf(vectors, provider);
    for (const name of ['same instant', 'zero time', '5-byte timestamp', 'host 30000 ms behind']) {
      const vector = list(vectors, 'cases').find((found) => found.name === name) ?? {};
      const theirs = readSignedTimestamp(new Reader(bytes(vector, 'hex')));
      const ours = encodeSignedTimestamp(await keys.timestamp(theirs.timeMs));
      expect(encodeHex(ours), name).toBe(text(vector, 'hex'));
    }
    const late = await attemptLater(() => keys.timestamp(Number.MAX_SAFE_INTEGER + 1));
    expect(late.status).toBe('VarLimitExceeded');
  });

  test('calls are signed as the vectors say', async () => {
    const vectors = group('signed_call');
    for (const vector of list(vectors, 'cases')) {
      const { keys } = await sealerOf(vector, provider);
      const [path, origin, body] = [text(vector, 'path'), text(vector, 'origin'), bytes(vector, 'body')];
      const [epoch, timeMs] = [bytes(vector, 'epoch'), number(vector, 'time_ms')];
      expect(encodeHex(callBytes(path, origin, epoch, timeMs, body))).toBe(text(vector, 'signed'));
      const call = await keys.call(path, origin, epoch, timeMs, body);
      expect(encodeHex(call.signature)).toBe(text(vector, 'signature'));
      const request = callRequest(call, body);
      expect(encodeHex(request)).toBe(text(vector, 'encoded') + text(vector, 'body'));
      const reader = new Reader(request);
      expect(readSignedCall(reader)).toEqual(call);
      expect(encodeHex(reader.rest())).toBe(text(vector, 'body'));
    }
  });

  test('calls of others are refused as the vectors say', () => {
    for (const vector of list(group('signed_call'), 'refused')) {
      const call = readSignedCall(new Reader(bytes(vector, 'encoded')));
      const { path, body } = { path: text(vector, 'path'), body: bytes(vector, 'body') };
      const signed = callBytes(path, call.origin, call.epoch, call.timeMs, body);
      expect(verifyStrictly(call.publicKey, signed, call.signature), text(vector, 'name')).toBe(false);
      expect(expectedStatus(vector)).toBe('InvalidSignature');
    }
  });
}

function testBags(provider: Ed25519Provider): void {
  test('bags are sealed to the bytes of the vectors and opened again', async () => {
    for (const vector of list(group('bag'), 'sealed')) {
      const random = fixedRandom(bytes(vector, 'nonce_head'), optionalBytes(vector, 'nonce_body'));
      const sealer = await sealerOf(vector, provider, random);
      const [eid, body] = [eidFromBytes(bytes(vector, 'eid')), bodyOf(vector)];
      const head = makeHead(eid, number(vector, 'off'), number(vector, 'ctr'), body);
      expect(encodeHex(encodeHead(head))).toBe(text(vector, 'head_plain'));
      expect(encodeHex(hashOf(head))).toBe(text(vector, 'head_hash'));

      const [bag] = await sealer.seal([{ head, body }]);
      if (bag === undefined || bag instanceof StatusError) throw bag;
      expect(encodeHex(bag.sealed.derivation)).toBe(text(vector, 'kdm'));
      expect(encodeHex(bag.sealed.head)).toBe(text(vector, 'head_cph'));
      expect(encodeHex(bag.sealed.signature)).toBe(text(vector, 'sig'));
      expect(bag.body.length).toBe(number(vector, 'body_cph_len'));
      const encoded = encodeBag(bag);
      expect(encodeHex(blake3(encoded))).toBe(text(vector, 'bag_blake3'));
      expect(await sealer.open(readWhole(encoded, readBag))).toEqual({ head, body });
    }
  });

  test('tampered bags are refused with the status of the vectors', async () => {
    const vectors = group('bag');
    const first = list(vectors, 'sealed')[0] ?? {};
    const ours = await sealerOf(first, provider);
    const other = await sealerOf({ ...first, index: 1 }, provider);
    const stranger = await sealerOf({ ...first, seed: '09'.repeat(32) }, provider);
    for (const vector of list(vectors, 'tampered')) {
      const [name, bag] = [text(vector, 'name'), readWhole(bytes(vector, 'bag'), readBag)];
      const byName = new Map([
        ['opened with another host key', other],
        ['opened with another seed', stranger],
      ]);
      const { status } = await attemptLater(() => (byName.get(name) ?? ours).open(bag));
      expect(status, name).toBe(tamperedStatus(name, vector));
    }
  });

  test('many are sealed and opened at once, and one that is wrong stops no other', async () => {
    const sealer = await sealerOf(list(group('bag'), 'sealed')[0] ?? {}, provider);
    const eid = eidFromBytes(decodeHex('08010203040506070880d0eab6b733'));
    const messages = Array.from({ length: 40 }, (_, at) => {
      const body = at % 5 === 0 ? null : Uint8Array.of(at, 1, 2);
      return { head: makeHead(eid, at, at, body), body };
    });
    const broken = { head: makeHead(eid, 1, 1, Uint8Array.of(1)), body: Uint8Array.of(2) };
    const sealed = await sealer.seal([...messages, broken]);
    expect(sealed.pop()).toMatchObject({ code: 'HashMismatch' });
    const bags = sealed.map((bag) => {
      if (bag instanceof StatusError) throw bag;
      return bag;
    });
    const spoilt = bags.map(({ sealed: head }, at) => {
      const signature = head.signature.slice();
      if (at === 17) signature[0] = (signature[0] ?? 0) ^ 1;
      return { ...head, signature };
    });
    const opened = await sealer.openHeads(spoilt);
    for (const [at, head] of opened.entries()) {
      if (at === 17) expect(head).toMatchObject({ code: 'InvalidSignature' });
      else expect(head).toEqual(messages[at]?.head);
    }
    for (const [at, bag] of bags.entries()) {
      const message = messages[at];
      if (message === undefined) throw new Error('more bags than messages');
      expect(sealer.openBody(bag.sealed.derivation, message.head, bag.body)).toEqual(message.body);
    }
  });
}

function tamperedStatus(name: string, vector: Case): string {
  // Here the account's keypair follows from the seed, so that the signature is what fails first.
  if (name === 'opened with another seed') return 'InvalidSignature';
  // The reference accepts a wrong length; here it is refused as the wrong body that it is.
  if (name.startsWith('head len field')) return 'HashMismatch';
  const told = object(vector.open_bag).status;
  return told === null ? expectedStatus(vector) : namedStatus(told);
}

/** Registers the tests. */
export function testCryptoVectors(): void {
  describe('the vectors of secrets', testSecrets);
  describe.each(PROVIDERS)('the vectors of keys and bags, by %s', (provider) => {
    testKeys(provider);
    testBags(provider);
  });
}
