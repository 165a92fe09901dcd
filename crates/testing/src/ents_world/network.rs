//! What becomes of a call on its way: how long it takes, and whether it, or its answer, gets lost or comes twice.

use crate::chance::Chance;

/// What becomes of one call.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fate {
    /// Until the request arrives, milliseconds; `None`: it never does.
    pub(super) there_ms: Option<u64>,
    /// Until it arrives a second time, milliseconds after it was sent.
    pub(super) again_ms: Option<u64>,
    /// Until the answer arrives, milliseconds after the request did; `None`: it never does.
    pub(super) back_ms: Option<u64>,
    /// Until the caller gives up, milliseconds after it was sent. An answer that comes later comes all the same.
    pub(super) patience_ms: u64,
}

impl Fate {
    /// Of a call on a network that works.
    pub(super) fn calm(chance: &mut Chance) -> Self {
        Self {
            there_ms: Some(chance.between(1, 40)),
            again_ms: None,
            back_ms: Some(chance.between(1, 40)),
            patience_ms: 30_000,
        }
    }

    /// Of a call on one that does not always.
    pub(super) fn rough(chance: &mut Chance) -> Self {
        let mut fate = Self::calm(chance);
        if chance.happens(150) {
            fate.there_ms = Some(chance.between(1, 5_000));
            fate.back_ms = Some(chance.between(1, 5_000));
        }
        if chance.happens(60) {
            fate.again_ms = Some(chance.between(1, 35_000));
        }
        match chance.below(100) {
            0..6 => fate.there_ms = None,
            6..14 => fate.back_ms = None,
            14..17 => fate.patience_ms = chance.between(1, 100),
            _ => {}
        }
        if fate.there_ms.is_none() || fate.back_ms.is_none() {
            fate.patience_ms = *chance.pick(&[50, 500, 30_000]);
        }
        fate
    }
}
