// Rendering on a server: the initial values, no look at a page that is not there, and no connection.

import { createElement, Fragment } from 'react';
import { renderToString } from 'react-dom/server';
import { expect, test } from 'vitest';
import {
  DriftDBProvider,
  RoomQRCode,
  StatusIndicator,
  useConnectionStatus,
  useLatency,
  usePresence,
  useRoomId,
  useSharedReducer,
  useSharedState,
  useUniqueClientId,
} from '../../src/react.ts';
import { shapes } from './upstream_types.ts';

function App() {
  const [name] = useSharedState('name', 'nobody');
  const [sum] = useSharedReducer(
    'sum',
    (before: number, more: number) => before + more,
    20,
    (start) => start + 1,
  );
  const others = usePresence('here', 1);
  const shown = {
    name,
    sum,
    others,
    room: useRoomId(),
    client: useUniqueClientId(),
    connected: useConnectionStatus().connected,
    latency: useLatency(),
  };
  return createElement('pre', null, JSON.stringify(shown));
}

test('on a server every hook has its initial value, and nothing asks for a window', () => {
  expect(typeof window).toBe('undefined');
  const html = renderToString(
    createElement(
      DriftDBProvider,
      { api: 'http://127.0.0.1:1' },
      createElement(
        Fragment,
        null,
        createElement(App),
        createElement(RoomQRCode),
        createElement(StatusIndicator),
      ),
    ),
  );
  const shown = JSON.parse(/<pre>(.*)<\/pre>/.exec(html)?.[1]?.replaceAll('&quot;', '"') ?? '');
  expect(shown).toEqual({
    name: 'nobody',
    sum: 21,
    others: {},
    room: null,
    client: '',
    connected: false,
    latency: null,
  });
  expect(html).toContain('Connecting…');
  expect(html).not.toContain('svg');
});

test('every name of driftdb-react is there', () => {
  expect(Object.keys(shapes)).toHaveLength(11);
  for (const [name, shape] of Object.entries(shapes)) expect(shape, name).toBeDefined();
});
