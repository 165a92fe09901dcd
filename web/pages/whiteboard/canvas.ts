// The board's picture: a layer of stored strokes, drawn once each, and above it a layer of strokes that still grow. All
// drawing happens in one animation frame, in slices, so that a board of any size never holds up a pen.

import type { PlacedStroke } from './model.ts';
import { Pace } from './pace.ts';
import { aim, drawGrowth, drawStroke, type Paper } from './paint.ts';
import type { Style } from './stroke.ts';
import { HOME, overlaps, type Size, shownBox, type View } from './view.ts';

/** Numbers drawn in one slice when all is drawn again; between these bounds it follows what the machine can do. */
const SLICE_MIN = 2_000;
const SLICE_FIRST = 12_000;
const SLICE_MAX = 200_000;
/** Slices get smaller when a frame takes longer, larger when it takes less. */
const SLOW_FRAME_MS = 30;
const FAST_FRAME_MS = 19;
/** More pixels than these bring nothing that an eye can see. */
const PIXEL_RATIO_MAX = 3;

/** A stroke that still grows, or waits for its number. */
export interface Growing {
  readonly style: Style;
  /** Only ever added to, at the end. */
  readonly points: readonly number[];
}

interface Drawing {
  readonly growing: Growing;
  /** Points already on the layer. */
  drawn: number;
}

/** Drawing everything again, slice by slice, on a canvas that nobody sees yet. */
interface Redraw {
  readonly strokes: readonly PlacedStroke[];
  readonly view: View;
  next: number;
}

/** What the picture is made of. */
export interface PictureSource {
  /** Stored strokes, lowest first. The same list as long as strokes are only added on top. */
  strokes(): readonly PlacedStroke[];
  /** Called once a frame before anything is drawn; true asks for a further frame. */
  beforeFrame(nowMs: number): boolean;
  /** Called when a frame's drawing is done. */
  afterFrame(): void;
}

/** Two canvases, one above the other. Its owner says what changed; it decides what to draw and when. */
export class Picture {
  readonly #source: PictureSource;
  readonly #stored: HTMLCanvasElement;
  readonly #live: HTMLCanvasElement;
  readonly #spare: HTMLCanvasElement;
  readonly #storedContext: CanvasRenderingContext2D;
  readonly #liveContext: CanvasRenderingContext2D;
  readonly #spareContext: CanvasRenderingContext2D;
  readonly #growing = new Map<string, Drawing>();
  #paper: Paper;
  #size: Size = { width: 1, height: 1 };
  #pixelRatio = 1;
  #view: View = HOME;
  /** The view with which the stored layer was drawn; it is moved as a whole until it is drawn anew. */
  #storedView: View = HOME;
  #redraw: Redraw | undefined;
  /** The list that the stored layer shows, and how many of it. */
  #shown: readonly PlacedStroke[] = [];
  #shownCount = 0;
  #liveStale = true;
  #frame: number | undefined;
  #slice = SLICE_FIRST;
  #lastFrameMs = 0;
  readonly #pace = new Pace();
  /** The frame that comes was asked for in the one before it. */
  #follows = false;

  constructor(stored: HTMLCanvasElement, live: HTMLCanvasElement, paper: Paper, source: PictureSource) {
    this.#source = source;
    this.#paper = paper;
    this.#stored = stored;
    this.#live = live;
    this.#spare = document.createElement('canvas');
    // Paper that nothing shines through: the browser need not look at what lies below.
    this.#storedContext = context(stored, { alpha: false });
    this.#liveContext = context(live);
    this.#spareContext = context(this.#spare, { alpha: false });
  }

  get view(): View {
    return this.#view;
  }

  get size(): Size {
    return this.#size;
  }

  /** Nothing is left to draw. */
  get settled(): boolean {
    return this.#redraw === undefined && !this.#liveStale && this.#upToDate;
  }

  /** Strokes on the stored layer. */
  get shownCount(): number {
    return this.#shownCount;
  }

  get growingCount(): number {
    return this.#growing.size;
  }

  /** Strokes grow just now. */
  get busy(): boolean {
    return this.#growing.size > 0;
  }

