// The board as a function of the room's entries: which strokes there are, in which order, and which one value may stand
// for a key's stream. Pure: it knows no connection, no canvas and no clock.
//
// Strokes lie in pages, keys `strokes/1`, `strokes/2`, ...: a page takes a bounded number of them, so a page's
// compacted value stays far below the largest message, and a long board opens as a few values.

import {
  type Box,
  boxOf,
  decodeStroke,
  encodeStroke,
  isId,
  isRecord,
  type Stroke,
  type StrokeValue,
} from './stroke.ts';

/** Strokes of one page; the next stroke goes to the next page. Writers that do not know of each other may pass it a little. */
export const PAGE_STROKES = 256;
/** Numbers of one page's points, about 200 KB of JSON. */
export const PAGE_NUMBERS = 60_000;
/** A page is compacted when its stream has come to this many entries, */
export const COMPACT_AT = 64;
/** and, if whoever should have done it went away, when so many more have come. */
export const COMPACT_AGAIN = 16;
/** Undone strokes that are remembered as such; older ones are long gone from their pages. */
const HIDDEN_MAX = 1_000;
/** Pages that a board may have: 4 million strokes, and a bound for hostile keys. */
export const PAGES_MAX = 16_384;
const PAGE_KEY = /^strokes\/([1-9]\d{0,4})$/;
/** Its newest entry ends everything at or below its number. */
export const CLEAR_KEY = 'clear';

/** What is appended to a page. An undo takes away the stroke of that id for good. */
export type PageMessage = { readonly stroke: StrokeValue } | { readonly undo: string };
/** What a compaction leaves: the page's strokes, each with its own number in the room. */
export interface PageValue {
  readonly strokes: readonly (readonly [number, StrokeValue])[];
}

/** A stroke with its place in the room's order. */
export interface PlacedStroke {
  readonly seq: number;
  readonly stroke: Stroke;
  readonly box: Box;
}

/** What an entry did to the picture. `rebuilt`: something else than a stroke on top of all others. */
export type Change =
  | { readonly type: 'none' }
  | { readonly type: 'added'; readonly placed: PlacedStroke }
  | { readonly type: 'rebuilt' };

const NONE: Change = { type: 'none' };
const REBUILT: Change = { type: 'rebuilt' };

/** The key of a page, counted from 1. */
export function pageKey(page: number): string {
  return `strokes/${page}`;
}

/** The page of a key, or undefined for keys that are no page's. */
export function pageOf(key: string): number | undefined {
  const number = Number(PAGE_KEY.exec(key)?.[1]);
  return number >= 1 && number <= PAGES_MAX ? number : undefined;
}

/** Whether the sender of a push whose stream now has `size` entries is the one to compact it. Every size comes to one sender only. */
export function compactionDue(size: number): boolean {
  return size >= COMPACT_AT && (size - COMPACT_AT) % COMPACT_AGAIN === 0;
}

class Page {
  /** Ascending by number. */
  strokes: PlacedStroke[] = [];
  /** Newest number that is part of `strokes`: what a compaction may stand for. */
  seq = 0;
  /** Entries since the newest compaction that we know of. */
  loose = 0;
  /** Numbers in the points of all strokes. */
  numbers = 0;
  /** Own strokes that are on their way here. */
  expected = 0;

  get full(): boolean {
    return this.strokes.length + this.expected >= PAGE_STROKES || this.numbers >= PAGE_NUMBERS;
  }

  set(strokes: PlacedStroke[]): void {
    this.strokes = strokes;
    this.numbers = strokes.reduce((sum, { stroke }) => sum + stroke.points.length, 0);
  }
}

/** The whole board. Feed it every entry of the room, in order; it ignores what is not its own. */
export class Board {
  readonly #pages = new Map<number, Page>();
  /** All visible strokes, ascending by number; each id once. */
  #order: PlacedStroke[] = [];
  #ids = new Set<string>();
  /** `#order` and `#ids` are put together again when somebody looks: opening a board replaces many pages in a row. */
  #stale = false;
  #clearedSeq = 0;
  /** Strokes that the user of this page has taken back; the room learns of it when it can. */
  readonly #hidden = new Set<string>();

  /** The visible strokes, lowest first. */
  get strokes(): readonly PlacedStroke[] {
    this.#reorder();
    return this.#order;
  }

  /** Strokes at or below this number are gone. */
  get clearedSeq(): number {
    return this.#clearedSeq;
  }

  /** Forgets everything: the room's history is another one now. */
  reset(): void {
    this.#pages.clear();
    this.#clearedSeq = 0;
    this.#stale = true;
  }

  has(id: string): boolean {
    this.#reorder();
    return this.#ids.has(id);
  }

