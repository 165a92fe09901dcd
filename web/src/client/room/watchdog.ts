// Whether the server is still there: after a silence it is asked for a sign of life, and given up when none comes. A slow
// link carries nothing else while it carries one large message, so each time in vain makes the next one more patient.

import { ANSWER_MS_MAX, ASKS_MAX, SILENCE_MS_MAX } from '../../protocol/limits.ts';

/** Watches one connection after the other. */
export class Watchdog {
  #beganAt = 0;
  #heardAt = 0;
  #askedAt: number | null = null;
  /** Unanswered questions on this connection. */
  #asks = 0;
  /** So many may be. */
  #patience = 1;

  /** When `look` is due. */
  get dueAt(): number {
    return this.#askedAt === null ? this.#heardAt + SILENCE_MS_MAX : this.#askedAt + ANSWER_MS_MAX;
  }

  /** A connection begins. */
  start(now: number): void {
    this.#beganAt = now;
    this.#hear(now);
  }

  /** Something came. If it was asked for, it was worth waiting for; and a connection that lasts needs no such patience. */
  heard(now: number): void {
    if (this.#asks > 0 || now - this.#beganAt > SILENCE_MS_MAX + ANSWER_MS_MAX) this.#patience = 1;
    this.#hear(now);
  }

  /** What to do now: ask the server, give it up, or nothing. */
  look(now: number, silenceMs = SILENCE_MS_MAX): 'ask' | 'give up' | null {
    const due = this.#askedAt === null ? this.#heardAt + silenceMs : this.#askedAt + ANSWER_MS_MAX;
    if (now < due) return null;
    if (this.#asks >= this.#patience) {
      this.#patience = Math.min(this.#patience * 2, ASKS_MAX);
      return 'give up';
    }
    this.#asks += 1;
    this.#askedAt = now;
    return 'ask';
  }

  #hear(now: number): void {
    this.#heardAt = now;
    this.#askedAt = null;
    this.#asks = 0;
  }
}
