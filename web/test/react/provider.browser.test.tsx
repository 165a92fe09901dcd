// The provider: which room it joins, that it joins once and leaves wholly, and that it tells what goes wrong.

import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { commands, server as runner } from 'vitest/browser';
import { RoomsApi } from '../../src/client/room/api.ts';
import { DbConnection } from '../../src/driftdb.ts';
import {
  DatabaseContext,
  DriftDBProvider,
  RoomProvider,
  RoomQRCode,
  StatusIndicator,
  useConnectionStatus,
  usePresence,
  useRoomId,
  useSharedState,
} from '../../src/react.ts';
import { until } from '../support/until.ts';
import { Boundary } from './boundary.tsx';
import { Outstanding } from './outstanding.ts';
import { comes, newRoom, server } from './place.ts';
import { acting } from './user.tsx';

let outstanding: Outstanding;

beforeEach(() => {
  history.replaceState(null, '', location.pathname + location.search);
  outstanding = new Outstanding();
});
afterEach(() => outstanding.end());

function Name() {
  const [name, setName] = useSharedState('name', 'nobody');
  return (
    <>
      <p data-testid="name">{name}</p>
      <button type="button" onClick={() => setName('Ada')}>
        Ada
      </button>
    </>
  );
}

function Mouse() {
  usePresence('mouse', { x: 1 });
  return null;
}

function Status() {
  const status = useConnectionStatus();
  const room = useRoomId();
  return (
    <>
      <p data-testid="status">{status.connected ? 'connected' : (status.error?.code ?? 'connecting')}</p>
      <p data-testid="room">{room ?? 'no room'}</p>
    </>
  );
}

const roomInAddress = () => new URLSearchParams(location.hash.slice(1)).get('room');

test('without a room it makes one, and shows it in the fragment', async () => {
  const { search } = location;
  const user = await comes(
    <DriftDBProvider api={server}>
      <Status />
    </DriftDBProvider>,
  );
  expect(user.text('status')).toBe('connecting');
  await user.sees('status', 'connected');
  expect(roomInAddress()).toBe(user.text('room'));
  expect(location.search).toBe(search);
});

test('a second user who opens the same address is in the same room', async () => {
  const app = (
    <DriftDBProvider api={server}>
      <Name />
      <Status />
    </DriftDBProvider>
  );
  const first = await comes(app);
  await first.sees('status', 'connected');
  const second = await comes(app);
  await second.sees('status', 'connected');
  await first.clicks('Ada');
  await second.sees('name', 'Ada');
  expect(second.text('room')).toBe(first.text('room'));
});

test('a link in the old form is understood, and moved into the fragment', async () => {
  const room = await newRoom();
  history.replaceState(null, '', `${location.pathname}?kept=1&_driftdb_room=${room}#also=kept`);
  const user = await comes(
    <DriftDBProvider api={server}>
      <Status />
    </DriftDBProvider>,
  );
  await user.sees('room', room);
  await user.sees('status', 'connected');
  expect(location.search).toBe('?kept=1');
  expect(location.hash).toBe(`#also=kept&room=${room}`);
});

test('the room of the property wins, and is not shown in the address', async () => {
  const user = await comes(
    <RoomProvider api={server} room={await newRoom()}>
      <Status />
    </RoomProvider>,
  );
  await user.sees('status', 'connected');
  expect(location.hash).toBe('');
});

test('an empty room in the property is none, as in a router before it is ready', async () => {
  const room = await newRoom();
  const app = (given: string) => (
    <DriftDBProvider api={server} room={given}>
      <Status />
    </DriftDBProvider>
  );
  history.replaceState(null, '', `#room=${room}`);
  const user = await comes(app(''));
  await user.sees('status', 'connected');
  expect(user.text('room')).toBe(room);
  await user.renders(app(room));
  await user.sees('status', 'connected');
  expect(outstanding.socketsMade).toBe(1);
});

test('the room taken out of the property: a new one, shown in the address', async () => {
  const room = await newRoom();
  const app = (given?: string) => (
    <DriftDBProvider api={server} room={given}>
      <Status />
    </DriftDBProvider>
  );
  const user = await comes(app(room));
  await user.sees('status', 'connected');
  await user.renders(app());
  await until('it is another', () => ![room, 'no room'].includes(user.text('room') ?? ''));
  await user.sees('status', 'connected');
  expect(roomInAddress()).toBe(user.text('room'));
  await user.renders(app(user.text('room')));
  await user.sees('status', 'connected');
  expect(outstanding.socketsMade).toBe(2);
});

test('a server may be named by its path on the page’s own', async () => {
  const user = await comes(
    <DriftDBProvider api="/nowhere/">
      <Status />
    </DriftDBProvider>,
  );
  await until('it is asked', () => outstanding.requests.includes('PUT /nowhere/room/…'));
  await until('it is told', () => user.text('status') !== 'connecting');
  expect(user.text('status')).not.toBe('bad_parameter');
});

