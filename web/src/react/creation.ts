// Rooms that are being made: providers of one page that want a new room from one server get the same one.

import { makeRoom } from '../client/room/make.ts';
import type { RoomError } from '../protocol/error.ts';

interface Creation {
  room: Promise<string>;
  stop: AbortController;
  /** Who waits for it, and hears what goes wrong meanwhile. */
  waiting: Set<(error: RoomError) => void>;
}

const creations = new Map<string, Creation>();

/** A new room of a server. When the last who wants it has aborted, it is given up. */
export function newRoom(
  api: string,
  token: string | undefined,
  signal: AbortSignal,
  onTrouble: (error: RoomError) => void,
): Promise<string> {
  const name = JSON.stringify([api, token]);
  const creation = creations.get(name) ?? begin(name, api, token);
  creation.waiting.add(onTrouble);
  signal.addEventListener('abort', () => {
    creation.waiting.delete(onTrouble);
    if (creation.waiting.size > 0) return;
    creation.stop.abort();
    if (creations.get(name) === creation) creations.delete(name);
  });
  return creation.room;
}

function begin(name: string, api: string, token: string | undefined): Creation {
  const stop = new AbortController();
  const waiting = new Set<(error: RoomError) => void>();
  const onTrouble = (error: RoomError) => {
    for (const listener of [...waiting]) listener(error);
  };
  const known = token === undefined ? {} : { token };
  const room = makeRoom(api, { ...known, signal: stop.signal, onTrouble }).finally(() => {
    if (creations.get(name) === creation) creations.delete(name);
  });
  const creation = { room, stop, waiting };
  creations.set(name, creation);
  return creation;
}
