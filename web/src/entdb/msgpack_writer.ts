// Writes MessagePack, in one form for every value.

import {
  DEPTH_MAX,
  dateBytes,
  EXTENSION_TIME,
  extensionOf,
  MsgpackError,
  plainNumber,
  TOO_DEEP,
  UINT32,
} from './msgpack.ts';

const NIL = 0xc0;
const BYTES_MIN = 256;
/** Bytes that a writer which begins anew keeps at most. */
const KEPT_BYTES_MAX = 65_536;

const textBytes = new TextEncoder();

/** Appends values to bytes. */
export class MsgpackWriter {
  #bytes: Uint8Array<ArrayBuffer>;
  #view: DataView;
  #length = 0;
  #depth = 0;

  constructor() {
    this.#bytes = new Uint8Array(BYTES_MIN);
    this.#view = new DataView(this.#bytes.buffer);
  }

  /** Begins anew. */
  reset(): this {
    this.#length = 0;
    this.#depth = 0;
    // What one large value needed is not kept for ever.
    if (this.#bytes.length > KEPT_BYTES_MAX) this.#resize(new Uint8Array(BYTES_MIN));
    return this;
  }

  /** What was written, as a view: good until more is written. */
  view(): Uint8Array<ArrayBuffer> {
    return this.#bytes.subarray(0, this.#length);
  }

  /** What was written. */
  finish(): Uint8Array<ArrayBuffer> {
    return this.#bytes.slice(0, this.#length);
  }

  /** The beginning of a map of at most fifteen entries, whose keys and values follow. */
  smallMap(count: number): this {
    this.#byte(0x80 | count);
    this.#depth += 1;
    return this;
  }

  /** A value. Functions, symbols and invalid dates cannot be written, nor what is nested too deeply. */
  value(value: unknown): this {
    if (value === null || value === undefined) this.#byte(NIL);
    else if (typeof value === 'boolean') this.#byte(value ? 0xc3 : 0xc2);
    else if (typeof value === 'number') this.#number(value);
    else if (typeof value === 'bigint') this.#bigint(value);
    else if (typeof value === 'string') this.text(value);
    else if (typeof value === 'object') this.#object(value);
    else throw new MsgpackError(`a ${typeof value} cannot be written`);
    return this;
  }

  /** A text; what is not well-formed in it becomes U+FFFD. */
  text(text: string): this {
    // Most texts are short and of ASCII: those need no second array.
    const room = this.#grow(5 + 3 * text.length);
    const width = text.length <= 0x1f ? 1 : text.length <= 0xff ? 2 : text.length <= 0xffff ? 3 : 5;
    const { written } = textBytes.encodeInto(text, this.#bytes.subarray(room + width));
    const needed = written <= 0x1f ? 1 : written <= 0xff ? 2 : written <= 0xffff ? 3 : 5;
    if (needed !== width) this.#bytes.copyWithin(room + needed, room + width, room + width + written);
    this.#length = room;
    if (written <= 0x1f) this.#byte(0xa0 | written);
    else this.#counted(written, 0xd9);
    this.#length += written;
    return this;
  }

  /** Bytes. */
  binary(bytes: Uint8Array): this {
    this.#counted(bytes.length, 0xc4);
    this.#raw(bytes);
    return this;
  }

  #byte(byte: number): void {
    const at = this.#grow(1);
    this.#bytes[at] = byte;
  }

  #raw(bytes: Uint8Array): void {
    const at = this.#grow(bytes.length);
    this.#bytes.set(bytes, at);
  }

