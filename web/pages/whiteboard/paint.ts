// How a stroke becomes pixels: its line, its colours on light and dark paper. Draws on whatever context it is given.

import { COLOURS, type Colour, type Ink, STEPS_PER_UNIT, type Style } from './stroke.ts';
import type { Size, View } from './view.ts';

/** What is drawn on, and how the inks look on it. */
export interface Paper {
  readonly ground: string;
  readonly inks: Readonly<Record<Colour, string>>;
}

// Each ink keeps a contrast of at least 3 to its paper.
const LIGHT: Paper = {
  ground: '#ffffff',
  inks: {
    ink: '#1b2430',
    red: '#c9302c',
    orange: '#c05600',
    green: '#1f7a3a',
    teal: '#00788a',
    blue: '#1f5fd0',
    purple: '#7a3fc0',
    pink: '#c2307f',
  },
};
const DARK: Paper = {
  ground: '#12171d',
  inks: {
    ink: '#e6ebf0',
    red: '#ff7b72',
    orange: '#f5a04c',
    green: '#6fd08c',
    teal: '#4cc9d8',
    blue: '#82b1ff',
    purple: '#c39bff',
    pink: '#ff8ac4',
  },
};

/** What a colour is called in the toolbar. */
export const COLOUR_NAMES: Readonly<Record<Colour, string>> = {
  ink: 'Ink',
  red: 'Red',
  orange: 'Orange',
  green: 'Green',
  teal: 'Teal',
  blue: 'Blue',
  purple: 'Purple',
  pink: 'Pink',
};

export function paper(dark: boolean): Paper {
  return dark ? DARK : LIGHT;
}

/** Sets a context up so that coordinates are steps on the board. */
export function aim(context: CanvasRenderingContext2D, view: View, size: Size, pixelRatio: number): void {
  const scale = (view.zoom * pixelRatio) / STEPS_PER_UNIT;
  const left = (size.width / 2 - view.x * view.zoom) * pixelRatio;
  const top = (size.height / 2 - view.y * view.zoom) * pixelRatio;
  context.setTransform(scale, 0, 0, scale, left, top);
  context.lineCap = 'round';
  context.lineJoin = 'round';
}

/** Draws a stroke; the eraser draws paper. */
export function drawStroke(
  context: CanvasRenderingContext2D,
  style: Style,
  points: readonly number[],
  colours: Paper,
): void {
  begin(context, style, colours);
  trace(context, points, 0);
  const [x = 0, y = 0] = points.slice(-2);
  if (points.length > 2) context.lineTo(x, y);
  context.stroke();
}

/**
 * Draws what a growing stroke has become since it had `from` points. Its newest half a step is left out: how it bends
 * there depends on the point that follows.
 */
export function drawGrowth(
  context: CanvasRenderingContext2D,
  style: Style,
  points: readonly number[],
  colours: Paper,
  from: number,
): void {
  begin(context, style, colours);
  trace(context, points, from);
  context.stroke();
}

function begin(context: CanvasRenderingContext2D, style: Style, colours: Paper): void {
  context.strokeStyle = colour(style.ink, colours);
  context.lineWidth = style.width * STEPS_PER_UNIT;
  context.beginPath();
}

function colour(ink: Ink, colours: Paper): string {
  return ink === 'eraser' ? colours.ground : colours.inks[ink];
}

/**
 * A curve through the middles between points, bent by the points: steady hands for everybody. From where it was with
 * `from` points to the last middle.
 */
function trace(context: CanvasRenderingContext2D, points: readonly number[], from: number): void {
  const count = points.length / 2;
  const x = (index: number) => points[index * 2] ?? 0;
  const y = (index: number) => points[index * 2 + 1] ?? 0;
  if (from <= 2) {
    context.moveTo(x(0), y(0));
    // A line of no length at all would not be drawn; the round ends make a dot of it.
    if (count === 1) context.lineTo(x(0) + 0.01, y(0));
  } else {
    context.moveTo((x(from - 2) + x(from - 1)) / 2, (y(from - 2) + y(from - 1)) / 2);
  }
  for (let index = Math.max(1, from - 1); index < count - 1; index += 1) {
    const nextX = (x(index) + x(index + 1)) / 2;
    context.quadraticCurveTo(x(index), y(index), nextX, (y(index) + y(index + 1)) / 2);
  }
}

/** A colour for a person, from what is left when ink is taken out: names are written in it. */
export const PERSON_COLOURS: readonly Colour[] = COLOURS.filter((name) => name !== 'ink');
