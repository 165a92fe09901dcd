// The tab "Room": takes a room's id or address, puts the id into the fragment, and opens the room.

import { RoomsApi } from '../../src/client/room/api.ts';
import { button, element, fill, labelled } from '../kit/element.ts';
import { onFragment, readFragment, writeFragment } from '../kit/fragment.ts';
import { RoomView } from './room_view.ts';

const ROOM = 'room';

/** What stands for a room in what somebody pasted: an id, a room's address, or a page's with a room in its fragment. */
export function roomIn(text: string): string {
  const given = text.trim();
  try {
    const { hash, pathname } = new URL(given);
    const named = new URLSearchParams(hash.slice(1)).get(ROOM);
    return named ?? /\/room\/([^/]+)/.exec(pathname)?.[1] ?? given;
  } catch {
    return given;
  }
}

/** Builds the tab into its panel. */
export function openRoomTab(panel: HTMLElement): void {
  const field = element('input', {
    type: 'text',
    spellcheck: 'false',
    autocomplete: 'off',
    required: true,
    class: 'code',
  });
  const place = element('div');
  let view: RoomView | undefined;
  const close = () => {
    view?.close();
    view = undefined;
    fill(place, []);
  };
  const open = async (id: string) => {
    close();
    field.value = id;
    let opened: RoomView | undefined;
    try {
      opened = new RoomView(new RoomsApi(location.origin).url(id));
      view = opened;
      fill(place, [opened.element]);
      await opened.open();
    } catch (error) {
      // Another room was asked for meanwhile, or none.
      if (view !== opened) return;
      close();
      const told = error instanceof Error ? error.message : 'it failed';
      fill(place, [
        element('p', { class: 'error', role: 'alert' }, [`This room cannot be opened: ${told}.`]),
      ]);
    }
  };
  const submit = (event: Event) => {
    event.preventDefault();
    const id = roomIn(field.value);
    writeFragment(ROOM, id);
    void open(id);
  };
  const forget = () => {
    writeFragment(ROOM, undefined);
    field.value = '';
    close();
  };
  fill(panel, [
    element('form', { class: 'row which', on: { submit } }, [
      labelled('Room id, or its address', field, 'A room of this server. It stays in this page’s address.'),
      element('button', { type: 'submit', class: 'primary' }, ['Look into it']),
      button('Leave it', forget),
    ]),
    place,
  ]);
  const fromFragment = () => {
    const id = readFragment(ROOM);
    if (id !== undefined && id !== field.value) void open(id);
  };
  onFragment(fromFragment);
  fromFragment();
}
