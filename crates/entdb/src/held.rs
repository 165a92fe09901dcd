//! What a link's host is believed to hold, number by number.
use seabag_protocol::host::bag::BagSeq;
use seabag_protocol::host::message::MessageHash;

use crate::{Database, LinkId, Result};

impl Database {
    /// What the numbers behind this one are believed to hold, `max` of them at most, in order.
    pub fn held_after(
        &self,
        _link: LinkId,
        _after: BagSeq,
        _max: usize,
    ) -> Result<Vec<(BagSeq, MessageHash)>> {
        Ok(Vec::new())
    }
}
