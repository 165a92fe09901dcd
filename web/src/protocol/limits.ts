// The bounds of the rooms client, in one table: noun first, bound last. Those of the server are in docs/rooms.md, "Limits".

/** Pushes that may wait in a connection's outbox, sent or not. */
export const OUTBOX_PUSHES_MAX = 10_000;
/** Bytes (text: characters) that may wait there. */
export const OUTBOX_BYTES_MAX = 16 * 1024 * 1024;
/** Pushes that may be without acknowledgement on one connection: what the server works on before it stops reading. */
export const FLIGHT_PUSHES_MAX = 1_000;
/** Their bytes. */
export const FLIGHT_BYTES_MAX = 4 * 1024 * 1024;
/** Reads (`get`, `keys`, `entries`, `latency`) that may wait for their answers. */
export const READS_MAX = 1_000;
/** How often reading all of a room begins again because its history changed in between. */
export const READ_TRIES_MAX = 5;
/** Wills of a connection, as the server allows. */
export const WILLS_MAX = 8;
/** Pushes of a key that are held until its `init` is there. Beyond, the oldest go: at most a relay is lost. */
export const HELD_PUSHES_MAX = 10_000;
/** Ids of pushes are microseconds since 1970 at most: until 2112 they are below this, and above it they could not rise. */
export const ID_MAX = 2 ** 52;
/** Bytes of a message that every server takes, whatever it says: or it could not even be asked whether it is there. */
export const MESSAGE_BYTES_MIN = 1_024;
/** A socket that has not brought `hello` after this is given up. */
export const OPEN_MS_MAX = 20_000;
/** Silence after which the server is asked for a sign of life. */
export const SILENCE_MS_MAX = 20_000;
/** How long its answer may take. */
export const ANSWER_MS_MAX = 10_000;
/** How often it is asked before it is given up, at most: once, unless that was in vain the last time. */
export const ASKS_MAX = 16;
/** The first wait before another attempt is random and below this; it doubles with each failure. */
export const BACKOFF_MS_MIN = 250;
/** No wait is longer, unless the server asks for it. */
export const BACKOFF_MS_MAX = 30_000;
/** No server is believed that asks for more, and timers take no more than 24 days. */
export const RETRY_MS_MAX = 3_600_000;
/** A connection that lived as long as this starts the waits anew. */
export const STABLE_MS_MIN = 5_000;
/** For so long the server surely remembers a client after its last push (24 hours), less an hour for clocks. */
export const CLIENT_KEPT_MS_MIN = 23 * 60 * 60 * 1_000;
/** Longest time for one HTTP request, without the long poll's wait. */
export const REQUEST_MS_MAX = 30_000;
/** Longest time for which a push over HTTP is tried again. */
export const HTTP_RETRY_MS_MAX = 30_000;
/** Pushes in one HTTP list, as the server allows. */
export const LIST_PUSHES_MAX = 1_000;
/** Seconds of a long poll, as the server allows. */
export const POLL_SECONDS_MAX = 30;
