// Reads MessagePack. It ends with a value or with a reason for every input, and says whether writing the value would give
// the same bytes: a message is known by its hash, and who cannot make its bytes again has to keep them.

import {
  DEPTH_MAX,
  dateBytes,
  EXTENSION_KEY,
  EXTENSION_TIME,
  extensionOf,
  MsgpackError,
  NAN_BITS,
  plainNumber,
  TOO_DEEP,
  UINT32,
} from './msgpack.ts';

const CUT = 'it ends too early';
const DATE_MS_MAX = 8_640_000_000_000_000;
/** Shorter texts of ASCII are put together here: that is faster than asking the decoder. */
const SHORT_TEXT = 24;

const strictText = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
const anyText = new TextDecoder('utf-8', { ignoreBOM: true });

/** Reads values one behind the other. */
export class MsgpackReader {
  /** Whether everything that was read is in the form that {@link MsgpackWriter} gives it. */
  exact = true;
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  #at = 0;
  #depth = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  /** How many bytes were read. */
  get position(): number {
    return this.#at;
  }

  /** Whether nothing is left. */
  get isEmpty(): boolean {
    return this.#at === this.#bytes.length;
  }

  /** The first byte of the next value. */
  get next(): number {
    const byte = this.#bytes[this.#at];
    if (byte === undefined) throw new MsgpackError(CUT);
    return byte;
  }

  /** How many entries the map has that begins here, and enters it; null if it is no map. */
  enterMap(): number | null {
    const marker = this.next;
    const isMap = (marker & 0xf0) === 0x80 || marker === 0xde || marker === 0xdf;
    if (!isMap) return null;
    this.#at += 1;
    const count = (marker & 0xf0) === 0x80 ? marker & 0x0f : this.#shortest(marker === 0xde ? 2 : 4, 0x10);
    this.#enter(count);
    return count;
  }

  /** A text that is well-formed; null if the next value is something else, which is read all the same. */
  text(): string | null {
    const { exact } = this;
    this.exact = true;
    const start = this.next;
    const value = this.value();
    const wellFormed = typeof value === 'string' && this.#lastTextWasWell;
    this.exact &&= exact;
    return wellFormed && isTextMarker(start) ? value : null;
  }

  /** The next value. */
  value(): unknown {
    const marker = this.next;
    this.#at += 1;
    if (marker < 0x80) return marker;
    if (marker >= 0xe0) return marker - 0x100;
    if (marker < 0x90) return this.#map(marker & 0x0f);
    if (marker < 0xa0) return this.#array(marker & 0x0f);
    if (marker < 0xc0) return this.#text(marker & 0x1f);
    switch (marker) {
      case 0xc0:
        return null;
      case 0xc2:
        return false;
      case 0xc3:
        return true;
      case 0xc4:
        return this.#binary(this.#shortest(1, 0));
      case 0xc5:
        return this.#binary(this.#shortest(2, 0x100));
      case 0xc6:
        return this.#binary(this.#shortest(4, 0x1_0000));
      case 0xc7:
        return this.#extension(this.#shortest(1, 0), false);
      case 0xc8:
        return this.#extension(this.#shortest(2, 0x100), false);
      case 0xc9:
        return this.#extension(this.#shortest(4, 0x1_0000), false);
      case 0xca:
        return this.#float32();
      case 0xcb:
        return this.#float64();
      case 0xcc:
        return this.#shortest(1, 0x80);
      case 0xcd:
        return this.#shortest(2, 0x100);
      case 0xce:
        return this.#shortest(4, 0x1_0000);
      case 0xcf:
        return this.#unsigned64();
      case 0xd0:
        return this.#signed(1, -0x20);
      case 0xd1:
        return this.#signed(2, -0x80);
      case 0xd2:
        return this.#signed(4, -0x8000);
      case 0xd3:
        return this.#signed64();
      case 0xd4:
      case 0xd5:
      case 0xd6:
      case 0xd7:
      case 0xd8:
        return this.#extension(1 << (marker - 0xd4), true);
      case 0xd9:
        return this.#text(this.#shortest(1, 0x20));
      case 0xda:
        return this.#text(this.#shortest(2, 0x100));
      case 0xdb:
        return this.#text(this.#shortest(4, 0x1_0000));
      case 0xdc:
        return this.#array(this.#shortest(2, 0x10));
      case 0xdd:
        return this.#array(this.#shortest(4, 0x1_0000));
      case 0xde:
        return this.#map(this.#shortest(2, 0x10));
      case 0xdf:
        return this.#map(this.#shortest(4, 0x1_0000));
      default:
        throw new MsgpackError('it holds a byte that MessagePack does not use');
    }
  }

  #lastTextWasWell = true;

  #take(length: number): number {
    const start = this.#at;
    if (length > this.#bytes.length - start) throw new MsgpackError(CUT);
    this.#at = start + length;
    return start;
  }

