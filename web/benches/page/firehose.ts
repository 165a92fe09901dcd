// What the writer of the measurement of rooms and the page that hears it agree on.

/** The key that is written. */
export const KEY = 'stream';
/** The key on which the page tells how many it has heard, so that the server does not take it for too slow. */
export const PROGRESS_KEY = 'progress';
/** How often it tells. */
export const PROGRESS_MESSAGES = 1_000;
