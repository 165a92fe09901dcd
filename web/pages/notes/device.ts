// "This device": the words and the code for the next one, the file with everything, and forgetting it all.

import type { EntDB, Seed } from '../../src/entdb.ts';
import { announce, announceError } from '../kit/announce.ts';
import { copyButton } from '../kit/copy.ts';
import { confirmDialog, openDialog } from '../kit/dialog.ts';
import { button, element, fill } from '../kit/element.ts';
import { pageUrl } from '../kit/fragment.ts';
import { opensOffline } from '../kit/insecure.ts';
import { plural } from '../kit/plural.ts';
import { qrCode } from '../kit/qr.ts';
import { forgetSeed } from './seed_store.ts';
import { forgetLinkChoice } from './sync_state.ts';
import { withoutWords, wordList } from './welcome.ts';

/** Shows the dialog. */
export function deviceDialog(db: EntDB, seed: Seed): void {
  const secret = element('div', {});
  const kept = element('p', { class: 'hint' });
  void sayWhetherKept(kept);
  openDialog('This device', [
    element('p', {}, ['Key ', element('code', {}, [db.fingerprint]), ': the same on all your devices.']),
    element('div', { class: 'row' }, [
      button('Show my words', () => void showWords(secret, seed).catch(withoutWords)),
      button('Code for another device', () => fill(secret, code(seed))),
    ]),
    secret,
    element('h3', {}, ['A file with everything']),
    element('p', { class: 'hint' }, ['It is sealed with your key; only your words open it.']),
    element('div', { class: 'row' }, [button('Export', () => void exportAll(db)), importButton(db)]),
    element('h3', {}, ['Storage']),
    kept,
    !opensOffline() &&
      element('p', { class: 'hint' }, [
        'By this address the page itself opens only while the server can be reached.',
      ]),
    button(
      'Ask the browser to keep the notes',
      () =>
        void db.persist().then((agreed) => {
          announce(
            agreed
              ? 'The browser keeps them.'
              : 'The browser does not promise it. Export a file now and then.',
          );
          return sayWhetherKept(kept);
        }),
    ),
    element('h3', {}, ['Leave']),
    button('Forget everything on this device', () => void forget(db), { class: 'danger' }),
  ]);
}

async function showWords(place: HTMLElement, seed: Seed): Promise<void> {
  const words = await seed.words();
  fill(place, [
    element('p', { class: 'warning' }, ['Whoever sees these words can read and write your notes.']),
    wordList(words),
    copyButton('Copy', () => words),
  ]);
}

function code(seed: Seed): HTMLElement[] {
  // The label says what the code is for, and not what is in it.
  const drawn = qrCode(
    pageUrl('/notes', { seed: seed.hex() }),
    'QR code that opens your notes on another device',
  );
  const caption = element('figcaption', { class: 'hint' }, ['Scan it with the camera of your other device.']);
  return [
    element('p', { class: 'warning' }, ['Whoever scans this code can read and write your notes.']),
    element('figure', {}, [drawn, caption]),
  ];
}

async function exportAll(db: EntDB): Promise<void> {
  try {
    const { file, messages } = await db.exportFile();
    const address = URL.createObjectURL(file);
    element('a', { href: address, download: 'notes.dpl' }).click();
    setTimeout(() => URL.revokeObjectURL(address), 60_000);
    announce(`${plural(messages, 'entry', 'entries')} exported.`);
  } catch (error) {
    announceError('Not exported', error);
  }
}

function importButton(db: EntDB): HTMLElement {
  const file = element('input', {
    type: 'file',
    accept: '.dpl',
    class: 'hidden-text',
    tabindex: -1,
    'aria-hidden': 'true',
  });
  file.addEventListener('change', async () => {
    const chosen = file.files?.[0];
    if (chosen === undefined) return;
    try {
      const outcome = await db.importFile(chosen);
      announce(importWords(outcome));
    } catch (error) {
      announceError('Not imported', error);
    }
    file.value = '';
  });
  return element('span', {}, [button('Import', () => file.click()), file]);
}

function importWords(outcome: Awaited<ReturnType<EntDB['importFile']>>): string {
  const { applied, known, refused, brokeOff } = outcome;
  const odd = refused > 0 ? `, ${refused} could not be read` : '';
  const end = brokeOff === undefined ? '' : ` The file broke off: ${brokeOff}.`;
  return `${applied} taken in, ${known} were here or older${odd}.${end}`;
}

async function sayWhetherKept(place: HTMLElement): Promise<void> {
  const storage = navigator.storage as StorageManager | undefined;
  const persisted = (await storage?.persisted?.().catch(() => false)) ?? false;
  fill(place, [
    persisted
      ? 'This browser has promised to keep the notes.'
      : 'A browser that runs out of space may delete what is kept here. What is in sync comes back with your words.',
  ]);
}

async function forget(db: EntDB): Promise<void> {
  const { waiting, links } = db.status;
  const loss =
    links.length === 0
      ? 'These notes are nowhere else: they will be gone.'
      : waiting > 0
        ? `The server does not have ${plural(waiting, 'change')} yet: gone here is gone for good.`
        : 'The server has all of them, and your words bring them back.';
  if (
    !(await confirmDialog(
      'Forget everything here?',
      `${loss} Without your words nothing can be opened again.`,
      'Forget',
    ))
  )
    return;
  try {
    await db.wipe();
    forgetSeed();
    forgetLinkChoice();
    location.reload();
  } catch (error) {
    announceError('Not forgotten', error);
  }
}
