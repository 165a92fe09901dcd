// Which part of the board a window shows: a place in the middle and a zoom. Pure arithmetic between board units and the
// window's CSS pixels.

import { type Box, STEPS_PER_UNIT } from './stroke.ts';

export const ZOOM_MIN = 0.05;
export const ZOOM_MAX = 8;
/** Room left around the drawing when all of it is shown, in CSS pixels. */
const FIT_MARGIN = 24;

/** `x`, `y`: the place in the middle of the window, in board units. */
export interface View {
  readonly x: number;
  readonly y: number;
  readonly zoom: number;
}

/** A window's size, or a place in it, in CSS pixels. */
export interface Size {
  readonly width: number;
  readonly height: number;
}
export interface Place {
  readonly x: number;
  readonly y: number;
}

export const HOME: View = { x: 0, y: 0, zoom: 1 };

export function toBoard(view: View, size: Size, place: Place): Place {
  return {
    x: view.x + (place.x - size.width / 2) / view.zoom,
    y: view.y + (place.y - size.height / 2) / view.zoom,
  };
}

export function toWindow(view: View, size: Size, place: Place): Place {
  return {
    x: (place.x - view.x) * view.zoom + size.width / 2,
    y: (place.y - view.y) * view.zoom + size.height / 2,
  };
}

/** Moves the paper by so many pixels, as a hand on it would. */
export function panned(view: View, byX: number, byY: number): View {
  return { ...view, x: view.x - byX / view.zoom, y: view.y - byY / view.zoom };
}

/** Zooms so that what is under `place` stays there. */
export function zoomed(view: View, size: Size, place: Place, factor: number): View {
  const zoom = clampZoom(view.zoom * factor);
  const fixed = toBoard(view, size, place);
  return {
    x: fixed.x - (place.x - size.width / 2) / zoom,
    y: fixed.y - (place.y - size.height / 2) / zoom,
    zoom,
  };
}

/** What the window shows, in steps. */
export function shownBox(view: View, size: Size): Box {
  const first = toBoard(view, size, { x: 0, y: 0 });
  const last = toBoard(view, size, { x: size.width, y: size.height });
  return {
    left: first.x * STEPS_PER_UNIT,
    top: first.y * STEPS_PER_UNIT,
    right: last.x * STEPS_PER_UNIT,
    bottom: last.y * STEPS_PER_UNIT,
  };
}

export function overlaps(a: Box, b: Box): boolean {
  return a.left <= b.right && b.left <= a.right && a.top <= b.bottom && b.top <= a.bottom;
}

export function contains(outer: Box, inner: Box): boolean {
  return (
    outer.left <= inner.left &&
    outer.top <= inner.top &&
    outer.right >= inner.right &&
    outer.bottom >= inner.bottom
  );
}

/** The smallest box around all of them; undefined around nothing. */
export function around(boxes: Iterable<Box>): Box | undefined {
  let whole: Box | undefined;
  for (const box of boxes) {
    whole =
      whole === undefined
        ? box
        : {
            left: Math.min(whole.left, box.left),
            top: Math.min(whole.top, box.top),
            right: Math.max(whole.right, box.right),
            bottom: Math.max(whole.bottom, box.bottom),
          };
  }
  return whole;
}

/** The view that shows all of a box, never larger than life. */
export function fitted(box: Box, size: Size): View {
  const width = Math.max(1, (box.right - box.left) / STEPS_PER_UNIT);
  const height = Math.max(1, (box.bottom - box.top) / STEPS_PER_UNIT);
  const zoom = Math.min(1, (size.width - 2 * FIT_MARGIN) / width, (size.height - 2 * FIT_MARGIN) / height);
  return {
    x: (box.left + box.right) / 2 / STEPS_PER_UNIT,
    y: (box.top + box.bottom) / 2 / STEPS_PER_UNIT,
    zoom: clampZoom(zoom),
  };
}

function clampZoom(zoom: number): number {
  return Math.max(ZOOM_MIN, Math.min(ZOOM_MAX, zoom));
}
