// Reads CBOR (RFC 8949) in one pass: a value costs what its bytes cost, however it is nested and whatever lengths it
// claims. It reads no tags of its own: whoever calls says what a tag around a value makes of it.

/** What becomes of a tag around something. */
export type TagReader = (tag: number | bigint, contents: unknown) => unknown;
/** What becomes of a simple value that has no meaning here. */
export type SimpleReader = (number: number) => unknown;

const CUT = 'it ends too early';
/** Marks the end of something whose length was not told. */
const BREAK = 0xff;

const strictText = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** Reads one value from bytes, one behind the other. Throws some error for what is no CBOR. */
export class CborReader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #depthMax: number;
  readonly #tag: TagReader;
  readonly #simple: SimpleReader;
  #at = 0;
  #depth = 0;

  constructor(bytes: Uint8Array, depthMax: number, tag: TagReader, simple: SimpleReader) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#depthMax = depthMax;
    this.#tag = tag;
    this.#simple = simple;
  }

  /** The value that all the bytes are. */
  whole(): unknown {
    const value = this.#value();
    if (this.#at !== this.#bytes.length) throw new Error('bytes follow its end');
    return value;
  }

  #value(): unknown {
    const start = this.#view.getUint8(this.#take(1));
    const info = start & 0x1f;
    switch (start >> 5) {
      case 0:
        return this.#argument(info);
      case 1:
        return negative(this.#argument(info));
      case 2:
        return info === 31 ? joined(this.#parts(2, () => this.#copy())) : this.#bytesOf(info);
      case 3:
        return info === 31 ? this.#parts(3, () => this.#text()).join('') : this.#textOf(info);
      case 4:
        return this.#nested(() => this.#array(info));
      case 5:
        return this.#nested(() => this.#map(info));
      case 6: {
        const tag = this.#argument(info);
        return this.#tag(
          tag,
          this.#nested(() => this.#value()),
        );
      }
      default:
        return this.#special(info);
    }
  }

  #take(length: number): number {
    const start = this.#at;
    if (length > this.#bytes.length - start) throw new Error(CUT);
    this.#at = start + length;
    return start;
  }

  #argument(info: number): number | bigint {
    if (info < 24) return info;
    switch (info) {
      case 24:
        return this.#view.getUint8(this.#take(1));
      case 25:
        return this.#view.getUint16(this.#take(2));
      case 26:
        return this.#view.getUint32(this.#take(4));
      case 27: {
        const great = this.#view.getBigUint64(this.#take(8));
        return great > BigInt(Number.MAX_SAFE_INTEGER) ? great : Number(great);
      }
      default:
        throw new Error('it holds a byte that CBOR does not use');
    }
  }

  /** How many there are: each takes a byte at least, so no more than there are bytes left. */
  #count(info: number): number {
    const count = this.#argument(info);
    if (count > this.#bytes.length - this.#at) throw new Error(CUT);
    return Number(count);
  }

  #nested<Value>(read: () => Value): Value {
    if (this.#depth >= this.#depthMax) throw new Error('it is nested too deep');
    this.#depth += 1;
    const value = read();
    this.#depth -= 1;
    return value;
  }

  // A copy: a view would keep the whole message.
  #bytesOf(info: number): Uint8Array {
    const length = this.#count(info);
    const start = this.#take(length);
    return this.#bytes.slice(start, start + length);
  }

  #textOf(info: number): string {
    const length = this.#count(info);
    const start = this.#take(length);
    return strictText.decode(this.#bytes.subarray(start, start + length));
  }

  #copy(): Uint8Array {
    return this.#bytesOf(this.#view.getUint8(this.#take(1)) & 0x1f);
  }

  #text(): string {
    return this.#textOf(this.#view.getUint8(this.#take(1)) & 0x1f);
  }

  /** The parts of bytes or text whose length was not told: each is of the same kind, and tells its own. */
  #parts<Part>(kind: number, read: () => Part): Part[] {
    const parts: Part[] = [];
    while (!this.#ends()) {
      if ((this.#bytes[this.#at] ?? 0) >> 5 !== kind) throw new Error('a part is of another kind');
      parts.push(read());
    }
    return parts;
  }

  /** Whether the end of something of untold length is here, and steps over it. */
  #ends(): boolean {
    if (this.#view.getUint8(this.#at) !== BREAK) return false;
    this.#at += 1;
    return true;
  }

  #array(info: number): unknown[] {
    const items: unknown[] = [];
    if (info === 31) while (!this.#ends()) items.push(this.#value());
    else for (let left = this.#count(info); left > 0; left -= 1) items.push(this.#value());
    return items;
  }

  #map(info: number): unknown {
    const entries: [unknown, unknown][] = [];
    if (info === 31) while (!this.#ends()) entries.push([this.#value(), this.#value()]);
    else for (let left = this.#count(info); left > 0; left -= 1) entries.push([this.#value(), this.#value()]);
    // Its own writing defines each key, so that `__proto__` is one like any other. Of a key twice the last one counts.
    return entries.every(hasTextKey) ? Object.fromEntries(entries) : new Map(entries);
  }

  #special(info: number): unknown {
    switch (info) {
      case 20:
        return false;
      case 21:
        return true;
      case 22:
        return null;
      case 23:
        return undefined;
      case 24: {
        const number = this.#view.getUint8(this.#take(1));
        if (number < 32) throw new Error('a simple value is written too long');
        return this.#simple(number);
      }
      case 25:
        return half(this.#view.getUint16(this.#take(2)));
      case 26:
        return this.#view.getFloat32(this.#take(4));
      case 27:
        return this.#view.getFloat64(this.#take(8));
      default:
        if (info > 24) throw new Error('it holds a byte that CBOR does not use here');
        return this.#simple(info);
    }
  }
}

function negative(argument: number | bigint): number | bigint {
  return typeof argument === 'bigint' ? -1n - argument : -1 - argument;
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  const all = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

function hasTextKey(entry: [unknown, unknown]): entry is [string, unknown] {
  return typeof entry[0] === 'string';
}

/** A number of 16 bits: one of sign, five of exponent, ten of fraction. */
function half(bits: number): number {
  const exponent = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  const sign = bits >> 15 === 0 ? 1 : -1;
  if (exponent === 0x1f) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  return sign * (exponent === 0 ? fraction * 2 ** -24 : (1 + fraction / 0x400) * 2 ** (exponent - 15));
}
