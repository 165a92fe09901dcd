// One HTTP request to a server of rooms: bounded in time, and every refusal a `RoomError`. No error holds a URL.

import { RoomError } from '../../protocol/error.ts';
import { REQUEST_MS_MAX } from '../../protocol/limits.ts';
import { object, readRefusal } from '../../protocol/room/server_message.ts';

/** What the statuses mean that a proxy may answer with too, without a body that says it. */
const CODES: Readonly<Record<number, string>> = {
  401: 'token_required',
  404: 'unknown_room',
  413: 'too_large',
};

/** The global `fetch`, which minds being called as a method of something else. */
export const defaultFetch: typeof fetch = (input, init) => fetch(input, init);

/** Whether the same request may pass later. */
export function passesLater(status: number | null): boolean {
  return status === null || status === 408 || status === 429 || (status >= 500 && status !== 507);
}

/** What a server refused with. */
export async function readHttpRefusal(response: Response): Promise<RoomError> {
  const { status } = response;
  const seconds = Number(response.headers.get('retry-after') ?? Number.NaN);
  const retryMs = Number.isFinite(seconds) ? seconds * 1_000 : undefined;
  try {
    const refusal = readRefusal(object(await response.json(), 'the refusal'));
    return new RoomError(refusal.code, refusal.message, refusal.retryMs ?? retryMs);
  } catch {
    return new RoomError(CODES[status] ?? 'unavailable', `the server answered ${status}`, retryMs);
  }
}

/** How to ask. */
export interface RequestOptions {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: BodyInit;
  /** Gives up when it fires; the promise then rejects with its reason. */
  readonly signal?: AbortSignal | undefined;
  /** Milliseconds that an answer may take. */
  readonly limitMs?: number;
}

/** An answer that was no refusal. */
export interface Answer {
  readonly status: number;
  /** The body as JSON; undefined when it is empty. */
  readonly tree: unknown;
}

/** Asks once. Throws the server's refusal, `network` when there is no answer, `bad_message` when it is no JSON. */
export async function request(
  fetchIt: typeof fetch,
  url: string,
  options: RequestOptions = {},
): Promise<Answer> {
  const { signal, limitMs = REQUEST_MS_MAX, ...init } = options;
  const control = new AbortController();
  const stop = (): void => control.abort();
  const timer = setTimeout(stop, limitMs);
  signal?.addEventListener('abort', stop);
  try {
    signal?.throwIfAborted();
    const response = await fetchIt(url, { ...init, cache: 'no-store', signal: control.signal });
    if (!response.ok) throw new HttpRefusal(response.status, await readHttpRefusal(response));
    const text = await response.text();
    return { status: response.status, tree: text === '' ? undefined : readJson(text) };
  } catch (error) {
    if (error instanceof RoomError) throw error;
    signal?.throwIfAborted();
    throw new RoomError('network', 'the server did not answer');
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener('abort', stop);
  }
}

/** A refusal that came over HTTP, with its status. */
export class HttpRefusal extends RoomError {
  readonly status: number;

  constructor(status: number, error: RoomError) {
    super(error.code, error.message, error.retryMs);
    this.status = status;
  }
}

function readJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new RoomError(
      'bad_message',
      'the answer is not JSON: this is no server of rooms, or a proxy is in the way',
    );
  }
}
