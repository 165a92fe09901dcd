// Whether two values say the same: what a room can hold, compared part by part. Anything else is only equal to itself.

/** Deeper than this nothing is compared: then they count as different. */
const DEPTH_MAX = 64;

/** Whether two values say the same. */
export function equal(one: unknown, other: unknown, depth = 0): boolean {
  if (Object.is(one, other)) return true;
  if (typeof one !== 'object' || typeof other !== 'object' || one === null || other === null) return false;
  if (depth > DEPTH_MAX || Object.getPrototypeOf(one) !== Object.getPrototypeOf(other)) return false;
  if (Array.isArray(one) && Array.isArray(other)) {
    return one.length === other.length && one.every((part, index) => equal(part, other[index], depth + 1));
  }
  if (one instanceof Date && other instanceof Date) return Object.is(one.getTime(), other.getTime());
  if (ArrayBuffer.isView(one) && ArrayBuffer.isView(other)) return equalBytes(one, other);
  return isPlain(one) && equalFields(one, other, depth);
}

function isPlain(value: object): boolean {
  const prototype = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}

function equalFields(one: object, other: object, depth: number): boolean {
  const mine = Object.entries(one);
  const theirs = new Map(Object.entries(other));
  if (mine.length !== theirs.size) return false;
  return mine.every(([name, part]) => theirs.has(name) && equal(part, theirs.get(name), depth + 1));
}

function equalBytes(one: ArrayBufferView, other: ArrayBufferView): boolean {
  if (one.byteLength !== other.byteLength) return false;
  const [mine, theirs] = [bytesOf(one), bytesOf(other)];
  return mine.every((byte, index) => byte === theirs[index]);
}

function bytesOf(view: ArrayBufferView): Uint8Array {
  return new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
}
