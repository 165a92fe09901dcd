// What the package has going in this page: sockets, timers, listeners on the window, and requests it made.
// Only what the package's own code begins counts, told by the stack; React and the test runner have timers too.

import { until } from '../support/until.ts';

/** What was begun and has not ended, and what was asked of servers. */
export class Outstanding {
  readonly sockets = new Set<WebSocket>();
  readonly timers = new Set<unknown>();
  readonly listeners = new Map<unknown, Set<string>>();
  /** As `PUT /room/…`, without ids. */
  readonly requests: string[] = [];
  socketsMade = 0;
  readonly #restore: (() => void)[] = [];

  constructor() {
    this.#watchSockets();
    this.#watchTimers('setTimeout', 'clearTimeout', true);
    this.#watchTimers('setInterval', 'clearInterval', false);
    this.#watchListeners();
    this.#watchRequests();
  }

  /** Ends the watching. */
  end(): void {
    for (const restore of this.#restore.splice(0).reverse()) restore();
  }

  /** Nothing of the package is left in the page. */
  async nothing(): Promise<void> {
    await until(`nothing is left: ${this.list()}`, () => this.list() === '');
  }

  list(): string {
    const open = [...this.sockets].filter((socket) => socket.readyState !== WebSocket.CLOSED);
    return [
      ...open.map(() => 'socket'),
      ...[...this.timers].map((timer) => `timer ${String(timer)}`),
      ...[...this.listeners.values()].flatMap((types) => [...types].map((type) => `listener of ${type}`)),
    ].join(', ');
  }

  #watchSockets(): void {
    const outstanding = this;
    const Original = globalThis.WebSocket;
    globalThis.WebSocket = class extends Original {
      constructor(url: string | URL, protocols?: string | string[]) {
        super(url, protocols);
        outstanding.socketsMade += 1;
        outstanding.sockets.add(this);
      }
    };
    this.#restore.push(() => {
      globalThis.WebSocket = Original;
    });
  }

  #watchTimers(
    set: 'setTimeout' | 'setInterval',
    clear: 'clearTimeout' | 'clearInterval',
    once: boolean,
  ): void {
    const { [set]: originalSet, [clear]: originalClear } = window;
    const timers = this.timers;
    Object.assign(window, {
      [set]: (work: () => void, ms?: number) => {
        const id: unknown = Reflect.apply(originalSet, window, [
          () => {
            if (once) timers.delete(id);
            work();
          },
          ms,
        ]);
        if (ours()) timers.add(id);
        return id;
      },
      [clear]: (id: number) => {
        timers.delete(id);
        Reflect.apply(originalClear, window, [id]);
      },
    });
    this.#restore.push(() => Object.assign(window, { [set]: originalSet, [clear]: originalClear }));
  }

  #watchListeners(): void {
    const { addEventListener, removeEventListener } = window;
    const listeners = this.listeners;
    Object.assign(window, {
      addEventListener: (...all: Parameters<typeof addEventListener>) => {
        const types = listeners.get(all[1]) ?? new Set();
        if (ours()) listeners.set(all[1], types.add(all[0]));
        Reflect.apply(addEventListener, window, all);
      },
      removeEventListener: (...all: Parameters<typeof removeEventListener>) => {
        listeners.get(all[1])?.delete(all[0]);
        Reflect.apply(removeEventListener, window, all);
      },
    });
    this.#restore.push(() => Object.assign(window, { addEventListener, removeEventListener }));
  }

  #watchRequests(): void {
    const original = window.fetch;
    window.fetch = (input, init) => {
      const request = new Request(input, init);
      const path = new URL(request.url).pathname.replace(/(room\/)[^/]+/, '$1…');
      if (ours()) this.requests.push(`${request.method} ${path}`);
      return Reflect.apply(original, window, [input, init]);
    };
    this.#restore.push(() => {
      window.fetch = original;
    });
  }
}

function ours(): boolean {
  return new Error().stack?.includes('/src/') ?? false;
}
