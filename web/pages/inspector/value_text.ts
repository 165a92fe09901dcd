// Any value of a room as short, harmless text. Bounded in length, in depth and in time, whatever a peer has pushed.

import { plural } from '../kit/plural.ts';

/** Deeper than this a preview only says that there is more. */
const PREVIEW_DEPTH_MAX = 4;
/** Items of a list or fields of an object that a preview looks at. */
const PREVIEW_ITEMS_MAX = 20;
/** Bytes whose size is added up exactly; beyond that a value is large, however large. */
export const ROUGH_BYTES_MAX = 4 * 1024 * 1024;

/** What a value is, for people: `text`, `number`, `list of 3`, … */
export function kindOf(value: unknown): string {
  if (typeof value === 'string') return `text, ${plural(value.length, 'character')}`;
  if (value instanceof Uint8Array) return plural(value.length, 'byte');
  if (Array.isArray(value)) return `list of ${value.length}`;
  if (value instanceof Map) return `map of ${value.size}`;
  if (typeof value === 'object' && value !== null) return plural(Object.keys(value).length, 'field');
  return typeof value;
}

/** Text with nothing in it that acts: no control characters, nothing that turns the direction of reading. */
export function visible(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}\p{Co}\p{Cs}\u2028\u2029]/gu, (character) => {
    if (character === '\n') return '\\n';
    if (character === '\t') return '\\t';
    return `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`;
  });
}

/** The first characters of a text, visible; says when there are more. */
export function shortened(text: string, most: number): string {
  const cut = text.length > most ? text.slice(0, most) : text;
  return text.length > most ? `${visible(cut)}…` : visible(cut);
}

/** Bytes as hexadecimal digits in pairs. */
export function hex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join(' ');
}

/** One line that shows how a value begins, of about `most` characters. */
export function preview(value: unknown, most: number): string {
  const writer = new Writer(most);
  writer.value(value, 0);
  return writer.text;
}

/** A value that is no list, object, map or bytes, as text. */
export function scalarText(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value);
  if (typeof value === 'bigint') return `${value}`;
  if (value instanceof Date)
    return Number.isNaN(value.getTime()) ? 'a date that is none' : value.toISOString();
  return String(value);
}

/** Lists, objects and maps alike: what is in them, by name. Undefined for all else. */
export function membersOf(
  value: unknown,
): { readonly count: number; at(index: number): [string, unknown] } | undefined {
  if (Array.isArray(value)) {
    return { count: value.length, at: (index) => [String(index), value[index]] };
  }
  if (value instanceof Map) {
    const entries = [...value];
    return { count: entries.length, at: (index) => [preview(entries[index]?.[0], 200), entries[index]?.[1]] };
  }
  if (typeof value !== 'object' || value === null || value instanceof Uint8Array || value instanceof Date) {
    return undefined;
  }
  if (ArrayBuffer.isView(value)) return { count: 1, at: () => ['bytes', bytesOf(value)] };
  const entries = Object.entries(value);
  return { count: entries.length, at: (index) => entries[index] ?? ['', undefined] };
}

/** How many bytes a value takes, about; counts no further than `ROUGH_BYTES_MAX`. */
export function roughBytes(value: unknown): number {
  let bytes = 0;
  const left: unknown[] = [value];
  while (left.length > 0 && bytes < ROUGH_BYTES_MAX) {
    const next = left.pop();
    bytes += 8;
    if (typeof next === 'string') bytes += next.length;
    else if (ArrayBuffer.isView(next)) bytes += next.byteLength;
    else if (Array.isArray(next)) for (const item of next) left.push(item);
    else if (next instanceof Map) for (const pair of next) left.push(...pair);
    else if (typeof next === 'object' && next !== null) {
      for (const [key, item] of Object.entries(next)) {
        bytes += key.length;
        left.push(item);
      }
    }
  }
  return bytes;
}

/** A value as text to be copied: JSON, with bytes as hexadecimal digits and what JSON cannot say as text. */
export function copyText(value: unknown): string {
  try {
    return JSON.stringify(value, (_key, item: unknown) => plain(item), 2) ?? String(value);
  } catch {
    return preview(value, 10_000);
  }
}

function plain(item: unknown): unknown {
  if (item instanceof Uint8Array) return hex(item);
  if (typeof item === 'bigint') return `${item}`;
  if (item instanceof Map) return Array.from(item);
  return item;
}

function bytesOf(view: ArrayBufferView): Uint8Array {
  return new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
}

class Writer {
  text = '';
  readonly #most: number;

  constructor(most: number) {
    this.#most = most;
  }

  get #full(): boolean {
    return this.text.length >= this.#most;
  }

  #put(text: string): void {
    const space = this.#most - this.text.length;
    if (space <= 0) return;
    this.text += text.length > space ? `${text.slice(0, space)}…` : text;
  }

  value(value: unknown, depth: number): void {
    if (this.#full) return;
    if (value instanceof Uint8Array) {
      this.#put(
        `${plural(value.length, 'byte')} ${hex(value.subarray(0, 32))}${value.length > 32 ? '…' : ''}`,
      );
    } else if (typeof value === 'string') {
      this.#put(visible(JSON.stringify(value.length > this.#most ? value.slice(0, this.#most) : value)));
    } else {
      this.#members(value, depth);
    }
  }

  #members(value: unknown, depth: number): void {
    const members = membersOf(value);
    if (members === undefined) {
      this.#put(visible(shortened(scalarText(value), this.#most)));
      return;
    }
    const list = Array.isArray(value);
    this.#put(list ? '[' : '{');
    if (depth >= PREVIEW_DEPTH_MAX && members.count > 0) this.#put('…');
    else this.#items(members, list, depth);
    this.#put(list ? ']' : '}');
  }

  #items(members: NonNullable<ReturnType<typeof membersOf>>, list: boolean, depth: number): void {
    for (let index = 0; index < members.count && !this.#full; index += 1) {
      if (index > 0) this.#put(', ');
      if (index >= PREVIEW_ITEMS_MAX) {
        this.#put('…');
        return;
      }
      const [name, item] = members.at(index);
      if (!list) this.#put(`${shortened(name, 60)}: `);
      this.value(item, depth + 1);
    }
  }
}
