// Makes a room, however long the server is out of reach. The id is chosen here, once: so asking again after an answer
// that got lost makes no second room.

import { RoomError } from '../../protocol/error.ts';
import { RoomsApi } from './api.ts';

/** The first wait before it asks again, milliseconds; each is twice the one before. */
export const MAKE_WAIT_MS_MIN = 500;
/** The longest wait, milliseconds. */
export const MAKE_WAIT_MS_MAX = 30_000;

const ID_BYTES = 16;
const MAY_PASS = new Set(['network', 'unavailable', 'rate_limited', 'internal']);

/** How a room is made. */
export interface MakeOptions {
  /** What the server asks of those who make rooms, if it is guarded. */
  token?: string | undefined;
  /** Ends the attempts: the promise then rejects with the signal's reason. */
  signal?: AbortSignal | undefined;
  /** In place of the built-in one. */
  fetch?: typeof fetch | undefined;
  /** Hears why an attempt failed after which another one comes. */
  onTrouble?: ((error: RoomError) => void) | undefined;
}

/** Makes a room on a server, and returns its id. Rejects with what does not pass by itself, as `token_required`. */
export async function makeRoom(server: string, options: MakeOptions = {}): Promise<string> {
  const { token, signal, fetch, onTrouble } = options;
  const api = new RoomsApi(server, { ...(token ? { token } : {}), ...(fetch ? { fetch } : {}) });
  const room = randomRoomId();
  for (let attempt = 0; ; attempt += 1) {
    signal?.throwIfAborted();
    try {
      await api.putRoom(room);
      return room;
    } catch (error) {
      if (!(error instanceof RoomError) || !MAY_PASS.has(error.code)) throw error;
      onTrouble?.(error);
      await pause(waitMs(attempt, error.retryMs), signal);
    }
  }
}

/** 128 random bits: who does not know the id cannot guess it. */
export function randomRoomId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(ID_BYTES));
  return btoa(String.fromCharCode(...bytes))
    .replaceAll('+', '-')
    .replaceAll('/', '_')
    .replaceAll('=', '');
}

// From half of the full wait to all of it, so that many clients do not come back at the same moment.
function waitMs(attempt: number, asked = 0): number {
  const full = Math.min(MAKE_WAIT_MS_MIN * 2 ** Math.min(attempt, 10), MAKE_WAIT_MS_MAX);
  return Math.max(asked, full * (0.5 + Math.random() / 2));
}

function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) {
      reject(signal.reason);
      return;
    }
    const stop = () => {
      clearTimeout(timer);
      reject(signal?.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener('abort', stop);
      resolve();
    }, ms);
    signal?.addEventListener('abort', stop, { once: true });
  });
}
