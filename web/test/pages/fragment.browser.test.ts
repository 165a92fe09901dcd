// The fragment in a real browser, which tells of a change by two events. A page must act on it once.

import { afterEach, expect, test } from 'vitest';
import { onFragment, writeFragment } from '../../pages/kit/fragment.ts';
import { until } from '../support/until.ts';

let stop: () => void = () => {};

afterEach(() => {
  stop();
  writeFragment('note', undefined);
});

/** Does something that the browser tells of by these events, and waits until all of them have come. */
async function told(events: readonly string[], act: () => void): Promise<void> {
  const missing = new Set(events);
  for (const name of events) addEventListener(name, () => missing.delete(name), { once: true });
  act();
  await until('the browser told of it', () => missing.size === 0);
}

test('a change of the fragment is heard of once, by link and by the way back', async () => {
  const heard: string[] = [];
  stop = onFragment(() => heard.push(location.hash));
  writeFragment('note', '1');
  await told(['hashchange'], () => {
    location.hash = 'note=2';
  });
  await told(['popstate', 'hashchange'], () => history.back());
  expect(heard).toEqual(['#note=2', '#note=1']);
});

test('the way back is heard of, also when the fragment is the same there', async () => {
  const heard: string[] = [];
  stop = onFragment(() => heard.push(location.hash));
  writeFragment('note', '1');
  writeFragment('note', '1', { push: true });
  await told(['popstate'], () => history.back());
  expect(heard).toEqual(['#note=1']);
});
