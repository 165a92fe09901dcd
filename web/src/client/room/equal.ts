// Whether two values say the same: what a room can hold, compared part by part. Anything else is only equal to itself.

/** Deeper than this nothing is compared: then they count as different. */
const DEPTH_MAX = 64;

/** Whether two values say the same. */
export function equal(one: unknown, other: unknown, depth = 0): boolean {
  if (Object.is(one, other)) return true;
  if (typeof one !== 'object' || typeof other !== 'object' || one === null || other === null) return false;
  const kind: unknown = Object.getPrototypeOf(one);
  if (depth > DEPTH_MAX || kind !== Object.getPrototypeOf(other)) return false;
  if (one instanceof Date && other instanceof Date) return Object.is(+one, +other);
  const hasParts = kind === null || kind === Object.prototype || Array.isArray(one) || isTypedArray(one);
  if (!hasParts) return false;
  const mine = Object.entries(one);
  const theirs = new Map(Object.entries(other));
  if (mine.length !== theirs.size) return false;
  return mine.every(([name, part]) => theirs.has(name) && equal(part, theirs.get(name), depth + 1));
}

/** Its parts are its numbers. */
function isTypedArray(value: object): boolean {
  return ArrayBuffer.isView(value) && !(value instanceof DataView);
}
