// Several components of one page that use the same key: they show the same at every moment, with or without a
// connection, and the others in the room see them as one.

import { type ReactElement, useState } from 'react';
import { renderToString } from 'react-dom/server';
import { beforeEach, expect, test } from 'vitest';
import { commands } from 'vitest/browser';
import { RoomsApi } from '../../src/client/room/api.ts';
import { DbConnection, uniqueClientId } from '../../src/driftdb.ts';
import { ClientIdContext } from '../../src/react/client_id.ts';
import {
  DatabaseContext,
  DriftDBProvider,
  useConnectionStatus,
  usePresence,
  useSharedLog,
  useSharedMap,
  useSharedReducer,
  useSharedState,
} from '../../src/react.ts';
import { comes as enters, newRoom, server, stays } from './place.ts';
import { User } from './user.tsx';

let room: string;

beforeEach(async () => {
  room = await newRoom();
});

function Status() {
  return <p data-testid="status">{useConnectionStatus().connected ? 'connected' : 'not connected'}</p>;
}

function comes(element: ReactElement, api = server, client?: string): Promise<User> {
  return enters(
    <DriftDBProvider api={api} room={room} client={client}>
      {element}
      <Status />
    </DriftDBProvider>,
  );
}

function Part({ name }: { name: string }) {
  const [value, setValue] = useSharedState('value', 0);
  const [sum, add] = useSharedReducer('sum', (before: number, more: number) => before + more, 0);
  const [map, writer] = useSharedMap<number>('map');
  const [log, append] = useSharedLog<number>('log');
  const shown = [value, sum, map.get('a') ?? 0, log.map((entry) => entry.value).join('+')];
  const go = () => {
    setValue((before) => before + 1);
    add(10);
    writer.set('a', 5);
    append(log.length);
  };
  return (
    <>
      <p data-testid={name}>{shown.join(' ')}</p>
      <button type="button" onClick={go}>
        {name}
      </button>
    </>
  );
}

test('what one component does, the other shows at once, also without a connection', async () => {
  const own = await commands.startServer();
  await new RoomsApi(own).putRoom(room);
  const both = (
    <>
      <Part name="left" />
      <Part name="right" />
    </>
  );
  const user = await comes(both, own);
  await user.sees('status', 'connected');
  await user.clicks('left');
  expect([user.text('left'), user.text('right')]).toEqual(['1 10 5 0', '1 10 5 0']);
  await commands.killServer(own);
  await user.sees('status', 'not connected');
  await user.clicks('right');
  expect([user.text('left'), user.text('right')]).toEqual(['2 20 5 0+1', '2 20 5 0+1']);
  await commands.restartServer(own);
  await user.sees('status', 'connected');
  const late = await comes(<Part name="left" />, own);
  await late.sees('left', '2 20 5 0+1');
  await user.leaves();
  await late.leaves();
  await commands.removeServer(own);
});

const firstShown: string[] = [];

function Late() {
  const [value] = useSharedState('value', 0);
  firstShown.push(String(value));
  return <p data-testid="late">{value}</p>;
}

function Opens() {
  const [open, setOpen] = useState(false);
  return (
    <>
      {open && <Late />}
      <button type="button" onClick={() => setOpen(!open)}>
        open
      </button>
    </>
  );
}

test('a component that comes later shows in its first render what the other one knows', async () => {
  const user = await comes(
    <>
      <Part name="left" />
      <Opens />
    </>,
  );
  await user.sees('status', 'connected');
  await user.clicks('left');
  await user.clicks('open');
  expect(firstShown[0]).toBe('1');
});

function Guess({ name, initial }: { name: string; initial: string }) {
  const [value, setValue] = useSharedState('guess', initial);
  return (
    <>
      <p data-testid={name}>{value}</p>
      <button type="button" onClick={() => setValue((before) => `${before}!`)}>
        {name}
      </button>
    </>
  );
}

