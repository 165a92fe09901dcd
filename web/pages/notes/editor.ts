// The note that is open: its text, its group, what it is under. It saves by itself, soon after the last key. When the
// note changes elsewhere while there is unsaved text here, it saves nothing until the user has chosen.

import type { Ent, EntDB } from '../../src/entdb.ts';
import { announce, announceError } from '../kit/announce.ts';
import { confirmDialog } from '../kit/dialog.ts';
import { button, element, fill, labelled } from '../kit/element.ts';
import { groupsOf, NOTE_TYPE, type Note, possibleParents, readNote, titleOf, withText } from './model.ts';

const SAVE_AFTER_MS = 300;
const CHOOSE = 'Choose a note, or make a new one.';

/** What the editor asks of the page. */
export interface EditorActions {
  /** This note is the one that is shown; undefined: a new one, which has no id yet. */
  shown(eid: string | undefined): void;
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
  readonly #text = element('textarea', { class: 'text', rows: 12, dir: 'auto', placeholder: 'Write…' });
  readonly #group = element('input', {
    type: 'text',
    dir: 'auto',
    autocomplete: 'off',
    list: 'group-names',
  });
  readonly #groupNames = element('datalist', { id: 'group-names' });
  readonly #parent = element('select', {});
  readonly #state = element('p', { class: 'hint', role: 'status' });
  readonly #bar = element('div', { class: 'bar', role: 'alert' });
  readonly #form: HTMLElement;
  readonly #empty = element('p', { class: 'hint' }, [CHOOSE]);
  #notes: readonly Note[] = [];
  #open: { eid: string | undefined } | undefined;
  /** The text that was saved, or read, last. */
  #base = '';
  #dirty = false;
  /** The text that is just being saved: heard of again, it is no news. */
  #writing: string | undefined;
  /** What came from elsewhere while there was unsaved text here. */
  #theirs: Note | undefined;
  /** Another note is about to be shown: the page is not to be led back to this one. */
  #departing = false;
  /** The last try to save failed. */
  #failed = false;
  /** What `#parent` offers now. */
  #choices = '';
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
    this.element = element('section', { class: 'editor', 'aria-label': 'Open note' }, [
      this.#empty,
      this.#form,
    ]);
  }

  /** The note that is open: its id once it has one. */
  get open(): string | undefined {
    return this.#open?.eid;
  }

  /** Whether something is typed and not yet saved. */
  get unsaved(): boolean {
    return this.#pending;
  }

  /** Shows a note that is there. */
  async show(wanted: Note): Promise<void> {
    if (!(await this.#depart())) return;
    // Saving what was open took time: it may have changed.
    const note = this.#notes.find(({ eid }) => eid === wanted.eid) ?? wanted;
    this.#begin(note.eid, note.text);
    this.#group.value = note.group ?? '';
    this.#text.readOnly = !note.editable;
    this.#say(note.editable ? '' : 'Written by another program; it can be moved and deleted here.');
    this.#places();
  }

  /** Begins a note, which is written with its first letter. */
  async create(beginning: Beginning): Promise<void> {
    if (!(await this.#depart())) return;
    this.#begin(undefined, '');
    this.#text.readOnly = false;
    this.#say('');
    this.#places();
    this.#group.value = beginning.group ?? '';
    this.#parent.value = beginning.parent ?? '';
    this.#text.focus();
  }

  /** Shows nothing. False: the user stays with what could not be saved. */
  async close(): Promise<boolean> {
    if (!(await this.#depart())) return false;
    this.#open = undefined;
    this.#dirty = false;
    this.#choose();
    this.#form.hidden = true;
    this.#empty.hidden = false;
    return true;
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
    else if (now.text !== this.#base && now.text !== this.#writing) {
      if (this.#dirty) this.#differs(now);
      else this.#adopt(now);
    }
  }

  /** Saves what is typed. With a choice that is open, what is here becomes a note of its own: nothing is lost. */
  async flush(): Promise<void> {
    clearTimeout(this.#timer);
    this.#failed = false;
    await this.#saving;
    // Again, while more was typed, or the note turned out to have changed elsewhere.
    while (this.#pending && !this.#failed) {
      await (this.#theirs === undefined ? this.#save() : this.#keepBoth());
    }
  }

  /** Whether something here would be lost. */
  get #pending(): boolean {
    if (this.#open === undefined) return false;
    const empty = this.#open.eid === undefined && this.#text.value.trim() === '';
    return this.#theirs !== undefined || (this.#dirty && !empty);
  }

  /** Saves what is open before something else takes its place. False: that failed, and the user stays with it. */
  async #depart(): Promise<boolean> {
    this.#departing = true;
    await this.flush();
    this.#departing = false;
    if (!this.#pending) return true;
    const left = await confirmDialog(
      'Leave this note?',
      'It could not be saved: what you wrote last would be gone.',
      'Leave it',
    );
    if (!left) this.#actions.shown(this.#open?.eid);
    return left;
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
          if (open === this.#open && !this.#departing) this.#actions.shown(ent.eid);
        } else {
          this.#writing = text;
          const theirs = await this.#write(open.eid, text);
          if (theirs !== undefined) return this.#differs(theirs);
        }
        if (open !== this.#open) return;
        this.#base = text;
        this.#dirty = this.#text.value !== text;
        this.#say('Saved on this device.');
      } catch (error) {
        this.#failed = true;
        this.#say('Not saved.');
        announceError('This note was not saved', error);
      } finally {
        this.#writing = undefined;
      }
    });
    return this.#saving;
  }

  /** Writes nothing over a text that was not shown here: that one is given back. */
  async #write(eid: string, text: string): Promise<Note | undefined> {
    const ent: Ent | undefined = await this.#db.get(eid);
    // Deleted elsewhere while it was changed here: what somebody writes now is worth more.
    if (ent === undefined) {
      await this.#db.put(eid, this.#draft(text));
      return undefined;
    }
    const now = readNote(ent);
    if (now.text !== this.#base && now.text !== text) return now;
    await this.#db.update(eid, { body: withText(ent.body, text) });
    return undefined;
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
    const restore = button('Undo', () => void this.#restore(ent));
    fill(this.#empty, [`“${titleOf(readNote(ent))}” is deleted. `, restore]);
    restore.focus();
  }

  async #restore({ eid, type, body, group, parent }: Ent): Promise<void> {
    try {
      const ent = await this.#db.put(eid, { type, body, group, parent });
      fill(this.#empty, [CHOOSE]);
      await this.show(readNote(ent));
      this.#actions.shown(eid);
      this.#text.focus();
    } catch (error) {
      announceError('This note was not brought back', error);
    }
  }

  async #leave(): Promise<void> {
    if (await this.close()) this.#actions.closed();
  }

  #adopt(theirs: Note): void {
    this.#choose();
    this.#dirty = false;
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
    // The same was written here and there.
    if (theirs.text === this.#text.value) {
      this.#adopt(theirs);
      return;
    }
    const first = this.#theirs === undefined;
    this.#theirs = theirs;
    if (!first) return;
    this.#say('Waiting for your choice.');
    fill(this.#bar, [
      element('p', {}, ['This note changed on another device while you were writing.']),
      button('Keep both', () => void this.#keepBoth()),
      button('Keep mine', () => {
        this.#base = (this.#theirs ?? theirs).text;
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

  /** In its turn among the saves, so that none of them takes one text for the other. */
  #keepBoth(): Promise<void> {
    this.#saving = this.#saving.then(async () => {
      const theirs = this.#theirs;
      if (theirs === undefined) return;
      try {
        await this.#insertMine();
        // They may have gone on meanwhile, too.
        const { text } = this.#theirs ?? theirs;
        this.#choose();
        this.#base = text;
        this.#dirty = false;
        this.#text.value = text;
        this.#say('');
        announce('What you wrote is a note of its own now.');
      } catch (error) {
        this.#failed = true;
        announceError('Your text was not saved', error);
      }
    });
    return this.#saving;
  }

  /** What is here, as a note of its own, with what is typed until that is stored. */
  async #insertMine(): Promise<void> {
    let text = this.#text.value;
    const ent = await this.#db.insert(this.#draft(text));
    while (this.#text.value !== text) {
      text = this.#text.value;
      await this.#db.update(ent.eid, { body: withText(ent.body, text) });
    }
  }

  #places(): void {
    const eid = this.#open?.eid;
    const open = this.#notes.find((note) => note.eid === eid);
    const names = groupsOf(this.#notes).map(({ name }) => element('option', { value: name }));
    fill(this.#groupNames, names);
    const chosen = eid === undefined ? this.#parent.value : (open?.parent ?? '');
    const others = possibleParents(this.#notes, eid);
    const choices: [string, string][] = [
      ['', '(nothing)'],
      ...others.map((note): [string, string] => [note.eid, titleOf(note)]),
    ];
    if (!choices.some(([value]) => value === chosen)) choices.push([chosen, '(a note that is not here)']);
    // Most changes leave the choices as they are; thousands of them take long to make, and one may be looking at them.
    const mark = JSON.stringify(choices);
    if (mark !== this.#choices) {
      this.#choices = mark;
      fill(
        this.#parent,
        choices.map(([value, label]) => element('option', { value }, [label])),
      );
    }
    this.#parent.value = chosen;
    if (open !== undefined && document.activeElement !== this.#group) this.#group.value = open.group ?? '';
  }

  #say(text: string): void {
    if (this.#state.textContent !== text) this.#state.textContent = text;
  }
}
