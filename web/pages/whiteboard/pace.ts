// How often the board is drawn: with every frame of the screen, or with every second one while the machine is short of
// processors. What the others draw comes thirty times a second, so half of sixty still shows all of it. Pure.

/** Frames that follow each other at once come no later than this on a machine that has time for them. */
const LATE_MS = 25;
/** So many late frames, less one for each of `FORGIVEN_BY` frames in time, and the board is drawn half as often, */
const LATE_FRAMES = 6;
const FORGIVEN_BY = 8;
/** for so long; then it is tried again. */
const SPARING_MS = 5_000;
/** Drawings are so far from each other then: two frames of the screen, with some play. */
const SPARING_FRAME_MS = 30;

/** Asked once a frame. */
export class Pace {
  #late = 0;
  #sparingUntil = 0;
  #askedMs = Number.NEGATIVE_INFINITY;
  #drawnMs = Number.NEGATIVE_INFINITY;

  /** Whether this frame is to be drawn. `follows`: it was asked for in the frame before it, so the time in between tells how busy the machine is. */
  due(nowMs: number, follows: boolean): boolean {
    if (follows) this.#learn(nowMs - this.#askedMs, nowMs);
    this.#askedMs = nowMs;
    if (nowMs < this.#sparingUntil && nowMs - this.#drawnMs < SPARING_FRAME_MS) return false;
    this.#drawnMs = nowMs;
    return true;
  }

  #learn(frameMs: number, nowMs: number): void {
    this.#late = frameMs > LATE_MS ? this.#late + 1 : Math.max(0, this.#late - 1 / FORGIVEN_BY);
    if (this.#late < LATE_FRAMES) return;
    this.#late = 0;
    this.#sparingUntil = nowMs + SPARING_MS;
  }
}
