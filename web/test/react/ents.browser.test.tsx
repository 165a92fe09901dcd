// The hooks of entities: two devices of one person, each with a database on IndexedDB, and the real host between them.

import { Activity, Suspense, use, useRef, useState, useTransition } from 'react';
import { expect, onTestFinished, test, vi } from 'vitest';
import { type EntDB, openEntDB, Seed } from '../../src/entdb.ts';
import { EntDBProvider, useEnt, useEntDB, useEnts, useSyncStatus } from '../../src/react.ts';
import { until } from '../support/until.ts';
import { Boundary } from './boundary.tsx';
import { comes, server } from './place.ts';
import { acting } from './user.tsx';

interface Todo {
  text: string;
  done: boolean;
}

const randomName = () => `test-${crypto.getRandomValues(new Uint32Array(2)).join('-')}`;

async function device(seed: Seed): Promise<EntDB> {
  const db = await openEntDB({ name: randomName(), seed, guardClosing: false });
  onTestFinished(() => db.wipe());
  await db.link(server);
  return db;
}

function Todos({ type = 'todo' }: { type?: string }) {
  const db = useEntDB();
  const todos = useEnts<Todo>({ type, order: 'created' });
  const renders = useRef(0);
  renders.current += 1;
  const finish = () => {
    for (const { eid, body } of todos ?? []) void db.update(eid, { body: { ...body, done: true } });
  };
  return (
    <>
      <p data-testid="todos">
        {todos === undefined
          ? 'reading'
          : todos.map(({ body }) => body.text + (body.done ? '!' : '')).join(' ')}
      </p>
      <p data-testid="renders">{renders.current}</p>
      <button type="button" onClick={() => void db.insert({ type, body: { text: 'milk', done: false } })}>
        milk
      </button>
      <button type="button" onClick={finish}>
        finish
      </button>
    </>
  );
}

function One({ eid }: { eid: string }) {
  const ent = useEnt<Todo>(eid);
  return <p data-testid="one">{ent === undefined ? 'reading' : (ent?.body.text ?? 'none')}</p>;
}

function Sync() {
  const { state, savedHere, waiting } = useSyncStatus();
  return <p data-testid="sync">{`${state}, ${savedHere} here, ${waiting} waiting`}</p>;
}

test('what one device writes, the other shows', async () => {
  const seed = Seed.generate();
  const [here, there] = [await device(seed), await device(seed)];
  const app = (db: EntDB) => (
    <EntDBProvider db={db}>
      <Todos />
      <Sync />
    </EntDBProvider>
  );
  const [one, two] = [await comes(app(here)), await comes(app(there), { strict: true })];
  await one.sees('todos', '');
  await one.clicks('milk');
  await one.sees('todos', 'milk');
  await two.sees('todos', 'milk');
  await two.clicks('finish');
  await one.sees('todos', 'milk!');
  await one.sees('sync', 'in_sync, 1 here, 0 waiting');
});

test('a list renders once when it is read and once for each change of it, not for other changes', async () => {
  const db = await openEntDB({ seed: Seed.generate(), storage: 'memory', guardClosing: false });
  const user = await comes(
    <EntDBProvider db={db}>
      <Todos />
    </EntDBProvider>,
  );
  await user.sees('todos', '');
  expect(user.text('renders')).toBe('2');
  await db.insert({ type: 'other', body: 1 });
  await user.clicks('milk');
  await user.sees('todos', 'milk');
  expect(user.text('renders')).toBe('3');
  await user.leaves();
  await db.close();
});

test('another query shows the other list', async () => {
  const db = await device(Seed.generate());
  await db.insert({ type: 'todo', body: { text: 'bread', done: false } });
  const app = (type: string) => (
    <EntDBProvider db={db}>
      <Todos type={type} />
    </EntDBProvider>
  );
  const user = await comes(app('todo'));
  await user.sees('todos', 'bread');
  await user.renders(app('wish'));
  await user.sees('todos', '');
  await user.clicks('milk');
  await user.sees('todos', 'milk');
  await user.renders(app('todo'));
  await user.sees('todos', 'bread');
});

test('one entity: read, changed, ended, and another one', async () => {
  const db = await device(Seed.generate());
  const bread = await db.insert({ type: 'todo', body: { text: 'bread', done: false } });
  const milk = await db.insert({ type: 'todo', body: { text: 'milk', done: false } });
  const app = (eid: string) => (
    <EntDBProvider db={db}>
      <One eid={eid} />
    </EntDBProvider>
  );
  const user = await comes(app(bread.eid));
  await user.sees('one', 'bread');
  await acting(async () => {
    await db.update(bread.eid, { body: { text: 'dark bread', done: false } });
  });
  await user.sees('one', 'dark bread');
  await acting(async () => {
    await db.delete(bread.eid);
  });
  await user.sees('one', 'none');
  await user.renders(app(milk.eid));
  await user.sees('one', 'milk');
});

