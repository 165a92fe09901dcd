// Laws of sealing, and what must not be said: seeds and keys stay out of everything that is printed.

import { inspect } from 'node:util';
import { ed25519 } from '@noble/curves/ed25519.js';
import fc from 'fast-check';
import { beforeAll, expect, test } from 'vitest';
import { readArchive, writeArchive } from '../../src/crypto/archive.ts';
import { BoxKey } from '../../src/crypto/box_key.ts';
import { chooseProvider, openKeyPair } from '../../src/crypto/ed25519.ts';
import { verifyStrictly } from '../../src/crypto/ed25519_script.ts';
import { HostKeys } from '../../src/crypto/host_keys.ts';
import { PhraseError } from '../../src/crypto/phrase.ts';
import { Sealer } from '../../src/crypto/seal.ts';
import { Seed } from '../../src/crypto/seed.ts';
import { type Bag, encodeBag, readBag } from '../../src/protocol/host/bag.ts';
import { concatBytes, utf8, Writer } from '../../src/protocol/host/bytes.ts';
import { eidToBytes, makeEid } from '../../src/protocol/host/eid.ts';
import { type Message, makeHead } from '../../src/protocol/host/message.ts';
import { StatusError } from '../../src/protocol/host/status.ts';
import { decodeHex, encodeHex } from '../../src/protocol/host/text.ts';
import { attempt, attemptLater, readWhole } from '../support/vectors.ts';
import { fileBytes, message, readAll } from './archive_vectors.ts';
import { PROVIDERS } from './vectors.ts';

const seed = Seed.fromBytes(new Uint8Array(32).fill(0x42));
const eid = makeEid(utf8('12345678'), 1_767_225_600_000);
/** The order of the curve's base point: a response plus it is the same response in another form. */
const ORDER = 2n ** 252n + 27_742_317_777_372_353_535_851_937_790_883_648_493n;
/** Points of small order, as keys: with them, one signature passes for many messages unless the check is strict. */
const SMALL_ORDER_KEYS = [
  '0000000000000000000000000000000000000000000000000000000000000000',
  '0100000000000000000000000000000000000000000000000000000000000000',
  '0000000000000000000000000000000000000000000000000000000000000080',
  '0100000000000000000000000000000000000000000000000000000000000080',
  'ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
  'edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
  'eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
  'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a',
  'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa',
  '26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05',
  '26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85',
];

let sealer: Sealer;
beforeAll(async () => {
  sealer = await Sealer.create(seed, 'host', 0);
});

async function sealOne(one: Message): Promise<Bag> {
  const [bag] = await sealer.seal([one]);
  if (bag === undefined || bag instanceof StatusError) throw bag;
  return bag;
}

function littleEndian(value: bigint): Uint8Array {
  return Uint8Array.from({ length: 32 }, (_, at) => Number((value >> BigInt(8 * at)) & 255n));
}

test('who computes signatures is found out, and Node does', async () => {
  expect(await chooseProvider()).toBe('webcrypto');
  expect((await HostKeys.derive(seed, 'main', 0)).provider).toBe('webcrypto');
});

test('both ways of computing make the same signatures and take those of the other', async () => {
  const pairs = await Promise.all(
    PROVIDERS.map((provider) => openKeyPair(new Uint8Array(32).fill(3), provider)),
  );
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ maxLength: 200 }), fc.nat(511), async (text, bit) => {
      const made = await Promise.all(pairs.map((pair) => pair.sign(text)));
      expect(encodeHex(made[0] ?? new Uint8Array())).toBe(encodeHex(made[1] ?? new Uint8Array(1)));
      for (const signature of made) {
        const spoilt = signature.slice();
        spoilt[bit >> 3] = (spoilt[bit >> 3] ?? 0) ^ (1 << (bit & 7));
        for (const pair of pairs) {
          expect(await pair.verify(text, signature)).toBe(true);
          expect(await pair.verify(text, spoilt)).toBe(false);
          expect(verifyStrictly(pair.publicKey, text, spoilt)).toBe(false);
        }
      }
    }),
    { numRuns: 15 },
  );
});

test.each(PROVIDERS)('a signature in another form is refused, by %s', async (provider) => {
  const pair = await openKeyPair(new Uint8Array(32).fill(3), provider);
  const text = utf8('text');
  const signature = await pair.sign(text);
  const response = BigInt(`0x${encodeHex(signature.slice(32).reverse())}`);
  const greater = concatBytes(signature.subarray(0, 32), littleEndian(response + ORDER));
  const forms = [
    greater,
    signature.subarray(0, 63),
    concatBytes(signature, Uint8Array.of(0)),
    new Uint8Array(),
  ];
  for (const form of [...forms, new Uint8Array(64)]) {
    expect(await pair.verify(text, form)).toBe(false);
    expect(verifyStrictly(pair.publicKey, text, form)).toBe(false);
  }
});

