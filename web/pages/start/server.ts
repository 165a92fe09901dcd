// What the start page asks of its server: what it is, and a room.

import { RoomsApi } from '../../src/client/room/api.ts';

/** What the server says of itself. */
export interface About {
  readonly version: string;
  /** Making a room asks for a token. */
  readonly needsToken: boolean;
}

/** Asks the server what it is; undefined when it is away. */
export async function askAbout(): Promise<About | undefined> {
  try {
    const answer = await fetch('/about');
    const told: { version: string; creation: string } = await answer.json();
    return { version: told.version, needsToken: told.creation === 'token' };
  } catch {
    return undefined;
  }
}

/** This server's rooms; with a token where it asks for one. */
export function rooms(token?: string): RoomsApi {
  return new RoomsApi(location.origin, token === undefined ? {} : { token });
}
