// Makes a room, however long the server is out of reach. The id is chosen here, once: so asking again after an answer
// that got lost makes no second room.

import { RoomError } from '../../protocol/error.ts';
import { randomClient } from '../../protocol/room/name.ts';
import { RoomsApi, type RoomsApiOptions } from './api.ts';
import { Backoff } from './backoff.ts';
import { passesLater } from './refusal.ts';

/** How a room is made. */
export interface MakeOptions extends RoomsApiOptions {
  /** Ends the attempts: the promise then rejects with the signal's reason. */
  readonly signal?: AbortSignal;
  /** Hears why an attempt failed after which another one comes. */
  readonly onTrouble?: (error: RoomError) => void;
}

/** Makes a room on a server, and returns its id. Rejects with what does not pass by itself, as `token_required`. */
export async function makeRoom(server: string, options: MakeOptions = {}): Promise<string> {
  const { signal, onTrouble } = options;
  const api = new RoomsApi(server, options);
  // As long and as random as a room's id must be, too.
  const room = randomClient();
  const backoff = new Backoff();
  for (;;) {
    signal?.throwIfAborted();
    try {
      await api.putRoom(room);
      return room;
    } catch (error) {
      signal?.throwIfAborted();
      if (!(error instanceof RoomError) || !passesLater(error)) throw error;
      onTrouble?.(error);
      await pause(Math.max(error.retryMs ?? 0, backoff.next(Math.random())), signal);
    }
  }
}

/** Waits, or less long when the signal fires. */
function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal?.addEventListener('abort', done);
  });
}
