// The box on the start page that makes a room, and shows how to use it from a program and from a phone.

import type { RoomInfo } from '../../src/client/room/api.ts';
import { announceError } from '../kit/announce.ts';
import { copyButton } from '../kit/copy.ts';
import { button, element, fill, labelled, whileBusy } from '../kit/element.ts';
import { pageUrl, writeFragment } from '../kit/fragment.ts';
import { qrCode } from '../kit/qr.ts';
import { rooms } from './server.ts';

/** The form: one button, and a field where the server asks for a token. */
export function roomForm(needsToken: boolean, made: (room: RoomInfo) => void): HTMLFormElement {
  const token = element('input', { type: 'password', autocomplete: 'off', required: true });
  const submit = element('button', { type: 'submit', class: 'primary' }, ['Create a room']);
  const form = element('form', {}, [
    needsToken && labelled('Token', token, 'This server lets only those make rooms who have its token.'),
    submit,
  ]);
  const make = async () => {
    try {
      made(await rooms(needsToken ? token.value.trim() : undefined).createRoom());
    } catch (error) {
      announceError('No room', error);
    }
  };
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    void whileBusy(submit, make);
  });
  return form;
}

/** Shows a room in `place`, and puts it into the address so that it is there after a reload. Gives back its heading. */
export function showRoom(place: HTMLElement, room: RoomInfo, forget: () => void): HTMLElement {
  writeFragment('room', room.room);
  const board = pageUrl('/whiteboard', { room: room.room });
  const heading = element('h3', { tabindex: -1 }, ['Your room']);
  fill(place, [
    heading,
    element('p', {}, ['Whoever knows its id can read and write it, so pass it on like a key.']),
    element('div', { class: 'row' }, [
      element('a', { class: 'button primary', href: board }, ['Draw in it']),
      element('a', { class: 'button', href: pageUrl('/inspector', { room: room.room }) }, ['Look into it']),
      button('Done with it', () => {
        writeFragment('room', undefined);
        forget();
      }),
    ]),
    element('figure', {}, [
      qrCode(board, 'QR code that opens the whiteboard in this room'),
      element('figcaption', { class: 'hint' }, [phoneHint()]),
    ]),
    shown('Room id', room.room),
    room.readOnly !== room.room && shown('Id that may only read', room.readOnly),
    shown('Address for programs', roomUrl(room)),
    shown('From a terminal', terminal(room)),
    shown('From a web page', program(room)),
  ]);
  return heading;
}

function shown(label: string, content: string): HTMLDivElement {
  return element('div', { class: 'shown' }, [
    element('div', { class: 'row' }, [
      element('span', { class: 'label' }, [label]),
      copyButton('Copy', () => content, { 'aria-label': `Copy: ${label}`, class: 'quiet' }),
    ]),
    element('pre', {}, [element('code', {}, [content])]),
  ]);
}

/** At the address that this page has, which need not be the one that the server would tell. */
function roomUrl({ room }: RoomInfo): string {
  return rooms().url(room);
}

function terminal(room: RoomInfo): string {
  const message = '{"type":"push","key":"greeting","value":"hello","action":{"type":"append"}}';
  return `curl ${roomUrl(room)}/send -H 'content-type: application/json' -d '${message}'
curl ${roomUrl(room)}/stream`;
}

function program(room: RoomInfo): string {
  return `<script type="module">
  import { RoomConnection } from '${location.origin}/seabag.js';
  const room = new RoomConnection('${roomUrl(room)}');
  room.subscribe('greeting', (event) => console.log(event));
  await room.connect();
  room.push('greeting', 'hello', { type: 'append' });
</script>`;
}

function phoneHint(): string {
  const local = ['localhost', '127.0.0.1', '[::1]'].includes(location.hostname);
  return local
    ? `A phone cannot open this address, which means “this machine”. Start the server with --listen 0.0.0.0:${location.port || '8080'} and open this page by the machine’s own address.`
    : 'Scan it with a phone to draw together.';
}
