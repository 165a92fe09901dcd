// A byte proxy before a server, that can cut connections, hold their bytes back, and swallow them: the network's bad days.

import net from 'node:net';

/** What becomes of connections and bytes. */
type Mood = 'pass' | 'refuse' | 'stall' | 'blackhole';

interface Pair {
  readonly client: net.Socket;
  readonly server: net.Socket;
}

/** Forwards to `target` from a port of its own. */
export class ByteProxy {
  readonly #target: URL;
  readonly #server: net.Server;
  readonly #pairs = new Set<Pair>();
  #mood: Mood = 'pass';
  /** Bytes from the server after which a connection is cut; null: never. */
  #cutAfter: (() => number) | null = null;
  /** Connections taken so far. */
  connections = 0;

  private constructor(target: string) {
    this.#target = new URL(target);
    this.#server = net.createServer((client) => this.#take(client));
  }

  /** Starts one on a free port. */
  static async start(target: string): Promise<ByteProxy> {
    const proxy = new ByteProxy(target);
    await new Promise<void>((resolve) => proxy.#server.listen(0, '127.0.0.1', resolve));
    return proxy;
  }

  /** Its origin. */
  get url(): string {
    const address = this.#server.address();
    return `http://127.0.0.1:${typeof address === 'object' && address !== null ? address.port : 0}`;
  }

  /** Ends every connection at once, as a lost network does: without a close frame. */
  cut(): void {
    for (const { client, server } of this.#pairs) {
      client.destroy();
      server.destroy();
    }
  }

  /** New connections are refused from here on, and the present ones cut. */
  refuse(): void {
    this.#mood = 'refuse';
    this.cut();
  }

  /** Bytes of both directions wait. */
  stall(): void {
    this.#mood = 'stall';
    for (const { client, server } of this.#pairs) {
      client.pause();
      server.pause();
    }
  }

  /** Bytes of both directions vanish: the connections are half open for ever. */
  blackhole(): void {
    this.#mood = 'blackhole';
  }

  /** All is well again. What stalled flows. */
  pass(): void {
    this.#mood = 'pass';
    for (const { client, server } of this.#pairs) {
      client.resume();
      server.resume();
    }
  }

  /** Cuts each connection when the server has sent so many bytes over it; null: no more. */
  cutAfter(bytes: (() => number) | null): void {
    this.#cutAfter = bytes;
  }

  /** Ends it. */
  async stop(): Promise<void> {
    this.cut();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #take(client: net.Socket): void {
    this.connections += 1;
    client.on('error', () => {});
    if (this.#mood === 'refuse') {
      client.destroy();
      return;
    }
    const server = net.connect(Number(this.#target.port), this.#target.hostname);
    server.on('error', () => client.destroy());
    const pair = { client, server };
    this.#pairs.add(pair);
    let left = this.#cutAfter?.() ?? Number.POSITIVE_INFINITY;
    client.on('data', (chunk: Buffer) => this.#mood === 'blackhole' || server.write(chunk));
    server.on('data', (chunk: Buffer) => {
      if (this.#mood === 'blackhole') return;
      left -= chunk.length;
      client.write(left < 0 ? chunk.subarray(0, Math.max(chunk.length + left, 0)) : chunk);
      if (left < 0) client.end();
    });
    const end = (): void => {
      this.#pairs.delete(pair);
      client.destroy();
      server.destroy();
    };
    client.on('close', end);
    server.on('close', end);
    if (this.#mood === 'stall') {
      client.pause();
      server.pause();
    }
  }
}
