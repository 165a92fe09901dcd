// How often components render while others write. Each component counts its own renders and does nothing else. The hooks
// of the npm package driftdb-react beside ours, where it is installed.

import { type FunctionComponent, type ReactElement, type ReactNode, useRef } from 'react';
import { createRoot, type Root } from 'react-dom/client';
import { openEntDB, Seed } from '../../src/entdb.ts';
import * as seabag from '../../src/react.ts';
import { groupOf, TYPE } from './ents.ts';

/** What is rendered, by name. */
const renders: Record<string, number> = {};
let root: Root | undefined;

/** The hooks that both packages have. */
type RoomHooks = Pick<
  typeof seabag,
  | 'DriftDBProvider'
  | 'useSharedState'
  | 'useSharedReducer'
  | 'usePresence'
  | 'useConnectionStatus'
  | 'useDatabase'
>;

/** Not there unless somebody installed it. */
const published = import.meta.glob<RoomHooks>('../../node_modules/driftdb-react/dist/index.js');

/** Whether the published hooks are here. */
export function hasPublished(): boolean {
  return Object.keys(published).length > 0;
}

/** A component that counts how often this is rendered. */
function Counting({ name, use }: { name: string; use: () => unknown }): ReactElement {
  const first = useRef(true);
  if (first.current) renders[name] ??= 0;
  first.current = false;
  renders[name] = (renders[name] ?? 0) + 1;
  use();
  return <i />;
}

const SHOWN = { here: true };

function roomProbes(hooks: RoomHooks): Record<string, () => unknown> {
  const { useSharedState, useSharedReducer, usePresence, useConnectionStatus, useDatabase } = hooks;
  return {
    useSharedState: () => useSharedState('value', 0),
    useSharedReducer: () => useSharedReducer('reducer', (state: number, by: number) => state + by, 0),
    usePresence: () => usePresence('presence', SHOWN),
    useConnectionStatus: () => useConnectionStatus(),
    useDatabase: () => useDatabase(),
  };
}

/** Shows components in a room, with our hooks or the published ones. */
export async function showRoomHooks(whose: 'seabag' | 'driftdb-react', api: string, room: string) {
  const [load] = Object.values(published);
  const hooks = whose === 'seabag' || load === undefined ? seabag : await load();
  const { DriftDBProvider } = hooks;
  const shown = Object.entries({ ...roomProbes(hooks), ...(hooks === seabag ? ownProbes : {}) });
  show(
    <DriftDBProvider api={api} room={room}>
      {shown.map(([name, use]) => (
        <Counting key={name} name={name} use={use} />
      ))}
    </DriftDBProvider>,
  );
}

const ownProbes: Record<string, () => unknown> = {
  useSharedMap: () => seabag.useSharedMap('map'),
  useSharedLog: () => seabag.useSharedLog('log'),
};

/** Shows components over a database of entities that is linked to a host: lists of two groups, and one entity. */
export async function showEntHooks(seed: string, url: string, eid: string) {
  const entdb = await openEntDB({ seed: await Seed.parse(seed), storage: 'memory', guardClosing: false });
  await entdb.link(url);
  await entdb.sync();
  const probes: Record<string, () => unknown> = {
    'useEnts (its group)': () => seabag.useEnts({ type: TYPE, group: groupOf(0), limit: 100 }),
    'useEnts (another group)': () => seabag.useEnts({ type: TYPE, group: groupOf(1_000_000), limit: 100 }),
    useEnt: () => seabag.useEnt(eid),
    useSyncStatus: () => seabag.useSyncStatus(),
    useEntDB: () => seabag.useEntDB(),
  };
  const { EntDBProvider } = seabag;
  show(
    <EntDBProvider db={entdb}>
      {Object.entries(probes).map(([name, use]) => (
        <Counting key={name} name={name} use={use} />
      ))}
    </EntDBProvider>,
  );
}

function show(what: ReactNode): void {
  const place = document.querySelector('#root');
  if (place === null) throw new Error('no place');
  for (const name of Object.keys(renders)) delete renders[name];
  root = createRoot(place);
  const Shown: FunctionComponent = () => what;
  root.render(<Shown />);
}

/** Takes everything away. */
export function hideHooks(): void {
  root?.unmount();
}

/** How often each has rendered so far. */
export function countRenders(): Record<string, number> {
  return { ...renders };
}
