// Listens to an account's notices over a WebSocket. A browser cannot ping: an end that nobody announced is found by the
// session's own looking again, and by the events of the page that say so.

import type { Event } from './event.ts';

/** How long a socket may take to open, milliseconds. */
export const OPEN_MS_MAX = 10_000;
/** The longest frame to take, bytes: heads of what one push brought. */
const FRAME_BYTES_MAX = 16 * 1024 * 1024;

/** What is needed of a WebSocket: the browser's own will do, or that of the package `ws`. */
export interface NoticeSocketLike {
  binaryType: string;
  onopen: ((event: never) => unknown) | null;
  onmessage: ((event: never) => unknown) | null;
  onclose: ((event: never) => unknown) | null;
  onerror: ((event: never) => unknown) | null;
  close(): void;
}

/** A constructor of WebSockets: `WebSocket`, or `ws`'s for Node 20. */
export type WebSocketConstructor = new (url: string) => NoticeSocketLike;

/**
 * Listens until the connection ends, or until what is returned is called; after that nothing is heard any more. The
 * address signs in: it is not for logs.
 *
 * Hears `notices_opened` at most once, then `notice`s, and `notices_closed` last.
 */
export function listen(
  address: string,
  hear: (event: Event) => void,
  webSocket: WebSocketConstructor,
): () => void {
  let over = false;
  let socket: NoticeSocketLike | undefined;
  const end = () => {
    if (over) return;
    over = true;
    clearTimeout(timer);
    // A socket that is not open yet may complain about being closed; nobody has to know.
    socket?.close();
  };
  const lost = () => {
    if (over) return;
    end();
    hear({ type: 'notices_closed' });
  };
  const timer = setTimeout(lost, OPEN_MS_MAX);
  try {
    socket = new webSocket(address);
  } catch {
    // Such as plain HTTP from a page that came over TLS. The session must not hear of it while it acts.
    queueMicrotask(lost);
    return end;
  }
  socket.binaryType = 'arraybuffer';
  socket.onopen = () => {
    clearTimeout(timer);
    if (!over) hear({ type: 'notices_opened' });
  };
  socket.onmessage = ({ data }: { data: unknown }) => {
    if (over || !(data instanceof ArrayBuffer)) return;
    if (data.byteLength > FRAME_BYTES_MAX) lost();
    else hear({ type: 'notice', frame: new Uint8Array(data) });
  };
  socket.onclose = lost;
  // It is followed by a close; without a listener some implementations throw.
  socket.onerror = () => undefined;
  return end;
}
