// Values as people read them: short ones as they are, long ones folded, and none able to freeze the page however large,
// deep or strange it is. Text stays text.

import { element } from '../kit/element.ts';

/** Characters that are shown of one value; the rest is cut, and said to be. */
export const SHOWN_CHARACTERS_MAX = 20_000;
/** Longer ones are folded. */
const FOLDED_CHARACTERS = 160;
const DEPTH_MAX = 12;
const ITEMS_MAX = 500;

/** An element that shows a value. */
export function prettyValue(value: unknown): HTMLElement {
  const text = prettyText(value);
  if (text.length <= FOLDED_CHARACTERS && !text.includes('\n')) return element('code', {}, [text]);
  const flat = text.slice(0, FOLDED_CHARACTERS).replace(/\s+/g, ' ');
  return element('details', { class: 'value' }, [
    element('summary', {}, [element('code', {}, [`${flat}…`])]),
    element('pre', { tabindex: 0 }, [text]),
  ]);
}

/** A value as text: like JSON, with bytes in hex. At most {@link SHOWN_CHARACTERS_MAX} characters and a note. */
export function prettyText(value: unknown): string {
  const out: string[] = [];
  let left = SHOWN_CHARACTERS_MAX;
  const write = (text: string) => {
    if (left > 0) out.push(text.slice(0, left));
    left -= text.length;
  };
  writeValue(value, '', 0, write, () => left <= 0);
  const text = out.join('');
  return left < 0 ? `${text}\n… cut here` : text;
}

function writeValue(
  value: unknown,
  indent: string,
  depth: number,
  write: (text: string) => void,
  full: () => boolean,
): void {
  if (full()) return;
  if (value instanceof Uint8Array) return write(bytesText(value));
  if (typeof value === 'bigint') return write(String(value));
  if (value instanceof Date) return write(Number.isNaN(value.getTime()) ? 'no date' : value.toISOString());
  if (typeof value !== 'object' || value === null) {
    // A long string is cut before it is quoted: quoting doubles it at worst.
    const short = typeof value === 'string' ? value.slice(0, SHOWN_CHARACTERS_MAX) : value;
    return write(JSON.stringify(short) ?? String(value));
  }
  const [open, close, items] = itemsOf(value);
  if (items.length === 0) return write(open + close);
  if (depth >= DEPTH_MAX) return write(`${open} … ${close}`);
  const inner = `${indent}  `;
  write(open);
  for (const [place, [name, item]] of items.entries()) {
    if (full()) break;
    write(`${place === 0 ? '' : ','}\n${inner}${name}`);
    writeValue(item, inner, depth + 1, write, full);
  }
  const hidden = sizeOf(value) - items.length;
  write(hidden > 0 ? `,\n${inner}… ${hidden} more\n${indent}${close}` : `\n${indent}${close}`);
}

type Item = readonly [name: string, value: unknown];

function itemsOf(value: object): [open: string, close: string, items: Item[]] {
  if (Array.isArray(value)) return ['[', ']', value.slice(0, ITEMS_MAX).map((item): Item => ['', item])];
  const entries =
    value instanceof Map ? Array.from(value).slice(0, ITEMS_MAX) : Object.entries(value).slice(0, ITEMS_MAX);
  return ['{', '}', entries.map(([key, item]): Item => [`${JSON.stringify(key) ?? String(key)}: `, item])];
}

function sizeOf(value: object): number {
  if (Array.isArray(value)) return value.length;
  return value instanceof Map ? value.size : Object.keys(value).length;
}

function bytesText(bytes: Uint8Array): string {
  const shown = Array.from(bytes.subarray(0, SHOWN_CHARACTERS_MAX / 2), (byte) =>
    byte.toString(16).padStart(2, '0'),
  );
  return `${bytes.length} bytes ${shown.join('')}`;
}
