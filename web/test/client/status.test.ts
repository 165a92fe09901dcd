// What is said of how it stands: nothing that is not so, nothing older than what was said before, and to everybody.

import { expect, test } from 'vitest';
import { ACTIVITY_AT_FIRST, type LinkActivity, type SyncStatus, statusOf } from '../../src/client/status.ts';
import { StatusBoard } from '../../src/client/status_board.ts';
import type { DatabaseStatus } from '../../src/entdb/database.ts';
import { catchUncaught } from '../support/uncaught.ts';
import { until } from '../support/until.ts';

const IN_SYNC: LinkActivity = { ...ACTIVITY_AT_FIRST, phase: { type: 'in_sync' } };

function database(waiting: number, ents = 3): DatabaseStatus {
  const settings = { label: 'main', url: 'https://host.example', index: 0 };
  const link = { id: 1, settings, stage: 'done', cursor: null, trouble: null } as const;
  return { ents, tombstones: 0, setAside: 0, links: [{ link, waiting, unreadable: 0 }] };
}

function status(ents: number): SyncStatus {
  return statusOf('leader', database(0, ents), new Map([[1, IN_SYNC]]));
}

test('nothing is in sync while something waits that is not stuck', () => {
  const activity = new Map([[1, IN_SYNC]]);
  expect(statusOf('follower', database(0), activity)).toMatchObject({ state: 'in_sync', waiting: 0 });
  // A follower reads its own write before the tab that syncs has heard of it.
  const told = statusOf('follower', database(1), activity);
  expect(told).toMatchObject({ state: 'syncing', waiting: 1 });
  expect(told.links[0]?.phase).toBe('working');
});

test('a listener that throws keeps neither the others nor the next status from being heard', async () => {
  const uncaught = catchUncaught();
  let ents = 0;
  const board = new StatusBoard(async () => status(ents), status(0));
  const heard: number[] = [];
  board.subscribe(() => {
    throw new Error('mine');
  });
  board.subscribe(({ savedHere }) => heard.push(savedHere));
  ents = 1;
  await board.refresh();
  expect(heard).toEqual([1]);
  ents = 2;
  board.changed();
  await until('it is told', () => heard.at(-1) === 2);
  ents = 3;
  board.changed();
  await until('it goes on', () => heard.at(-1) === 3);
  board.close();
  await until('the errors are told', () => uncaught.length === 3);
});

test('who unsubscribes hears nothing any more, not even of what is being told', async () => {
  let ents = 0;
  const board = new StatusBoard(async () => status(ents), status(0));
  const heard: number[] = [];
  board.subscribe(() => stop());
  const stop = board.subscribe(({ savedHere }) => heard.push(savedHere));
  ents = 1;
  await board.refresh();
  expect(heard).toEqual([]);
});

test('a status that was read before another one does not come after it', async () => {
  const reads: ((status: SyncStatus) => void)[] = [];
  const board = new StatusBoard(() => new Promise((resolve) => reads.push(resolve)), status(0));
  const [first, second] = [board.refresh(), board.refresh()];
  reads[1]?.(status(2));
  await second;
  reads[0]?.(status(1));
  await first;
  expect(board.current.savedHere).toBe(2);
});
