// What was asked over the present connection and not answered yet. The server answers in the order in which it was
// asked, so an answer belongs to the oldest question that it fits. Pure.

/** A question, or something that may be refused. */
export interface Request {
  readonly kind: 'push' | 'get' | 'page' | 'keys' | 'ping' | 'will';
  readonly key?: string;
  /** The push's id. */
  readonly id?: number;
  /** Whose read it is; absent for the session's own. */
  readonly token?: number;
}

/** The question that an answer belongs to, and the wills before it, which were taken without a word. */
export interface Match {
  readonly request: Request | undefined;
  readonly taken: readonly Request[];
}

/** The questions of one connection, oldest first. Bounded by what may be in flight. */
export class Requests {
  #list: Request[] = [];

  /** Something was sent. */
  sent(request: Request): void {
    this.#list.push(request);
  }

  /** The connection ended: nothing of it will be answered. */
  clear(): void {
    this.#list = [];
  }

  /** The question that an answer of this kind belongs to. */
  answered(kind: Request['kind'], key?: string): Match {
    return this.#take((request) => request.kind === kind && (key === undefined || request.key === key));
  }

  /** The push of this id. */
  named(id: number): Match {
    return this.#take((request) => request.id === id);
  }

  /** The question that a refusal without an id belongs to: the oldest about that key, else the oldest of all. */
  refused(key: string | null): Match {
    const about = this.#take((request) => (key === null ? request.kind !== 'will' : request.key === key));
    return about.request === undefined ? this.#take(() => true) : about;
  }

  #take(fits: (request: Request) => boolean): Match {
    const index = this.#list.findIndex(fits);
    const request = this.#list[index];
    if (request === undefined) return { request, taken: [] };
    const before = this.#list.splice(0, index + 1).slice(0, index);
    const left = before.filter(({ kind }) => kind !== 'will');
    if (left.length > 0) this.#list.unshift(...left);
    return { request, taken: before.filter(({ kind }) => kind === 'will') };
  }
}
