//! What every answer begins with.

use super::bytes::{Reader, put_varint};
use super::status::Status;

/// A bound and how much of it is used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Quota {
    /// The bound; 0: none, or none that the host tells.
    pub quota: u64,
    /// How much is used; only told beside a bound.
    pub usage: u64,
}

impl Quota {
    fn read(reader: &mut Reader) -> Result<Self, Status> {
        let quota = reader.varint()?;
        let usage = if quota > 0 { reader.varint()? } else { 0 };
        Ok(Self { quota, usage })
    }

    fn write(self, out: &mut Vec<u8>) -> Result<(), Status> {
        put_varint(out, self.quota)?;
        if self.quota > 0 { put_varint(out, self.usage) } else { Ok(()) }
    }
}

/// What the account may do at its host, and for how long.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Subscription {
    /// Milliseconds that it lasts; 0: no fixed term.
    pub term_ms: u64,
    /// Milliseconds of them that have passed.
    pub elapsed_ms: u64,
    /// Bytes kept.
    pub stored: Quota,
    /// What is moved; this host sets no such bound.
    pub moved: Quota,
}

/// What every answer begins with; an error's answer is this alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ResponseHead {
    /// What became of the request.
    pub status: Status,
    /// When it came, by the host's clock, milliseconds since 1970.
    pub received_ms: u64,
    /// When the answer went out.
    pub sent_ms: u64,
    /// The account's subscription; all zero where there is none to tell of.
    pub subscription: Subscription,
}

impl ResponseHead {
    /// Reads one from the front. A status byte without meaning is `InvalidResponse`.
    pub fn read(reader: &mut Reader) -> Result<Self, Status> {
        let status = Status::from_code(reader.byte()?);
        let (received_ms, sent_ms) = (reader.varint()?, reader.varint()?);
        let (term_ms, elapsed_ms) = (reader.varint()?, reader.varint()?);
        let (stored, moved) = (Quota::read(reader)?, Quota::read(reader)?);
        let status = status.ok_or(Status::InvalidResponse)?;
        Ok(Self {
            status,
            received_ms,
            sent_ms,
            subscription: Subscription { term_ms, elapsed_ms, stored, moved },
        })
    }

    /// Appends it.
    pub fn write(&self, out: &mut Vec<u8>) -> Result<(), Status> {
        out.push(self.status.code());
        put_varint(out, self.received_ms)?;
        put_varint(out, self.sent_ms)?;
        put_varint(out, self.subscription.term_ms)?;
        put_varint(out, self.subscription.elapsed_ms)?;
        self.subscription.stored.write(out)?;
        self.subscription.moved.write(out)
    }
}
