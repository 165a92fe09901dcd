// What sealing and opening cost here, per message in microseconds. Measures and asserts nothing.

import type { Ed25519Provider } from '../src/crypto/ed25519.ts';
import { Sealer } from '../src/crypto/seal.ts';
import { Seed } from '../src/crypto/seed.ts';
import { makeEid } from '../src/protocol/host/eid.ts';
import { hashOf, type Message, makeHead } from '../src/protocol/host/message.ts';
import { StatusError } from '../src/protocol/host/status.ts';

/** What one size of bodies costs, microseconds for a message. */
export interface SealingCost {
  /** Who computes signatures. */
  provider: Ed25519Provider;
  /** Bytes of a body. */
  bodyBytes: number;
  /** To make the bag of a message. */
  seal: number;
  /** To check a bag's signature and open its head. */
  openHead: number;
  /** To open and check its body. */
  openBody: number;
  /** To hash the head once more, as merging does. */
  hash: number;
}

const ROUNDS = 3;

/** The median of some rounds with so many messages each; the first round, which warms up, is dropped. */
export async function measureSealing(
  provider: Ed25519Provider,
  bodyBytes: number,
  count: number,
): Promise<SealingCost> {
  const sealer = await Sealer.create(Seed.generate(), 'main', 0, { provider });
  const rounds: Omit<SealingCost, 'provider' | 'bodyBytes'>[] = [];
  for (let round = 0; round <= ROUNDS; round += 1) rounds.push(await measureRound(sealer, bodyBytes, count));
  rounds.shift();
  const median = (cost: 'seal' | 'openHead' | 'openBody' | 'hash') =>
    rounds.map((round) => round[cost]).sort((a, b) => a - b)[ROUNDS >> 1] ?? Number.NaN;
  return {
    provider,
    bodyBytes,
    seal: median('seal'),
    openHead: median('openHead'),
    openBody: median('openBody'),
    hash: median('hash'),
  };
}

async function measureRound(
  sealer: Sealer,
  bodyBytes: number,
  count: number,
): Promise<Omit<SealingCost, 'provider' | 'bodyBytes'>> {
  const messages = Array.from({ length: count }, (_, at) => messageOf(at, bodyBytes));
  const start = performance.now();
  const bags = (await sealer.seal(messages)).map(orThrow);
  const sealed = performance.now();
  const heads = (await sealer.openHeads(bags.map((bag) => bag.sealed))).map(orThrow);
  const opened = performance.now();
  for (const [at, bag] of bags.entries()) {
    const head = heads[at];
    if (head !== undefined) sealer.openBody(bag.sealed.derivation, head, bag.body);
  }
  const read = performance.now();
  for (const head of heads) hashOf(head);
  const hashed = performance.now();
  const each = (from: number, to: number) => ((to - from) * 1000) / count;
  return {
    seal: each(start, sealed),
    openHead: each(sealed, opened),
    openBody: each(opened, read),
    hash: each(read, hashed),
  };
}

function messageOf(at: number, bodyBytes: number): Message {
  const id = new Uint8Array(8);
  new DataView(id.buffer).setUint32(0, at);
  const body = new Uint8Array(bodyBytes).fill(at);
  return { head: makeHead(makeEid(id, 1_767_225_600_000), 0, 0, body), body };
}

function orThrow<T>(result: T | StatusError): T {
  if (result instanceof StatusError) throw result;
  return result;
}
