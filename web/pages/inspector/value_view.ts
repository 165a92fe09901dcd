// Any value of a room as a tree to unfold. Nothing is built before it is opened, and then only so much at a time, so
// neither depth nor size can hold the page up; all of it is text.

import { button, element } from '../kit/element.ts';
import { hex, kindOf, membersOf, preview, scalarText, shortened, visible } from './value_text.ts';

/** Members shown at a time. */
const MEMBERS_SHOWN = 50;
/** Characters of a text shown at a time. */
const CHARACTERS_SHOWN = 2_000;
const MORE_CHARACTERS = 20_000;
/** Bytes shown at a time, sixteen a line. */
const BYTES_SHOWN = 512;
const MORE_BYTES = 4_096;
const LINE_BYTES = 16;
const PREVIEW_CHARACTERS = 80;

/** A value, unfolded one level. */
export function valueView(value: unknown): HTMLElement {
  return element('div', { class: 'tree' }, [node(undefined, value, true)]);
}

function node(name: string | undefined, value: unknown, open: boolean): HTMLElement {
  const label =
    name === undefined ? false : element('span', { class: 'name' }, [`${shortened(name, 200)}: `]);
  if (value instanceof Uint8Array) return element('div', {}, [label, bytes(value)]);
  const members = membersOf(value);
  if (members === undefined) return element('div', {}, [label, scalar(value)]);
  if (members.count === 0) return element('div', {}, [label, Array.isArray(value) ? '[ ]' : '{ }']);
  const summary = element('summary', {}, [
    label,
    element('span', { class: 'muted' }, [kindOf(value)]),
    ' ',
    preview(value, PREVIEW_CHARACTERS),
  ]);
  const place = element('div', { class: 'members' });
  const details = element('details', {}, [summary, place]);
  let shown = 0;
  const more = () => {
    const end = Math.min(members.count, shown + MEMBERS_SHOWN);
    place.querySelector(':scope > .more')?.remove();
    for (; shown < end; shown += 1) {
      const [key, member] = members.at(shown);
      place.append(node(key, member, false));
    }
    if (shown < members.count) {
      place.append(button(`${members.count - shown} more`, more, { class: 'more quiet' }));
    }
  };
  details.addEventListener('toggle', () => details.open && shown === 0 && more());
  if (open) {
    details.open = true;
    more();
  }
  return details;
}

function scalar(value: unknown): HTMLElement {
  const text = typeof value === 'string' ? value : undefined;
  if (text === undefined) return element('code', {}, [shortened(scalarText(value), CHARACTERS_SHOWN)]);
  if (text.length <= CHARACTERS_SHOWN) return element('code', {}, [visible(JSON.stringify(text))]);
  return inParts(text.length, CHARACTERS_SHOWN, MORE_CHARACTERS, 'character', (from, to) =>
    visible(text.slice(from, to)),
  );
}

function bytes(value: Uint8Array): HTMLElement {
  return inParts(value.length, BYTES_SHOWN, MORE_BYTES, 'byte', (from, to) => {
    const lines: string[] = [];
    for (let at = from; at < to; at += LINE_BYTES) {
      const line = value.subarray(at, Math.min(to, at + LINE_BYTES));
      lines.push(`${at.toString(16).padStart(6, '0')}  ${hex(line)}`);
    }
    return `${lines.join('\n')}\n`;
  });
}

function inParts(
  length: number,
  first: number,
  step: number,
  unit: string,
  part: (from: number, to: number) => string,
): HTMLElement {
  const code = element('code', { class: 'long' });
  const place = element('span', {}, [element('span', { class: 'muted' }, [`${length} ${unit}s `]), code]);
  let shown = 0;
  const more = () => {
    const end = Math.min(length, shown + (shown === 0 ? first : step));
    code.append(part(shown, end));
    shown = end;
    place.querySelector('.more')?.remove();
    if (shown < length)
      place.append(button(`${length - shown} more ${unit}s`, more, { class: 'more quiet' }));
  };
  more();
  return place;
}