  /** Takes a stroke out of the picture before its undo has come back. */
  hide(id: string): Change {
    this.#hidden.add(id);
    if (this.#hidden.size > HIDDEN_MAX) this.#hidden.delete([...this.#hidden][0] ?? '');
    return this.#rebuilt();
  }

  /** Applies one stored entry. Total: anything may come. */
  apply(key: string, seq: number, value: unknown): Change {
    if (key === CLEAR_KEY) return this.#clear(seq);
    const number = pageOf(key);
    if (number === undefined || !isRecord(value)) return NONE;
    if (Array.isArray(value.strokes)) return this.#replacePage(this.#page(number), seq, value.strokes);
    const page = this.#page(number);
    if (seq <= page.seq) return NONE;
    page.seq = seq;
    page.loose += 1;
    if ('undo' in value) return this.#undo(page, value.undo);
    return this.#add(page, seq, decodeStroke(value.stroke));
  }

  /** The page that the next own stroke goes to, counting the own ones on their way. */
  writePage(): number {
    const last = Math.max(1, ...this.#pages.keys());
    return this.#pages.get(last)?.full && last < PAGES_MAX ? last + 1 : last;
  }

  /** An own stroke was sent to a page (1), or has come back or failed (-1). */
  expect(number: number, by: 1 | -1): void {
    const page = this.#page(number);
    page.expected = Math.max(0, page.expected + by);
  }

  /** Pages but the newest whose streams are still long: whoever filled them went away too early. */
  longPages(): number[] {
    const last = Math.max(0, ...this.#pages.keys());
    return [...this.#pages]
      .filter(([number, page]) => number !== last && page.loose > 1)
      .map(([number]) => number);
  }

  /**
   * The value that may stand for a page's stream up to `seq`, from that page's entries alone (strokes below a clear are no
   * part of any reader's board, so leaving them out changes nothing). Undefined when there is nothing to gain, or when the
   * value would be larger than `bytesMax`: then the stream stays as it is, which is longer and just as right.
   */
  compaction(number: number, bytesMax: number): { seq: number; value: PageValue } | undefined {
    const page = this.#pages.get(number);
    if (page === undefined || page.loose < 2) return undefined;
    const value: PageValue = { strokes: page.strokes.map(({ seq, stroke }) => [seq, encodeStroke(stroke)]) };
    // Ids and inks are plain ASCII, so characters are bytes.
    return JSON.stringify(value).length > bytesMax ? undefined : { seq: page.seq, value };
  }

  /** The room took our compaction of a page up to `seq`. */
  compacted(number: number, seq: number): void {
    const page = this.#pages.get(number);
    if (page?.seq === seq) page.loose = 0;
  }

  /** Keys of pages, to trim after a clear. */
  pages(): number[] {
    return [...this.#pages.keys()].sort((a, b) => a - b);
  }

  #page(number: number): Page {
    let page = this.#pages.get(number);
    if (page === undefined) {
      page = new Page();
      this.#pages.set(number, page);
    }
    return page;
  }

  #add(page: Page, seq: number, stroke: Stroke | undefined): Change {
    // The same id twice: somebody sent again what he could not know to be stored.
    if (stroke === undefined || seq <= this.#clearedSeq || this.has(stroke.id)) return NONE;
    const placed: PlacedStroke = { seq, stroke, box: boxOf(stroke) };
    page.strokes.push(placed);
    page.numbers += stroke.points.length;
    this.#ids.add(stroke.id);
    if (this.#hidden.has(stroke.id)) return NONE;
    const top = this.#order.at(-1);
    this.#order.push(placed);
    if (top === undefined || top.seq < seq) return { type: 'added', placed };
    return this.#rebuilt();
  }

  #undo(page: Page, id: unknown): Change {
    if (!isId(id)) return NONE;
    const left = page.strokes.filter(({ stroke }) => stroke.id !== id);
    if (left.length === page.strokes.length) return NONE;
    page.set(left);
    return this.#rebuilt();
  }

  #clear(seq: number): Change {
    if (seq <= this.#clearedSeq) return NONE;
    this.#clearedSeq = seq;
    for (const page of this.#pages.values()) page.set(page.strokes.filter((placed) => placed.seq > seq));
    return this.#rebuilt();
  }

  /** A compacted value says all about its page up to `seq`; what came after it stays. */
  #replacePage(page: Page, seq: number, list: readonly unknown[]): Change {
    const strokes: PlacedStroke[] = [];
    for (const item of list) {
      if (!Array.isArray(item)) continue;
      const place: unknown = item[0];
      const stroke = decodeStroke(item[1]);
      if (typeof place !== 'number' || !Number.isSafeInteger(place) || place > seq || stroke === undefined)
        continue;
      if (place > this.#clearedSeq) strokes.push({ seq: place, stroke, box: boxOf(stroke) });
    }
    const newer = page.strokes.filter((placed) => placed.seq > seq);
    page.set([...strokes.sort((a, b) => a.seq - b.seq), ...newer]);
    if (seq >= page.seq) page.loose = 0;
    page.seq = Math.max(page.seq, seq);
    return this.#rebuilt();
  }

  #rebuilt(): Change {
    this.#stale = true;
    return REBUILT;
  }

  /** Puts the pages together again: ascending, each id once (the lowest number counts). */
  #reorder(): void {
    if (!this.#stale) return;
    this.#stale = false;
    this.#ids = new Set();
    this.#order = [...this.#pages.values()]
      .flatMap((page) => page.strokes)
      .sort((a, b) => a.seq - b.seq)
      .filter(({ stroke }) => !this.#ids.has(stroke.id) && this.#ids.add(stroke.id))
      .filter(({ stroke }) => !this.#hidden.has(stroke.id));
  }
}
