// A long list of which only the rows in sight are in the document. Rows have one height; one of them can be chosen, by
// pointer or with the arrow keys.

import { element } from '../kit/element.ts';

/** The height of a row in CSS pixels; the style sheet has the same. */
export const ROW_PIXELS = 32;
/** Rows drawn above and below what is in sight. */
const SPARE_ROWS = 4;
/** Closer to the end than this, the list follows what is new. */
const FOLLOW_PIXELS = ROW_PIXELS * 1.5;

/** What a list shows. */
export interface RowSource<Row> {
  /** A row's columns. */
  draw(row: Row): readonly (Node | string)[];
  choose(row: Row): void;
}

let lists = 0;

export class RowList<Row extends object> {
  readonly element: HTMLElement;
  readonly #space: HTMLElement;
  readonly #source: RowSource<Row>;
  readonly #name: string;
  #rows: readonly Row[] = [];
  #chosen: Row | undefined;
  #frame: number | undefined;
  #following = true;

  constructor(label: string, source: RowSource<Row>) {
    lists += 1;
    this.#name = `rows-${lists}`;
    this.#source = source;
    this.#space = element('div', { class: 'space', role: 'presentation' });
    this.element = element(
      'div',
      {
        class: 'rows',
        role: 'listbox',
        tabindex: 0,
        'aria-label': label,
        on: {
          scroll: () => this.#scrolled(),
          keydown: (event) => this.#key(event),
          // Pressing chooses, not the click: until that, the row may have gone from under the pointer.
          mousedown: (event) => event.button === 0 && this.#pressed(event),
          // A click without a press is a screen reader's.
          click: (event) => event.detail === 0 && this.#pressed(event),
        },
      },
      [this.#space],
    );
    new ResizeObserver(() => this.#drawSoon()).observe(this.element);
  }

  /** Shows these rows. At the end of the list, it stays at the end. */
  set(rows: readonly Row[]): void {
    this.#rows = rows;
    this.#drawSoon();
  }

  #drawSoon(): void {
    this.#frame ??= requestAnimationFrame(() => {
      this.#frame = undefined;
      this.#draw();
    });
  }

  #draw(): void {
    const list = this.element;
    this.#space.style.height = `${this.#rows.length * ROW_PIXELS}px`;
    if (this.#following) list.scrollTop = list.scrollHeight;
    const first = Math.max(0, Math.floor(list.scrollTop / ROW_PIXELS) - SPARE_ROWS);
    const last = Math.min(
      this.#rows.length,
      first + Math.ceil(list.clientHeight / ROW_PIXELS) + 2 * SPARE_ROWS,
    );
    const shown = this.#rows.slice(first, last).map((row, index) => this.#row(row, first + index));
    this.#space.replaceChildren(...shown);
    const active = this.#chosen === undefined ? -1 : this.#rows.indexOf(this.#chosen);
    if (active >= first && active < last)
      list.setAttribute('aria-activedescendant', `${this.#name}-${active}`);
    else list.removeAttribute('aria-activedescendant');
  }

  #row(row: Row, index: number): HTMLElement {
    const columns = this.#source.draw(row).map((content) => element('span', {}, [content]));
    const made = element(
      'div',
      {
        class: 'a-row',
        role: 'option',
        id: `${this.#name}-${index}`,
        'data-index': index,
        'aria-selected': row === this.#chosen ? 'true' : 'false',
        'aria-setsize': this.#rows.length,
        'aria-posinset': index + 1,
      },
      columns,
    );
    made.style.top = `${index * ROW_PIXELS}px`;
    return made;
  }

  #scrolled(): void {
    const { scrollTop, scrollHeight, clientHeight } = this.element;
    this.#following = scrollHeight - clientHeight - scrollTop < FOLLOW_PIXELS;
    this.#drawSoon();
  }

  #pressed(event: MouseEvent): void {
    const { target } = event;
    const row = target instanceof Element ? target.closest('.a-row') : null;
    const index = row?.getAttribute('data-index');
    if (index !== null && index !== undefined) this.#choose(Number(index));
  }

  #key(event: KeyboardEvent): void {
    const at = this.#chosen === undefined ? -1 : this.#rows.indexOf(this.#chosen);
    const last = this.#rows.length - 1;
    const page = Math.max(1, Math.floor(this.element.clientHeight / ROW_PIXELS) - 1);
    const from = at < 0 ? last + 1 : at;
    const goals: Readonly<Record<string, number>> = {
      ArrowUp: from - 1,
      ArrowDown: at < 0 ? last : at + 1,
      PageUp: from - page,
      PageDown: at + page,
      Home: 0,
      End: last,
    };
    const goal = goals[event.key];
    if (goal === undefined || last < 0) return;
    event.preventDefault();
    this.#choose(Math.max(0, Math.min(last, goal)));
  }

  #choose(index: number): void {
    const row = this.#rows[index];
    if (row === undefined) return;
    this.#chosen = row;
    const list = this.element;
    this.#following = index === this.#rows.length - 1 && this.#following;
    const top = index * ROW_PIXELS;
    if (top < list.scrollTop) list.scrollTop = top;
    else if (top + ROW_PIXELS > list.scrollTop + list.clientHeight) {
      list.scrollTop = top + ROW_PIXELS - list.clientHeight;
    }
    this.#drawSoon();
    this.#source.choose(row);
  }
}