test('initial values are each component’s own, until somebody sets one', async () => {
  const user = await comes(
    <>
      <Guess name="a" initial="one" />
      <Guess name="b" initial="two" />
    </>,
  );
  await user.sees('status', 'connected');
  expect([user.text('a'), user.text('b')]).toEqual(['one', 'two']);
  await user.clicks('b');
  expect([user.text('a'), user.text('b')]).toEqual(['two!', 'two!']);
});

interface Item {
  done: boolean;
}

function Marks({ name }: { name: string }) {
  const [items, mark] = useSharedReducer(
    'marks',
    (before: Item[], at: number) => {
      const item = before[at];
      if (item !== undefined) item.done = true;
      return before;
    },
    [{ done: false }],
  );
  const carelessly = () => {
    for (const item of items) item.done = true;
    mark(0);
  };
  return (
    <>
      <p data-testid={name}>{items.map(({ done }) => String(done)).join(' ')}</p>
      <button type="button" onClick={carelessly}>
        {name}
      </button>
    </>
  );
}

test('one that changes a rendered state as its action will is no reason for the other to stay behind', async () => {
  const user = await comes(
    <>
      <Marks name="a" />
      <Marks name="b" />
    </>,
  );
  await user.sees('status', 'connected');
  await user.clicks('a');
  expect([user.text('a'), user.text('b')]).toEqual(['true', 'true']);
});

function Roster({ name, sees }: { name: string; sees?: (others: string) => void }) {
  const others = Object.keys(usePresence('roster', 'here')).sort().join(' ');
  sees?.(others);
  return <p data-testid={name}>{others}</p>;
}

function Rosters() {
  const [two, setTwo] = useState(true);
  return (
    <>
      <Roster name="first" />
      {two && <Roster name="second" />}
      <button type="button" onClick={() => setTwo(!two)}>
        second
      </button>
    </>
  );
}

/** A page whose connection the test can end without a word of its hooks. */
async function byHand(element: ReactElement): Promise<{ db: DbConnection; app: ReactElement }> {
  const db = new DbConnection();
  await db.connect(new RoomsApi(server).url(room));
  return { db, app: <DatabaseContext.Provider value={db}>{element}</DatabaseContext.Provider> };
}

test('presence in two components: one of them goes and the user stays, until the connection ends', async () => {
  const shown: string[] = [];
  const one = await comes(<Roster name="first" sees={(others) => shown.push(others)} />, server, 'one');
  const { db, app } = await byHand(<Rosters />);
  const two = await enters(app);
  const its = uniqueClientId();
  await one.sees('first', its);
  await two.clicks('second');
  const three = await comes(<Roster name="first" />, server, 'three');
  await three.sees('first', [its, 'one'].sort().join(' '));
  await one.sees('first', [its, 'three'].sort().join(' '));
  expect(shown.slice(shown.indexOf(its)).every((others) => others.includes(its))).toBe(true);
  db.disconnect();
  await one.sees('first', 'three');
});

test('a page from a server, whose name comes only in the browser, is seen to go too', async () => {
  const one = await comes(<Roster name="first" />, server, 'one');
  const { db, app } = await byHand(<Roster name="first" />);
  const complaints: unknown[] = [];
  stays(await User.hydrates(renderToString(app), app, complaints));
  await one.sees('first', uniqueClientId());
  db.disconnect();
  await one.sees('first', '');
  expect(complaints).toEqual([]);
});

test('a user who takes another name is seen by that one alone, and to go', async () => {
  const one = await comes(<Roster name="first" />, server, 'one');
  const { db, app } = await byHand(<Roster name="first" />);
  const named = (client: string) => <ClientIdContext.Provider value={client}>{app}</ClientIdContext.Provider>;
  const two = await enters(named('before'));
  await one.sees('first', 'before');
  await two.renders(named('after'));
  await one.sees('first', 'after');
  db.disconnect();
  await one.sees('first', '');
});
