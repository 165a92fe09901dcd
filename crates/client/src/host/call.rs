//! The bytes of requests and answers: one place that knows how calls begin and how answers do.

use bytes::Bytes;
use seabag_crypto::HostKeys;
use seabag_protocol::host::bag::BagSeq;
use seabag_protocol::host::bytes::Reader;
use seabag_protocol::host::epoch::{self, Cursor};
use seabag_protocol::host::path;
use seabag_protocol::host::peek;
use seabag_protocol::host::prune::PrunePair;
use seabag_protocol::host::pull;
use seabag_protocol::host::record::EpochId;
use seabag_protocol::host::response::ResponseHead;
use seabag_protocol::host::status::Status;

/// The longest answer that carries no bags, bytes.
pub(crate) const SMALL_ANSWER_BYTES_MAX: u64 = 64 * 1024;
/// The longest page of heads, bytes: 1,000 heads of 200 bytes are far below it.
pub(crate) const PAGE_ANSWER_BYTES_MAX: u64 = 16 * 1024 * 1024;
/// The longest list of heads of a host that has no pages, bytes: some three million bags.
pub(crate) const LIST_ANSWER_BYTES_MAX: u64 = 512 * 1024 * 1024;

/// What is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Request {
    /// Registers.
    User,
    /// Asks for the history.
    Epoch(Option<Cursor>),
    /// Lists all heads behind a number.
    Peek(BagSeq),
    /// Lists so many heads behind a number.
    Page(BagSeq, u64),
    /// Fetches bodies: numbers, and the longest answer.
    Pull(Vec<BagSeq>, u64),
    /// Stores bags, already encoded one after the other: their bytes, and how many they are.
    Push(Vec<u8>, usize),
    /// Lets go of bags, in this epoch.
    Prune(Vec<PrunePair>, EpochId),
    /// Removes the account, in this epoch.
    DeleteAccount(EpochId),
}

impl Request {
    /// Where it goes.
    pub(crate) fn path(&self) -> &'static str {
        match self {
            Self::User => path::USER,
            Self::Epoch(_) => path::EPOCH,
            Self::Peek(_) => path::PEEK,
            Self::Page(..) => path::PEEK_PAGE,
            Self::Pull(..) => path::PULL,
            Self::Push(..) => path::PUSH,
            Self::Prune(..) => path::PRUNE,
            Self::DeleteAccount(_) => path::DELETE_ACCOUNT,
        }
    }

    /// The longest answer to read, bytes.
    pub(crate) fn answer_bytes_max(&self) -> u64 {
        match self {
            Self::Peek(_) => LIST_ANSWER_BYTES_MAX,
            Self::Page(..) => PAGE_ANSWER_BYTES_MAX,
            Self::Pull(_, bytes_max) => SMALL_ANSWER_BYTES_MAX.saturating_add(*bytes_max),
            // Two numbers and a status an item.
            Self::Push(_, count) => SMALL_ANSWER_BYTES_MAX + 17 * *count as u64,
            Self::Prune(pairs, _) => SMALL_ANSWER_BYTES_MAX + 9 * pairs.len() as u64,
            Self::User | Self::Epoch(_) | Self::DeleteAccount(_) => SMALL_ANSWER_BYTES_MAX,
        }
    }

    /// The whole body, signed at this time of the host's clock.
    pub(crate) fn encode(&self, keys: &HostKeys, origin: &str, time_ms: u64) -> Result<Bytes, Status> {
        let signed = |body: Vec<u8>, epoch: &EpochId| -> Result<Vec<u8>, Status> {
            let mut out = Vec::with_capacity(256 + body.len());
            keys.call(self.path(), origin, epoch, time_ms, &body)?.write(&mut out)?;
            out.extend_from_slice(&body);
            Ok(out)
        };
        let auth = || keys.timestamp(time_ms);
        let out = match self {
            Self::User => {
                let mut out = Vec::new();
                auth()?.write(&mut out)?;
                out
            }
            Self::Epoch(cursor) => epoch::request(&auth()?, cursor.as_ref())?,
            Self::Peek(after) => peek::request(&auth()?, *after)?,
            Self::Page(after, items_max) => peek::page_request(&auth()?, *after, *items_max)?,
            Self::Pull(numbers, _) => pull::request(&auth()?, numbers)?,
            Self::Push(bags, _) => {
                let mut out = Vec::with_capacity(128 + bags.len());
                auth()?.write(&mut out)?;
                out.extend_from_slice(bags);
                out
            }
            Self::Prune(pairs, epoch) => {
                let mut body = Vec::new();
                pairs.iter().try_for_each(|pair| pair.write(&mut body))?;
                signed(body, epoch)?
            }
            Self::DeleteAccount(epoch) => signed(Vec::new(), epoch)?,
        };
        Ok(out.into())
    }
}

/// An answer's head, and what comes after it.
pub(crate) fn read_answer(body: Bytes) -> Result<(ResponseHead, Reader), Status> {
    let mut reader = Reader::new(body);
    // A head that ends too early is not an answer at all, whatever the reader calls it.
    let head = ResponseHead::read(&mut reader).map_err(|_| Status::InvalidResponse)?;
    Ok((head, reader))
}

/// The query that opens the notices: a signed timestamp in hexadecimal digits.
pub(crate) fn notices_query(keys: &HostKeys, time_ms: u64) -> Result<String, Status> {
    let mut out = Vec::new();
    keys.timestamp(time_ms)?.write(&mut out)?;
    Ok(format!("t={}", data_encoding::HEXLOWER.encode(&out)))
}
