// Which way of computing signatures is chosen where WebCrypto is missing, knows no Ed25519, or does it wrongly.

import { afterEach, expect, test, vi } from 'vitest';

const whole = globalThis.crypto;

/** What is chosen on a page with this `crypto.subtle`. */
async function chosenWith(subtle: object | undefined): Promise<string> {
  const random = whole.getRandomValues.bind(whole);
  vi.stubGlobal('crypto', { getRandomValues: random, subtle });
  vi.resetModules();
  const { chooseProvider } = await import('../../src/crypto/ed25519.ts');
  return chooseProvider();
}

/** The real one, with another way to do one thing. */
function subtleWith(changed: Partial<SubtleCrypto>): object {
  const { subtle } = whole;
  return {
    importKey: subtle.importKey.bind(subtle),
    exportKey: subtle.exportKey.bind(subtle),
    sign: subtle.sign.bind(subtle),
    verify: subtle.verify.bind(subtle),
    ...changed,
  };
}

afterEach(() => {
  vi.unstubAllGlobals();
  vi.resetModules();
});

test('a page that is not secure has no WebCrypto, and JavaScript computes', async () => {
  expect(await chosenWith(undefined)).toBe('javascript');
});

test('where WebCrypto does what it should, it computes', async () => {
  expect(await chosenWith(subtleWith({}))).toBe('webcrypto');
});

test('a WebCrypto without the algorithm, or with a wrong one, is not used', async () => {
  const refuses = async () => {
    throw new DOMException('unknown algorithm', 'NotSupportedError');
  };
  expect(await chosenWith(subtleWith({ importKey: refuses }))).toBe('javascript');
  expect(await chosenWith(subtleWith({ verify: async () => true }))).toBe('javascript');
  expect(await chosenWith(subtleWith({ verify: async () => false }))).toBe('javascript');
  expect(await chosenWith(subtleWith({ exportKey: refuses }))).toBe('javascript');
  expect(await chosenWith(subtleWith({ sign: async () => new ArrayBuffer(64) }))).toBe('javascript');
});
