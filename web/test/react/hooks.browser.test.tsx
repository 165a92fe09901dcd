// Each hook with two React roots as two users of one room, on the real server; changes of keys, and counts of renders.

import { type ReactElement, useEffect, useRef, useState } from 'react';
import { beforeEach, expect, test } from 'vitest';
import { commands } from 'vitest/browser';
import { RoomsApi } from '../../src/client/room/api.ts';
import {
  DriftDBProvider,
  useConnectionStatus,
  useLatency,
  usePresence,
  useRoom,
  useSharedLog,
  useSharedMap,
  useSharedReducer,
  useSharedState,
  useUniqueClientId,
  useWebRtcPresence,
} from '../../src/react.ts';
import { until } from '../support/until.ts';
import { comes as enters, newRoom, server } from './place.ts';
import { acting, type User } from './user.tsx';

let room: string;

beforeEach(async () => {
  room = await newRoom();
});

function inRoom(element: ReactElement, client?: string): ReactElement {
  return (
    <DriftDBProvider api={server} room={room} client={client}>
      {element}
      <Status />
    </DriftDBProvider>
  );
}

/** A user who is there, connected. */
async function comes(element: ReactElement, client?: string, strict = false): Promise<User> {
  const user = await enters(inRoom(element, client), { strict });
  await user.sees('status', 'connected');
  return user;
}

function Status() {
  return <p data-testid="status">{useConnectionStatus().connected ? 'connected' : 'not connected'}</p>;
}

function Button({ name, does }: { name: string; does: () => void }) {
  return (
    <button type="button" onClick={does}>
      {name}
    </button>
  );
}

function Renders() {
  const count = useRef(0);
  count.current += 1;
  return count.current;
}

// useSharedState

function Value({ at = 'value', initial = 0 }: { at?: string; initial?: number }) {
  const [value, setValue] = useSharedState(at, initial);
  const renders = Renders();
  return (
    <>
      <p data-testid="value">{value}</p>
      <p data-testid="renders">{renders}</p>
      <Button name="ten" does={() => setValue(10)} />
      <Button name="more" does={() => setValue((before) => before + 1)} />
      <Button name="twice" does={() => [1, 2].map(() => setValue((before) => before + 1))} />
    </>
  );
}

test('a shared value: what one sets, both see', async () => {
  const [one, two] = [await comes(<Value />), await comes(<Value />)];
  await one.clicks('ten');
  expect(one.text('value')).toBe('10');
  await two.sees('value', '10');
  await two.clicks('more');
  await one.sees('value', '11');
});

test('a setter that is given a function goes on from the current value, also twice at once', async () => {
  const [one, two] = [await comes(<Value initial={5} />), await comes(<Value initial={5} />)];
  await one.clicks('twice');
  expect(one.text('value')).toBe('7');
  await two.sees('value', '7');
  await two.clicks('more');
  await one.sees('value', '8');
});

test('two who set at the same time end with the same value', async () => {
  const [one, two] = [await comes(<Value />), await comes(<Value />)];
  await acting(() => {
    one.button('ten').click();
    two.button('more').click();
  });
  const late = await comes(<Value />);
  await until('the late one has read it', () => late.text('value') !== '0');
  await until('all agree', () => {
    const values = [one, two, late].map((user) => user.text('value'));
    return values.every((value) => value === values[0]);
  });
});

test('another key shows the other value, and the old key is not written any more', async () => {
  const one = await comes(<Value at="a" />);
  await one.clicks('ten');
  await one.renders(inRoom(<Value at="b" initial={1} />));
  expect(one.text('value')).toBe('1');
  await one.clicks('more');
  const two = await comes(<Value at="a" />);
  await two.sees('value', '10');
  await two.renders(inRoom(<Value at="b" />));
  await two.sees('value', '2');
});

test('another initial value changes nothing, as with useState', async () => {
  const one = await comes(<Value initial={1} />);
  await one.renders(inRoom(<Value initial={2} />));
  expect(one.text('value')).toBe('1');
  await one.clicks('more');
  const two = await comes(<Value initial={3} />);
  await two.sees('value', '2');
});

test('a shared value renders once for each change, and not for joining an empty room', async () => {
  const [one, two] = [await comes(<Value />), await comes(<Value />)];
  expect(one.text('renders')).toBe('1');
  await one.clicks('ten');
  await two.sees('value', '10');
  await two.clicks('more');
  await one.sees('value', '11');
  expect(one.text('renders')).toBe('3');
  expect(two.text('renders')).toBe('3');
});

