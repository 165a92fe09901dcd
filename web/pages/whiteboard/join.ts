// The dialog that brings others to the board: a link to copy and a code for a phone's camera, to draw or only to look.

import { RoomsApi } from '../../src/client/room/api.ts';
import { copyButton } from '../kit/copy.ts';
import { openDialog } from '../kit/dialog.ts';
import { element, fill, labelled } from '../kit/element.ts';
import { pageUrl } from '../kit/fragment.ts';
import { qrCode } from '../kit/qr.ts';

const PATH = '/whiteboard';

/** Opens the dialog for a room. Whoever may only look can pass on only that. */
export async function openJoin(room: string, readOnly: boolean): Promise<void> {
  const link = element('input', { type: 'text', readonly: true, class: 'code' });
  const code = element('div', { class: 'qr-frame' });
  const show = (id: string, label: string) => {
    link.value = pageUrl(PATH, { room: id });
    fill(code, [qrCode(link.value, label)]);
  };
  show(room, 'Code that opens this board');
  const copy = copyButton('Copy the link', () => link.value, { class: 'primary' });
  const choice = element('div');
  const content = [
    choice,
    code,
    labelled('Link to this board', link),
    element('div', { class: 'row' }, [copy]),
  ];
  const dialog = openDialog('Bring others to this board', content);
  link.addEventListener('focus', () => link.select());
  copy.focus();
  if (readOnly) {
    fill(choice, [element('p', {}, ['Whoever has this link can look at the board, as you can.'])]);
  } else {
    fill(choice, [element('p', {}, ['Whoever has this link can draw, and clear the board.'])]);
    const readOnlyId = await findReadOnly(room);
    if (readOnlyId !== undefined) fill(choice, [kindOfLink(room, readOnlyId, show)]);
  }
  await dialog.closed;
}

/** Undefined while the server cannot be asked; then there is one kind of link only. */
async function findReadOnly(room: string): Promise<string | undefined> {
  try {
    return (await new RoomsApi(location.origin).room(room)).readOnly;
  } catch {
    return undefined;
  }
}

function kindOfLink(room: string, readOnly: string, show: (id: string, label: string) => void): HTMLElement {
  const option = (label: string, id: string, about: string, checked: boolean) => {
    const radio = element('input', {
      type: 'radio',
      name: 'kind-of-link',
      checked,
      on: { change: () => show(id, about) },
    });
    return element('label', { class: 'row' }, [radio, label]);
  };
  return element('fieldset', {}, [
    element('legend', {}, ['Whoever has the link']),
    option('can draw, and clear the board', room, 'Code that opens this board', true),
    option('can only look', readOnly, 'Code that opens this board to look at', false),
  ]);
}
