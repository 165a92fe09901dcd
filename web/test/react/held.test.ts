// How a shared object meets React, without React: what others send is told after a turn, own changes at once.

import { expect, test } from 'vitest';
import { Held } from '../../src/react/held.ts';
import { Shelf } from '../../src/react/shelf.ts';

class Counter {
  value = 0;
  readonly #listeners = new Set<() => void>();

  subscribe(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  add(): void {
    this.value += 1;
    for (const listener of this.#listeners) listener();
  }

  destroy(): void {
    this.#listeners.clear();
  }
}

function held() {
  const counter = new Counter();
  const plan = { make: () => counter, read: ({ value }: Counter) => value, initial: 0 };
  const one = new Held<Counter, number>(new Shelf(), 'counter', plan);
  return { counter, one };
}

/** After all turns that were asked for by now. */
async function later(): Promise<void> {
  for (let turn = 0; turn < 3; turn += 1) await new Promise((resolve) => setTimeout(resolve, 1));
}

test('a burst from others is told once, and read at once', async () => {
  const { counter, one } = held();
  let told = 0;
  const unsubscribe = one.subscribe(() => {
    told += 1;
  });
  for (let at = 0; at < 100; at += 1) counter.add();
  expect(one.snapshot()).toBe(100);
  await later();
  expect(told).toBe(1);
  counter.add();
  await later();
  expect(told).toBe(2);
  unsubscribe();
});

test('an own change is told before it returns', () => {
  const { one } = held();
  let told = 0;
  one.subscribe(() => {
    told += 1;
  });
  one.forOwnChange().add();
  expect(told).toBe(1);
});

test('who has left is not told of what came before', async () => {
  const { counter, one } = held();
  let told = 0;
  const unsubscribe = one.subscribe(() => {
    told += 1;
  });
  counter.add();
  unsubscribe();
  await later();
  expect(told).toBe(0);
});
