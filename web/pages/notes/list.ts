// The list of notes: groups, search, and the notes as a tree. It shows what it is given and writes nothing.

import { button, element, fill, labelled } from '../kit/element.ts';
import { opensOffline } from '../kit/insecure.ts';
import { type Branch, type Filter, filtered, groupsOf, type Note, titleOf, treesOf } from './model.ts';

/** Notes shown at once; more on request, so that thousands do not make a phone slow. */
const SHOWN_AT_FIRST = 200;

/** What the list asks of the page. */
export interface ListActions {
  open(eid: string): void;
  create(group: string | undefined): void;
}

/** The list, to be shown beside the note that is open. */
export class NoteList {
  readonly element: HTMLElement;
  readonly #actions: ListActions;
  readonly #search = element('input', { type: 'search', dir: 'auto', autocomplete: 'off' });
  readonly #groups = element('div', { class: 'row groups', role: 'group', 'aria-label': 'Groups' });
  readonly #notes = element('div', { class: 'notes' });
  #all: readonly Note[] = [];
  #group: string | undefined;
  #open: string | undefined;
  #shown = SHOWN_AT_FIRST;

  constructor(actions: ListActions) {
    this.#actions = actions;
    this.#search.addEventListener('input', () => {
      this.#shown = SHOWN_AT_FIRST;
      this.#draw();
    });
    const create = button('New note', () => actions.create(this.#group), { class: 'primary' });
    this.element = element('section', { class: 'list', 'aria-label': 'Notes' }, [
      element('div', { class: 'row' }, [create]),
      labelled('Search', this.#search),
      this.#groups,
      this.#notes,
    ]);
  }

  /** Shows these notes, in this order. */
  show(notes: readonly Note[]): void {
    this.#all = notes;
    this.#draw();
  }

  /** Marks the note that is open. */
  mark(eid: string | undefined): void {
    this.#open = eid;
    for (const link of this.#notes.querySelectorAll('a')) setCurrent(link, link.dataset.eid === eid);
  }

  #draw(): void {
    const groups = groupsOf(this.#all);
    if (!groups.some((group) => group.name === this.#group)) this.#group = undefined;
    const filter: Filter = { group: this.#group, search: this.#search.value };
    const notes = filtered(this.#all, filter);
    const focused = document.activeElement;
    const focusedNote =
      focused instanceof HTMLElement && this.#notes.contains(focused) ? focused.dataset.eid : undefined;
    const focusedGroup =
      focused instanceof HTMLElement && this.#groups.contains(focused) ? focused.dataset.group : undefined;
    this.#drawGroups(groups.map((group) => group.name));
    // What is searched for may lie under what is not found: then trees would hide where it is.
    const trees =
      filter.search.trim() === '' ? treesOf(notes) : notes.map((note) => ({ note, children: [] }));
    let left = this.#shown;
    const draw = (branches: readonly Branch[]): HTMLUListElement =>
      element(
        'ul',
        {},
        branches.flatMap((branch) => {
          if (left <= 0) return [];
          left -= 1;
          const link = this.#link(branch.note);
          return [element('li', {}, [link, branch.children.length > 0 && draw(branch.children)])];
        }),
      );
    const hidden = notes.length - this.#shown;
    fill(this.#notes, [
      notes.length === 0 ? this.#nothing() : draw(trees),
      hidden > 0 && button(`Show ${Math.min(hidden, SHOWN_AT_FIRST)} more of ${hidden}`, () => this.#more()),
    ]);
    this.#notes.dataset.count = String(notes.length);
    if (focusedNote !== undefined) this.#focus(this.#notes, (found) => found.dataset.eid === focusedNote);
    if (focusedGroup !== undefined)
      this.#focus(this.#groups, (found) => found.dataset.group === focusedGroup);
  }

  #focus(place: HTMLElement, wanted: (found: HTMLElement) => boolean): void {
    Array.from(place.querySelectorAll<HTMLElement>('a, button')).find(wanted)?.focus();
  }

  #more(): void {
    this.#shown += SHOWN_AT_FIRST;
    this.#draw();
  }

  #drawGroups(names: readonly string[]): void {
    const choice = (label: string, group: string | undefined) =>
      button(
        label,
        () => {
          this.#group = group;
          this.#shown = SHOWN_AT_FIRST;
          this.#draw();
        },
        { 'aria-pressed': String(this.#group === group), 'data-group': group ?? '' },
      );
    fill(
      this.#groups,
      names.length === 0 ? [] : [choice('All', undefined), ...names.map((name) => choice(name, name))],
    );
  }

  #link(note: Note): HTMLAnchorElement {
    const link = element('a', { href: `#note=${note.eid}`, 'data-eid': note.eid }, [
      element('span', { class: 'title', dir: 'auto' }, [titleOf(note)]),
      element('time', { class: 'hint', datetime: new Date(note.updatedMs).toISOString() }, [
        new Date(note.updatedMs).toLocaleDateString(),
      ]),
    ]);
    link.addEventListener('click', (event) => {
      if (event.metaKey || event.ctrlKey || event.shiftKey) return;
      event.preventDefault();
      this.#actions.open(note.eid);
    });
    setCurrent(link, note.eid === this.#open);
    return link;
  }

  #nothing(): HTMLElement {
    if (this.#all.length > 0) return element('p', { class: 'hint' }, ['Nothing found.']);
    return element('p', { class: 'hint' }, [
      `No notes yet. “New note” makes the first one${opensOffline() ? '; it works offline too' : ''}.`,
    ]);
  }
}

function setCurrent(link: HTMLAnchorElement, current: boolean): void {
  if (current) link.setAttribute('aria-current', 'true');
  else link.removeAttribute('aria-current');
}