test('a provider that opens the database itself opens it once, closes it, and finds everything again', async () => {
  const open = { name: randomName(), seed: Seed.generate(), guardClosing: false };
  const app = (
    <EntDBProvider open={{ ...open }} fallback={<p data-testid="todos">opening</p>}>
      <Todos />
    </EntDBProvider>
  );
  const user = await comes(app, { strict: true });
  await user.sees('todos', '');
  await user.clicks('milk');
  await user.sees('todos', 'milk');
  await user.leaves();
  const again = await comes(app);
  expect(again.text('todos')).toBe('opening');
  await again.sees('todos', 'milk');
});

test('a provider that was hidden opens its database anew, and shows nothing of the closed one', async () => {
  const open = { name: randomName(), seed: Seed.generate(), guardClosing: false };
  const app = (mode: 'visible' | 'hidden') => (
    <Activity mode={mode}>
      <EntDBProvider open={open} fallback={<p data-testid="todos">opening</p>}>
        <Todos />
      </EntDBProvider>
    </Activity>
  );
  const user = await comes(app('visible'));
  await user.sees('todos', '');
  await user.clicks('milk');
  await user.sees('todos', 'milk');
  await user.renders(app('hidden'));
  await user.renders(app('visible'));
  await user.sees('todos', 'milk');
  await user.clicks('milk');
  await user.sees('todos', 'milk milk');
});

test('another seed in the provider: the other database, and an error if the name belongs to the first', async () => {
  const [mine, yours] = [Seed.generate(), Seed.generate()];
  const [myName, yourName] = [randomName(), randomName()];
  const onError = vi.fn();
  const app = (name: string, seed: Seed) => (
    <EntDBProvider open={{ name, seed, guardClosing: false }} onError={onError}>
      <Todos />
    </EntDBProvider>
  );
  const user = await comes(app(myName, mine));
  await user.sees('todos', '');
  await user.clicks('milk');
  await user.sees('todos', 'milk');
  await user.renders(app(yourName, yours));
  await user.sees('todos', '');
  expect(onError).not.toHaveBeenCalled();
  await user.renders(app(myName, yours));
  await until('it is told', () => onError.mock.calls.length > 0);
  expect(onError.mock.calls[0]?.[0]).toMatchObject({ code: 'other_seed' });
});

async function withTodos(...texts: string[]): Promise<EntDB> {
  const db = await openEntDB({ seed: Seed.generate(), storage: 'memory', guardClosing: false });
  for (const text of texts) await db.insert({ type: 'todo', body: { text, done: false } });
  return db;
}

test('another database shows nothing of the one before, not for a single render', async () => {
  const [one, two] = [await withTodos('mine'), await withTodos('yours', 'too')];
  const shown: string[] = [];
  const Watching = () => {
    const db = useEntDB();
    const todos = useEnts<Todo>({ type: 'todo' });
    const { savedHere } = useSyncStatus();
    shown.push(
      `${db === one ? 'one' : 'two'} ${todos?.map(({ body }) => body.text).join('+')} ${db.status.savedHere === savedHere}`,
    );
    return <p data-testid="list">{todos?.map(({ body }) => body.text).join(' ')}</p>;
  };
  const app = (db: EntDB) => (
    <EntDBProvider db={db}>
      <Watching />
    </EntDBProvider>
  );
  const user = await comes(app(one));
  await user.sees('list', 'mine');
  await user.renders(app(two));
  await user.sees('list', 'yours too');
  await user.renders(app(one));
  await user.sees('list', 'mine');
  const allowed = ['one undefined true', 'one mine true', 'two undefined true', 'two yours+too true'];
  expect(shown.filter((each) => !allowed.includes(each))).toEqual([]);
  await user.leaves();
  await one.close();
  await two.close();
});

function Searching({ db }: { db: EntDB }) {
  const [asked, ask] = useState('todo');
  const [type, setType] = useState('todo');
  const [pending, start] = useTransition();
  const both = (next: string) => {
    ask(next);
    start(() => setType(next));
  };
  return (
    <EntDBProvider db={db}>
      <p data-testid="asked">{`${asked} ${pending ? 'pending' : 'settled'}`}</p>
      <Suspense fallback={<p data-testid="todos">waits</p>}>
        <Todos type={type} />
        <Later type={type} />
      </Suspense>
      <button type="button" onClick={() => both(type === 'todo' ? 'wish' : 'todo')}>
        other
      </button>
    </EntDBProvider>
  );
}

