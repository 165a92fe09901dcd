//! A notice: the frame that tells an account's listeners of bags that were just stored.

use bytes::Bytes;

use super::bag::{BagSeq, SealedHead};
use super::bytes::{Reader, put_var_bytes, put_varint};
use super::status::Status;

/// The longest sealed body that a notice brings along, bytes.
pub const INLINE_BYTES_MAX: usize = 512;

/// One bag of a notice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoticeItem {
    /// Its number.
    pub seq: BagSeq,
    /// Its head.
    pub sealed: SealedHead,
    /// Its sealed body, if it is short and came alone; else no bytes, like the body of a delete.
    pub body: Bytes,
}

impl NoticeItem {
    /// Reads one from the front.
    pub fn read(reader: &mut Reader) -> Result<Self, Status> {
        // The head is looked into last: what is cut short fails as upstream has it.
        let (seq, head, body) = (BagSeq(reader.varint()?), reader.var_bytes()?, reader.var_bytes()?);
        Ok(Self { seq, sealed: SealedHead::decode(head)?, body })
    }

    /// Appends it.
    pub fn write(&self, out: &mut Vec<u8>) -> Result<(), Status> {
        put_varint(out, self.seq.0)?;
        put_varint(out, self.sealed.encoded_length() as u64)?;
        self.sealed.write(out)?;
        put_var_bytes(out, &self.body)
    }

    /// Reads a whole frame. One without bytes is a notice of nothing, which upstream sends.
    pub fn decode_all(frame: impl Into<Bytes>) -> Result<Vec<Self>, Status> {
        Reader::new(frame).list(Self::read)
    }
}
