// The components: what the badge says, and that the QR code holds the room's address and is drawn without a request.

import { renderToString } from 'react-dom/server';
import { beforeEach, expect, onTestFinished, test } from 'vitest';
import {
  DriftDBProvider,
  RoomQRCode,
  StatusIndicator,
  useRoomId,
  useSharedState,
  useUniqueClientId,
} from '../../src/react.ts';
import { until } from '../support/until.ts';
import { Outstanding } from './outstanding.ts';
import { comes, newRoom, server, stays } from './place.ts';
import { User } from './user.tsx';

beforeEach(() => history.replaceState(null, '', location.pathname + location.search));

test('the badge tells by words that can be heard, and leads to the inspector', async () => {
  const user = await comes(
    <DriftDBProvider api={server}>
      <StatusIndicator />
    </DriftDBProvider>,
  );
  const status = () => user.container.querySelector('[role="status"]')?.textContent;
  expect(status()).toBe('Connecting…');
  await until('it is connected', () => status() === 'Connected');
  const link = user.container.querySelector('a');
  expect(link?.textContent).toBe('Inspect');
  // What is seen begins what is heard, so that it can be asked for by voice.
  expect(link?.getAttribute('aria-label')).toBe('Inspect this room in a new tab');
  const url = new URL(link?.href ?? '');
  expect(url.origin + url.pathname).toBe(`${server}/inspector`);
  expect(new URLSearchParams(url.hash.slice(1)).get('room')).toBe(location.hash.replace('#room=', ''));
  await until('the latency is shown', () => user.container.textContent?.includes(' ms'));
});

test('the badge says why there is no connection', async () => {
  const user = await comes(
    <DriftDBProvider api={server} room="0123456789012345678901">
      <StatusIndicator />
    </DriftDBProvider>,
  );
  const status = () => user.container.querySelector('[role="status"]')?.textContent ?? '';
  await until('it tells', () => status().startsWith('Not connected: '));
  expect(status()).not.toContain('0123456789012345678901');
});

test('the QR code is drawn when there is a room, without asking anybody', async () => {
  const user = await comes(<RoomQRCode size={300} label="Join from a phone" />);
  expect(user.container.querySelector('svg')).toBeNull();
  await user.renders(
    <DriftDBProvider api={server}>
      <RoomQRCode size={300} label="Join from a phone" />
    </DriftDBProvider>,
  );
  const svg = await until('it is drawn', () => user.container.querySelector('svg'));
  expect(svg.getAttribute('role')).toBe('img');
  expect(svg.getAttribute('aria-label')).toBe('Join from a phone');
  expect(svg.getBoundingClientRect().width).toBe(300);
  expect(user.container.querySelector('img, image, use')).toBeNull();
});

test('the QR code follows the address', async () => {
  history.replaceState(null, '', '#room=first');
  const user = await comes(<RoomQRCode />);
  const path = () => user.container.querySelector('path')?.getAttribute('d');
  const first = path();
  location.hash = '#room=second';
  await until('it is another', () => path() !== first);
});

function App() {
  const [name] = useSharedState('name', 'nobody');
  const id = useUniqueClientId();
  return (
    <>
      <p data-testid="name">{name}</p>
      <p data-testid="id">{id}</p>
    </>
  );
}

test('a page from a server joins the room of its address, and makes none', async () => {
  const room = await newRoom();
  history.replaceState(null, '', `#room=${room}`);
  const outstanding = new Outstanding();
  onTestFinished(() => outstanding.end());
  const app = (
    <DriftDBProvider api={server}>
      <StatusIndicator />
      <RoomId />
    </DriftDBProvider>
  );
  const complaints: unknown[] = [];
  const user = stays(await User.hydrates(renderToString(app), app, complaints));
  await until('it is connected', () => user.container.textContent?.includes('Connected'));
  expect(user.text('room')).toBe(room);
  expect(location.hash).toBe(`#room=${room}`);
  expect(outstanding.requests).toEqual([]);
  expect(outstanding.socketsMade).toBe(1);
  expect(complaints).toEqual([]);
});

function RoomId() {
  return <p data-testid="room">{useRoomId()}</p>;
}

test('a page from a server is taken over without a mismatch, and then lives', async () => {
  const app = (
    <DriftDBProvider api={server}>
      <App />
      <StatusIndicator />
      <RoomQRCode />
    </DriftDBProvider>
  );
  const complaints: unknown[] = [];
  const user = stays(await User.hydrates(renderToString(app), app, complaints));
  await until('it is connected', () => user.container.textContent?.includes('Connected'));
  expect(user.text('id')).not.toBe('');
  expect(user.container.querySelector('svg')).not.toBeNull();
  expect(complaints).toEqual([]);
});
