// Short messages at the bottom of the page, which screen readers speak. Only so many at a time; they go by themselves.

import { button, element } from './element.ts';

/** Older messages give way beyond this. */
const SHOWN_MAX = 3;
const SHOWN_MS = 6_000;
const ERROR_SHOWN_MS = 15_000;

let region: HTMLElement | undefined;

/** Says something that has happened; an error stays longer and interrupts. */
export function announce(text: string, kind: 'note' | 'error' = 'note'): void {
  region ??= makeRegion();
  const toast = element('div', { class: `toast ${kind}`, role: kind === 'error' ? 'alert' : false }, [
    element('span', {}, [text]),
    button('Dismiss', () => toast.remove(), { class: 'quiet' }),
  ]);
  region.append(toast);
  while (region.childElementCount > SHOWN_MAX) region.firstElementChild?.remove();
  setTimeout(() => toast.remove(), kind === 'error' ? ERROR_SHOWN_MS : SHOWN_MS);
}

/** Says why something failed, in the words of its error. */
export function announceError(what: string, error: unknown): void {
  announce(`${what}: ${error instanceof Error ? error.message : 'it failed'}`, 'error');
}

/** The region must be there before the first message, or that one is not spoken. */
export function makeRegion(): HTMLElement {
  region ??= document.body.appendChild(
    element('div', { class: 'toasts', role: 'status', 'aria-live': 'polite', 'aria-label': 'Messages' }),
  );
  return region;
}
