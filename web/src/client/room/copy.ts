// A copy of a value that a room can hold, for what cannot be written down at once: its owner may change it meanwhile.

import { badMessage } from '../../protocol/error.ts';

/** Copies it. Throws `bad_message` for what no room can hold. */
export function copyOf(value: unknown): unknown {
  try {
    return structuredClone(value);
  } catch {
    throw badMessage('the value cannot be written down: it holds a function or something as odd');
  }
}
