// The first visit: whose notes are these? A new seed with its words to write down, or the words of another device.

import { Seed } from '../../src/entdb.ts';
import { announceError } from '../kit/announce.ts';
import { copyButton } from '../kit/copy.ts';
import { confirmDialog } from '../kit/dialog.ts';
import { button, element, fill, labelled, whileBusy } from '../kit/element.ts';
import { takeFragment } from '../kit/fragment.ts';
import { insecureNote } from '../kit/insecure.ts';
import { storedSeed, storeSeed } from './seed_store.ts';

/** What the questions of a first visit need. */
interface Asking {
  readonly place: HTMLElement;
  /** Fails where nothing can be kept. */
  check(): Promise<void>;
  chosen(seed: Seed): void;
  failed(error: unknown): void;
}

/** The seed of this device; asks for one in `place` if there is none. A new one is made once `check` says that it can be kept. */
export async function welcome(place: HTMLElement, check: () => Promise<void>): Promise<Seed> {
  const stored = await storedSeed();
  const handed = await handedSeed();
  if (handed !== undefined && handed.hex() !== stored?.hex() && (await mayUse(handed, stored))) {
    storeSeed(handed);
    return handed;
  }
  if (stored !== undefined) return stored;
  const seed = await new Promise<Seed>((chosen, failed) => begin({ place, check, chosen, failed }));
  storeSeed(seed);
  fill(place, []);
  return seed;
}

/** A seed that came by a code while notes are open leaves the address, and is refused if it is another one. */
export async function refuseHanded(open: Seed): Promise<void> {
  const handed = await handedSeed();
  if (handed !== undefined && handed.hex() !== open.hex()) await refuse();
}

/** A seed's words as a numbered list: what people compare with their paper. */
export function wordList(words: string): HTMLElement {
  return element(
    'ol',
    { class: 'words' },
    words.split(' ').map((word) => element('li', {}, [word])),
  );
}

/** A seed that came by a QR code. It leaves the address at once. */
async function handedSeed(): Promise<Seed | undefined> {
  const text = takeFragment('seed');
  if (text === undefined) return undefined;
  try {
    return await Seed.parse(text);
  } catch (error) {
    announceError('The code holds no seed', error);
    return undefined;
  }
}

/** Asked always: else a link from a stranger could make somebody write into the stranger's notes. */
async function mayUse(handed: Seed, stored: Seed | undefined): Promise<boolean> {
  if (stored !== undefined) return refuse();
  return confirmDialog(
    'Open these notes here?',
    `This code holds the key ${await handed.fingerprint()} to somebody’s notes. Go on only if you made it yourself on your other device: whoever made it can read what you write here.`,
    'They are mine',
  );
}

async function refuse(): Promise<false> {
  await confirmDialog(
    'These are other notes',
    'This browser has notes of another seed. To open those of the code, first forget the ones here: This device, Forget.',
    'I see',
  );
  return false;
}

function begin(asking: Asking): void {
  const heading = element('h2', { tabindex: -1 }, ['Private notes']);
  const start = button('Start writing', () => whileBusy(start, () => startNew(asking)), {
    class: 'primary',
  });
  fill(asking.place, [
    element('div', { class: 'welcome' }, [
      heading,
      element('p', {}, [
        'Your notes live on your devices and sync through this server, which cannot read them. The key to them is 24 words that only you have. There is no account, and nobody can restore lost words.',
      ]),
      insecureNote(),
      element('div', { class: 'cards' }, [
        element('section', { class: 'card', 'aria-labelledby': 'new-notes' }, [
          element('h3', { id: 'new-notes' }, ['This is my first device']),
          element('p', {}, ['Make a new key and begin.']),
          start,
        ]),
        element('section', { class: 'card', 'aria-labelledby': 'my-notes' }, [
          element('h3', { id: 'my-notes' }, ['I have notes elsewhere']),
          wordsForm(asking),
          element('p', { class: 'hint' }, [
            'Or scan the code that your other device shows under “This device”.',
          ]),
        ]),
      ]),
    ]),
  ]);
}

async function startNew(asking: Asking): Promise<void> {
  try {
    await asking.check();
  } catch (error) {
    return asking.failed(error);
  }
  await showNew(asking).catch(withoutWords);
}

async function showNew(asking: Asking): Promise<void> {
  const seed = Seed.generate();
  const words = await seed.words();
  const heading = element('h2', { tabindex: -1 }, ['Write these words down']);
  fill(asking.place, [
    element('div', { class: 'welcome' }, [
      heading,
      element('p', {}, [
        'On paper, in this order. They open your notes on any device, for you and for whoever finds them. You can see them again under “This device”.',
      ]),
      wordList(words),
      element('div', { class: 'row' }, [
        button('I have written them down', () => asking.chosen(seed), { class: 'primary' }),
        copyButton('Copy', () => words),
        button('Back', () => begin(asking), { class: 'quiet' }),
      ]),
    ]),
  ]);
  heading.focus();
}

/** The list of words is a file of its own, which may be out of reach. */
export function withoutWords(error: unknown): void {
  announceError('The words cannot be shown now', error);
}

function wordsForm({ chosen }: Asking): HTMLFormElement {
  const words = element('textarea', {
    rows: 4,
    required: true,
    autocomplete: 'off',
    autocapitalize: 'none',
    autocorrect: 'off',
    spellcheck: 'false',
    class: 'code',
  });
  const complaint = element('p', { class: 'error', role: 'alert' });
  const submit = element('button', { type: 'submit' }, ['Open my notes']);
  const form = element('form', {}, [labelled('Your 24 words', words), complaint, submit]);
  const read = async () => {
    try {
      chosen(await Seed.parse(words.value));
    } catch (error) {
      fill(complaint, [error instanceof Error ? error.message : 'These are not the words of a seed.']);
      words.focus();
    }
  };
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    void whileBusy(submit, read);
  });
  return form;
}
