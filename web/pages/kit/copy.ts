// A button that copies a text. Without a secure context there is no clipboard; then the text is shown to be copied by hand.

import { announce } from './announce.ts';
import { openDialog } from './dialog.ts';
import { button, element, labelled, type Props } from './element.ts';

/** Copies what `text` gives at the time of the click. */
export function copyButton(label: string, text: () => string, props: Props = {}): HTMLButtonElement {
  return button(label, () => void copy(text()), props);
}

/** Copies a text, and says so. */
export async function copy(text: string): Promise<void> {
  try {
    await navigator.clipboard.writeText(text);
    announce('Copied.');
  } catch {
    const field = element('textarea', { readonly: true, rows: 4, class: 'code' });
    field.value = text;
    openDialog('Copy by hand', [labelled('This browser lets no page at this address copy for you', field)]);
    field.select();
  }
}
