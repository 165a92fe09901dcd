// What tests of rooms share: connections with `ws`, gathered events, and their end.

import { WebSocket } from 'ws';
import { RoomConnection } from '../../src/client/room/connection.ts';
import type { KeyEvent, RoomOptions, WebSocketConstructor } from '../../src/client/room/types.ts';
import { until } from './until.ts';

const open = new Set<RoomConnection>();

/** Node 20 has no WebSocket of its own. */
export const webSocket: WebSocketConstructor = WebSocket;

/** A connection to a room that `closeAll` ends. */
export function connection(url: string, options: RoomOptions = {}): RoomConnection {
  const room = new RoomConnection(url, { webSocket, ...options });
  open.add(room);
  return room;
}

/** The same, live. */
export async function live(url: string, options: RoomOptions = {}): Promise<RoomConnection> {
  const room = connection(url, options);
  await room.connect();
  return room;
}

/** Ends all connections of a test. */
export function closeAll(): void {
  for (const room of open) room.close();
  open.clear();
}

/** Listens to a key. `values` is what a reader would show: an `init` starts it anew. */
export function gather(
  room: RoomConnection,
  key: string,
): { events: KeyEvent[]; values: unknown[]; seqs: number[] } {
  const gathered: { events: KeyEvent[]; values: unknown[]; seqs: number[] } = {
    events: [],
    values: [],
    seqs: [],
  };
  room.subscribe(key, (event) => {
    gathered.events.push(event);
    if (event.type === 'init') {
      gathered.values.splice(0, Number.POSITIVE_INFINITY, ...event.entries.map(({ value }) => value));
      gathered.seqs.splice(0, Number.POSITIVE_INFINITY, ...event.entries.map(({ seq }) => seq));
    } else {
      gathered.values.push(event.value);
      gathered.seqs.push(event.seq);
    }
  });
  return gathered;
}

/** Waits until the connection is live. */
export async function untilLive(room: RoomConnection): Promise<void> {
  await until('the connection is live', () => room.status.state === 'live');
}

/** The code of the error with which a promise rejects. */
export async function codeOf(promise: Promise<unknown>): Promise<string> {
  try {
    await promise;
  } catch (error) {
    return (error as { code?: string }).code ?? String(error);
  }
  return 'fulfilled';
}
