// The board without a pointer: letters choose tools, and on the board itself the arrows move a pen that the space bar
// puts down and lifts.

import type { Place } from './view.ts';

/** How far one press of an arrow goes, in CSS pixels. */
const STEP = 10;
const FAR_STEP = 60;

/** What keys can do. */
export interface KeyActions {
  colour(number: number): void;
  eraser(): void;
  widen(steps: number): void;
  undo(): void;
  zoom(factor: number): void;
  showAll(): void;
  pan(byX: number, byY: number): void;
  /** The keyboard's pen: where it is now, and whether it is down. Null: put away. */
  pen(place: Place | null, down: boolean): void;
  /** Holding the space bar outside the keyboard's pen lets the mouse move the paper. */
  spaceHeld(held: boolean): void;
}

const ARROWS: Readonly<Record<string, readonly [number, number]>> = {
  ArrowLeft: [-1, 0],
  ArrowRight: [1, 0],
  ArrowUp: [0, -1],
  ArrowDown: [0, 1],
};

/** Listens until the signal. `board` is the element that takes the keyboard's pen; `middle` is where that starts. */
export function listenToKeys(
  board: HTMLElement,
  middle: () => Place,
  actions: KeyActions,
  signal: AbortSignal,
): void {
  let place: Place | null = null;
  let down = false;
  const onBoard = (event: KeyboardEvent): boolean => {
    const arrow = ARROWS[event.key];
    if (arrow !== undefined && event.shiftKey) {
      actions.pan(-arrow[0] * FAR_STEP, -arrow[1] * FAR_STEP);
    } else if (arrow !== undefined) {
      place ??= middle();
      place = { x: place.x + arrow[0] * STEP, y: place.y + arrow[1] * STEP };
      actions.pen(place, down);
    } else if (event.key === ' ' || event.key === 'Enter') {
      if (event.repeat) return true;
      place ??= middle();
      down = !down;
      actions.pen(place, down);
    } else if (event.key === 'Escape') {
      putAway();
    } else {
      return false;
    }
    return true;
  };
  const putAway = () => {
    if (place === null) return;
    place = null;
    down = false;
    actions.pen(null, false);
  };
  board.addEventListener(
    'keydown',
    (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey) return;
      if (event.target === board && onBoard(event)) {
        event.preventDefault();
        event.stopPropagation();
      }
    },
    { signal },
  );
  board.addEventListener('blur', putAway, { signal });
  board.addEventListener('pointerdown', putAway, { signal });
  addEventListener('keydown', (event) => onPage(event, actions), { signal });
  addEventListener('keyup', (event) => event.key === ' ' && actions.spaceHeld(false), { signal });
  // A key that is let go in another window is not heard of.
  addEventListener('blur', () => actions.spaceHeld(false), { signal });
}

function onPage(event: KeyboardEvent, actions: KeyActions): void {
  const { target } = event;
  if (target instanceof HTMLElement && target.closest('input, textarea, select, dialog') !== null) return;
  const undo = event.key.toLowerCase() === 'z';
  if ((event.ctrlKey || event.metaKey) && !undo) return;
  if (event.altKey) return;
  const done = undo ? actions.undo : letter(event, actions);
  if (done === undefined) return;
  done();
  event.preventDefault();
}

function letter({ key, target }: KeyboardEvent, actions: KeyActions): (() => void) | undefined {
  if (/^[1-8]$/.test(key)) return () => actions.colour(Number(key));
  switch (key) {
    case 'e':
    case 'E':
      return actions.eraser;
    case '[':
      return () => actions.widen(-1);
    case ']':
      return () => actions.widen(1);
    case '+':
    case '=':
      return () => actions.zoom(1.25);
    case '-':
      return () => actions.zoom(0.8);
    case '0':
      return actions.showAll;
    case ' ':
      return target === document.body ? () => actions.spaceHeld(true) : undefined;
    default:
      return undefined;
  }
}
