//! The one rule of merging: the greatest message of an entity is its state.

use seabag_protocol::host::status::Status;

/// What a message's head alone says about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Judgement {
    /// This very message is here.
    Known,
    /// A greater message of the entity is here, and its type keeps no past: the body is of no use.
    Superseded,
    /// Its body is needed.
    Wanted,
    /// It cannot be a message: `InvalidParam` for a time past the range.
    Refused(Status),
}

/// What became of a message that was merged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is its entity's state now.
    Applied,
    /// It is part of its entity's past, which its type keeps.
    Kept,
    /// Its body cannot be read; it waits for a version that can.
    SetAside,
    /// This very message was here.
    Known,
    /// A greater one was here.
    Superseded,
    /// It is not kept: `InvalidParam` for a time past the range, `HashMismatch` for a body that is not its own.
    Refused(Status),
}
