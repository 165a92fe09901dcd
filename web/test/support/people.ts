// The connections of a test, closed behind it.

import { afterEach } from 'vitest';
import type { RoomConnection } from '../../src/client/room/connection.ts';
import type { RoomOptions } from '../../src/client/room/types.ts';
import { join, Network } from './network.ts';

/** To be called once in a test file: gives a way to join rooms whose connections end with each test. */
export function joining(): (
  url: string,
  network?: Network,
  options?: RoomOptions,
) => Promise<RoomConnection> {
  const rooms = new Set<RoomConnection>();
  afterEach(() => {
    for (const room of rooms) void room.close();
    rooms.clear();
  });
  return async (url, network = new Network(), options = {}) => {
    const room = await join(url, network, options);
    rooms.add(room);
    return room;
  };
}
