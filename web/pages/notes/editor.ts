// The note that is open: its text, its group, what it is under. It saves by itself, soon after the last key. When the
// note changes elsewhere while there is unsaved text here, it saves nothing until the user has chosen.

import type { Ent, EntDB } from '../../src/entdb.ts';
import { announce, announceError } from '../kit/announce.ts';
import { button, element, fill, labelled } from '../kit/element.ts';
import { groupsOf, mayBeUnder, NOTE_TYPE, type Note, readNote, titleOf, withText } from './model.ts';

const SAVE_AFTER_MS = 300;

/** What the editor asks of the page. */
export interface EditorActions {
  /** The note got its id, or another note is to be shown. */
  opened(eid: string): void;
  /** A note under this one is wanted. */
  createUnder(parent: string, group: string | undefined): void;
  closed(): void;
}

/** Where a new note begins. */
export interface Beginning {
  readonly parent?: string | undefined;
  readonly group?: string | undefined;
}

/** The right half of the page. */
export class Editor {
  readonly element: HTMLElement;
  readonly #db: EntDB;
  readonly #actions: EditorActions;
  readonly #text = element('textarea', { class: 'text', rows: 12, placeholder: 'Write…' });
  readonly #group = element('input', { type: 'text', autocomplete: 'off', list: 'group-names' });
  readonly #groupNames = element('datalist', { id: 'group-names' });
  readonly #parent = element('select', {});
  readonly #state = element('p', { class: 'hint', role: 'status' });
  readonly #bar = element('div', { class: 'bar', role: 'alert' });
  readonly #form: HTMLElement;
  readonly #empty = element('p', { class: 'hint' }, ['Choose a note, or make a new one.']);
  #notes: readonly Note[] = [];
  #open: { eid: string | undefined } | undefined;
  /** The text that was saved, or read, last. */
  #base = '';
  #dirty = false;
  /** What came from elsewhere while there was unsaved text here. */
  #theirs: Note | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #saving: Promise<void> = Promise.resolve();

