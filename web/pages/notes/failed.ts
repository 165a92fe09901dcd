// What stands in place of the notes when they cannot be opened: why, and what helps. What is stored is not touched.

import { SeabagError } from '../../src/entdb.ts';
import { button, element } from '../kit/element.ts';
import { forgetSeed } from './seed_store.ts';

const UNAVAILABLE =
  'This browser does not let the page keep anything: it is a private window, or cookies and site data are blocked. Allow them for this address, or try another window or browser.';
const ADVICE: Readonly<Record<string, string>> = {
  storage_unavailable: UNAVAILABLE,
  storage_full:
    'There is no room left for this page. Free some space on the device, then try again. What was saved is still there.',
  blocked: 'Close the other tabs and windows with these notes, then try again.',
  too_new: 'A newer version of this page wrote them. Open it once while the server can be reached.',
  other_seed:
    'The notes in this browser belong to other words than those that were used now. Use their words, and they open.',
};

/** Says it. The button of a further way out is there where there is one. */
export function failure(error: unknown): HTMLElement[] {
  const code = error instanceof SeabagError ? error.code : browserCode(error);
  const told = error instanceof Error ? error.message.replace(/\.$/, '') : 'it failed';
  return [
    element('h1', {}, ['Notes']),
    element('div', { role: 'alert' }, [
      element('p', { class: 'error' }, [`The notes cannot be opened: ${told}.`]),
      element('p', {}, [ADVICE[code] ?? 'Try again; what was saved is not touched.']),
    ]),
    element('div', { class: 'row' }, [
      button('Try again', () => location.reload(), { class: 'primary' }),
      code === 'other_seed' && button('Use other words', () => useOtherWords()),
    ]),
  ];
}

/** Browsers have names of their own for a store that is refused, or full. */
function browserCode(error: unknown): string {
  if (!(error instanceof DOMException)) return '';
  return error.name === 'QuotaExceededError' ? 'storage_full' : 'storage_unavailable';
}

function useOtherWords(): void {
  forgetSeed();
  location.reload();
}
