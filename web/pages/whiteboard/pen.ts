// Pointers on the board: what draws, what moves the paper. It turns events of mouse, pen and fingers into strokes and
// gestures; the room and the picture are its owner's business.

import type { Place, Size } from './view.ts';

/** A second finger within this time means that both are for moving the paper. */
const SECOND_FINGER_MS = 250;
/** How much one notch of a wheel zooms, per pixel of its delta. */
const WHEEL_ZOOM = 0.0025;
const LINE_PIXELS = 16;

/** Places are CSS pixels on the board's window. */
export interface PenActions {
  /** False: nothing may be drawn; the pointer moves the paper instead. */
  down(place: Place): boolean;
  move(places: readonly Place[]): void;
  up(): void;
  /** The stroke was not meant. */
  cancel(): void;
  /** Where the pen is, drawing or not; null when it left. */
  hover(place: Place | null): void;
  pan(byX: number, byY: number): void;
  zoom(place: Place, factor: number): void;
}

interface Touch {
  place: Place;
}

/** Listens on one element until `destroy`. */
export class Pen {
  readonly #element: HTMLElement;
  readonly #actions: PenActions;
  readonly #pointers = new Map<number, Touch>();
  readonly #ends = new AbortController();
  /** The pointer that draws. */
  #drawing: { readonly id: number; readonly sinceMs: number; readonly touch: boolean } | undefined;
  /** Once a real pen has touched the board, fingers only move the paper. */
  #penSeen = false;
  #spaceHeld = false;

  constructor(target: HTMLElement, actions: PenActions) {
    this.#element = target;
    this.#actions = actions;
    const options = { signal: this.#ends.signal };
    target.addEventListener('pointerdown', (event) => this.#down(event), options);
    target.addEventListener('pointermove', (event) => this.#move(event), options);
    target.addEventListener('pointerup', (event) => this.#up(event), options);
    target.addEventListener('pointercancel', (event) => this.#up(event), options);
    target.addEventListener('pointerleave', () => this.#leave(), options);
    target.addEventListener('contextmenu', (event) => event.preventDefault(), options);
    target.addEventListener('wheel', (event) => this.#wheel(event), { ...options, passive: false });
  }

  /** While true, the main button moves the paper. */
  set spaceHeld(held: boolean) {
    this.#spaceHeld = held;
  }

  destroy(): void {
    this.#ends.abort();
  }

  #place(event: MouseEvent): Place {
    const { left, top } = this.#element.getBoundingClientRect();
    return { x: event.clientX - left, y: event.clientY - top };
  }

  #down(event: PointerEvent): void {
    if (event.button > 1) return;
    this.#element.setPointerCapture(event.pointerId);
    const place = this.#place(event);
    this.#pointers.set(event.pointerId, { place });
    const touch = event.pointerType === 'touch';
    const pen = event.pointerType === 'pen';
    if (pen) this.#penTouched();
    if (this.#drawing !== undefined) {
      this.#second(event);
      return;
    }
    const fingers = (touch && this.#penSeen) || (!pen && this.#pointers.size > 1);
    const moves = event.button === 1 || this.#spaceHeld || fingers;
    if (moves || !this.#actions.down(place)) return;
    this.#drawing = { id: event.pointerId, sinceMs: event.timeStamp, touch };
    this.#actions.hover(place);
  }

  /** A hand that lies on the board while its pen draws neither draws nor moves the paper. */
  #penTouched(): void {
    this.#penSeen = true;
    if (this.#drawing?.touch !== true) return;
    this.#drawing = undefined;
    this.#actions.cancel();
  }

  /** Another finger while one draws: early, both move the paper; late, it is a palm. */
  #second(event: PointerEvent): void {
    const drawing = this.#drawing;
    const early = drawing?.touch === true && event.timeStamp - drawing.sinceMs < SECOND_FINGER_MS;
    if (!early) {
      this.#pointers.delete(event.pointerId);
      return;
    }
    this.#drawing = undefined;
    this.#actions.cancel();
  }

  #move(event: PointerEvent): void {
    const known = this.#pointers.get(event.pointerId);
    if (this.#drawing?.id === event.pointerId) {
      // Only secure contexts tell of the places between two events.
      const between = event.getCoalescedEvents?.() ?? [];
      this.#actions.move((between.length > 0 ? between : [event]).map((each) => this.#place(each)));
    } else if (known !== undefined && this.#drawing === undefined) {
      this.#gesture(known, this.#place(event));
    }
    const place = this.#place(event);
    if (known !== undefined) known.place = place;
    if (this.#shows(event)) this.#actions.hover(place);
  }

  /** Whether the others are shown this pointer: the one that draws, else the only one. */
  #shows(event: PointerEvent): boolean {
    return this.#drawing === undefined ? this.#pointers.size < 2 : this.#drawing.id === event.pointerId;
  }

  /** One pointer drags; two drag by their middle and zoom by their distance. */
  #gesture(moving: Touch, place: Place): void {
    const other = [...this.#pointers.values()].find((touch) => touch !== moving);
    const share = other === undefined ? 1 : 2;
    this.#actions.pan((place.x - moving.place.x) / share, (place.y - moving.place.y) / share);
    if (other === undefined) return;
    const before = distance(moving.place, other.place);
    const after = distance(place, other.place);
    const middle = { x: (place.x + other.place.x) / 2, y: (place.y + other.place.y) / 2 };
    if (before > 1 && after > 1) this.#actions.zoom(middle, after / before);
  }

  #up(event: PointerEvent): void {
    this.#pointers.delete(event.pointerId);
    if (this.#drawing?.id === event.pointerId) {
      this.#drawing = undefined;
      this.#actions.up();
    }
    if (event.pointerType === 'touch' && this.#drawing === undefined) this.#actions.hover(null);
  }

  #leave(): void {
    if (this.#drawing === undefined) this.#actions.hover(null);
  }

  #wheel(event: WheelEvent): void {
    event.preventDefault();
    const unit = event.deltaMode === WheelEvent.DOM_DELTA_LINE ? LINE_PIXELS : 1;
    // A pinch on a touchpad comes as a wheel with the control key.
    if (event.ctrlKey || event.metaKey) {
      this.#actions.zoom(this.#place(event), Math.exp(-event.deltaY * unit * WHEEL_ZOOM));
    } else if (event.shiftKey && event.deltaX === 0) {
      this.#actions.pan(-event.deltaY * unit, 0);
    } else {
      this.#actions.pan(-event.deltaX * unit, -event.deltaY * unit);
    }
  }
}

/** What is needed of a size to know where its middle is. */
export function middleOf(size: Size): Place {
  return { x: size.width / 2, y: size.height / 2 };
}

function distance(a: Place, b: Place): number {
  return Math.hypot(a.x - b.x, a.y - b.y);
}
