// Which board this page shows: the one in the fragment, or a new one. Asks for what the server asks for.

import { RoomsApi } from '../../src/client/room/api.ts';
import { RoomError } from '../../src/protocol/error.ts';
import { openDialog } from '../kit/dialog.ts';
import { element, labelled } from '../kit/element.ts';
import { readFragment } from '../kit/fragment.ts';

/** The name of the room in the fragment. */
export const ROOM = 'room';

/** The room of the fragment, or a new one. Rejects when none can be made. */
export async function findRoom(): Promise<string> {
  const known = readFragment(ROOM);
  if (known !== undefined && known !== '') return known;
  return makeRoom();
}

/** Makes a room; a server that lets only some make rooms is told the token that the user knows. */
export async function makeRoom(): Promise<string> {
  let token: string | undefined;
  for (;;) {
    try {
      const options = token === undefined ? {} : { token };
      return (await new RoomsApi(location.origin, options).createRoom()).room;
    } catch (error) {
      if (!(error instanceof RoomError) || error.code !== 'token_required') throw error;
      token = await askToken(token !== undefined);
      if (token === undefined) throw error;
    }
  }
}

async function askToken(again: boolean): Promise<string | undefined> {
  const field = element('input', { type: 'password', autocomplete: 'off', required: true });
  let given: string | undefined;
  const form = element(
    'form',
    {
      on: {
        submit: (event) => {
          event.preventDefault();
          given = field.value;
          dialog.close();
        },
      },
    },
    [
      element('p', {}, [
        again
          ? 'That was not the token. Only who knows it can start a board on this server.'
          : 'Only who knows its token can start a board on this server. Joining one needs none.',
      ]),
      labelled('Token', field),
      element('button', { type: 'submit', class: 'primary' }, ['Start a board']),
    ],
  );
  const dialog = openDialog('A new board', [form], { close: 'Cancel' });
  field.focus();
  await dialog.closed;
  return given;
}
