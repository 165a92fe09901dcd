// How long the server takes to answer, measured again and again while somebody wants to know.

import { ANSWER_MS_MAX } from '../../protocol/limits.ts';
import { Listeners } from './listeners.ts';
import type { Unsubscribe } from './types.ts';

/** Milliseconds between two measurements. */
const EVERY_MS = 2_000;

/** Measures latency: one question at a time, none while nobody listens. */
export class LatencyMeter {
  readonly #source: { latency(): Promise<number> };
  readonly #everyMs: number;
  readonly #listeners = new Listeners<[latencyMs: number | null]>();
  #latencyMs: number | null = null;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #running = false;

  /** `source`: a `RoomConnection`. `everyMs`: the pause between an answer and the next question. */
  constructor(source: { latency(): Promise<number> }, everyMs = EVERY_MS) {
    this.#source = source;
    this.#everyMs = everyMs;
  }

  /** The last measurement, milliseconds; null before the first, without a connection, or when it took too long. */
  get latencyMs(): number | null {
    return this.#latencyMs;
  }

  /** Listens; the first listener starts the measuring, the last one to go ends it. */
  subscribe(listener: (latencyMs: number | null) => unknown): Unsubscribe {
    const remove = this.#listeners.add(listener);
    if (!this.#running) void this.#loop();
    return () => {
      remove();
      if (this.#listeners.empty) clearTimeout(this.#timer);
    };
  }

  /** Nobody listens any more. */
  destroy(): void {
    this.#listeners.clear();
    clearTimeout(this.#timer);
  }

  async #loop(): Promise<void> {
    clearTimeout(this.#timer);
    this.#running = true;
    const latencyMs = await this.#measure();
    this.#running = false;
    if (this.#listeners.empty) return;
    if (latencyMs !== this.#latencyMs) {
      this.#latencyMs = latencyMs;
      this.#listeners.call(latencyMs);
    }
    this.#timer = setTimeout(() => void this.#loop(), this.#everyMs);
  }

  async #measure(): Promise<number | null> {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const late = new Promise<null>((resolve) => {
      timer = setTimeout(() => resolve(null), ANSWER_MS_MAX);
    });
    const answer = await Promise.race([this.#source.latency().catch(() => null), late]);
    clearTimeout(timer);
    return answer;
  }
}
