//! The paths of the calls, all of them POST, at the root of the host's origin.

/// Registers an account. Request: a signed timestamp. Answer: nothing more than the head.
pub const USER: &str = "/user";
/// Stores bags.
pub const PUSH: &str = "/push";
/// Lists the heads behind a number, all of them.
pub const PEEK: &str = "/peek";
/// Fetches bodies.
pub const PULL: &str = "/pull";
/// Lists the heads behind a number, so many at a time.
pub const PEEK_PAGE: &str = "/peek-page";
/// Lets go of superseded bags.
pub const PRUNE: &str = "/prune";
/// Tells the account's history, and whether a cursor belongs to it.
pub const EPOCH: &str = "/epoch";
/// Removes an account and all that it holds.
pub const DELETE_ACCOUNT: &str = "/delete-account";
