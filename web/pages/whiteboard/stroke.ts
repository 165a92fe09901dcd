// One stroke of the whiteboard and its wire form: whole numbers, each point as its step from the one before.
// It knows no room and no canvas, and believes nothing that came from the wire.

/** Points are counted in eighths of a board unit; a board unit is one CSS pixel at zoom 1. */
export const STEPS_PER_UNIT = 8;
/** Points of one stroke; a pen that goes on starts the next stroke. Keeps a message far below every limit. */
export const STROKE_POINTS_MAX = 2_000;
/** Widths that a stroke may have, in board units. */
export const WIDTH_MAX = 128;
/** How far from the middle of the board a point may be, in steps: enough for years, and exact in every sum. */
const COORDINATE_MAX = 2 ** 26;
const ID = /^[\w-]{1,40}$/;

/** The colours that there are. What each looks like on light and dark paper is `paint.ts`'s business. */
export const COLOURS = ['ink', 'red', 'orange', 'green', 'teal', 'blue', 'purple', 'pink'] as const;
export type Colour = (typeof COLOURS)[number];
/** What a stroke is drawn with. The eraser takes away what lies below it in the room's order. */
export type Ink = Colour | 'eraser';

/** How a stroke looks. `width` in board units, 1 to `WIDTH_MAX`. */
export interface Style {
  readonly ink: Ink;
  readonly width: number;
}

/** A finished stroke. `points` holds x and y in turn, in steps, at least one pair. */
export interface Stroke extends Style {
  readonly id: string;
  readonly points: readonly number[];
}

/** The wire form of a stroke: what lies in the room as JSON. */
export interface StrokeValue {
  readonly id: string;
  readonly ink: Ink;
  readonly width: number;
  /** x, y of the first point, then the steps from each point to the next. */
  readonly points: readonly number[];
}

/** A rectangle in steps. */
export interface Box {
  readonly left: number;
  readonly top: number;
  readonly right: number;
  readonly bottom: number;
}

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

export function isId(value: unknown): value is string {
  return typeof value === 'string' && ID.test(value);
}

/** A number on the board: whole and in bounds. */
export function isCoordinate(value: unknown): value is number {
  return typeof value === 'number' && Number.isInteger(value) && Math.abs(value) <= COORDINATE_MAX;
}

/** Nearest step to a place in board units, kept in bounds. */
export function toSteps(units: number): number {
  const steps = Math.round(units * STEPS_PER_UNIT);
  return Math.max(-COORDINATE_MAX, Math.min(COORDINATE_MAX, steps)) || 0;
}

/** Absolute points to steps between points. */
export function encodePoints(points: readonly number[]): number[] {
  return points.map((value, index) => value - (index < 2 ? 0 : (points[index - 2] ?? 0)));
}

/** The inverse of `encodePoints`; undefined for anything else than an even list of numbers that stay in bounds. */
export function decodePoints(value: unknown): number[] | undefined {
  if (!Array.isArray(value) || value.length < 2 || value.length % 2 !== 0) return undefined;
  if (value.length > STROKE_POINTS_MAX * 2) return undefined;
  const points: number[] = [];
  for (const [index, step] of value.entries()) {
    if (typeof step !== 'number') return undefined;
    const place = step + (index < 2 ? 0 : (points[index - 2] ?? 0));
    if (!isCoordinate(place)) return undefined;
    points.push(place);
  }
  return points;
}

/** An unknown ink is drawn as plain ink, so that a later version's colours are at least visible. */
export function decodeStyle(value: Record<string, unknown>): Style | undefined {
  const { ink, width } = value;
  if (typeof ink !== 'string' || typeof width !== 'number') return undefined;
  if (!(width >= 1 && width <= WIDTH_MAX)) return undefined;
  if (ink === 'eraser') return { ink, width };
  return { ink: COLOURS.find((colour) => colour === ink) ?? 'ink', width };
}

export function encodeStroke(stroke: Stroke): StrokeValue {
  const { id, ink, width, points } = stroke;
  return { id, ink, width, points: encodePoints(points) };
}

/** Undefined for whatever is no stroke. */
export function decodeStroke(value: unknown): Stroke | undefined {
  if (!isRecord(value) || !isId(value.id)) return undefined;
  const style = decodeStyle(value);
  const points = decodePoints(value.points);
  return style && points && { id: value.id, ...style, points };
}

/** What a stroke covers, its width included. */
export function boxOf(stroke: Stroke): Box {
  const half = (stroke.width / 2) * STEPS_PER_UNIT;
  let left = Infinity;
  let top = Infinity;
  let right = -Infinity;
  let bottom = -Infinity;
  for (let index = 0; index + 1 < stroke.points.length; index += 2) {
    const x = stroke.points[index] ?? 0;
    const y = stroke.points[index + 1] ?? 0;
    left = Math.min(left, x);
    right = Math.max(right, x);
    top = Math.min(top, y);
    bottom = Math.max(bottom, y);
  }
  return { left: left - half, top: top - half, right: right + half, bottom: bottom + half };
}
