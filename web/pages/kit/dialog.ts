// Modal dialogs on the browser's own <dialog>: it keeps the focus inside, closes on Escape, gives the focus back.

import { button, type Child, element } from './element.ts';

/** A dialog that is open. */
export interface OpenDialog {
  readonly element: HTMLDialogElement;
  /** Resolves when it has closed, however that came. */
  readonly closed: Promise<void>;
  close(): void;
}

let dialogs = 0;

/** Opens a dialog with a title, some content and a button that closes it. */
export function openDialog(title: string, children: readonly Child[], { close = 'Close' } = {}): OpenDialog {
  dialogs += 1;
  const heading = element('h2', { id: `dialog-${dialogs}` }, [title]);
  const dialog = element('dialog', { 'aria-labelledby': heading.id }, [
    heading,
    ...children,
    element('div', { class: 'row end' }, [button(close, () => dialog.close())]),
  ]);
  const closed = new Promise<void>((resolve) => {
    dialog.addEventListener('close', () => {
      dialog.remove();
      resolve();
    });
  });
  document.body.append(dialog);
  dialog.showModal();
  return { element: dialog, closed, close: () => dialog.close() };
}

/** Asks before something that cannot be undone. True when the user agreed. */
export async function confirmDialog(title: string, text: string, action: string): Promise<boolean> {
  let agreed = false;
  const agree = button(action, () => {
    agreed = true;
    dialog.close();
  });
  agree.className = 'danger';
  const dialog = openDialog(title, [element('p', {}, [text]), agree], { close: 'Cancel' });
  await dialog.closed;
  return agreed;
}