  resize(size: Size, pixelRatio: number): void {
    this.#size = { width: Math.max(1, size.width), height: Math.max(1, size.height) };
    this.#pixelRatio = Math.min(PIXEL_RATIO_MAX, Math.max(1, pixelRatio));
    for (const canvas of [this.#stored, this.#live, this.#spare]) {
      canvas.width = Math.round(this.#size.width * this.#pixelRatio);
      canvas.height = Math.round(this.#size.height * this.#pixelRatio);
    }
    this.#layPaper(this.#storedContext);
    this.#redrawAll();
  }

  setPaper(paper: Paper): void {
    this.#paper = paper;
    this.#redrawAll();
  }

  setView(view: View): void {
    this.#view = view;
    this.#liveStale = true;
    this.#redraw ??= this.#newRedraw();
    this.#moveStored();
    this.wake();
  }

  /** Something about the stored strokes has changed; the next frame finds out what. */
  wake(): void {
    this.#frame ??= requestAnimationFrame((now) => this.#draw(now));
  }

  /** A growing stroke has more points, or is new. */
  grow(id: string, growing: Growing): void {
    const known = this.#growing.get(id);
    if (known?.growing !== growing) {
      if (known !== undefined) this.#liveStale = true;
      this.#growing.set(id, { growing, drawn: 0 });
    }
    this.wake();
  }

  /** A growing stroke is stored now, or came to nothing. */
  drop(id: string): void {
    if (!this.#growing.delete(id)) return;
    this.#liveStale = true;
    this.wake();
  }

  /** Stops drawing for good. */
  destroy(): void {
    if (this.#frame !== undefined) cancelAnimationFrame(this.#frame);
    this.#frame = -1;
  }

  get #upToDate(): boolean {
    const strokes = this.#source.strokes();
    return this.#shown === strokes && this.#shownCount === strokes.length;
  }

  #redrawAll(): void {
    this.#liveStale = true;
    this.#redraw = this.#newRedraw();
    this.wake();
  }

  #newRedraw(): Redraw {
    this.#layPaper(this.#spareContext);
    return { strokes: this.#source.strokes(), view: this.#view, next: 0 };
  }

  /** A canvas without anything on it. */
  #layPaper(target: CanvasRenderingContext2D): void {
    target.setTransform(1, 0, 0, 1, 0, 0);
    target.fillStyle = this.#paper.ground;
    target.fillRect(0, 0, target.canvas.width, target.canvas.height);
  }

  #draw(now: number): void {
    this.#frame = undefined;
    this.#follows = !this.#pace.due(now, this.#follows) || this.#drawFrame(now);
    this.#lastFrameMs = now;
    if (this.#follows) this.wake();
  }

  /** True when a further frame is needed. */
  #drawFrame(now: number): boolean {
    const again = this.#source.beforeFrame(now);
    this.#drawStored(now);
    this.#drawLive();
    this.#source.afterFrame();
    return again || !this.settled;
  }

  #drawStored(now: number): void {
    const strokes = this.#source.strokes();
    if (this.#redraw?.next === 0 && this.#redraw.view !== this.#view) this.#redraw = this.#newRedraw();
    // Another list: something below the top has changed.
    if (this.#redraw === undefined ? this.#shown !== strokes : this.#redraw.strokes !== strokes) {
      this.#redraw = this.#newRedraw();
    }
    if (this.#shown === strokes && this.#shownCount < strokes.length) this.#drawOnTop(strokes);
    if (this.#redraw !== undefined) this.#drawSlice(this.#redraw, now);
  }

  /** New strokes go on top of what is there: no more than a slice in one frame. */
  #drawOnTop(strokes: readonly PlacedStroke[]): void {
    aim(this.#storedContext, this.#storedView, this.#size, this.#pixelRatio);
    this.#shownCount = this.#drawFrom(this.#storedContext, strokes, this.#shownCount, this.#storedView);
  }

  #drawSlice(redraw: Redraw, now: number): void {
    const frameMs = now - this.#lastFrameMs;
    if (redraw.next > 0 && frameMs > SLOW_FRAME_MS) this.#slice = Math.max(SLICE_MIN, this.#slice / 2);
    if (redraw.next > 0 && frameMs < FAST_FRAME_MS) this.#slice = Math.min(SLICE_MAX, this.#slice * 1.25);
    aim(this.#spareContext, redraw.view, this.#size, this.#pixelRatio);
    redraw.next = this.#drawFrom(this.#spareContext, redraw.strokes, redraw.next, redraw.view);
    if (redraw.next < redraw.strokes.length) return;
    this.#storedContext.setTransform(1, 0, 0, 1, 0, 0);
    this.#storedContext.drawImage(this.#spare, 0, 0);
    this.#storedView = redraw.view;
    this.#shown = redraw.strokes;
    this.#shownCount = redraw.strokes.length;
    this.#redraw = undefined;
    this.#moveStored();
    if (redraw.view !== this.#view) this.#redraw = this.#newRedraw();
  }

  /** Draws at most a slice, from stroke number `next` on. Returns where to go on. */
  #drawFrom(
    target: CanvasRenderingContext2D,
    strokes: readonly PlacedStroke[],
    next: number,
    view: View,
  ): number {
    const box = shownBox(view, this.#size);
    let left = this.#slice;
    let index = next;
    for (; index < strokes.length && left > 0; index += 1) {
      const placed = strokes[index];
      if (placed === undefined || !overlaps(placed.box, box)) continue;
      drawStroke(target, placed.stroke, placed.stroke.points, this.#paper);
      left -= placed.stroke.points.length;
    }
    return index;
  }

  /** Until the stored layer is drawn for the new view, the old picture is moved and scaled by the compositor. */
  #moveStored(): void {
    const from = this.#storedView;
    const to = this.#view;
    const scale = to.zoom / from.zoom;
    const x = (from.x - to.x) * to.zoom;
    const y = (from.y - to.y) * to.zoom;
    this.#stored.style.transform =
      scale === 1 && x === 0 && y === 0 ? '' : `translate(${x}px, ${y}px) scale(${scale})`;
  }

  #drawLive(): void {
    const context = this.#liveContext;
    if (this.#liveStale) {
      context.setTransform(1, 0, 0, 1, 0, 0);
      context.clearRect(0, 0, this.#live.width, this.#live.height);
      for (const drawing of this.#growing.values()) drawing.drawn = 0;
      this.#liveStale = false;
    }
    aim(context, this.#view, this.#size, this.#pixelRatio);
    for (const drawing of this.#growing.values()) {
      const { style, points } = drawing.growing;
      if (drawing.drawn >= points.length / 2) continue;
      drawGrowth(context, style, points, this.#paper, drawing.drawn);
      drawing.drawn = points.length / 2;
    }
  }
}

function context(
  canvas: HTMLCanvasElement,
  settings: CanvasRenderingContext2DSettings = {},
): CanvasRenderingContext2D {
  const found = canvas.getContext('2d', settings);
  if (found === null) throw new Error('this browser draws no canvas');
  return found;
}