test('under a connection that was provided by hand, the room is not that of a provider above', async () => {
  const [room, other] = [await newRoom(), await newRoom()];
  const db = new DbConnection();
  await db.connect(new RoomsApi(server).url(other));
  const user = await comes(
    <DriftDBProvider api={server} room={room}>
      <DatabaseContext.Provider value={db}>
        <Status />
      </DatabaseContext.Provider>
    </DriftDBProvider>,
  );
  await user.sees('status', 'connected');
  expect(user.text('room')).toBe(other);
  db.disconnect();
  await user.sees('status', 'connecting');
});

test('StrictMode makes one room and one connection', async () => {
  const user = await comes(
    <DriftDBProvider api={server}>
      <Status />
    </DriftDBProvider>,
    { strict: true },
  );
  await user.sees('status', 'connected');
  expect(outstanding.socketsMade).toBe(1);
  expect(outstanding.requests).toEqual(['PUT /room/…']);
});

test('two providers that want a new room at the same time get the same one', async () => {
  const app = (
    <DriftDBProvider api={server}>
      <Status />
    </DriftDBProvider>
  );
  const user = await comes(
    <>
      <section>{app}</section>
      <aside>{app}</aside>
    </>,
  );
  await user.sees('status', 'connected');
  const rooms = [...user.container.querySelectorAll('[data-testid="room"]')].map((room) => room.textContent);
  expect(rooms).toEqual([roomInAddress(), roomInAddress()]);
  expect(outstanding.requests).toEqual(['PUT /room/…']);
});

test('what is set before there is a connection, or a room, is not lost', async () => {
  const user = await comes(
    <DriftDBProvider api={server}>
      <Name />
      <Status />
    </DriftDBProvider>,
  );
  await user.clicks('Ada');
  await user.sees('status', 'connected');
  expect(user.text('name')).toBe('Ada');
  const later = await comes(
    <DriftDBProvider api={server}>
      <Name />
    </DriftDBProvider>,
  );
  await later.sees('name', 'Ada');
});

test('another room in the property: the hooks show that one, and the old connection ends', async () => {
  const [one, two] = [await newRoom(), await newRoom()];
  const app = (room: string) => (
    <DriftDBProvider api={server} room={room}>
      <Name />
      <Status />
    </DriftDBProvider>
  );
  const user = await comes(app(one));
  await user.clicks('Ada');
  await user.sees('status', 'connected');
  await user.renders(app(two));
  expect(user.text('name')).toBe('nobody');
  await user.sees('room', two);
  await user.sees('status', 'connected');
  await user.renders(app(one));
  await user.sees('name', 'Ada');
  await until('one connection is left', () => outstanding.list().match(/socket/g)?.length === 1);
});

test('another room in the address: a pasted link changes rooms without a reload', async () => {
  const room = await newRoom();
  const user = await comes(
    <DriftDBProvider api={server}>
      <Status />
    </DriftDBProvider>,
  );
  await user.sees('status', 'connected');
  location.hash = `#room=${room}`;
  await user.sees('room', room);
  await user.sees('status', 'connected');
});

test('a fragment without a room changes nothing', async () => {
  const user = await comes(
    <DriftDBProvider api={server}>
      <Status />
    </DriftDBProvider>,
  );
  await user.sees('status', 'connected');
  const room = user.text('room');
  location.hash = '#chapter';
  await new Promise((resolve) => addEventListener('hashchange', resolve, { once: true }));
  await acting(() => undefined);
  expect(user.text('room')).toBe(room);
  expect(outstanding.socketsMade).toBe(1);
});

test('another server in the property: it joins there', async () => {
  const other = await commands.startServer();
  const room = await newRoom();
  await new RoomsApi(other).putRoom(room);
  const app = (api: string) => (
    <DriftDBProvider api={api} room={room}>
      <Name />
      <Status />
    </DriftDBProvider>
  );
  const user = await comes(app(server));
  await user.clicks('Ada');
  await user.sees('status', 'connected');
  await user.renders(app(other));
  await user.sees('name', 'nobody');
  await user.sees('status', 'connected');
  await user.renders(app(server));
  await user.sees('name', 'Ada');
  await commands.removeServer(other);
});

function Bytes() {
  const [bytes, setBytes] = useSharedState('bytes', new Uint8Array());
  return (
    <>
      <p data-testid="bytes">{bytes instanceof Uint8Array ? bytes.join(' ') : 'no bytes'}</p>
      <button type="button" onClick={() => setBytes(Uint8Array.of(1, 2, 255))}>
        Set
      </button>
    </>
  );
}

