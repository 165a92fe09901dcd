// Parts of this package that are loaded only when they are needed, so that all others need not wait for them.

import { RoomError } from '../../protocol/error.ts';

/** Waits for a part: `part(import('./it.ts'))`. Rejects with `network` when it cannot be loaded. */
export function part<Module>(loading: Promise<Module>): Promise<Module> {
  return loading.catch(() => {
    throw new RoomError('network', 'a part of this program could not be loaded');
  });
}

/** What asks over HTTP. */
export const loadRequest = () => part(import('./request.ts'));