  /** A number of so many bytes, of which none is less in the shortest form. */
  #shortest(width: 1 | 2 | 4, least: number): number {
    const at = this.#take(width);
    const view = this.#view;
    const value = width === 1 ? view.getUint8(at) : width === 2 ? view.getUint16(at) : view.getUint32(at);
    if (value < least) this.exact = false;
    return value;
  }

  /** As {@link #shortest} with a sign: only what is less than this has no shorter form. */
  #signed(width: 1 | 2 | 4, below: number): number {
    const at = this.#take(width);
    const view = this.#view;
    const value = width === 1 ? view.getInt8(at) : width === 2 ? view.getInt16(at) : view.getInt32(at);
    if (value >= below) this.exact = false;
    return value;
  }

  #unsigned64(): number | bigint {
    const value = this.#view.getBigUint64(this.#take(8));
    if (value < UINT32) this.exact = false;
    return plainNumber(value);
  }

  #signed64(): number | bigint {
    const value = this.#view.getBigInt64(this.#take(8));
    if (value >= -0x8000_0000n) this.exact = false;
    return plainNumber(value);
  }

  #float32(): number {
    this.exact = false;
    return this.#view.getFloat32(this.#take(4));
  }

  #float64(): number {
    const at = this.#take(8);
    const value = this.#view.getFloat64(at);
    const odd = Number.isNaN(value) && this.#view.getBigUint64(at) !== NAN_BITS;
    if (Number.isSafeInteger(value) || odd) this.exact = false;
    return value;
  }

  #text(length: number): string {
    const start = this.#take(length);
    this.#lastTextWasWell = true;
    if (length <= SHORT_TEXT) {
      let text = '';
      let at = start;
      for (; at < start + length; at += 1) {
        const byte = this.#bytes[at] ?? 0;
        if (byte > 0x7f) break;
        text += String.fromCharCode(byte);
      }
      if (at === start + length) return text;
    }
    const bytes = this.#bytes.subarray(start, start + length);
    try {
      return strictText.decode(bytes);
    } catch {
      this.#lastTextWasWell = false;
      this.exact = false;
      return anyText.decode(bytes);
    }
  }

  // A copy: a view would be stored with everything around it.
  #binary(length: number): Uint8Array {
    const start = this.#take(length);
    return new Uint8Array(this.#bytes.subarray(start, start + length));
  }

  #extension(length: number, fixed: boolean): unknown {
    const kind = this.#view.getInt8(this.#take(1));
    const data = this.#binary(length);
    if (!fixed && [1, 2, 4, 8, 16].includes(length)) this.exact = false;
    const date = kind === EXTENSION_TIME ? readDate(data) : null;
    if (date === null) return { [EXTENSION_KEY]: [kind, data] };
    const again = dateBytes(date);
    if (again.length !== data.length || again.some((byte, at) => byte !== data[at])) this.exact = false;
    return date;
  }

  #enter(count: number): void {
    if (count > this.#bytes.length - this.#at) throw new MsgpackError(CUT);
    if (count === 0) return;
    if (this.#depth === DEPTH_MAX) throw new MsgpackError(TOO_DEEP);
    this.#depth += 1;
  }

  #array(length: number): unknown[] {
    this.#enter(length);
    const items: unknown[] = [];
    for (let index = 0; index < length; index += 1) items.push(this.value());
    if (length > 0) this.#depth -= 1;
    return items;
  }

  #map(length: number): unknown {
    this.#enter(length);
    const keys: unknown[] = [];
    const values: unknown[] = [];
    for (let index = 0; index < length; index += 1) {
      keys.push(this.value());
      values.push(this.value());
    }
    if (length > 0) this.#depth -= 1;
    return isPlain(keys) ? this.#object(keys, values) : this.#mapOf(keys, values);
  }

  /** Of a key that comes twice the last one counts, as in the other clients. */
  #object(keys: readonly string[], values: readonly unknown[]): Record<string, unknown> {
    const object: Record<string, unknown> = {};
    let numbered = false;
    for (const [index, key] of keys.entries()) {
      object[key] = values[index];
      // Objects keep keys that look like numbers in another order.
      numbered ||= key.length > 0 && key.charCodeAt(0) <= 0x39 && key.charCodeAt(0) >= 0x30;
    }
    const kept = Object.keys(object);
    if (kept.length !== keys.length || (numbered && kept.some((key, at) => key !== keys[at])))
      this.exact = false;
    if (extensionOf(object) !== null) this.exact = false;
    return object;
  }

  #mapOf(keys: readonly unknown[], values: readonly unknown[]): Map<unknown, unknown> {
    const map = new Map(keys.map((key, index) => [key, values[index]]));
    if (map.size !== keys.length) this.exact = false;
    return map;
  }
}

function isTextMarker(marker: number): boolean {
  return (marker & 0xe0) === 0xa0 || (marker >= 0xd9 && marker <= 0xdb);
}

/** Whether an object can have these keys. */
function isPlain(keys: readonly unknown[]): keys is readonly string[] {
  return keys.every((key) => typeof key === 'string' && key !== '__proto__');
}

/** A time; null where a date cannot say it. What is finer than a millisecond is lost to it. */
function readDate(data: Uint8Array): Date | null {
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  let [seconds, nanoseconds] = [0, 0];
  if (data.length === 4) seconds = view.getUint32(0);
  else if (data.length === 8) {
    nanoseconds = view.getUint32(0) >>> 2;
    seconds = (view.getUint32(0) & 3) * UINT32 + view.getUint32(4);
  } else if (data.length === 12) {
    nanoseconds = view.getUint32(0);
    seconds = Number(view.getBigInt64(4));
  } else return null;
  const milliseconds = seconds * 1_000 + Math.floor(nanoseconds / 1_000_000);
  return Math.abs(milliseconds) <= DATE_MS_MAX ? new Date(milliseconds) : null;
}
