// The dialog with everybody who is here, and the own name in it.

import type { Peer } from '../../src/client/room/presence.ts';
import { openDialog } from '../kit/dialog.ts';
import { element, labelled } from '../kit/element.ts';
import { cleanName, NAME_CHARACTERS_MAX, personName } from './people.ts';
import type { Person } from './session.ts';

/** Names listed; beyond that it is a crowd. */
const LISTED_MAX = 100;

/** Shows who is here. The own new name, or undefined when it is to stay. */
export async function openPeople(own: Person, others: readonly Peer<Person>[]): Promise<string | undefined> {
  const field = element('input', { type: 'text', maxlength: NAME_CHARACTERS_MAX, autocomplete: 'nickname' });
  field.value = own.name;
  let given: string | undefined;
  const submit = (event: Event) => {
    event.preventDefault();
    given = cleanName(field.value) || undefined;
    dialog.close();
  };
  const form = element('form', { on: { submit } }, [
    labelled('Your name, as the others see it', field),
    element('button', { type: 'submit', class: 'primary' }, ['Use this name']),
  ]);
  const names = others.slice(0, LISTED_MAX).map((peer) => element('li', {}, [personName(peer.value)]));
  const rest =
    others.length > LISTED_MAX ? element('p', {}, [`and ${others.length - LISTED_MAX} more`]) : false;
  const list =
    names.length === 0
      ? element('p', {}, ['Nobody else is here. Invite somebody.'])
      : element('ul', { 'aria-label': 'The others' }, names);
  const dialog = openDialog('People on this board', [form, list, rest]);
  await dialog.closed;
  return given === own.name ? undefined : given;
}