test.each(PROVIDERS)(
  'its own signature with a commitment of small order is refused, by %s',
  async (provider) => {
    // Only the key's holder can make it: no commitment at all, and so a response that is the challenge times the secret.
    const secret = new Uint8Array(32).fill(3);
    const pair = await openKeyPair(secret, provider);
    const { scalar } = ed25519.utils.getExtendedPublicKey(secret);
    const { Fn, BASE, ZERO } = ed25519.Point;
    const text = utf8('text');
    const commitment = ZERO.toBytes();
    const digest = new Uint8Array(
      await crypto.subtle.digest('SHA-512', concatBytes(commitment, pair.publicKey, text)),
    );
    const challenge = BigInt(`0x${encodeHex(digest.reverse())}`) % Fn.ORDER;
    const response = Fn.create(challenge * scalar);
    const signature = concatBytes(commitment, littleEndian(response));
    // It is right by the equation, and the lax check takes it.
    expect(BASE.multiply(response).equals(ed25519.Point.fromBytes(pair.publicKey).multiply(challenge))).toBe(
      true,
    );
    expect(ed25519.verify(signature, text, pair.publicKey, { zip215: true })).toBe(true);
    expect(await pair.verify(text, signature)).toBe(false);
    expect(verifyStrictly(pair.publicKey, text, signature)).toBe(false);
  },
);

test('a key of small order, or none at all, has signed nothing', () => {
  for (const key of SMALL_ORDER_KEYS.map(decodeHex)) {
    for (const commitment of SMALL_ORDER_KEYS.map(decodeHex)) {
      const signature = concatBytes(commitment, new Uint8Array(32));
      for (const text of ['', 'a', 'b', 'c']) expect(verifyStrictly(key, utf8(text), signature)).toBe(false);
    }
  }
  // With the neutral point as the key, this would be anybody's signature of everything.
  const response = 12_345n;
  const anybodys = concatBytes(ed25519.Point.BASE.multiply(response).toBytes(), littleEndian(response));
  const neutral = ed25519.Point.ZERO.toBytes();
  expect(ed25519.verify(anybodys, utf8('text'), neutral, { zip215: true })).toBe(true);
  expect(verifyStrictly(neutral, utf8('text'), anybodys)).toBe(false);
  for (const length of [0, 31, 33]) {
    expect(verifyStrictly(new Uint8Array(length), utf8(''), new Uint8Array(64))).toBe(false);
  }
  fc.assert(
    fc.property(
      fc.uint8Array({ minLength: 32, maxLength: 32 }),
      fc.uint8Array({ maxLength: 70 }),
      (key, signature) => {
        expect(verifyStrictly(key, utf8('text'), signature)).toBe(false);
      },
    ),
    { numRuns: 200 },
  );
});

test('what is sealed opens', async () => {
  await fc.assert(
    fc.asyncProperty(fc.option(fc.uint8Array({ maxLength: 400 })), fc.nat(), async (body, offset) => {
      const head = makeHead(eid, offset, 1, body);
      const bag = await sealOne({ head, body });
      const expected = body !== null && body.length > 0 ? body : null;
      expect(bag.body.length === 0).toBe(expected === null);
      expect(await sealer.open(bag)).toEqual({ head, body: expected });
    }),
    { numRuns: 100 },
  );
});

test('every sealing of a message has the same derivation bytes and another rest', async () => {
  const one = { head: makeHead(eid, 5, 1, utf8('text')), body: utf8('text') };
  const [first, second] = [await sealOne(one), await sealOne(one)];
  expect(first.sealed.derivation).toEqual(second.sealed.derivation);
  expect(encodeHex(first.sealed.head)).not.toBe(encodeHex(second.sealed.head));
  expect(encodeHex(first.body)).not.toBe(encodeHex(second.body));
  // Nonces in front: of head and body, drawn for each.
  const nonces = [first, second].flatMap(({ sealed, body }) =>
    [sealed.head, body].map((part) => part.slice(0, 24)),
  );
  expect(new Set(nonces.map(encodeHex)).size).toBe(4);
});

