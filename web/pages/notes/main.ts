// The page `/notes`: whose notes, the list, the note that is open, and how syncing stands.

import './notes.css';
import { openEntDB, type Seed } from '../../src/entdb.ts';
import { announce, announceError } from '../kit/announce.ts';
import { button, element, fill } from '../kit/element.ts';
import { onFragment, readFragment, writeFragment } from '../kit/fragment.ts';
import { openPage } from '../kit/page.ts';
import { deviceDialog } from './device.ts';
import { Editor } from './editor.ts';
import { failure } from './failed.ts';
import { NoteList } from './list.ts';
import { NOTE_TYPE, type Note, readNote } from './model.ts';
import { checkStorage } from './seed_store.ts';
import { linkHere, mayLinkHere, syncButton } from './sync_state.ts';
import { refuseHanded, welcome } from './welcome.ts';

/** The database's name in this origin. */
const DATABASE = 'notes';
/** Opening takes longer only when another tab is in the way. */
const OPENING_MS = 500;

const { main, aside } = openPage('notes', { wide: true });

begin().catch((error: unknown) => fill(main, failure(error)));

async function begin(): Promise<void> {
  const place = element('div', {});
  main.append(element('h1', { class: 'hidden-text' }, ['Notes']), place);
  let seed: Seed | undefined;
  // A code that is scanned into a tab that is open. Notes that are open stay: leaving them for it, the browser might ask,
  // and with "no" the seed would stay in the address.
  const stop = onFragment(() => {
    if (readFragment('seed') === undefined) return;
    if (seed !== undefined) return void refuseHanded(seed);
    stop();
    location.reload();
  });
  seed = await welcome(place, () => checkStorage(DATABASE));
  const late = setTimeout(() => fill(place, [opening()]), OPENING_MS);
  await openNotes(seed).finally(() => clearTimeout(late));
  place.remove();
}

function opening(): HTMLElement {
  return element('p', { class: 'hint', role: 'status' }, ['Opening the notes…']);
}

async function openNotes(seed: Seed): Promise<void> {
  const db = await openEntDB({ name: DATABASE, seed, storage: 'indexeddb' });
  let notes: readonly Note[] = [];
  let loaded = false;

  const list = new NoteList({
    open: (eid) => show(eid),
    create: (group) => begins({ group }),
  });
  const editor = new Editor(db, {
    shown: (eid) => {
      writeFragment('note', eid);
      main.dataset.view = 'note';
      list.mark(eid);
    },
    createUnder: (parent, group) => begins({ parent, group }),
    closed: () => {
      writeFragment('note', undefined);
      main.dataset.view = 'list';
      list.mark(undefined);
    },
  });
  main.append(element('div', { class: 'panes' }, [list.element, editor.element]));
  main.dataset.view = 'list';
  aside.append(
    syncButton(db),
    button('This device', () => deviceDialog(db, seed), { class: 'quiet' }),
  );

  db.watch({ type: NOTE_TYPE, order: 'updated', reverse: true }, (ents) => {
    notes = ents.map(readNote);
    list.show(notes);
    editor.hear(notes);
    if (!loaded) {
      loaded = true;
      follow();
    }
  });
  onFragment(follow);
  addEventListener('visibilitychange', () => {
    if (document.visibilityState === 'hidden') void editor.flush();
  });
  addEventListener('beforeunload', (event) => {
    if (editor.unsaved) event.preventDefault();
  });
  if (mayLinkHere()) {
    linkHere(db).catch((error: unknown) => announceError('This server does not sync the notes', error));
  }

  function show(eid: string): void {
    writeFragment('note', eid, { push: true });
    follow();
  }

  function begins(beginning: { parent?: string | undefined; group?: string | undefined }): void {
    writeFragment('note', undefined, { push: true });
    main.dataset.view = 'note';
    list.mark(undefined);
    void editor.create(beginning);
  }

  /** Shows what the address names. */
  function follow(): void {
    const eid = readFragment('note');
    if (eid !== undefined && eid === editor.open) return;
    const note = notes.find((candidate) => candidate.eid === eid);
    list.mark(note?.eid);
    main.dataset.view = note === undefined ? 'list' : 'note';
    if (note !== undefined) void editor.show(note);
    else void editor.close();
    if (note === undefined && eid !== undefined) announce('That note is not on this device.');
  }
}
