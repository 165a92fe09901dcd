// The page that measures: what ../*.ts call in it.

import * as database from './database.ts';
import * as firstSync from './first_sync.ts';
import * as hooks from './hooks.tsx';
import * as rooms from './rooms.ts';

const bench = { ...database, ...firstSync, ...hooks, ...rooms };

/** What can be called. */
export type Bench = typeof bench;

Object.assign(window, { seabagBench: bench });
