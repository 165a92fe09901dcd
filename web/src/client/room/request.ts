// One HTTP request to a server of rooms: bounded in time, and every refusal a `RoomError`. No error holds a URL. Loaded
// only when something is asked over HTTP: most pages join a room and never do.

import { RoomError } from '../../protocol/error.ts';
import { REQUEST_MS_MAX } from '../../protocol/limits.ts';
import { readHttpRefusal } from './refusal.ts';

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
    if (!response.ok) throw await readHttpRefusal(response);
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

/** Posts JSON, once. Fails as {@link request}. */
export function postJson(
  fetchIt: typeof fetch,
  url: string,
  body: string,
  headers: Readonly<Record<string, string>> = {},
): Promise<Answer> {
  return request(fetchIt, url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body,
  });
}

function readJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new RoomError('bad_message', 'the answer is not JSON: is this a server of rooms?');
  }
}
