// The small parts of a session: addresses, waits, and chance.

import { expect, test } from 'vitest';
import { HostAddress } from '../../../src/client/host/address.ts';
import { Backoff, WAIT_MS_MAX } from '../../../src/client/host/backoff.ts';
import { below } from '../../../src/client/host/chance.ts';
import { dice } from './support/world.ts';

test.each([
  ['https://host.example.org', 'https://host.example.org'],
  [' https://HOST.example.org:443/ ', 'https://host.example.org'],
  ['http://127.0.0.1:31337', 'http://127.0.0.1:31337'],
  ['http://[::1]:8080/', 'http://[::1]:8080'],
])('the address %s is the root of an origin', (text, origin) => {
  expect(HostAddress.parse(text).origin).toBe(origin);
});

test.each([
  ['host.example.org', 'no_url'],
  ['', 'no_url'],
  ['ftp://host.example.org', 'scheme'],
  ['ws://host.example.org', 'scheme'],
  ['https://me@host.example.org', 'credentials'],
  ['https://host.example.org/seabag', 'not_root'],
  ['https://host.example.org/?t=1', 'not_root'],
  ['https://host.example.org/#top', 'not_root'],
  ['https://host.example.org/?', 'not_root'],
])('the address %s is refused with its reason', (text, code) => {
  expect(() => HostAddress.parse(text)).toThrow(expect.objectContaining({ code }));
});

test('notices come over the same kind of connection', () => {
  expect(HostAddress.parse('https://host.example.org').notices('t=00')).toBe('wss://host.example.org/?t=00');
  expect(HostAddress.parse('http://127.0.0.1:8080').notices('t=00')).toBe('ws://127.0.0.1:8080/?t=00');
});

test('only plain HTTP to elsewhere is exposed', () => {
  const exposed = (text: string) => HostAddress.parse(text).isExposed;
  expect(exposed('http://host.example.org') && exposed('http://192.168.0.2:8080')).toBe(true);
  expect(exposed('https://host.example.org') || exposed('http://localhost:8080')).toBe(false);
  expect(exposed('http://127.0.0.1:8080') || exposed('http://[::1]:8080')).toBe(false);
});

test('waits grow to a bound and begin again after a success', () => {
  const [backoff, random] = [new Backoff(), dice(1)];
  for (let failures = 0; failures < 40; failures += 1) {
    const full = Math.min(1_000 * 2 ** Math.min(failures, 10), WAIT_MS_MAX);
    const wait = backoff.fail(random);
    expect(wait).toBeGreaterThanOrEqual(Math.max(full / 2, 1_000));
    expect(wait).toBeLessThanOrEqual(full);
  }
  expect(backoff.failures).toBe(40);
  backoff.succeed();
  expect(backoff.fail(random)).toBeLessThanOrEqual(1_000);
});

test('two devices seldom wait equally long', () => {
  const wait = (seed: number) => {
    const [backoff, random] = [new Backoff(), dice(seed)];
    return Array.from({ length: 6 }, () => backoff.fail(random)).at(-1);
  };
  expect(wait(1)).not.toBe(wait(2));
});

test('a number is below its bound', () => {
  const random = dice(7);
  const numbers = Array.from({ length: 1_000 }, () => below(random, 10));
  expect(Math.max(...numbers)).toBe(9);
  expect(Math.min(...numbers)).toBe(0);
  expect(below(random, 0)).toBe(0);
});
