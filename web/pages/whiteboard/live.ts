// What is heard and gone: where everybody's pen is, and the strokes that still grow. Pure; the stored stroke always has
// the last word, so a lost message costs a moment's picture and nothing else.

import type { Growing } from './canvas.ts';
import {
  decodePoints,
  decodeStyle,
  encodePoints,
  isCoordinate,
  isId,
  isRecord,
  STROKE_POINTS_MAX,
  type Style,
} from './stroke.ts';

/** The key that these relays go to. */
export const LIVE_KEY = 'live';
/** Relays a second that one pen sends at most. */
export const RELAYS_PER_SECOND = 30;
/** Growing strokes shown at a time; the one that has grown least lately gives way. */
const GROWING_MAX = 256;

/** A part of a stroke that grows: its points from number `from` on. No points: it came to nothing. */
export interface Part extends Style {
  readonly id: string;
  readonly from: number;
  /** x and y in turn, in steps. */
  readonly points: readonly number[];
}

/** One relay. `at`: where the pen is, in steps; null when it has left the board. */
export interface LiveMessage {
  readonly by: string;
  readonly at: readonly [number, number] | null;
  readonly part?: Part;
}

/** The wire form, as JSON. */
export function encodeLive({ by, at, part }: LiveMessage): Record<string, unknown> {
  return part === undefined ? { by, at } : { by, at, part: { ...part, points: encodePoints(part.points) } };
}

/** Undefined for whatever is none. */
export function decodeLive(value: unknown): LiveMessage | undefined {
  if (!isRecord(value) || !isId(value.by)) return undefined;
  const at = decodePlace(value.at);
  if (at === undefined) return undefined;
  const part = decodePart(value.part);
  return part === undefined ? { by: value.by, at } : { by: value.by, at, part };
}

function decodePlace(value: unknown): readonly [number, number] | null | undefined {
  if (value === null) return null;
  if (!Array.isArray(value) || value.length !== 2) return undefined;
  const [x, y]: readonly unknown[] = value;
  return isCoordinate(x) && isCoordinate(y) ? [x, y] : undefined;
}

function decodePart(value: unknown): Part | undefined {
  if (!isRecord(value) || !isId(value.id)) return undefined;
  const { id, from } = value;
  const style = decodeStyle(value);
  if (style === undefined || typeof from !== 'number' || !Number.isInteger(from)) return undefined;
  if (from < 0 || from > STROKE_POINTS_MAX) return undefined;
  const points = Array.isArray(value.points) && value.points.length === 0 ? [] : decodePoints(value.points);
  return points && { id, ...style, from, points };
}

interface Shoot extends Growing {
  readonly by: string;
  readonly points: number[];
}

/** The strokes of others that still grow. */
export class Growth {
  /** By the stroke's id; the one that grew last stands last. */
  readonly #strokes = new Map<string, Shoot>();

  get size(): number {
    return this.#strokes.size;
  }

  ids(): string[] {
    return [...this.#strokes.keys()];
  }

  /** Whose strokes grow. */
  authors(): Set<string> {
    return new Set(Array.from(this.#strokes.values(), ({ by }) => by));
  }

  /** Adds a part. Returns the stroke as it is now, and the one that had to give way, if any; undefined when it ended. */
  apply(by: string, part: Part): { readonly growing: Growing; readonly dropped?: string } | undefined {
    const known = this.#strokes.get(part.id);
    this.#strokes.delete(part.id);
    if (part.points.length === 0) return undefined;
    const shoot: Shoot = known ?? { by, style: { ink: part.ink, width: part.width }, points: [] };
    // Points heard before are skipped; a hole is bridged by a straight line until the stored stroke comes.
    const heard = Math.max(0, shoot.points.length - part.from * 2);
    const space = STROKE_POINTS_MAX * 2 - shoot.points.length;
    if (shoot.by === by) shoot.points.push(...part.points.slice(heard, heard + space));
    this.#strokes.set(part.id, shoot);
    const [oldest] = this.#strokes.keys();
    if (this.#strokes.size <= GROWING_MAX || oldest === undefined) return { growing: shoot };
    this.#strokes.delete(oldest);
    return { growing: shoot, dropped: oldest };
  }

  /** The stroke is stored. True if it was growing here. */
  drop(id: string): boolean {
    return this.#strokes.delete(id);
  }

  /** Somebody left: what he was drawing will not be finished. Returns the ids. */
  dropBy(by: string): string[] {
    const ids = [...this.#strokes].filter(([, shoot]) => shoot.by === by).map(([id]) => id);
    for (const id of ids) this.#strokes.delete(id);
    return ids;
  }

  /** Forgets all. Returns the ids. */
  clear(): string[] {
    const ids = [...this.#strokes.keys()];
    this.#strokes.clear();
    return ids;
  }
}
