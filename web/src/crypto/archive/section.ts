// A section of a file that may be larger than memory, read through a window.

/** Bytes that are read ahead. */
const WINDOW_BYTES = 256 * 1024;

/** A file: bytes in memory, or a `Blob` such as the one that a person chose. */
export type ArchiveInput = Blob | Uint8Array;

/** The length of a file, bytes. */
export function inputLength(input: ArchiveInput): number {
  return input instanceof Uint8Array ? input.length : input.size;
}

/** Where a section is, and what of it was read last. */
export class Section {
  /** Bytes of it that the file has. */
  readonly length: number;
  readonly #input: ArchiveInput;
  readonly #start: number;
  #window = new Uint8Array();
  #windowAt = 0;

  /** The section that begins at a place in the file and has so many bytes there. */
  constructor(input: ArchiveInput, start: number, length: number) {
    this.#input = input;
    this.#start = start;
    this.length = length;
  }

  /**
   * The bytes at an offset: as many as asked for, or all up to the section's end when they are fewer. No memory is
   * taken for bytes that the file does not have. Rejects as the file does when it cannot be read any more.
   */
  async read(offset: number, length: number): Promise<Uint8Array> {
    const from = Math.min(offset, this.length);
    const to = Math.min(from + length, this.length);
    if (this.#input instanceof Uint8Array) return this.#input.subarray(this.#start + from, this.#start + to);
    if (from < this.#windowAt || to > this.#windowAt + this.#window.length) {
      const end = Math.min(Math.max(to, from + WINDOW_BYTES), this.length);
      const slice = this.#input.slice(this.#start + from, this.#start + end);
      this.#window = new Uint8Array(await slice.arrayBuffer());
      this.#windowAt = from;
    }
    return this.#window.subarray(from - this.#windowAt, to - this.#windowAt);
  }

  /** The next window's worth of bytes, for reading a whole section in order. */
  readOn(offset: number): Promise<Uint8Array> {
    return this.read(offset, WINDOW_BYTES);
  }
}
