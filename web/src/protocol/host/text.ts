// Bytes as text: hexadecimal digits, and base64url without padding. Every text that is accepted stands for other bytes
// than every other, so that texts can be compared instead of the bytes.

import { Status, StatusError } from './status.ts';

const BASE64URL = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
const HEX = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'));

/** What a character stands for, by its code: 255 means nothing. */
function valuesOf(alphabet: string): Uint8Array {
  const values = new Uint8Array(128).fill(255);
  for (let value = 0; value < alphabet.length; value += 1) values[alphabet.charCodeAt(value)] = value;
  return values;
}

const BASE64URL_VALUES = valuesOf(BASE64URL);

/** Lower-case hexadecimal digits. */
export function encodeHex(bytes: Uint8Array): string {
  let text = '';
  for (const byte of bytes) text += HEX[byte];
  return text;
}

/** Reads hexadecimal digits in either case; `InvalidParam` for anything else. */
export function decodeHex(text: string): Uint8Array<ArrayBuffer> {
  if (text.length % 2 !== 0 || !/^[0-9a-f]*$/i.test(text)) throw new StatusError(Status.InvalidParam);
  const bytes = new Uint8Array(text.length / 2);
  for (let at = 0; at < bytes.length; at += 1)
    bytes[at] = Number.parseInt(text.slice(2 * at, 2 * at + 2), 16);
  return bytes;
}

/** Base64url without padding. */
export function encodeBase64Url(bytes: Uint8Array): string {
  let text = '';
  for (let at = 0; at < bytes.length; at += 3) {
    const left = bytes.length - at;
    const [a, b, c] = [bytes[at] ?? 0, bytes[at + 1] ?? 0, bytes[at + 2] ?? 0];
    text += BASE64URL.charAt(a >> 2) + BASE64URL.charAt(((a & 3) << 4) | (b >> 4));
    if (left > 1) text += BASE64URL.charAt(((b & 15) << 2) | (c >> 6));
    if (left > 2) text += BASE64URL.charAt(c & 63);
  }
  return text;
}

/**
 * Reads base64url without padding. `InvalidParam` for padding, for other characters, and for bits behind the last
 * byte that are not zero.
 */
export function decodeBase64Url(text: string): Uint8Array<ArrayBuffer> {
  if (text.length % 4 === 1) throw new StatusError(Status.InvalidParam);
  const bytes = new Uint8Array(Math.floor((text.length * 3) / 4));
  let [bits, pending, at] = [0, 0, 0];
  for (let index = 0; index < text.length; index += 1) {
    const value = BASE64URL_VALUES[text.charCodeAt(index)] ?? 255;
    if (value === 255) throw new StatusError(Status.InvalidParam);
    pending = (pending << 6) | value;
    bits += 6;
    if (bits >= 8) {
      bits -= 8;
      bytes[at] = pending >> bits;
      at += 1;
      pending &= (1 << bits) - 1;
    }
  }
  if (pending !== 0) throw new StatusError(Status.InvalidParam);
  return bytes;
}
