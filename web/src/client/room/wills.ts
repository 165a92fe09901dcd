// What the server relays when a connection ends: set anew on every connection, as it was when it was given.
// Pure: it sends nothing, it knows who waits for the server's word.

import { RoomError } from '../../protocol/error.ts';
import { WILLS_MAX } from '../../protocol/limits.ts';

interface Will {
  /** Null: it is being taken back on the present connection. */
  readonly value: unknown;
  readonly token: number;
  /** Whoever gave it was told. */
  answered: boolean;
}

/** The wills of a connection, by key. */
export class Wills {
  readonly #wills = new Map<string, Will>();

  /** Takes one; null takes back. Returns who waited for an older one of the key, if somebody does. Throws `queue_full`. */
  set(key: string, value: unknown, token: number): number | undefined {
    const standing = [...this.#wills].filter(([other, will]) => other !== key && will.value !== null);
    if (value !== null && standing.length >= WILLS_MAX) throw new RoomError('queue_full', 'too many wills');
    const older = this.#wills.get(key);
    this.#wills.set(key, { value, token, answered: false });
    return older?.answered === false ? older.token : undefined;
  }

  /** What to set on a new connection. */
  standing(): readonly (readonly [key: string, value: unknown, token: number])[] {
    return Array.from(this.#wills, ([key, { value, token }]) => [key, value, token]);
  }

  /** The server has it. Whether somebody waits to hear that. */
  taken(key: string, token: number): boolean {
    const will = this.#of(key, token);
    if (will === undefined) return false;
    const { answered } = will;
    will.answered = true;
    if (will.value === null) this.#wills.delete(key);
    return !answered;
  }

  /** It cannot be. Whether somebody waits to hear that. A later one of the key stays. */
  refused(key: string, token: number): boolean {
    const will = this.#of(key, token);
    if (will !== undefined) this.#wills.delete(key);
    return will?.answered === false;
  }

  /** The connection has ended, and what was taken back is gone with it: who waited for that. */
  disconnected(): readonly number[] {
    const gone = [...this.#wills].filter(([, { value }]) => value === null);
    for (const [key] of gone) this.#wills.delete(key);
    return gone.map(([, { token }]) => token);
  }

  /** Forgets all: who still waited. */
  clear(): readonly number[] {
    const waiting = [...this.#wills.values()].filter(({ answered }) => !answered);
    this.#wills.clear();
    return waiting.map(({ token }) => token);
  }

  #of(key: string, token: number): Will | undefined {
    const will = this.#wills.get(key);
    return will?.token === token ? will : undefined;
  }
}
