// Sends a session's calls over HTTP. It knows nothing of what they say: bytes go out, bytes or a failure come back,
// within bounds of time and length.

import { concatBytes } from '../../protocol/host/bytes.ts';
import type { HostAddress } from './address.ts';
import type { CallAction, CallResult, Failure } from './event.ts';

/** How long nothing may come from a host before a call is given up, milliseconds. A long answer may take long. */
export const SILENCE_MS_MAX = 30_000;
/** A way up that is slower than this, bytes a second, counts as silence: `fetch` does not tell how far it is. */
const UPLOAD_BYTES_PER_SECOND_MIN = 16 * 1024;

/** What a driver needs besides an address. */
export interface DriverOptions {
  /** What a guarded host asks of a registration; asked anew each time, since it may come later. It is a secret. */
  token?: (() => Promise<string | undefined>) | undefined;
  /** In place of the built-in one. */
  fetch?: typeof fetch | undefined;
  /** Tests shorten it. {@link SILENCE_MS_MAX} unless set. */
  silenceMsMax?: number | undefined;
}

/** The way to one host. */
export class HostDriver {
  /** Where the host is. */
  readonly address: HostAddress;
  readonly #token: () => Promise<string | undefined>;
  readonly #fetch: typeof fetch;
  readonly #silenceMs: number;

  constructor(address: HostAddress, options: DriverOptions = {}) {
    this.address = address;
    this.#token = options.token ?? (async () => undefined);
    // The built-in one wants to be called as a function of the window.
    this.#fetch = options.fetch ?? ((input, init) => globalThis.fetch(input, init));
    this.#silenceMs = options.silenceMsMax ?? SILENCE_MS_MAX;
  }

  /** Sends one request and reads its answer. It never throws; who aborts the signal gets `unreachable`. */
  async call(action: CallAction, signal: AbortSignal): Promise<CallResult> {
    const silence = new Silence(signal);
    try {
      const uploadMs = (action.body.length / UPLOAD_BYTES_PER_SECOND_MIN) * 1_000;
      silence.allow(this.#silenceMs + uploadMs);
      const init = await this.#init(action, silence.signal);
      const response = await this.#fetch(this.address.call(action.path), init);
      if (!response.ok) {
        void response.body?.cancel().catch(() => undefined);
        return failed({ type: 'http', status: response.status });
      }
      return await this.#read(response, action.answerBytesMax, silence);
    } catch (error) {
      return failed(silence.isOver ? { type: 'silent' } : { type: 'unreachable', text: cause(error) });
    } finally {
      silence.end();
    }
  }

  async #init(action: CallAction, signal: AbortSignal): Promise<RequestInit> {
    const init: RequestInit = {
      method: 'POST',
      // A request of its own buffer: what is shared or larger would be refused, or sent.
      body: new Uint8Array(action.body),
      signal,
      cache: 'no-store',
      credentials: 'omit',
      referrerPolicy: 'no-referrer',
      // A redirect would send what signs in to another origin than the one that was chosen.
      redirect: 'error',
    };
    const token = action.token ? await this.#token() : undefined;
    // Only then is there a header that makes a browser ask first.
    if (token !== undefined) init.headers = { Authorization: `Bearer ${token}` };
    return init;
  }

  /** Reads an answer as it comes, and no further than its bound. */
  async #read(response: Response, bytesMax: number, silence: Silence): Promise<CallResult> {
    const promised = Number(response.headers.get('content-length') ?? 0);
    const reader = response.body?.getReader();
    if (reader === undefined) return { ok: true, body: new Uint8Array() };
    const parts: Uint8Array[] = [];
    let length = 0;
    for (let tooLong = promised > bytesMax; ; tooLong = length > bytesMax) {
      if (tooLong) {
        void reader.cancel().catch(() => undefined);
        return failed({ type: 'too_large', bytesMax });
      }
      silence.allow(this.#silenceMs);
      const { done, value } = await reader.read();
      if (done) return { ok: true, body: concatBytes(...parts) };
      parts.push(value);
      length += value.length;
    }
  }
}

/** Ends a call in which nothing moves. */
class Silence {
  readonly #controller = new AbortController();
  readonly #outer: AbortSignal;
  readonly #abort = () => this.#controller.abort();
  #timer: ReturnType<typeof setTimeout> | undefined;
  /** Whether it ended for that. */
  isOver = false;

  constructor(outer: AbortSignal) {
    this.#outer = outer;
    if (outer.aborted) this.#abort();
    outer.addEventListener('abort', this.#abort);
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Something moved: from now on it may be silent for so long, milliseconds. */
  allow(ms: number): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      this.isOver = true;
      this.#abort();
    }, ms);
  }

  end(): void {
    clearTimeout(this.#timer);
    this.#outer.removeEventListener('abort', this.#abort);
  }
}

function failed(failure: Failure): CallResult {
  return { ok: false, failure };
}

/** What went wrong, for people, without the address. Browsers keep the cause to themselves; Node has a code for it. */
function cause(error: unknown): string {
  const inner = error instanceof Error ? error.cause : undefined;
  const code = typeof inner === 'object' && inner !== null && 'code' in inner ? inner.code : undefined;
  return typeof code === 'string' ? `the connection failed (${code})` : 'the connection failed';
}