  #unsigned(marker: number, value: number, width: 1 | 2 | 4): void {
    const at = this.#grow(1 + width);
    this.#view.setUint8(at, marker);
    if (width === 1) this.#view.setUint8(at + 1, value);
    else if (width === 2) this.#view.setUint16(at + 1, value);
    else this.#view.setUint32(at + 1, value);
  }

  /** A marker, of three that follow each other, with a length of one, two or four bytes. */
  #counted(length: number, first: number): void {
    if (length <= 0xff) this.#unsigned(first, length, 1);
    else if (length <= 0xffff) this.#unsigned(first + 1, length, 2);
    else this.#unsigned(first + 2, length, 4);
  }

  #number(value: number): void {
    if (!Number.isSafeInteger(value)) {
      const at = this.#grow(9);
      this.#view.setUint8(at, 0xcb);
      this.#view.setFloat64(at + 1, value);
    } else if (value >= 0) this.#natural(value);
    else if (value >= -0x20) this.#byte(value + 0x100);
    else if (value >= -0x80) this.#unsigned(0xd0, value, 1);
    else if (value >= -0x8000) this.#unsigned(0xd1, value, 2);
    else if (value >= -0x8000_0000) this.#unsigned(0xd2, value, 4);
    else this.#wide(0xd3, BigInt(value));
  }

  #natural(value: number): void {
    if (value < 0x80) this.#byte(value);
    else if (value < 0x100) this.#unsigned(0xcc, value, 1);
    else if (value < 0x1_0000) this.#unsigned(0xcd, value, 2);
    else if (value < UINT32) this.#unsigned(0xce, value, 4);
    else this.#wide(0xcf, BigInt(value));
  }

  #bigint(value: bigint): void {
    const number = plainNumber(value);
    if (typeof number === 'number') this.#number(number);
    else if (BigInt.asUintN(64, value) === value) this.#wide(0xcf, value);
    else if (BigInt.asIntN(64, value) === value) this.#wide(0xd3, value);
    else throw new MsgpackError('a big integer has more than 64 bits');
  }

  #wide(marker: number, value: bigint): void {
    const at = this.#grow(9);
    this.#view.setUint8(at, marker);
    this.#view.setBigUint64(at + 1, BigInt.asUintN(64, value));
  }

  #object(value: object): void {
    if (Array.isArray(value)) this.#array(value);
    else if (value instanceof Map) this.#entries([...value]);
    else if (value instanceof Date) this.#extension(EXTENSION_TIME, dateBytes(value));
    else if (ArrayBuffer.isView(value))
      this.binary(new Uint8Array(value.buffer, value.byteOffset, value.byteLength));
    else if (value instanceof ArrayBuffer) this.binary(new Uint8Array(value));
    else {
      const extension = extensionOf(value);
      if (extension === null) this.#entries(Object.entries(value));
      else this.#extension(extension[0], extension[1]);
    }
  }

  #array(items: readonly unknown[]): void {
    this.#container(items.length, 0x90, 0xdc, () => {
      for (let index = 0; index < items.length; index += 1) this.value(items[index]);
    });
  }

  #entries(entries: readonly (readonly [unknown, unknown])[]): void {
    this.#container(entries.length, 0x80, 0xde, () => {
      for (const [key, value] of entries) this.value(key).value(value);
    });
  }

  #container(length: number, small: number, large: number, inside: () => void): void {
    if (length <= 0x0f) this.#byte(small | length);
    else if (length <= 0xffff) this.#unsigned(large, length, 2);
    else this.#unsigned(large + 1, length, 4);
    if (length === 0) return;
    if (this.#depth === DEPTH_MAX) throw new MsgpackError(TOO_DEEP);
    this.#depth += 1;
    inside();
    this.#depth -= 1;
  }

  #extension(kind: number, data: Uint8Array): void {
    const fixed = [1, 2, 4, 8, 16].indexOf(data.length);
    if (fixed >= 0) this.#byte(0xd4 + fixed);
    else this.#counted(data.length, 0xc7);
    this.#byte(kind & 0xff);
    this.#raw(data);
  }

  /** Makes room for so many bytes more and says where they go. */
  #grow(more: number): number {
    const start = this.#length;
    this.#length = start + more;
    if (this.#length > this.#bytes.length) {
      const larger = new Uint8Array(Math.max(this.#length, 2 * this.#bytes.length));
      larger.set(this.#bytes.subarray(0, start));
      this.#resize(larger);
    }
    return start;
  }

  #resize(bytes: Uint8Array<ArrayBuffer>): void {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer);
  }
}
