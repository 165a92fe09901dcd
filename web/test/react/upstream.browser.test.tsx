// What applications of DriftDB's hooks do, in our words: counter, settings, noughts and crosses, a shared canvas. They
// use its names and ways, changed states and all; only the import is another. Two users each, on the real server.

import { type MouseEvent, type ReactElement, useState } from 'react';
import { beforeEach, expect, test } from 'vitest';
import {
  DriftDBProvider,
  RoomQRCode,
  StatusIndicator,
  usePresence,
  useSharedReducer,
  useSharedState,
  useUniqueClientId,
} from '../../src/react.ts';
import { comes as enters, newRoom, server } from './place.ts';
import { acting, type User } from './user.tsx';

let room: string;

beforeEach(async () => {
  room = await newRoom();
});

function comes(app: ReactElement, client: string, binary = false): Promise<User> {
  return enters(
    <DriftDBProvider api={server} room={room} client={client} useBinary={binary}>
      {app}
      <div data-testid="indicator">
        <StatusIndicator />
        <RoomQRCode />
      </div>
    </DriftDBProvider>,
  );
}

function Counter() {
  const [count, dispatch] = useSharedReducer(
    'counter',
    (state: number, action: 'increment' | 'decrement') => {
      switch (action) {
        case 'increment':
          return state + 1;
        case 'decrement':
          return state - 1;
        default:
          return state;
      }
    },
    0,
  );
  return (
    <>
      <h2 data-testid="count">{count}</h2>
      <button type="button" onClick={() => dispatch('decrement')}>
        -
      </button>
      <button type="button" onClick={() => dispatch('increment')}>
        +
      </button>
    </>
  );
}

test('a counter, past the length at which it is packed', async () => {
  const [ada, bob] = [await comes(<Counter />, 'ada', true), await comes(<Counter />, 'bob', true)];
  for (let press = 0; press < 25; press += 1) {
    await ada.clicks('+');
    await bob.clicks('+');
  }
  await bob.clicks('-');
  await ada.sees('count', '49');
  await bob.sees('count', '49');
  const late = await comes(<Counter />, 'late', true);
  await late.sees('count', '49');
  expect(late.text('indicator')).toContain('Connected');
});

function Settings() {
  const [text, setText] = useSharedState('input', 'Good morning');
  const [check, setCheck] = useSharedState('check', false);
  const [slider, setSlider] = useSharedState('slider', 50);
  return (
    <>
      <p data-testid="settings">{`${text} ${check} ${slider}`}</p>
      <button type="button" onClick={() => setText('Good evening')}>
        text
      </button>
      <button type="button" onClick={() => setCheck(!check)}>
        check
      </button>
      <button type="button" onClick={() => setSlider(slider + 25)}>
        slider
      </button>
    </>
  );
}

test('several shared values in one component', async () => {
  const [ada, bob] = [await comes(<Settings />, 'ada'), await comes(<Settings />, 'bob')];
  expect(ada.text('settings')).toBe('Good morning false 50');
  await ada.clicks('text');
  await bob.clicks('check');
  await ada.clicks('slider');
  await ada.sees('settings', 'Good evening true 75');
  await bob.sees('settings', 'Good evening true 75');
  await bob.clicks('check');
  await ada.sees('settings', 'Good evening false 75');
});

type Mark = 'x' | 'o';
interface Game {
  cells: (Mark | null)[];
  turn: Mark;
  players: { x: string | null; o: string | null };
  winner: Mark | null;
}
type Move = { type: 'move'; cell: number; player: string } | { type: 'reset' };

const EMPTY: Game = { cells: Array(9).fill(null), turn: 'x', players: { x: null, o: null }, winner: null };
const LINES = ['012', '345', '678', '036', '147', '258', '048', '246'];

/** The first two who move play; who is not in turn changes nothing. Changes its state in place. */
function play(game: Game, action: Move): Game {
  if (action.type === 'reset') return structuredClone(EMPTY);
  const { turn, players } = game;
  const other = turn === 'x' ? 'o' : 'x';
  if (players[turn] === null && players[other] !== action.player) players[turn] = action.player;
  if (players[turn] !== action.player || game.cells[action.cell] !== null || game.winner !== null)
    return game;
  game.cells[action.cell] = turn;
  const full = (line: string) => [...line].every((cell) => game.cells[Number(cell)] === turn);
  if (LINES.some(full)) game.winner = turn;
  game.turn = other;
  return game;
}

