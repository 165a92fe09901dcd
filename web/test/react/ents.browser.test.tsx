// The hooks of entities: two devices of one person, each with a database on IndexedDB, and the real host between them.

import { Activity, useRef, useState } from 'react';
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
