// Questions to a room whose answers somebody waits for: kept, and asked again, over cuts. Pure: it sends nothing.

import type { ClientMessage } from '../../protocol/room/client_message.ts';
import type { Request } from './requests.ts';

/** One question. */
export interface Read {
  readonly token: number;
  readonly message: ClientMessage;
  readonly kind: Request['kind'];
}

/** The questions without answer, oldest first. */
export class Reads {
  readonly #reads = new Map<number, Read>();
  /** Not asked over the present connection. */
  #unsent: Read[] = [];

  get size(): number {
    return this.#reads.size;
  }

  /** Takes a question. */
  add(token: number, message: ClientMessage): void {
    const read = { token, message, kind: kindOf(message) };
    this.#reads.set(token, read);
    this.#unsent.push(read);
  }

  /** What to ask over the present connection now; each is named once for a connection. */
  toAsk(): readonly Read[] {
    const reads = this.#unsent;
    this.#unsent = [];
    return reads;
  }

  /** It is answered. Whether it was waited for. */
  remove(token: number): boolean {
    return this.#reads.delete(token);
  }

  /** The connection has ended: all will be asked again, but for pings, which asked about that connection. */
  disconnected(): readonly number[] {
    const pings = [...this.#reads.values()].filter(({ kind }) => kind === 'ping');
    for (const { token } of pings) this.#reads.delete(token);
    this.#unsent = [...this.#reads.values()];
    return pings.map(({ token }) => token);
  }

  /** Forgets all: who waited. */
  clear(): readonly number[] {
    const tokens = [...this.#reads.keys()];
    this.#reads.clear();
    this.#unsent = [];
    return tokens;
  }
}

function kindOf(message: ClientMessage): Request['kind'] {
  if (message.type !== 'get') return message.type;
  return 'key' in message ? 'get' : 'page';
}
