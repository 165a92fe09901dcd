// What the page has drawn, told in the document itself (data attributes, and one event a frame), for tests and
// measurements. It holds numbers and strokes' ids, and nothing that another page could reach.

import type { Growing, Picture } from './canvas.ts';
import type { BoardStatus } from './session.ts';

/** The event on `document` after a frame in which something new was drawn. */
export const DRAWN_EVENT = 'seabag:drawn';

/** Its detail: strokes stored and drawn, and growing ones with how many points of them are drawn. */
export interface Drawn {
  readonly stored: readonly string[];
  readonly growing: readonly (readonly [string, number])[];
}

/** What is told of one frame at most: a page in the background draws none for hours, and hears of strokes all the while. */
const TOLD_MAX = 10_000;

export class Probe {
  #stored: string[] = [];
  readonly #growing = new Map<string, Growing>();
  #told = '';

  stored(id: string): void {
    if (this.#stored.length < TOLD_MAX) this.#stored.push(id);
  }

  grew(id: string, growing: Growing): void {
    this.#growing.set(id, growing);
  }

  /** It is stored, or came to nothing. Until a frame is drawn nobody is told of it any more. */
  dropped(id: string): void {
    this.#growing.delete(id);
  }

  /** A frame is drawn. */
  frame(status: BoardStatus, strokes: number, picture: Picture): void {
    this.#tellState(status, strokes, picture);
    if (this.#stored.length === 0 && this.#growing.size === 0) return;
    const detail: Drawn = {
      stored: this.#stored,
      growing: Array.from(this.#growing, ([id, { points }]) => [id, points.length / 2]),
    };
    this.#stored = [];
    this.#growing.clear();
    document.dispatchEvent(new CustomEvent(DRAWN_EVENT, { detail }));
  }

  #tellState({ state, people, waiting, seq }: BoardStatus, strokes: number, picture: Picture): void {
    const facts = {
      state,
      people,
      waiting,
      strokes,
      drawn: picture.shownCount,
      growing: picture.growingCount,
      settled: picture.settled,
      seq,
    };
    const told = JSON.stringify(facts);
    if (told === this.#told) return;
    this.#told = told;
    for (const [name, value] of Object.entries(facts)) document.documentElement.dataset[name] = String(value);
  }
}