test('a bag with any bit flipped is refused', async () => {
  const body = utf8('what only the two of us know');
  const whole = encodeBag(await sealOne({ head: makeHead(eid, 5, 1, body), body }));
  await fc.assert(
    fc.asyncProperty(fc.nat(8 * whole.length - 1), async (bit) => {
      const spoilt = whole.slice();
      spoilt[bit >> 3] = (spoilt[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      const { value } = attempt(() => readWhole(spoilt, readBag));
      if (value !== undefined)
        expect((await attemptLater(() => sealer.open(value))).status).not.toBe('Success');
    }),
    { numRuns: 400 },
  );
});

test('no bytes bring the opener down', async () => {
  const head = makeHead(eid, 0, 0, utf8('x'));
  const part = fc.uint8Array({ maxLength: 120 });
  const derivation = fc.uint8Array({ minLength: 8, maxLength: 8 });
  await fc.assert(
    fc.asyncProperty(derivation, part, part, async (from, sealed, signature) => {
      const [opened] = await sealer.openHeads([{ signature, derivation: from, head: sealed }]);
      expect(opened).toMatchObject({ code: 'InvalidSignature' });
      const { status } = attempt(() => sealer.openBody(from, head, sealed));
      expect(status).toBe(sealed.length === 0 ? 'HashMismatch' : 'DecryptionError');
      // Signed by the account and sealed by nobody.
      const own = await sealer.sign(sealed);
      const [signed] = await sealer.openHeads([{ signature: own, derivation: from, head: sealed }]);
      expect(signed).toMatchObject({ code: 'DecryptionError' });
    }),
    { numRuns: 300 },
  );
});

test('a head with a number that JavaScript cannot tell from its neighbours is a broken message', async () => {
  // Counter 2^53, of a delete.
  const encoded = concatBytes(
    new Writer().varBytes(eidToBytes(eid)).varint(5).finish(),
    Uint8Array.of(128, 128, 128, 128, 128, 128, 128, 16, 0),
  );
  const derivation = sealer.keys.derivation(encoded);
  const head = BoxKey.ofBag(seed.bytes, derivation).seal(new Uint8Array(24), encoded);
  const [opened] = await sealer.openHeads([{ signature: await sealer.sign(head), derivation, head }]);
  expect(opened).toMatchObject({ code: 'InvalidMessage' });
});

test('a sealed body that is empty is no delete', () => {
  const derivation = new Uint8Array(8);
  const empty = BoxKey.ofBag(seed.bytes, derivation).seal(new Uint8Array(24), new Uint8Array());
  const head = makeHead(eid, 5, 1, null);
  expect(sealer.openBody(derivation, head, new Uint8Array())).toBeNull();
  expect(attempt(() => sealer.openBody(derivation, head, empty)).status).toBe('HashMismatch');
});

test("bags in Node's own kind of bytes are opened, and are left as they were", async () => {
  const body = utf8('text');
  const { sealed, body: sealedBody } = await sealOne({ head: makeHead(eid, 5, 1, body), body });
  for (const provider of PROVIDERS) {
    const own = await Sealer.create(seed, 'host', 0, { provider });
    const parts = [sealed.signature, sealed.derivation, sealed.head, sealedBody].map((part) =>
      Buffer.from(part),
    );
    const [signature, derivation, head, rest] = parts;
    if (!signature || !derivation || !head || !rest) throw new Error('four parts');
    const opened = await own.open({ sealed: { signature, derivation, head }, body: rest });
    expect(opened.body).toEqual(body);
    expect(encodeHex(Buffer.concat(parts))).toBe(
      encodeHex(concatBytes(sealed.signature, sealed.derivation, sealed.head, sealedBody)),
    );
  }
});

test('a seed survives both of its written forms, and no text brings its reader down', async () => {
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ minLength: 32, maxLength: 32 }), async (bytes) => {
      const made = Seed.fromBytes(bytes);
      expect(made.bytes).toEqual(bytes);
      expect(made.hex()).toBe(encodeHex(bytes));
      expect((await Seed.parse(made.hex())).bytes).toEqual(bytes);
      expect((await Seed.parse(await made.words())).bytes).toEqual(bytes);
    }),
    { numRuns: 200 },
  );
  const typed = fc.oneof(
    fc.string({ unit: 'binary', maxLength: 100 }),
    fc.stringMatching(/^[a-z0-9 ]{0,200}$/),
    fc
      .array(fc.constantFrom('add', 'zoo', '0', 'f', 'face', '\u00a0', 'İ', '\ufeff'), { maxLength: 26 })
      .map((words) => words.join(' ')),
  );
  await fc.assert(
    fc.asyncProperty(typed, async (text) => {
      try {
        await Seed.parse(text);
      } catch (error) {
        expect(error).toBeInstanceOf(PhraseError);
      }
    }),
    { numRuns: 3_000 },
  );
  expect(attempt(() => Seed.fromBytes(new Uint8Array(31))).status).toBe('InvalidParam');
});

