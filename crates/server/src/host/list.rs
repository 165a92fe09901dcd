//! PEEK, PEEK-PAGE, PULL and EPOCH: what an account holds, read from one durable state of the store.

use std::collections::VecDeque;

use bytes::Bytes;
use seabag_protocol::host::bag::BagSeq;
use seabag_protocol::host::bytes::Reader;
use seabag_protocol::host::epoch::{Cursor, EpochAnswer};
use seabag_protocol::host::machine;
use seabag_protocol::host::peek::PageHead;
use seabag_protocol::host::response::Subscription;
use seabag_protocol::host::status::Status;
use seabag_store::{AccountNumber, Snapshot, StoreError};

use super::answer::{Body, Failed, Reply};
use super::call::Rest;
use super::outflow::{Outflow, Piece, Source, Then};
use super::{Asker, Host};

/// About the most bytes of one piece of an answer.
const PIECE_BYTES: usize = 128 * 1024;
/// Most bags of one piece of an answer.
const PIECE_BAGS: usize = 1_024;
/// How many more bytes of bodies a PULL may ask for than the account has: those that it asks for twice.
const REPEATED_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// PEEK: every head behind a number.
pub(crate) async fn peek(
    host: &Host,
    asker: Asker,
    subscription: Subscription,
    rest: Bytes,
) -> Result<Reply, Failed> {
    let mut reader = Reader::new(rest);
    let after = BagSeq(reader.varint()?);
    reader.end()?;
    if after >= asker.record.last {
        return Ok(Reply::of(subscription, Vec::new()));
    }
    let source = Heads { account: asker.number, after, last: asker.record.last };
    flow(host, asker, subscription, source).await
}

/// PEEK-PAGE: so many heads behind a number, and how far they reach.
pub(crate) async fn page(
    host: &Host,
    asker: Asker,
    subscription: Subscription,
    rest: Bytes,
) -> Result<Reply, Failed> {
    let mut reader = Reader::new(rest);
    let (after, asked) = (BagSeq(reader.varint()?), reader.varint()?);
    reader.end()?;
    let most = host.limits().peek_page_items_max.max(1);
    let wanted = if asked == 0 { most } else { asked.min(most) };
    let wanted = usize::try_from(wanted).unwrap_or(usize::MAX);
    let bytes_max = usize::try_from(host.limits().page_bytes_max.max(1)).unwrap_or(usize::MAX);
    let (number, snapshot) = (asker.number, asker.snapshot);
    let read =
        host.reader().run(Some(snapshot), move |snapshot| snapshot.peek(number, after, wanted, bytes_max));
    let items = read.await.map_err(|_| Status::StorageError)?;
    let last = asker.record.last;
    // A page that is not full may end before the last number: the bags behind were pruned. Asking on finds that out.
    let through = items.last().map_or(last, |item| item.seq);
    let head = PageHead { epoch: machine::open_epoch(&asker.record), last, through };
    let mut body = Vec::new();
    head.write(&mut body)?;
    for item in &items {
        item.write(&mut body)?;
    }
    Ok(Reply::of(subscription, body))
}

/// PULL: the bodies of the numbers asked for, in their order. Those that are not there are left out.
pub(crate) async fn pull(
    host: &Host,
    asker: Asker,
    subscription: Subscription,
    rest: Rest,
) -> Result<Reply, Failed> {
    // Read once to find out whether all can be read: a list of numbers is much larger than their bytes.
    let mut reader = Reader::new(rest.bytes.clone());
    while !reader.is_empty() {
        reader.varint()?;
    }
    let source = Bodies {
        account: asker.number,
        numbers: Reader::new(rest.bytes.clone()),
        wanted: VecDeque::new(),
        bytes_left: asker.record.bytes.saturating_add(REPEATED_BYTES_MAX),
        _request: rest,
    };
    flow(host, asker, subscription, source).await
}

/// EPOCH: which history this is, and whether a cursor belongs to it.
pub(crate) fn epoch(asker: &Asker, subscription: Subscription, rest: Bytes) -> Result<Reply, Failed> {
    let mut reader = Reader::new(rest);
    let cursor = if reader.is_empty() { None } else { Some(Cursor::read(&mut reader)?) };
    reader.end()?;
    let valid = cursor.is_none_or(|cursor| machine::is_valid_cursor(&asker.record, &cursor));
    let epoch = machine::open_epoch(&asker.record);
    let mut body = Vec::new();
    EpochAnswer { epoch, last: asker.record.last, valid }.write(&mut body)?;
    Ok(Reply::of(subscription, body))
}

/// Reads the first piece; if there is more, the rest is read while it is sent.
async fn flow(
    host: &Host,
    asker: Asker,
    subscription: Subscription,
    source: impl Source,
) -> Result<Reply, Failed> {
    let outflow = Outflow::begin(host.reader(), asker.snapshot, Box::new(source)).await?;
    let body = match outflow {
        Ok(whole) => Body::Whole(whole),
        Err(outflow) => Body::Pieces(outflow),
    };
    Ok(Reply { subscription, body })
}

/// The heads behind a number.
struct Heads {
    account: AccountNumber,
    after: BagSeq,
    /// The last number that was given out: what is behind it is not looked for.
    last: BagSeq,
}

impl Source for Heads {
    fn next(&mut self, snapshot: &dyn Snapshot) -> Result<Piece, StoreError> {
        let items = snapshot.peek(self.account, self.after, PIECE_BAGS, PIECE_BYTES)?;
        let mut bytes = Vec::with_capacity(PIECE_BYTES / 4);
        for item in &items {
            item.write(&mut bytes).map_err(unspeakable)?;
        }
        self.after = items.last().map_or(self.last, |item| item.seq);
        Ok(Piece { bytes: bytes.into(), then: if self.after < self.last { Then::More } else { Then::End } })
    }
}

/// The bodies of some numbers.
struct Bodies {
    account: AccountNumber,
    numbers: Reader,
    /// The next numbers, which are looked up together.
    wanted: VecDeque<BagSeq>,
    /// Bytes that the answer may still have.
    bytes_left: u64,
    /// Keeps the request's share of memory for as long as its numbers are there.
    _request: Rest,
}

impl Source for Bodies {
    fn next(&mut self, snapshot: &dyn Snapshot) -> Result<Piece, StoreError> {
        while self.wanted.len() < PIECE_BAGS
            && let Ok(number) = self.numbers.varint()
        {
            self.wanted.push_back(BagSeq(number));
        }
        let (items, answered) = snapshot.bodies(self.account, self.wanted.make_contiguous(), PIECE_BYTES)?;
        self.wanted.drain(..answered);
        let mut bytes = Vec::new();
        for item in &items {
            item.write(&mut bytes).map_err(unspeakable)?;
        }
        let then = match self.bytes_left.checked_sub(bytes.len() as u64) {
            None => Then::Cut,
            Some(_) if self.wanted.is_empty() && self.numbers.is_empty() => Then::End,
            Some(_) => Then::More,
        };
        self.bytes_left = self.bytes_left.saturating_sub(bytes.len() as u64);
        Ok(Piece { bytes: bytes.into(), then })
    }
}

/// A number or a length that cannot be said cannot have been stored either.
fn unspeakable(status: Status) -> StoreError {
    StoreError::Damaged(status.to_string())
}
