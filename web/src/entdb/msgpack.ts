// MessagePack, of what entities hold: what reading and writing share. Written is one form only, the shortest, as the other
// clients write it; see the reader and the writer beside.

/** How deeply arrays and maps may be nested. Agreed with the other clients of this project; empty ones do not count. */
export const DEPTH_MAX = 128;

/** Bytes that are no MessagePack, or a value that cannot be written; the message says why, for people. */
export class MsgpackError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'MsgpackError';
  }
}

/** Why something is refused that is nested beyond {@link DEPTH_MAX}. */
export const TOO_DEEP = 'it is nested too deeply';
/** The number of the extension that is a time. */
export const EXTENSION_TIME = -1;
/** The key of an object that stands for an extension that has no form in JavaScript: a number and bytes. */
export const EXTENSION_KEY = '$ext';
/** Behind the numbers of 32 bits. */
export const UINT32 = 0x1_0000_0000;
/** The bits of what is not a number, as every other client writes it. */
export const NAN_BITS = 0x7ff8_0000_0000_0000n;
/** Seconds that the time of eight bytes holds: 34 bits. */
const TIME_SECONDS_END = 0x4_0000_0000;

/** A number where it is exact; big integers are for those beyond. */
export function plainNumber(value: bigint): number | bigint {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value;
}

/** What an object that stands for an extension says; null for another object. */
export function extensionOf(object: object): readonly [number, Uint8Array] | null {
  if (!(EXTENSION_KEY in object) || Object.keys(object).length !== 1) return null;
  const held: unknown = object[EXTENSION_KEY];
  if (!Array.isArray(held) || held.length !== 2) return null;
  const [kind, data]: unknown[] = held;
  const isKind = typeof kind === 'number' && Number.isInteger(kind) && kind >= -128 && kind <= 127;
  return isKind && data instanceof Uint8Array ? [kind, data] : null;
}

/** The shortest of the three forms of a time. */
export function dateBytes(date: Date): Uint8Array {
  const milliseconds = date.getTime();
  if (Number.isNaN(milliseconds)) throw new MsgpackError('a date is not valid');
  const seconds = Math.floor(milliseconds / 1_000);
  const nanoseconds = (milliseconds - seconds * 1_000) * 1_000_000;
  if (nanoseconds === 0 && seconds >= 0 && seconds < UINT32) {
    const view = new DataView(new ArrayBuffer(4));
    view.setUint32(0, seconds);
    return new Uint8Array(view.buffer);
  }
  const short = seconds >= 0 && seconds < TIME_SECONDS_END;
  const view = new DataView(new ArrayBuffer(short ? 8 : 12));
  if (short) {
    view.setUint32(0, nanoseconds * 4 + Math.floor(seconds / UINT32));
    view.setUint32(4, seconds % UINT32);
  } else {
    view.setUint32(0, nanoseconds);
    view.setBigInt64(4, BigInt(seconds));
  }
  return new Uint8Array(view.buffer);
}