test('new seeds differ, and nobody can change one from outside', async () => {
  const seeds = Array.from({ length: 20 }, () => Seed.generate());
  expect(new Set(seeds.map((made) => made.hex())).size).toBe(20);
  const given = new Uint8Array(32).fill(1);
  const made = Seed.fromBytes(given);
  given.fill(2);
  made.bytes.fill(3);
  expect(made.hex()).toBe('01'.repeat(32));
  const again = await Seed.parse(await made.words());
  expect([made.equals(again), made.equals(Seed.generate())]).toEqual([true, false]);
});

test('nothing that is printed shows a secret', async () => {
  const bytes = Uint8Array.from({ length: 32 }, (_, at) => at * 7 + 3);
  const hidden = Seed.fromBytes(bytes);
  const [keys, own] = [await HostKeys.derive(hidden, 'host', 0), await Sealer.create(hidden, 'host', 0)];
  const script = await Sealer.create(hidden, 'host', 0, { provider: 'javascript' });
  const values = [hidden, keys, own, script];
  const shown = values
    .flatMap((value) => [
      String(value),
      JSON.stringify(value),
      inspect(value, { depth: 9, showHidden: true }),
    ])
    .concat(Object.keys(hidden))
    .join('\n')
    .toLowerCase();
  expect(shown).toContain('seed(..)');
  for (let at = 0; at + 3 <= bytes.length; at += 1) {
    const window = bytes.subarray(at, at + 3);
    expect(shown).not.toContain(encodeHex(window));
    expect(shown).not.toContain([...window].join(', '));
    expect(shown).not.toContain([...window].join(','));
  }
});

test('the parts of a bag and of a file tell nothing that was sealed', async () => {
  const body = utf8('a sentence that must not be seen');
  const one = { head: makeHead(eid, 5, 1, body), body };
  const places = [encodeBag(await sealOne(one)), await fileBytes(await writeArchive([one], seed))];
  for (const place of places.map((bytes) => encodeHex(bytes))) {
    const hidden = [body, utf8('12345678'), one.head.hash ?? body, new Uint8Array(8).fill(0x42)];
    for (const part of hidden) expect(place).not.toContain(encodeHex(part));
  }
});

test('what is written to a file is read from it', async () => {
  const bodies = fc.array(fc.option(fc.uint8Array({ minLength: 1, maxLength: 200 })), { maxLength: 12 });
  await fc.assert(
    fc.asyncProperty(bodies, async (some) => {
      const messages = some.map((body, at) => message(at, body));
      const file = await writeArchive(messages, seed);
      const read: Message[] = [];
      for await (const item of readArchive(file, seed)) {
        if ('damaged' in item) throw item.damaged;
        read.push(item.message);
      }
      expect(read).toEqual(messages);
    }),
    { numRuns: 25 },
  );
});

test('a flipped bit of a file is noticed and changes no message', async () => {
  const vectorsSeed = await Seed.parse('0123456789abcdef'.repeat(4));
  const messages = [message(1, utf8('one')), message(2, null), message(3, utf8('three'))];
  const file = await fileBytes(await writeArchive(messages, vectorsSeed));
  const asText = (some: readonly Message[]) => some.map((one) => JSON.stringify(one));
  await fc.assert(
    fc.asyncProperty(fc.nat(8 * file.length - 1), async (bit) => {
      const spoilt = file.slice();
      spoilt[bit >> 3] = (spoilt[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      const read = await readAll(spoilt).catch(() => undefined);
      if (read === undefined) return;
      expect(asText(messages)).toEqual(expect.arrayContaining(asText(read.messages)));
      if (read.errors.length === 0) expect(read.messages).toEqual(messages);
    }),
    { numRuns: 150 },
  );
});

test('no bytes bring the reader of files down', async () => {
  const valid = await fileBytes(await writeArchive([message(1, utf8('one')), message(2, null)], seed));
  const input = fc.oneof(
    fc.uint8Array({ maxLength: 300 }),
    fc.nat(valid.length).map((end) => valid.slice(0, end)),
    fc
      .tuple(fc.constant(valid.slice(0, 7)), fc.uint8Array({ maxLength: 200 }))
      .map((parts) => concatBytes(...parts)),
  );
  await fc.assert(
    fc.asyncProperty(input, async (bytes) => {
      for (const from of [bytes, new Blob([bytes])]) {
        await attemptLater(async () => {
          for await (const item of readArchive(from, seed)) expect(item).toBeDefined();
        }).catch((error: unknown) => expect(error).toHaveProperty('code', 'other_key'));
      }
    }),
    { numRuns: 300 },
  );
});