function Choice() {
  const [choice, choose] = useSharedState<string | undefined>('choice', 'first');
  return (
    <>
      <p data-testid="choice">{choice === undefined ? 'none' : choice}</p>
      <Button name="choose" does={() => choose('second')} />
      <Button name="nothing" does={() => choose(undefined)} />
      <Button name="turn" does={() => choose((before) => (before === undefined ? 'third' : undefined))} />
    </>
  );
}

test('undefined can be set as with useState, in both encodings', async () => {
  for (const binary of [false, true]) {
    room = (await new RoomsApi(server).createRoom()).room;
    const app = (
      <DriftDBProvider api={server} room={room} useBinary={binary}>
        <Choice />
        <Status />
      </DriftDBProvider>
    );
    const [one, two] = [await enters(app), await enters(app)];
    await one.sees('status', 'connected');
    await two.sees('status', 'connected');
    await one.clicks('nothing');
    expect(one.text('choice')).toBe('none');
    await two.sees('choice', 'none');
    await two.clicks('turn');
    await one.sees('choice', 'third');
    await one.clicks('turn');
    await two.sees('choice', 'none');
  }
});

const seen = new Set<unknown>();

function Stable() {
  const [value, setValue] = useSharedState('stable', 0);
  const [sum, add] = useSharedReducer('sum', (before: number, more: number) => before + more, 0);
  seen.add(setValue).add(add);
  return <Button name="go" does={() => [setValue(value + 1), add(sum + 1)]} />;
}

test('the setter and dispatch are the same in every render', async () => {
  seen.clear();
  const one = await comes(<Stable />);
  await one.clicks('go');
  await one.clicks('go');
  expect(seen.size).toBe(2);
});

// useSharedReducer

type Item = { id: number; done: boolean };
type ItemAction = { type: 'add'; id: number } | { type: 'toggle'; id: number };

/** Changes the state in place, as DriftDB's examples do. */
function changeInPlace(items: Item[], action: ItemAction): Item[] {
  if (action.type === 'add') items.push({ id: action.id, done: false });
  for (const item of items) if (action.type === 'toggle' && item.id === action.id) item.done = !item.done;
  return items;
}

function Items({ start = [], reducer = changeInPlace }: { start?: Item[]; reducer?: typeof changeInPlace }) {
  const [items, dispatch] = useSharedReducer('items', reducer, start);
  const renders = Renders();
  return (
    <>
      <p data-testid="items">{items.map(({ id, done }) => `${id}${done ? '!' : ''}`).join(' ')}</p>
      <p data-testid="renders">{renders}</p>
      <Button name="add" does={() => dispatch({ type: 'add', id: items.length + 1 })} />
      <Button name="toggle" does={() => dispatch({ type: 'toggle', id: 1 })} />
    </>
  );
}

test('a shared reducer that changes its state in place: both see the same', async () => {
  const [one, two] = [await comes(<Items />), await comes(<Items />)];
  await one.clicks('add');
  expect(one.text('items')).toBe('1');
  await two.sees('items', '1');
  await two.clicks('toggle');
  await two.clicks('add');
  await one.sees('items', '1! 2');
  expect(two.text('items')).toBe('1! 2');
});

test('a reducer renders once for an own action, not again for its echo', async () => {
  const [one, two] = [await comes(<Items />), await comes(<Items />)];
  expect(one.text('renders')).toBe('1');
  await one.clicks('add');
  await two.sees('items', '1');
  await two.clicks('add');
  await one.sees('items', '1 2');
  expect(one.text('renders')).toBe('3');
  await two.clicks('add');
  await one.sees('items', '1 2 3');
  expect(two.text('renders')).toBe('4');
});

const appended = (before: number[], id: number) => [...before, id];

function Sums({ base }: { base: number }) {
  const [all, dispatch] = useSharedReducer('sums', appended, []);
  const many = () => Array.from({ length: 40 }, (_, index) => dispatch(base + index));
  return (
    <>
      <p data-testid="all">{all.join(' ')}</p>
      <Button name="many" does={many} />
    </>
  );
}

test('many actions of two users at once: both end with the state of a third who comes later', async () => {
  const [one, two] = [await comes(<Sums base={100} />), await comes(<Sums base={500} />)];
  await acting(() => {
    one.button('many').click();
    two.button('many').click();
  });
  await until('all have come', () => [one, two].every((user) => user.text('all')?.split(' ').length === 80));
  const late = await comes(<Sums base={900} />);
  await until('the late one has it', () => late.text('all')?.split(' ').length === 80);
  expect(one.text('all')).toBe(late.text('all'));
  expect(two.text('all')).toBe(late.text('all'));
});

