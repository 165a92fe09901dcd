// The editor of notes over a real database: what happens when the same note is written here and elsewhere.

import { afterEach, beforeEach, expect, test } from 'vitest';
import { Editor } from '../../pages/notes/editor.ts';
import { NOTE_TYPE, readNote } from '../../pages/notes/model.ts';
import { type EntDB, openEntDB, Seed } from '../../src/entdb.ts';
import { until } from '../support/until.ts';

let db: EntDB;
let editor: Editor;
/** What the page was told to show. */
let shown: (string | undefined)[];

beforeEach(async () => {
  db = await openEntDB({ seed: Seed.generate(), storage: 'memory', guardClosing: false });
  shown = [];
  const nothing = () => undefined;
  editor = new Editor(db, { shown: (eid) => shown.push(eid), createUnder: nothing, closed: nothing });
  document.body.append(editor.element);
});

afterEach(async () => {
  editor.element.remove();
  await db.close();
});

function field(): HTMLTextAreaElement {
  const found = editor.element.querySelector('textarea');
  if (found === null) throw new Error('no field');
  return found;
}

function types(text: string): void {
  field().value = text;
  field().dispatchEvent(new Event('input'));
}

function button(name: string): HTMLButtonElement | undefined {
  return [...editor.element.querySelectorAll('button')].find((each) => each.textContent === name);
}

async function texts(): Promise<string[]> {
  return (await db.query({ type: NOTE_TYPE })).map((ent) => readNote(ent).text).sort();
}

/** A note that is open here, and was changed elsewhere before the page has heard of it. */
async function changedUnheard(): Promise<string> {
  const ent = await db.insert({ type: NOTE_TYPE, body: { text: 'first' } });
  await editor.show(readNote(ent));
  await db.update(ent.eid, { body: { text: 'theirs' } });
  return ent.eid;
}

test('a text that was never shown here is not written over: one is asked', async () => {
  await changedUnheard();
  types('mine');
  await until('it asks', () => button('Keep both') !== undefined);
  expect(await texts()).toEqual(['theirs']);
  button('Keep mine')?.click();
  await until('mine is kept', async () => (await texts()).join() === 'mine');
  expect(button('Keep both')).toBeUndefined();
});

test('who keeps both and goes to another note at once has both, and the other note is as it was', async () => {
  await changedUnheard();
  const another = await db.insert({ type: NOTE_TYPE, body: { text: 'another' } });
  types('mine');
  await until('it asks', () => button('Keep both') !== undefined);
  button('Keep both')?.click();
  await editor.show(readNote(another));
  expect(field().value).toBe('another');
  await editor.close();
  expect(await texts()).toEqual(['another', 'mine', 'theirs']);
});

test('what is typed while both are being kept is in the note of its own', async () => {
  await changedUnheard();
  types('mine');
  await until('it asks', () => button('Keep both') !== undefined);
  const insert = db.insert.bind(db);
  db.insert = (draft) => {
    const inserted = insert(draft);
    types('mine, and more');
    return inserted;
  };
  button('Keep both')?.click();
  await editor.flush();
  expect(field().value).toBe('theirs');
  expect(await texts()).toEqual(['mine, and more', 'theirs']);
});

test('the same text written here and elsewhere is no conflict', async () => {
  await changedUnheard();
  types('theirs');
  await editor.flush();
  expect(button('Keep both')).toBeUndefined();
  expect(editor.unsaved).toBe(false);
  expect(await texts()).toEqual(['theirs']);
});

test('a note that changed while the one before it was saved is shown as it is now', async () => {
  const [one, two] = [
    await db.insert({ type: NOTE_TYPE, body: { text: 'one' } }),
    await db.insert({ type: NOTE_TYPE, body: { text: 'two' } }),
  ];
  await editor.show(readNote(one));
  types('one more');
  const shown = editor.show(readNote(two));
  const changed = await db.update(two.eid, { body: { text: 'two, elsewhere' } });
  editor.hear([one, changed].flatMap((ent) => (ent === undefined ? [] : [readNote(ent)])));
  await shown;
  expect(field().value).toBe('two, elsewhere');
});

test('who writes over a change that was not heard of, and goes to another note at once, loses neither', async () => {
  await changedUnheard();
  const another = await db.insert({ type: NOTE_TYPE, body: { text: 'another' } });
  types('mine');
  await editor.show(readNote(another));
  expect(await texts()).toEqual(['another', 'mine', 'theirs']);
});

test('what cannot be saved is not left without a question', async () => {
  const [one, two] = [
    await db.insert({ type: NOTE_TYPE, body: { text: 'one' } }),
    await db.insert({ type: NOTE_TYPE, body: { text: 'two' } }),
  ];
  await editor.show(readNote(one));
  types('one, and more');
  await db.close();
  const leaves = async (answer: string) => {
    const left = editor.show(readNote(two));
    const choice = await until('it asks', () =>
      [...document.querySelectorAll('dialog button')].find((each) => each.textContent === answer),
    );
    if (choice instanceof HTMLElement) choice.click();
    await left;
  };
  await leaves('Cancel');
  expect(field().value).toBe('one, and more');
  expect(shown.at(-1)).toBe(one.eid);
  expect(editor.unsaved).toBe(true);
  await leaves('Leave it');
  expect(field().value).toBe('two');
  expect(editor.unsaved).toBe(false);
});
