// A server that is no honest host: it stands in front of a real one, and floods, truncates, stalls, redirects, answers
// nonsense, or passes everything on.

import {
  request as ask,
  createServer,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import type { Duplex } from 'node:stream';

/** What it does with a request. */
export type Mood =
  /** As the real one answers. */
  | 'honest'
  /** The real answer with some bytes changed. */
  | 'damaging'
  /** The first half of the real answer, and the connection breaks. */
  | 'truncating'
  /** The real answer, and then bytes without end. */
  | 'flooding'
  /** Nothing. */
  | 'silent'
  /** A success, and then nothing. */
  | 'stalling'
  /** A page for people. */
  | 'page'
  /** An error. */
  | 'failing'
  /** To the real one, which would be another origin. */
  | 'redirecting';

const FLOOD_BYTES = 64 * 1024;

/** The server. */
export class HostileHost {
  mood: Mood = 'honest';
  /** Requests so far, by path. */
  readonly calls: string[] = [];
  /** Bytes sent while flooding. */
  flooded = 0;
  #chance = 1;
  readonly #behind: string;
  readonly #server: Server;

  private constructor(behind: string) {
    this.#behind = behind;
    this.#server = createServer((request, response) => {
      this.#answer(request, response).catch(() => response.destroy());
    });
    this.#server.on('upgrade', (request, socket) => this.#listen(request, socket));
  }

  /** In front of the real host at this origin. */
  static async start(behind: string): Promise<HostileHost> {
    const host = new HostileHost(behind);
    await new Promise<void>((resolve) => host.#server.listen(0, '127.0.0.1', resolve));
    return host;
  }

  /** Its origin. */
  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = request.url ?? '/';
    this.calls.push(path);
    const parts: Buffer[] = [];
    for await (const part of request) parts.push(part as Buffer);
    switch (this.mood) {
      case 'silent':
        return;
      case 'stalling':
        response.writeHead(200).flushHeaders();
        return;
      case 'page':
        response.writeHead(200, { 'content-type': 'text/html' }).end('<h1>Welcome</h1>');
        return;
      case 'failing':
        response.writeHead(500).end('no');
        return;
      case 'redirecting':
        response.writeHead(307, { location: this.#behind + path }).end();
        return;
      default:
        await this.#passOn(path, Buffer.concat(parts), response);
    }
  }

  async #passOn(path: string, body: Buffer, response: ServerResponse): Promise<void> {
    const answer = await this.#ask(path, body);
    if (this.mood === 'truncating') {
      response.writeHead(200, { 'content-length': answer.length + 1 });
      response.write(answer.subarray(0, answer.length / 2), () => response.destroy());
    } else if (this.mood === 'flooding') {
      response.writeHead(200);
      response.write(answer);
      this.#flood(response);
    } else {
      const at = this.mood === 'damaging' ? this.#below(answer.length) : -1;
      response.writeHead(200).end(answer.map((byte, index) => (index === at ? byte ^ 0x11 : byte)));
    }
  }

  /** Asks the real one, under this one's name: what is signed names the origin that was asked. */
  #ask(path: string, body: Buffer): Promise<Buffer> {
    return new Promise((resolve, reject) => {
      const headers = { host: new URL(this.url).host, 'content-length': body.length };
      const asked = ask(this.#behind + path, { method: 'POST', headers }, (answer) => {
        const parts: Buffer[] = [];
        answer.on('data', (part: Buffer) => parts.push(part));
        answer.on('end', () => resolve(Buffer.concat(parts)));
      });
      asked.on('error', reject);
      asked.end(body);
    });
  }

  /** Passes a listener on to the real one, unless there is something to hide. */
  #listen(request: IncomingMessage, socket: Duplex): void {
    socket.on('error', () => socket.destroy());
    if (this.mood !== 'honest') {
      socket.destroy();
      return;
    }
    const { hostname, port } = new URL(this.#behind);
    const real = connect(Number(port), hostname, () => {
      const headers = Object.entries(request.headers).map(([name, value]) => `${name}: ${value}\r\n`);
      real.write(`GET ${request.url} HTTP/1.1\r\n${headers.join('')}\r\n`);
      real.pipe(socket);
      socket.pipe(real);
    });
    real.on('error', () => socket.destroy());
    socket.on('close', () => real.destroy());
  }

  /** Chance that is the same every time. */
  #below(bound: number): number {
    this.#chance = (Math.imul(this.#chance, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((this.#chance / 2 ** 32) * bound);
  }

  #flood(response: ServerResponse): void {
    if (response.destroyed) return;
    this.flooded += FLOOD_BYTES;
    response.write(Buffer.alloc(FLOOD_BYTES), () => this.#flood(response));
  }
}
