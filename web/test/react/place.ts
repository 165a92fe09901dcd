// Where the users of a test file meet: a real server for all its tests, started when this is imported, and users who
// leave when their test ends.

import { afterAll, afterEach, beforeAll } from 'vitest';
import { commands } from 'vitest/browser';
import { RoomsApi } from '../../src/client/room/api.ts';
import { User } from './user.tsx';

/** The server's origin. */
export let server: string;

const users = new Set<User>();

beforeAll(async () => {
  server = await commands.startServer();
});
afterAll(() => commands.removeServer(server));
afterEach(async () => {
  for (const user of users) await user.leaves();
  users.clear();
});

/** A user who stays until the test ends, or leaves before. */
export async function comes(...all: Parameters<typeof User.comes>): Promise<User> {
  return stays(await User.comes(...all));
}

/** The same for a user who came by another way. */
export function stays(user: User): User {
  users.add(user);
  return user;
}

/** A new room on the server. */
export async function newRoom(): Promise<string> {
  return (await new RoomsApi(server).createRoom()).room;
}
