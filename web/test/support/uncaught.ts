// Errors that nobody catches, in Node: collected for a test that expects them, until it ends.

import { onTestFinished } from 'vitest';

/** What nobody catches from now on, until the test ends. */
export function catchUncaught(): unknown[] {
  const errors: unknown[] = [];
  const others = process.listeners('uncaughtException');
  process.removeAllListeners('uncaughtException');
  process.on('uncaughtException', (error) => void errors.push(error));
  onTestFinished(() => {
    process.removeAllListeners('uncaughtException');
    for (const other of others) process.on('uncaughtException', other);
  });
  return errors;
}
