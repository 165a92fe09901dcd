// One measured round trip, as DriftDB's users know it.

/** Started when made; `result` is fulfilled with the milliseconds until `receivedResponse`. */
export class LatencyTest {
  #startedAt = performance.now();
  #resolve: (ms: number) => void = () => undefined;
  #result = new Promise<number>((resolve) => {
    this.#resolve = resolve;
  });

  receivedResponse(): void {
    this.#resolve(performance.now() - this.#startedAt);
  }

  result(): Promise<number> {
    return this.#result;
  }
}
