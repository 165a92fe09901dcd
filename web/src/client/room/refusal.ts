// What a server refused with over HTTP, as a `RoomError`, and whether asking again may help. Asks nothing itself.

import { RoomError } from '../../protocol/error.ts';
import { object, readRefusal } from '../../protocol/room/server_message.ts';

/** The global `fetch`, which minds being called as a method of something else. */
export const defaultFetch: typeof fetch = (input, init) => fetch(input, init);

/** Codes of what may pass. */
const PASSING = new Set(['network', 'unavailable', 'rate_limited', 'going_away']);

/** Whether the same request may pass later. */
export function passesLater({ code }: RoomError): boolean {
  return PASSING.has(code);
}

/** What a server refused with. */
export async function readHttpRefusal(response: Response): Promise<RoomError> {
  const { status } = response;
  // 507 is the server's own: what a room may hold.
  const passes = (status >= 500 && status !== 507) || status === 429 || status === 408;
  const seconds = Number(response.headers.get('retry-after') ?? Number.NaN);
  const retryMs = Number.isFinite(seconds) ? seconds * 1_000 : undefined;
  try {
    const refusal = readRefusal(object(await response.json(), 'the refusal'));
    const known = !passes || PASSING.has(refusal.code);
    return new RoomError(known ? refusal.code : 'unavailable', refusal.message, refusal.retryMs ?? retryMs);
  } catch {
    // Not the server's own words: a proxy's, perhaps, or another server's.
    return new RoomError(passes ? 'unavailable' : 'refused', `the server answered ${status}`, retryMs);
  }
}
