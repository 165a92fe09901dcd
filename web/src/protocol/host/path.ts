// The paths of the calls, all of them POST, at the root of the host's origin.

/** Registers an account. Request: a signed timestamp. Answer: nothing more than the head. */
export const USER_PATH = '/user';
/** Stores bags. */
export const PUSH_PATH = '/push';
/** Lists the heads behind a number, all of them. */
export const PEEK_PATH = '/peek';
/** Fetches bodies. */
export const PULL_PATH = '/pull';
/** Lists the heads behind a number, so many at a time. */
export const PEEK_PAGE_PATH = '/peek-page';
/** Lets go of superseded bags. */
export const PRUNE_PATH = '/prune';
/** Tells the account's history, and whether a cursor belongs to it. */
export const EPOCH_PATH = '/epoch';
/** Removes an account and all that it holds. */
export const DELETE_ACCOUNT_PATH = '/delete-account';
