// The room's keys, a page at a time: how many entries each retains, their bytes, and their first and last number.

import type { RoomConnection } from '../../src/client/room/connection.ts';
import type { KeySummary } from '../../src/protocol/room/server_message.ts';
import { announceError } from '../kit/announce.ts';
import { button, element, fill } from '../kit/element.ts';
import { plural } from '../kit/plural.ts';
import { shortened } from './value_text.ts';

const PAGE_KEYS = 50;
/** While messages come, the page is asked for anew so often. */
const REFRESH_MS = 2_000;
const KEY_CHARACTERS = 60;

/** What can be done with a key. */
export interface KeyActions {
  /** Look at its messages only. */
  filter(key: string): void;
  /** Read what is stored of it. */
  read(summary: KeySummary): void;
  /** Put it into the form. */
  use(key: string): void;
}

export class KeysSection {
  readonly element: HTMLElement;
  readonly #connection: RoomConnection;
  readonly #actions: KeyActions;
  readonly #body = element('tbody');
  readonly #told = element('p', { class: 'muted' });
  readonly #before = button('Previous keys', () => void this.#go(-1));
  readonly #next = button('Further keys', () => void this.#go(1));
  /** Where each page up to the shown one begins. */
  #starts: (string | undefined)[] = [undefined];
  #further: string | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #asking = false;
  #ended = false;

  constructor(connection: RoomConnection, actions: KeyActions) {
    this.#connection = connection;
    this.#actions = actions;
    const head = ['Key', 'Entries', 'Bytes', 'First', 'Last', 'Do'];
    const titles = head.map((title, index) =>
      element('th', { scope: 'col', class: index > 0 && 'number' }, [title]),
    );
    this.element = element('section', { class: 'card', 'aria-labelledby': 'keys' }, [
      element('h2', { id: 'keys' }, ['Keys']),
      this.#told,
      element('div', { class: 'scroll', tabindex: 0, role: 'group', 'aria-label': 'Table of keys' }, [
        element('table', {}, [element('thead', {}, [element('tr', {}, titles)]), this.#body]),
      ]),
      element('div', { class: 'row' }, [
        this.#before,
        this.#next,
        button('Refresh', () => void this.refresh()),
      ]),
    ]);
    this.#showPage([], undefined);
  }

  /** Something came: the page is asked for anew, soon. */
  changed(): void {
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      void this.refresh();
    }, REFRESH_MS);
  }

  destroy(): void {
    this.#ended = true;
    clearTimeout(this.#timer);
  }

  /** Asks for the shown page again. */
  async refresh(): Promise<void> {
    if (this.#asking || this.#ended || !this.#connection.status.connected) return;
    this.#asking = true;
    try {
      const { data, next } = await this.#connection.keysPage(this.#starts.at(-1), PAGE_KEYS);
      if (!this.#ended) this.#showPage(data, next ?? undefined);
    } catch (error) {
      if (!this.#ended) announceError('The keys', error);
    } finally {
      this.#asking = false;
    }
  }

  async #go(by: 1 | -1): Promise<void> {
    if (by === 1) this.#starts.push(this.#further);
    else if (this.#starts.length > 1) this.#starts.pop();
    await this.refresh();
  }

  #showPage(keys: readonly KeySummary[], further: string | undefined): void {
    this.#further = further;
    this.#before.disabled = this.#starts.length < 2;
    this.#next.disabled = further === undefined;
    const first = (this.#starts.length - 1) * PAGE_KEYS;
    this.#told.textContent =
      keys.length === 0
        ? 'Nothing is stored here.'
        : `${first + 1} to ${first + keys.length} in the order of their bytes`;
    // A button that has the focus must not vanish under it, so equal pages are left alone.
    const mark = JSON.stringify(keys);
    if (this.#body.dataset.mark === mark) return;
    const focused = this.#focusedPlace();
    this.#body.dataset.mark = mark;
    fill(
      this.#body,
      keys.map((summary) => this.#row(summary)),
    );
    this.#focusPlace(focused);
  }

  #row(summary: KeySummary): HTMLElement {
    const { key, size, bytes, first, last } = summary;
    const name = shortened(key, KEY_CHARACTERS) || '(empty)';
    const cells = [size, bytes, first, last].map((count) =>
      element('td', { class: 'number' }, [count.toLocaleString('en')]),
    );
    const act = (label: string, does: () => void) =>
      button(label, does, { 'aria-label': `${label}: ${name}`, class: 'quiet' });
    return element('tr', {}, [
      element('th', { scope: 'row' }, [element('code', { title: plural(key.length, 'character') }, [name])]),
      ...cells,
      element('td', {}, [
        act('Stored', () => this.#actions.read(summary)),
        act('Only this', () => this.#actions.filter(key)),
        act('Push to', () => this.#actions.use(key)),
      ]),
    ]);
  }

  #focusedPlace(): number {
    const focused = document.activeElement;
    const buttons: readonly (Element | null)[] = [...this.#body.querySelectorAll('button')];
    return focused === null ? -1 : buttons.indexOf(focused);
  }

  #focusPlace(place: number): void {
    if (place >= 0) this.#body.querySelectorAll('button')[place]?.focus();
  }
}