test('with CBOR, bytes arrive as bytes', async () => {
  const app = (
    <DriftDBProvider api={server} room={await newRoom()} useBinary>
      <Bytes />
    </DriftDBProvider>
  );
  const [one, two] = [await comes(app), await comes(app)];
  await one.clicks('Set');
  await two.sees('bytes', '1 2 255');
});

test('after unmounting nothing is left: no socket, no timer, no listener', async () => {
  const user = await comes(
    <DriftDBProvider api={server}>
      <Name />
      <Status />
      <StatusIndicator />
      <RoomQRCode />
      <Mouse />
    </DriftDBProvider>,
    { strict: true },
  );
  await user.sees('status', 'connected');
  await user.clicks('Ada');
  await until('the latency is measured again and again', () => /timer .*timer/.test(outstanding.list()));
  expect(outstanding.list()).toContain('socket');
  expect(outstanding.list()).toContain('listener of hashchange');
  await user.leaves();
  await outstanding.nothing();
});

test('unmounted while the server is away, it gives up making a room', async () => {
  const gone = await commands.startServer();
  await commands.killServer(gone);
  const user = await comes(
    <DriftDBProvider api={gone}>
      <Status />
    </DriftDBProvider>,
  );
  await user.sees('status', 'network');
  await user.leaves();
  await outstanding.nothing();
  await commands.removeServer(gone);
});

test('a server that is away at first: it is told, tried again, and then works', async () => {
  const late = await commands.startServer();
  await commands.killServer(late);
  const onError = vi.fn();
  const user = await comes(
    <DriftDBProvider api={late} onError={onError}>
      <Name />
      <Status />
    </DriftDBProvider>,
  );
  await user.sees('status', 'network');
  await user.clicks('Ada');
  await commands.restartServer(late);
  await user.sees('status', 'connected');
  expect(user.text('name')).toBe('Ada');
  expect(onError).toHaveBeenCalledTimes(1);
  await commands.removeServer(late);
});

test('a server killed and started again in the middle: what was set meanwhile arrives', async () => {
  const own = await commands.startServer();
  const { room } = await new RoomsApi(own).createRoom();
  const app = (
    <DriftDBProvider api={own} room={room}>
      <Name />
      <Status />
    </DriftDBProvider>
  );
  const [one, two] = [await comes(app), await comes(app)];
  await one.sees('status', 'connected');
  await two.sees('status', 'connected');
  await commands.killServer(own);
  await until('the cut is seen', () => one.text('status') !== 'connected');
  await one.clicks('Ada');
  expect(one.text('name')).toBe('Ada');
  await commands.restartServer(own);
  await two.sees('name', 'Ada');
  await one.sees('status', 'connected');
  await commands.removeServer(own);
});

test('an unknown room is told to onError and in the status', async () => {
  const onError = vi.fn();
  const user = await comes(
    <DriftDBProvider api={server} room="0123456789012345678901" onError={onError}>
      <Status />
    </DriftDBProvider>,
  );
  await user.sees('status', 'unknown_room');
  expect(onError).toHaveBeenCalledTimes(1);
  expect(onError.mock.calls[0]?.[0]).toMatchObject({ code: 'unknown_room' });
});

test('a guarded server: without the token it is told, with the token it works', async () => {
  const guarded = await commands.startServer([
    '--creation-token-file',
    `${runner.config.root}/test/react/creation-token.txt`,
  ]);
  const app = (token?: string) => (
    <DriftDBProvider api={guarded} token={token}>
      <Status />
    </DriftDBProvider>
  );
  const user = await comes(app());
  await user.sees('status', 'token_required');
  await user.renders(app('sesame-sesame-sesame'));
  await user.sees('status', 'connected');
  await commands.removeServer(guarded);
});

function Strict() {
  const status = useConnectionStatus();
  if (status.error !== undefined && !status.connected && !status.retrying) throw status.error;
  return null;
}

test('an error boundary gets the error that a component throws', async () => {
  const quiet = vi.spyOn(console, 'error').mockImplementation(() => undefined);
  const user = await comes(
    <Boundary>
      <DriftDBProvider api={server} room="0123456789012345678901">
        <Strict />
      </DriftDBProvider>
    </Boundary>,
  );
  await user.sees('caught', 'unknown_room');
  quiet.mockRestore();
});

function Lost() {
  usePresence('lost', 1);
  return null;
}

test('outside of a provider a hook says what is missing', async () => {
  const quiet = vi.spyOn(console, 'error').mockImplementation(() => undefined);
  const user = await comes(
    <Boundary>
      <Lost />
    </Boundary>,
  );
  await user.sees('caught', 'usePresence needs a DriftDBProvider (or RoomProvider) above it');
  quiet.mockRestore();
});
