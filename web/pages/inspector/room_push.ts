// The form that pushes, compacts and trims by hand, and says in words what came of it.

import type { RoomConnection } from '../../src/client/room/connection.ts';
import type { Acknowledgement, SentPush } from '../../src/client/room/types.ts';
import { RoomError } from '../../src/protocol/error.ts';
import { element, labelled } from '../kit/element.ts';
import { plural } from '../kit/plural.ts';

const ACTIONS = [
  ['append', 'Append: kept, after what is there'],
  ['replace', 'Replace: kept, instead of what is there'],
  ['relay', 'Relay: heard by who is here, not kept'],
  ['compact', 'Compact: stands for all up to a number'],
  ['trim', 'Trim: drop all up to a number'],
] as const;
type ActionName = (typeof ACTIONS)[number][0];

/** What the form says, ready to be sent. */
export interface Order {
  readonly key: string;
  readonly action: ActionName;
  /** Undefined for a trim. */
  readonly value: unknown;
  readonly seq: number;
}

/** Reads the fields. Throws an `Error` whose message is for people. */
export function readOrder(key: string, action: string, text: string, number: string): Order {
  const name = ACTIONS.find(([known]) => known === action)?.[0] ?? 'append';
  const needsNumber = name === 'compact' || name === 'trim';
  const seq = Number(number);
  if (needsNumber && (number.trim() === '' || !Number.isSafeInteger(seq) || seq < 0)) {
    throw new Error('Up to which number? A whole number from 0 on.');
  }
  if (name === 'trim') return { key, action: name, value: undefined, seq };
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new Error(`The value is no JSON: ${error instanceof Error ? error.message : ''}`);
  }
  if (value === null) throw new Error('null is no value in a room.');
  return { key, action: name, value, seq };
}

/** What became of it, in words. */
export function outcome(order: Order, { seq, size, stale }: Acknowledgement): string {
  const left = size === null ? '' : ` The key keeps ${plural(size, 'entry', 'entries')}.`;
  if (stale)
    return `It came too late: the key was compacted or replaced beyond ${order.seq} already. Nothing changed.`;
  if (order.action === 'compact') return `Compacted up to ${order.seq}.${left}`;
  if (order.action === 'trim') return `Trimmed up to ${order.seq}.${left}`;
  if (order.action === 'relay') return `Relayed as number ${seq}.`;
  return `Stored as number ${seq}.${left}`;
}

export class PushSection {
  readonly element: HTMLElement;
  readonly #connection: RoomConnection;
  readonly #key = element('input', { type: 'text', spellcheck: 'false', autocomplete: 'off' });
  readonly #value = element('textarea', { rows: 4, class: 'code', spellcheck: 'false' });
  readonly #action = element(
    'select',
    {},
    ACTIONS.map(([value, label]) => element('option', { value }, [label])),
  );
  readonly #number = element('input', { type: 'text', inputmode: 'numeric', autocomplete: 'off' });
  readonly #numberField: HTMLElement;
  readonly #valueField: HTMLElement;
  readonly #submit = element('button', { type: 'submit', class: 'primary' }, ['Push']);
  readonly #told = element('p', { role: 'status', 'aria-live': 'polite' });

  constructor(connection: RoomConnection) {
    this.#connection = connection;
    this.#value.value = '{"hello": "room"}';
    this.#numberField = labelled('Up to number', this.#number);
    this.#valueField = labelled('Value', this.#value, 'JSON, and not null');
    this.#action.addEventListener('change', () => this.#showFields());
    const submit = (event: Event) => {
      event.preventDefault();
      void this.#push();
    };
    this.element = element('section', { class: 'card', 'aria-labelledby': 'push' }, [
      element('h2', { id: 'push' }, ['Push']),
      element('form', { on: { submit } }, [
        labelled('Key', this.#key),
        labelled('Action', this.#action),
        this.#numberField,
        this.#valueField,
        element('div', { class: 'row' }, [this.#submit]),
        this.#told,
      ]),
    ]);
    this.#showFields();
  }

  /** Puts a key into the form. */
  use(key: string): void {
    this.#key.value = key;
    this.#key.scrollIntoView({ block: 'center' });
    this.#key.focus();
  }

  setReadOnly(readOnly: boolean): void {
    this.#submit.disabled = readOnly;
    if (readOnly) this.#tell('With this id the room can only be read.', '');
  }

  #showFields(): void {
    const action = this.#action.value;
    this.#numberField.hidden = action !== 'compact' && action !== 'trim';
    this.#valueField.hidden = action === 'trim';
  }

  async #push(): Promise<void> {
    try {
      const order = readOrder(this.#key.value, this.#action.value, this.#value.value, this.#number.value);
      const sent = this.#send(order);
      const { connected } = this.#connection.status;
      this.#tell(connected ? 'On its way…' : 'Offline: it waits until there is a connection.', 'muted');
      this.#tell(outcome(order, await sent.done), 'good');
    } catch (error) {
      const code = error instanceof RoomError ? ` (${error.code})` : '';
      this.#tell(`Not done: ${error instanceof Error ? error.message : 'it failed'}${code}`, 'error');
    }
  }

  #send({ key, action, value, seq }: Order): SentPush {
    if (action === 'trim') return this.#connection.trim(key, seq);
    if (action === 'compact') return this.#connection.push(key, value, { type: 'compact', seq });
    return this.#connection.push(key, value, { type: action });
  }

  #tell(text: string, kind: string): void {
    this.#told.className = kind;
    this.#told.textContent = text;
  }
}
