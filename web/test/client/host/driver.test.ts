// Calls over real connections to hosts that answer too much, too little, too late, or not at all: each ends within its
// bounds, with a reason that tells no address.

import { afterAll, beforeAll, expect, test } from 'vitest';
import { HostAddress } from '../../../src/client/host/address.ts';
import { HostDriver } from '../../../src/client/host/driver.ts';
import type { CallAction, CallResult } from '../../../src/client/host/event.ts';
import { failureText } from '../../../src/client/host/event.ts';
import { Sealer } from '../../../src/crypto/seal.ts';
import { Seed } from '../../../src/crypto/seed.ts';
import { encodeSignedTimestamp } from '../../../src/protocol/host/auth.ts';
import { USER_PATH } from '../../../src/protocol/host/path.ts';
import { HostileHost, type Mood } from '../../support/hostile_host.ts';
import { Server } from '../../support/server.ts';

let server: Server;
let hostile: HostileHost;

beforeAll(async () => {
  server = await Server.start();
  hostile = await HostileHost.start(server.url);
});

afterAll(async () => {
  await hostile.close();
  await server.remove();
});

async function callOf(): Promise<CallAction> {
  const { keys } = await Sealer.create(Seed.generate());
  const body = encodeSignedTimestamp(await keys.timestamp(Date.now()));
  return { type: 'call', call: 1, path: USER_PATH, body, token: true, answerBytesMax: 1_000 };
}

async function call(mood: Mood, signal = new AbortController().signal): Promise<CallResult> {
  hostile.mood = mood;
  // Only where silence is what is waited for it is short.
  const silenceMsMax = mood === 'silent' || mood === 'stalling' ? 200 : 20_000;
  const options = { token: async () => 'secret', silenceMsMax };
  const result = await new HostDriver(HostAddress.parse(hostile.url), options).call(await callOf(), signal);
  if (!result.ok) expect(failureText(result.failure)).not.toMatch(/127\.0\.0\.1|secret|http:/);
  return result;
}

test('an honest answer comes as it is', async () => {
  const result = await call('honest');
  expect(result.ok && result.body[0]).toBe(0);
});

test('an answer without end is not read to its end', async () => {
  const before = hostile.flooded;
  expect(await call('flooding')).toEqual({ ok: false, failure: { type: 'too_large', bytesMax: 1_000 } });
  expect(hostile.flooded - before, 'no more than what was on its way').toBeLessThan(64 * 1024 * 1024);
});

test.each<Mood>(['silent', 'stalling'])('a %s host is given up', async (mood) => {
  expect(await call(mood)).toEqual({ ok: false, failure: { type: 'silent' } });
});

test('an answer that breaks off is none', async () => {
  expect(await call('truncating')).toMatchObject({ failure: { type: 'unreachable' } });
});

test('an HTTP error is told by its number', async () => {
  expect(await call('failing')).toEqual({ ok: false, failure: { type: 'http', status: 500 } });
});

test('a redirect is not followed: what signs in goes nowhere else', async () => {
  expect(await call('redirecting')).toMatchObject({ ok: false, failure: { type: 'unreachable' } });
});

test('a call that nobody wants any more ends at once', async () => {
  const stop = new AbortController();
  const result = call('silent', stop.signal);
  stop.abort();
  expect(await result).toMatchObject({ ok: false, failure: { type: 'unreachable' } });
});

test('a host that is not there is unreachable, and no address is told', async () => {
  const nobody = new HostDriver(HostAddress.parse('http://127.0.0.1:1'));
  const result = await nobody.call(await callOf(), new AbortController().signal);
  expect(result).toMatchObject({ ok: false, failure: { type: 'unreachable' } });
  expect(JSON.stringify(result)).not.toContain('127.0.0.1');
});
