// A place outside of the script's memory for a section of the file that is not finished: a browser may keep blobs on its
// disk. Filled through a small buffer.

import { Writer } from '../../protocol/host/bytes.ts';

/** Bytes that wait in memory before they become a blob. */
const BUFFER_BYTES = 1024 * 1024;

/** What was appended, in order. */
export class Spool {
  readonly #blobs: Blob[] = [];
  #buffer = new Writer();
  #length = 0;

  /** Bytes appended so far. */
  get length(): number {
    return this.#length;
  }

  /** Appends bytes. */
  append(bytes: Uint8Array): void {
    this.#buffer.bytes(bytes);
    this.#length += bytes.length;
    if (this.#buffer.length >= BUFFER_BYTES) this.#store();
  }

  /** All of it. */
  finish(): Blob {
    this.#store();
    return new Blob(this.#blobs);
  }

  #store(): void {
    this.#blobs.push(new Blob([this.#buffer.finish()]));
    this.#buffer = new Writer();
  }
}