function NoughtsAndCrosses() {
  const [game, dispatch] = useSharedReducer('game', play, null, () => structuredClone(EMPTY));
  const player = useUniqueClientId();
  return (
    <>
      <p data-testid="game">{game.cells.map((mark) => mark ?? '.').join('')}</p>
      <p data-testid="winner">{game.winner ?? 'none'}</p>
      {game.cells.map((_, cell) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: a cell is its index
        <button key={cell} type="button" onClick={() => dispatch({ type: 'move', cell, player })}>
          {String(cell)}
        </button>
      ))}
      <button type="button" onClick={() => dispatch({ type: 'reset' })}>
        reset
      </button>
    </>
  );
}

test('noughts and crosses: in turn, a third player only watches, and again from the start', async () => {
  const app = <NoughtsAndCrosses />;
  const [ada, bob, eve] = [await comes(app, 'ada'), await comes(app, 'bob'), await comes(app, 'eve')];
  await ada.clicks('0');
  await bob.sees('game', 'x........');
  await bob.clicks('4');
  await ada.sees('game', 'x...o....');
  await eve.sees('game', 'x...o....');
  await eve.clicks('8');
  expect(eve.text('game')).toBe('x...o....');
  for (const [player, cell, other] of [
    [ada, '1', bob],
    [bob, '8', ada],
    [ada, '2', bob],
  ] as const) {
    await player.clicks(cell);
    await other.sees('game', player.text('game') ?? '');
  }
  await eve.sees('winner', 'x');
  expect(bob.text('game')).toBe('xxx.o...o');
  await eve.clicks('reset');
  await ada.sees('game', '.........');
});

interface Shape {
  id: number;
  x: number;
  w: number;
}
type Drawing = { type: 'create' | 'update'; shape: Shape };

function Canvas() {
  const [selected, select] = useState<number | null>(null);
  const [mouse, setMouse] = useState<number | null>(null);
  const [shapes, dispatch] = useSharedReducer<Shape[], Drawing>(
    'canvas',
    (state, { type, shape }) => {
      const known = state.find(({ id }) => id === shape.id);
      if (type === 'create') state.push(shape);
      else if (known) Object.assign(known, shape);
      return state;
    },
    [],
  );
  const presence = usePresence('users', { mouse });
  const down = ({ clientX }: MouseEvent) => {
    const id = shapes.length + 1;
    select(id);
    dispatch({ type: 'create', shape: { id, x: clientX, w: 0 } });
  };
  const move = ({ clientX }: MouseEvent) => {
    setMouse(clientX);
    const shape = shapes.find(({ id }) => id === selected);
    if (!shape) return;
    // The rendered state is changed, and sent as it then is.
    shape.w = clientX - shape.x;
    dispatch({ type: 'update', shape });
  };
  const mice = Object.entries(presence).map(([client, { value }]) => `${client} ${value.mouse}`);
  return (
    <>
      <canvas data-canvas="" onMouseDown={down} onMouseMove={move} onMouseUp={() => select(null)} />
      <p data-testid="shapes">{shapes.map(({ id, x, w }) => `${id}: ${x}+${w}`).join(', ')}</p>
      <p data-testid="mice">{mice.join(', ')}</p>
    </>
  );
}

async function mouse(user: User, type: string, clientX: number): Promise<void> {
  const canvas = user.container.querySelector('[data-canvas]');
  await acting(() => {
    canvas?.dispatchEvent(new window.MouseEvent(type, { clientX, bubbles: true }));
  });
}

test('a shared canvas: shapes are drawn by dragging, and each sees the mouse of the other', async () => {
  const [ada, bob] = [await comes(<Canvas />, 'ada', true), await comes(<Canvas />, 'bob', true)];
  await mouse(ada, 'mousedown', 10);
  for (const at of [15, 20, 30]) await mouse(ada, 'mousemove', at);
  await mouse(ada, 'mouseup', 30);
  expect(ada.text('shapes')).toBe('1: 10+20');
  await bob.sees('shapes', '1: 10+20');
  await bob.sees('mice', 'ada 30');
  await mouse(bob, 'mousedown', 100);
  await mouse(bob, 'mousemove', 107);
  await ada.sees('shapes', '1: 10+20, 2: 100+7');
  await ada.sees('mice', 'bob 107');
});