test('a new reducer is used from its render on', async () => {
  const one = await comes(<Items />);
  await one.renders(
    inRoom(<Items reducer={(items, action) => [...items, { id: action.id * 100, done: false }]} />),
  );
  await one.clicks('add');
  expect(one.text('items')).toBe('100');
});

function Board() {
  const [cells, take] = useSharedReducer(
    'board',
    (before: string[], cell: number) => before.map((mark, index) => (index === cell ? 'x' : mark)),
    3,
    (size) => Array.from({ length: size }, () => '-'),
  );
  return (
    <>
      <p data-testid="cells">{cells.join('')}</p>
      <Button name="take" does={() => take(1)} />
    </>
  );
}

test('the initial state can be made by a function, and may be a long expression written in place', async () => {
  const [one, two] = [await comes(<Board />), await comes(<Board />)];
  expect(one.text('cells')).toBe('---');
  await one.clicks('take');
  await two.sees('cells', '-x-');
});

function Careless() {
  const [items, dispatch] = useSharedReducer('items', changeInPlace, []);
  const carelessly = () => {
    items.push({ id: 99, done: true });
    dispatch({ type: 'add', id: 1 });
  };
  return (
    <>
      <p data-testid="items">{items.map(({ id }) => id).join(' ')}</p>
      <Button name="careless" does={carelessly} />
    </>
  );
}

test('a component that changes a rendered state does not damage what is shared', async () => {
  const [one, two] = [await comes(<Careless />), await comes(<Items />)];
  await one.clicks('careless');
  expect(one.text('items')).toBe('1');
  await two.sees('items', '1');
});

function AheadOfItself() {
  const [items, dispatch] = useSharedReducer('items', changeInPlace, [{ id: 1, done: false }]);
  const ahead = () => {
    for (const item of items) item.done = true;
    dispatch({ type: 'toggle', id: 1 });
  };
  return (
    <>
      <p data-testid="items">{items.map(({ done }) => String(done)).join(' ')}</p>
      <Button name="ahead" does={ahead} />
    </>
  );
}

test('a component that changes a rendered state as its action will is rendered with it', async () => {
  const one = await comes(<AheadOfItself />);
  await one.clicks('ahead');
  expect(one.text('items')).toBe('true');
});

// usePresence

function Here({ at = 'here', shows }: { at?: string; shows: string }) {
  const others = usePresence(at, shows);
  const list = Object.entries(others).map(([client, { value }]) => `${client}: ${value}`);
  return <p data-testid="others">{list.sort().join(', ')}</p>;
}

test('presence: everyone sees the others, what they show, and when they leave', async () => {
  const one = await comes(<Here shows="red" />, 'one');
  const two = await comes(<Here shows="blue" />, 'two');
  await one.sees('others', 'two: blue');
  await two.sees('others', 'one: red');
  await two.renders(inRoom(<Here shows="green" />, 'two'));
  await one.sees('others', 'two: green');
  const three = await enters(inRoom(<Here shows="pink" />, 'three'));
  await one.sees('others', 'three: pink, two: green');
  await three.leaves();
  await one.sees('others', 'two: green');
});

test('presence: nobody’s name is special, whatever it means to objects', async () => {
  const one = await comes(<Here shows="red" />, 'one');
  const name = '__proto__';
  const two = await comes(<Here shows="blue" />, name);
  const three = await comes(<Here shows="green" />, 'constructor');
  await one.sees('others', '__proto__: blue, constructor: green');
  await two.renders(inRoom(<Here shows="pink" />, name));
  await one.sees('others', '__proto__: pink, constructor: green');
  await three.sees('others', '__proto__: pink, one: red');
});

function Point() {
  const others = usePresence('points', { x: 1, y: 2 });
  const renders = Renders();
  return <p data-testid="renders">{`${Object.keys(others).length} ${renders}`}</p>;
}

test('presence with a value written in place renders no more often than it changes', async () => {
  const one = await comes(<Point />, 'one');
  const two = await comes(<Point />, 'two');
  await two.sees('renders', '1 2');
  await one.sees('renders', '1 2');
});

test('another key of presence: one is gone there and here', async () => {
  const one = await comes(<Here shows="red" />, 'one');
  const two = await comes(<Here shows="blue" />, 'two');
  await one.sees('others', 'two: blue');
  await two.renders(inRoom(<Here at="elsewhere" shows="blue" />, 'two'));
  await one.sees('others', '');
  expect(two.text('others')).toBe('');
});

