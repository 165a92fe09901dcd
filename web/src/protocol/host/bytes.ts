// The primitives: varints (unsigned LEB128 of at most eight bytes), strings with a length in front, a reader that
// never reads past its end, and a writer. Numbers above 2^53 - 1 are refused: JavaScript cannot tell them apart.

import { Status, StatusError } from './status.ts';

/** The most bytes of a varint (docs/host.md). */
const VARINT_BYTES_MAX = 8;
const WRITER_BYTES_MIN = 64;

const encoder = new TextEncoder();
// Keeps a byte order mark, and reads what is not UTF-8 as U+FFFD, as the hosts do.
const decoder = new TextDecoder('utf-8', { ignoreBOM: true });

/** Reads from the front of bytes. What it gives out are views of them: copy what is kept longer than the input. */
export class Reader {
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    // Of Node's `Buffer` too, whose `slice` would be a view where all others' is a copy.
    this.#bytes = new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length);
  }

  /** Whether nothing is left. */
  get isEmpty(): boolean {
    return this.#at >= this.#bytes.length;
  }

  /** How many bytes were read. */
  get position(): number {
    return this.#at;
  }

  /** How many bytes are left. */
  get remaining(): number {
    return this.#bytes.length - this.#at;
  }

  /** What is left, without reading it. */
  rest(): Uint8Array {
    return this.#bytes.subarray(this.#at);
  }

  /** Refuses anything that is left, with `ExtraBodyContent`. */
  end(): void {
    if (!this.isEmpty) throw new StatusError(Status.ExtraBodyContent);
  }

  /** Everything to the end, as a list: the protocol's lists have no count. */
  list<T>(read: (reader: Reader) => T): T[] {
    const items: T[] = [];
    while (!this.isEmpty) items.push(read(this));
    return items;
  }

  /** The next `length` bytes, as a view; `OutOfBounds` when there are fewer. */
  take(length: number): Uint8Array {
    if (length > this.remaining) throw new StatusError(Status.OutOfBounds);
    const start = this.#at;
    this.#at = start + length;
    return this.#bytes.subarray(start, this.#at);
  }

  /** The next byte; `OutOfBounds` at the end. */
  byte(): number {
    const byte = this.#bytes[this.#at];
    if (byte === undefined) throw new StatusError(Status.OutOfBounds);
    this.#at += 1;
    return byte;
  }

  /**
   * A varint. Overlong forms are read too. `InvalidMessage` when the input ends inside it, `VarLimitExceeded` when
   * its eighth byte says that it goes on, or when it is above 2^53 - 1.
   */
  varint(): number {
    let value = 0;
    let factor = 1;
    for (let count = 0; count < VARINT_BYTES_MAX; count += 1) {
      const byte = this.#bytes[this.#at + count];
      if (byte === undefined) throw new StatusError(Status.InvalidMessage);
      // Exact as long as the sum is below 2^53, and never below it when the true sum is not.
      value += (byte & 0x7f) * factor;
      if (byte < 0x80) {
        if (!Number.isSafeInteger(value)) throw new StatusError(Status.VarLimitExceeded);
        this.#at += count + 1;
        return value;
      }
      factor *= 0x80;
    }
    throw new StatusError(Status.VarLimitExceeded);
  }

  /** A varint length, then so many bytes, as a view. */
  varBytes(): Uint8Array {
    return this.take(this.varint());
  }

  /** A varint length, then so many bytes of UTF-8; what is not UTF-8 becomes U+FFFD. */
  varString(): string {
    return decoder.decode(this.varBytes());
  }
}

/** Appends to bytes that grow as they must. */
export class Writer {
  #bytes: Uint8Array<ArrayBuffer>;
  #length = 0;

  /** With room for so many bytes from the beginning. */
  constructor(capacity: number = WRITER_BYTES_MIN) {
    this.#bytes = new Uint8Array(capacity);
  }

  /** Bytes written so far. */
  get length(): number {
    return this.#length;
  }

  /** Appends one byte. */
  byte(byte: number): this {
    const at = this.#grow(1);
    this.#bytes[at] = byte;
    return this;
  }

  /** Appends bytes. */
  bytes(bytes: Uint8Array): this {
    const at = this.#grow(bytes.length);
    this.#bytes.set(bytes, at);
    return this;
  }

  /**
   * Appends a varint in its shortest form. `InvalidParam` for what is negative or no whole number,
   * `VarLimitExceeded` above 2^53 - 1.
   */
  varint(value: number): this {
    let rest = checkVarint(value);
    while (rest > 0x7f) {
      this.byte((rest % 0x80) | 0x80);
      rest = Math.floor(rest / 0x80);
    }
    return this.byte(rest);
  }

  /** Appends bytes with their length in front. */
  varBytes(bytes: Uint8Array): this {
    return this.varint(bytes.length).bytes(bytes);
  }

  /** Appends text as UTF-8 with its length in bytes in front. */
  varString(text: string): this {
    return this.varBytes(encoder.encode(text));
  }

  /** What was written. The writer is not to be used after that. */
  finish(): Uint8Array<ArrayBuffer> {
    const whole = this.#length === this.#bytes.length;
    return whole ? this.#bytes : this.#bytes.slice(0, this.#length);
  }

  /** Makes room for so many bytes more and says where they go. */
  #grow(more: number): number {
    const start = this.#length;
    this.#length = start + more;
    if (this.#length > this.#bytes.length) {
      const larger = new Uint8Array(Math.max(this.#length, 2 * this.#bytes.length, WRITER_BYTES_MIN));
      larger.set(this.#bytes.subarray(0, start));
      this.#bytes = larger;
    }
    return start;
  }
}

/** How many bytes {@link Writer.varint} appends for this number, and the same errors. */
export function varintLength(value: number): number {
  let rest = checkVarint(value);
  let length = 1;
  while (rest > 0x7f) {
    rest = Math.floor(rest / 0x80);
    length += 1;
  }
  return length;
}

/** The text's bytes in UTF-8. */
export function utf8(text: string): Uint8Array<ArrayBuffer> {
  return encoder.encode(text);
}

/** Negative when `a` comes before `b` byte by byte, 0 when they are equal; a beginning comes before the whole. */
export function compareBytes(a: Uint8Array, b: Uint8Array): number {
  const shorter = Math.min(a.length, b.length);
  for (let at = 0; at < shorter; at += 1) {
    const difference = (a[at] ?? 0) - (b[at] ?? 0);
    if (difference !== 0) return difference;
  }
  return a.length - b.length;
}

/** Whether both hold the same bytes. It may stop at the first difference: not for secrets. */
export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && compareBytes(a, b) === 0;
}

/** All of them, one behind the other. */
export function concatBytes(...parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

function checkVarint(value: number): number {
  if (value > Number.MAX_SAFE_INTEGER) throw new StatusError(Status.VarLimitExceeded);
  if (!Number.isInteger(value) || value < 0) throw new StatusError(Status.InvalidParam);
  // Minus zero is zero.
  return value + 0;
}