const latecomers = new Map<string, Promise<string>>();

/** Is not ready when it is first asked for. */
function Later({ type }: { type: string }) {
  const found = latecomers.get(type) ?? new Promise<string>((resolve) => setTimeout(resolve, 50, type));
  latecomers.set(type, found);
  return <p data-testid="later">{use(found)}</p>;
}

test('a query that changes in a transition, beside something that suspends', async () => {
  const db = await withTodos('bread');
  await db.insert({ type: 'wish', body: { text: 'cake', done: false } });
  const user = await comes(<Searching db={db} />, { strict: true });
  await user.sees('todos', 'bread');
  for (const [list, type] of [
    ['cake', 'wish'],
    ['bread', 'todo'],
    ['cake', 'wish'],
  ] as const) {
    await user.clicks('other');
    await user.sees('todos', list);
    await user.sees('later', type);
    await user.sees('asked', `${type} settled`);
  }
  await user.leaves();
  await db.close();
});

test('unmounted while it opens, a provider closes what it opened, however often', async () => {
  const open = { name: randomName(), seed: Seed.generate(), guardClosing: false };
  const app = (
    <EntDBProvider open={open}>
      <Todos />
    </EntDBProvider>
  );
  for (let time = 0; time < 5; time += 1) await (await comes(app, { strict: true })).leaves();
  const user = await comes(app);
  await user.sees('todos', '');
  await user.clicks('milk');
  await user.sees('todos', 'milk');
  await user.leaves();
  // A database that somebody still holds open cannot be deleted.
  await (await openEntDB(open)).wipe();
  const names = (await indexedDB.databases()).map(({ name }) => name);
  expect(names.filter((name) => name?.includes(open.name))).toEqual([]);
});

test('from one database to another and back, at once', async () => {
  const seeds = [Seed.generate(), Seed.generate()] as const;
  const names = [randomName(), randomName()] as const;
  const app = (which: 0 | 1) => (
    <EntDBProvider open={{ name: names[which], seed: seeds[which], guardClosing: false }}>
      <Todos type={`todo ${which}`} />
    </EntDBProvider>
  );
  const user = await comes(app(0));
  await user.sees('todos', '');
  await user.clicks('milk');
  await user.sees('todos', 'milk');
  for (let turn = 0; turn < 3; turn += 1) {
    await user.renders(app(1));
    await user.renders(app(0));
  }
  await user.sees('todos', 'milk');
  await user.clicks('milk');
  await user.sees('todos', 'milk milk');
});

test('after its database was closed, a list stays as it was, and another query is an error for a boundary', async () => {
  const db = await withTodos('bread');
  const app = (type: string) => (
    <Boundary>
      <EntDBProvider db={db}>
        <Todos type={type} />
      </EntDBProvider>
    </Boundary>
  );
  const user = await comes(app('todo'));
  await user.sees('todos', 'bread');
  await db.close();
  await user.renders(app('todo'));
  expect(user.text('todos')).toBe('bread');
  const quiet = vi.spyOn(console, 'error').mockImplementation(() => undefined);
  await user.renders(app('wish'));
  await user.sees('caught', 'closed');
  quiet.mockRestore();
});

function Failing({ name, seed }: { name: string; seed: Seed }) {
  const [errors, setErrors] = useState<unknown[]>([]);
  return (
    <EntDBProvider
      open={{ name, seed, guardClosing: false }}
      onError={(error) => setErrors((all) => [...all, error])}
      fallback={<p data-testid="errors">{errors.length}</p>}
    />
  );
}

test('onError hears an error once, also if it is another function in every render', async () => {
  const name = randomName();
  const first = await openEntDB({ name, seed: Seed.generate(), guardClosing: false });
  onTestFinished(() => first.wipe());
  const app = <Failing name={name} seed={Seed.generate()} />;
  const user = await comes(app);
  await user.sees('errors', '1');
  await user.renders(<Failing name={name} seed={Seed.generate()} />);
  await user.sees('errors', '2');
  await acting(() => undefined);
  expect(user.text('errors')).toBe('2');
});

test('without onError a boundary gets what went wrong', async () => {
  const name = randomName();
  const first = await openEntDB({ name, seed: Seed.generate(), guardClosing: false });
  onTestFinished(() => first.wipe());
  const quiet = vi.spyOn(console, 'error').mockImplementation(() => undefined);
  const user = await comes(
    <Boundary>
      <EntDBProvider open={{ name, seed: Seed.generate(), guardClosing: false }}>
        <Todos />
      </EntDBProvider>
    </Boundary>,
  );
  await user.sees('caught', 'other_seed');
  quiet.mockRestore();
});