  constructor(db: EntDB, actions: EditorActions) {
    this.#db = db;
    this.#actions = actions;
    this.#text.addEventListener('input', () => this.#changed());
    this.#group.addEventListener(
      'change',
      () => void this.#move({ group: this.#group.value.trim() || null }),
    );
    this.#parent.addEventListener('change', () => void this.#move({ parent: this.#parent.value || null }));
    this.#form = element('div', { class: 'form', hidden: true }, [
      element('div', { class: 'row' }, [
        button('Back to the list', () => void this.#leave(), { class: 'back' }),
        this.#state,
      ]),
      this.#bar,
      labelled('Note', this.#text),
      element('div', { class: 'places' }, [labelled('Group', this.#group), labelled('Under', this.#parent)]),
      this.#groupNames,
      element('div', { class: 'row' }, [
        button('New note under this one', () => void this.#createUnder()),
        button('Delete', () => void this.#delete(), { class: 'danger' }),
      ]),
    ]);
    this.element = element('section', { class: 'editor', 'aria-label': 'Open note' }, [this.#empty, this.#form]);
  }

  /** The note that is open: its id once it has one. */
  get open(): string | undefined {
    return this.#open?.eid;
  }

  /** Whether something is typed and not yet saved. */
  get unsaved(): boolean {
    return this.#dirty;
  }

  /** Shows a note that is there. */
  async show(note: Note): Promise<void> {
    await this.flush();
    this.#begin(note.eid, note.text);
    this.#text.readOnly = !note.editable;
    this.#say(note.editable ? '' : 'Written by another program; it can be moved and deleted here.');
    this.#places();
  }

  /** Begins a note, which is written with its first letter. */
  async create(beginning: Beginning): Promise<void> {
    await this.flush();
    this.#begin(undefined, '');
    this.#text.readOnly = false;
    this.#say('');
    this.#places();
    this.#group.value = beginning.group ?? '';
    this.#parent.value = beginning.parent ?? '';
    this.#text.focus();
  }

  /** Shows nothing. */
  async close(): Promise<void> {
    await this.flush();
    this.#open = undefined;
    this.#form.hidden = true;
    this.#empty.hidden = false;
  }

  /** Hears the notes as they are now. */
  hear(notes: readonly Note[]): void {
    this.#notes = notes;
    const eid = this.#open?.eid;
    if (this.#open === undefined) return;
    this.#places();
    if (eid === undefined) return;
    const now = notes.find((note) => note.eid === eid);
    if (now === undefined) this.#gone();
    else if (now.text !== this.#base) {
      if (this.#dirty) this.#differs(now);
      else this.#adopt(now);
    }
  }

  /** Saves what is typed. With a choice that is open, what is here becomes a note of its own: nothing is lost. */
  async flush(): Promise<void> {
    clearTimeout(this.#timer);
    if (this.#theirs !== undefined) await this.#keepBoth();
    else if (this.#dirty) await this.#save();
    await this.#saving;
  }

  #begin(eid: string | undefined, text: string): void {
    this.#open = { eid };
    this.#base = text;
    this.#dirty = false;
    this.#theirs = undefined;
    fill(this.#bar, []);
    this.#text.value = text;
    this.#text.scrollTop = 0;
    this.#form.hidden = false;
    this.#empty.hidden = true;
  }

  #changed(): void {
    this.#dirty = true;
    if (this.#theirs !== undefined) return;
    this.#say('…');
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.#save(), SAVE_AFTER_MS);
  }

  /** One save after the other, so that the first letter's new note is there before the second is written to it. */
  #save(): Promise<void> {
    const open = this.#open;
    this.#saving = this.#saving.then(async () => {
      if (open === undefined || open !== this.#open || !this.#dirty) return;
      const text = this.#text.value;
      try {
        if (open.eid === undefined) {
          if (text.trim() === '') return;
          const ent = await this.#db.insert(this.#draft(text));
          open.eid = ent.eid;
          if (open === this.#open) this.#actions.opened(ent.eid);
        } else {
          await this.#write(open.eid, text);
        }
        if (open !== this.#open) return;
        this.#base = text;
        this.#dirty = this.#text.value !== text;
        this.#say('Saved on this device.');
      } catch (error) {
        this.#say('Not saved.');
        announceError('This note was not saved', error);
      }
    });
    return this.#saving;
  }

  async #write(eid: string, text: string): Promise<void> {
    const ent: Ent | undefined = await this.#db.get(eid);
    // Deleted elsewhere while it was changed here: what somebody writes now is worth more.
    if (ent === undefined) await this.#db.put(eid, this.#draft(text));
    else await this.#db.update(eid, { body: withText(ent.body, text) });
  }

  #draft(text: string) {
    const group = this.#group.value.trim() || undefined;
    return { type: NOTE_TYPE, body: { text }, group, parent: this.#parent.value || undefined };
  }

  async #move(patch: { group?: string | null; parent?: string | null }): Promise<void> {
    await this.flush();
    const eid = this.#open?.eid;
    if (eid === undefined) return;
    try {
      await this.#db.update(eid, patch);
    } catch (error) {
      announceError('This note was not moved', error);
    }
  }

  async #createUnder(): Promise<void> {
    await this.flush();
    const eid = this.#open?.eid;
    if (eid === undefined) return announce('Write something first.');
    this.#actions.createUnder(eid, this.#group.value.trim() || undefined);
  }

  async #delete(): Promise<void> {
    await this.flush();
    const eid = this.#open?.eid;
    const ent = eid === undefined ? undefined : await this.#db.get(eid);
    this.#open = undefined;
    await this.close();
    this.#actions.closed();
    if (ent === undefined) return;
    try {
      await this.#db.delete(ent.eid);
    } catch (error) {
      return announceError('This note was not deleted', error);
    }
    const restore = button('Undo', async () => {
      const { eid: id, type, body, group, parent } = ent;
      await this.#db.put(id, { type, body, group, parent });
      fill(this.#empty, ['Choose a note, or make a new one.']);
      this.#actions.opened(id);
    });
    fill(this.#empty, [`“${titleOf(readNote(ent))}” is deleted. `, restore]);
    restore.focus();
  }

  async #leave(): Promise<void> {
    await this.close();
    this.#actions.closed();
  }

  #adopt(theirs: Note): void {
    const { selectionStart, selectionEnd } = this.#text;
    this.#base = theirs.text;
    this.#text.value = theirs.text;
    this.#text.setSelectionRange(selectionStart, selectionEnd);
    this.#say('Changed on another device just now.');
  }

  #gone(): void {
    if (this.#dirty) return;
    this.#open = undefined;
    void this.close();
    this.#actions.closed();
    announce('The note that was open was deleted on another device.');
  }

  #differs(theirs: Note): void {
    clearTimeout(this.#timer);
    const first = this.#theirs === undefined;
    this.#theirs = theirs;
    if (!first) return;
    this.#say('Waiting for your choice.');
    fill(this.#bar, [
      element('p', {}, ['This note changed on another device while you were writing.']),
      button('Keep both', () => void this.#keepBoth()),
      button('Keep mine', () => {
        this.#choose();
        void this.#save();
      }),
      button('Take theirs', () => {
        const { text } = this.#theirs ?? theirs;
        this.#choose();
        this.#base = text;
        this.#dirty = false;
        this.#text.value = text;
        this.#say('');
      }),
    ]);
  }

  #choose(): void {
    this.#theirs = undefined;
    fill(this.#bar, []);
  }

  async #keepBoth(): Promise<void> {
    const theirs = this.#theirs;
    if (theirs === undefined) return;
    const mine = this.#text.value;
    this.#choose();
    try {
      await this.#db.insert(this.#draft(mine));
      this.#base = theirs.text;
      this.#dirty = false;
      this.#text.value = theirs.text;
      this.#say('');
      announce('What you wrote is a note of its own now.');
    } catch (error) {
      announceError('Your text was not saved', error);
    }
  }

  #places(): void {
    const eid = this.#open?.eid;
    const open = this.#notes.find((note) => note.eid === eid);
    const names = groupsOf(this.#notes).map(({ name }) => element('option', { value: name }));
    fill(this.#groupNames, names);
    const chosen = eid === undefined ? this.#parent.value : (open?.parent ?? '');
    const others = this.#notes.filter(
      (note) => note.eid !== eid && (eid === undefined || mayBeUnder(this.#notes, eid, note.eid)),
    );
    const known = chosen === '' || others.some((note) => note.eid === chosen);
    fill(this.#parent, [
      element('option', { value: '' }, ['(nothing)']),
      ...others.map((note) => element('option', { value: note.eid }, [titleOf(note)])),
      !known && element('option', { value: chosen }, ['(a note that is not here)']),
    ]);
    this.#parent.value = chosen;
    if (open !== undefined && document.activeElement !== this.#group) this.#group.value = open.group ?? '';
  }

  #say(text: string): void {
    if (this.#state.textContent !== text) this.#state.textContent = text;
  }
}