test('under StrictMode a user is there once, and gone after unmounting', async () => {
  const one = await comes(<Here shows="red" />, 'one', true);
  const two = await enters(inRoom(<Here shows="blue" />, 'two'), { strict: true });
  await one.sees('others', 'two: blue');
  await two.leaves();
  await one.sees('others', '');
});

// useSharedMap and useSharedLog

function Flags() {
  const [flags, writer] = useSharedMap<{ on: boolean }>('flags');
  const renders = Renders();
  return (
    <>
      <p data-testid="flags">{[...flags].map(([name, { on }]) => `${name} ${on}`).join(', ')}</p>
      <p data-testid="renders">{renders}</p>
      <Button name="dark" does={() => writer.set('dark', { on: true })} />
      <Button name="loud" does={() => writer.set('loud', { on: false })} />
      <Button name="quiet" does={() => writer.delete('loud')} />
    </>
  );
}

test('a shared map: set and deleted by both, and read by who comes later', async () => {
  const [one, two] = [await comes(<Flags />), await comes(<Flags />)];
  await one.clicks('dark');
  await two.sees('flags', 'dark true');
  await two.clicks('loud');
  await one.sees('flags', 'dark true, loud false');
  const late = await comes(<Flags />);
  await late.sees('flags', 'dark true, loud false');
  await one.clicks('quiet');
  await two.sees('flags', 'dark true');
  await late.sees('flags', 'dark true');
  expect(one.text('renders')).toBe('4');
});

function Chat() {
  const [entries, append] = useSharedLog<string>('chat', { limit: 3 });
  return (
    <>
      <p data-testid="chat">{entries.map(({ value }) => value).join(' ')}</p>
      <Button name="say" does={() => ['a', 'b', 'c', 'd'].map(append)} />
    </>
  );
}

test('a shared log: everyone sees its last entries in one order', async () => {
  const [one, two] = [await comes(<Chat />), await comes(<Chat />)];
  await one.clicks('say');
  expect(one.text('chat')).toBe('b c d');
  await two.sees('chat', 'b c d');
});

function Raw() {
  const room = useRoom();
  const [heard, setHeard] = useState('');
  useEffect(
    () => room.subscribe('raw', (event) => event.type === 'push' && setHeard(String(event.value))),
    [room],
  );
  return (
    <>
      <p data-testid="heard">{heard}</p>
      <Button name="relay" does={() => room.push('raw', 'hello', { type: 'relay' })} />
    </>
  );
}

test('the room itself is there for what has no hook', async () => {
  const [one, two] = [await comes(<Raw />), await comes(<Raw />)];
  await one.clicks('relay');
  await two.sees('heard', 'hello');
});

function Cursor({ at }: { at: number }) {
  const others = useWebRtcPresence({ at });
  return (
    <p data-testid="cursors">
      {Object.values(others)
        .map(({ value }) => value.at)
        .join(' ')}
    </p>
  );
}

test('presence over WebRTC: the others are seen, and when they move and leave', async () => {
  const one = await comes(<Cursor at={1} />);
  const two = await enters(inRoom(<Cursor at={2} />));
  await one.sees('cursors', '2');
  await two.sees('cursors', '1');
  await two.renders(inRoom(<Cursor at={3} />));
  await one.sees('cursors', '3');
  await two.leaves();
  await one.sees('cursors', '');
});

// The connection

function Latency() {
  const latency = useLatency();
  return <p data-testid="latency">{latency === null ? 'unknown' : latency >= 0 ? 'some' : 'negative'}</p>;
}

test('latency is measured, and null when the server is gone', async () => {
  const own = await commands.startServer();
  const its = (await new RoomsApi(own).createRoom()).room;
  const one = await enters(
    <DriftDBProvider api={own} room={its}>
      <Latency />
    </DriftDBProvider>,
  );
  expect(one.text('latency')).toBe('unknown');
  await one.sees('latency', 'some');
  await commands.killServer(own);
  await one.sees('latency', 'unknown');
  await commands.removeServer(own);
});

function Id() {
  return <p data-testid="id">{useUniqueClientId()}</p>;
}

test('the client id is the same in all components and after a reload, unless the provider names one', async () => {
  const one = await comes(<Id />);
  const two = await comes(<Id />);
  const named = await comes(<Id />, 'ada');
  expect(one.text('id')).toMatch(/^[\w-]{16,}$/);
  expect(two.text('id')).toBe(one.text('id'));
  expect(named.text('id')).toBe('ada');
});
