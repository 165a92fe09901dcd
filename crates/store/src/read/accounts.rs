//! Reads of accounts and bags of one state. A removed account shows nothing, though its rows may still be there.

use std::iter::Peekable;

use bytes::Bytes;
use seabag_protocol::host::auth::PublicKey;
use seabag_protocol::host::bag::{BagIdentity, BagSeq};
use seabag_protocol::host::peek::PeekItem;
use seabag_protocol::host::pull::PullItem;
use seabag_protocol::host::record::{AccountRecord, HeldBag};

use super::misshapen;
use crate::StoreError;
use crate::engine::{RowIter, Rows};
use crate::layout::{Keyspace, accounts as keys, prefix_end};
use crate::rows::accounts as rows;
use crate::store::{AccountNumber, AccountSummary};

/// The account of a key.
pub(crate) fn account(
    stored: &dyn Rows,
    key: &PublicKey,
) -> Result<Option<(AccountNumber, AccountRecord)>, StoreError> {
    let Some(row) = stored.get(Keyspace::Accounts, &keys::account_key(*key))? else { return Ok(None) };
    complete(stored, &row).map(Some)
}

/// Reads a row of `Accounts` and adds its lineage.
fn complete(stored: &dyn Rows, row: &[u8]) -> Result<(AccountNumber, AccountRecord), StoreError> {
    let (number, record) = rows::decode_account(row)?;
    let row = stored.get(Keyspace::AccountNumbers, &keys::account_number_key(number))?;
    let lost = || StoreError::Damaged(format!("account {} has a record and no number", number.0));
    let (_, lineage) = rows::decode_account_number(&row.ok_or_else(lost)?)?;
    Ok((number, AccountRecord { lineage, ..record }))
}

/// Accounts in order of their keys.
pub(crate) fn accounts(
    stored: &dyn Rows,
    after: Option<PublicKey>,
    limit: usize,
) -> Result<Vec<AccountSummary>, StoreError> {
    let start = after.map_or_else(Vec::new, |key| [key.0.as_slice(), &[0]].concat());
    let summary = |row: Result<(Bytes, Bytes), StoreError>| {
        let (key, value) = row?;
        let key = keys::parse_account_key(&key).ok_or_else(|| misshapen("accounts"))?;
        let (_, record) = complete(stored, &value)?;
        Ok(AccountSummary { key, record })
    };
    stored.scan(Keyspace::Accounts, &start, None).take(limit).map(summary).collect()
}

/// Refuses an account that is gone.
fn fence(stored: &dyn Rows, account: AccountNumber) -> Result<(), StoreError> {
    let row = stored.get(Keyspace::AccountNumbers, &keys::account_number_key(account))?;
    row.map(drop).ok_or(StoreError::Fenced)
}

/// Heads behind a number, ascending.
pub(crate) fn peek(
    stored: &dyn Rows,
    account: AccountNumber,
    after: BagSeq,
    items_max: usize,
    bytes_max: usize,
) -> Result<Vec<PeekItem>, StoreError> {
    fence(stored, account)?;
    let end = prefix_end(&keys::account_number_key(account));
    let (mut items, mut bytes) = (Vec::new(), 0);
    if after == BagSeq(u64::MAX) || items_max == 0 {
        return Ok(items);
    }
    for row in stored.scan(Keyspace::BagHeads, &keys::bag_key(account, after.next()), end.as_deref()) {
        let (key, value) = row?;
        let (_, seq) = keys::parse_bag_key(&key).ok_or_else(|| misshapen("bag-heads"))?;
        let (_, sealed) = rows::decode_head(value)?;
        bytes += sealed.encoded_length();
        items.push(PeekItem { sealed, seq });
        if items.len() >= items_max || bytes >= bytes_max {
            break;
        }
    }
    Ok(items)
}

/// Bodies of bags, in the order asked, and how many of the numbers they answer.
pub(crate) fn bodies(
    stored: &dyn Rows,
    account: AccountNumber,
    seqs: &[BagSeq],
    bytes_max: usize,
) -> Result<(Vec<PullItem>, usize), StoreError> {
    fence(stored, account)?;
    let mut reader = BodyReader { stored, account, ascending: 0, last: None, scan: None };
    let (mut items, mut bytes) = (Vec::with_capacity(seqs.len()), 0);
    for (at, seq) in seqs.iter().enumerate() {
        let body = match reader.read(*seq)? {
            Some(body) => body,
            None => {
                let head = stored.get(Keyspace::BagHeads, &keys::bag_key(account, *seq))?;
                match head.map(rows::decode_head).transpose()? {
                    Some((0, _)) => Bytes::new(),
                    Some(_) => {
                        return Err(StoreError::Damaged(format!("the body of bag {} is missing", seq.0)));
                    }
                    None => continue,
                }
            }
        };
        bytes += body.len();
        items.push(PullItem { seq: *seq, body });
        if bytes >= bytes_max {
            return Ok((items, at + 1));
        }
    }
    Ok((items, seqs.len()))
}

/// Bodies looked up one by one before it pays to scan: a scan costs as much as a few look-ups.
const LOOK_UPS_BEFORE_SCAN: usize = 3;
/// Rows that a scan passes over on its way to a body before a look-up would have been cheaper.
const PASSED_OVER_MAX: usize = 4;

/// Reads bodies, those of ascending numbers by a scan as long as it meets little else.
struct BodyReader<'a> {
    stored: &'a dyn Rows,
    account: AccountNumber,
    /// How many numbers in a row were above the one before, and none was far off.
    ascending: usize,
    last: Option<BagSeq>,
    scan: Option<Peekable<RowIter<'a>>>,
}

impl BodyReader<'_> {
    /// The row of a bag's body, if there is one.
    fn read(&mut self, seq: BagSeq) -> Result<Option<Bytes>, StoreError> {
        let above = self.last.is_some_and(|last| last < seq);
        self.last = Some(seq);
        self.ascending = if above { self.ascending + 1 } else { 0 };
        let wanted = keys::bag_key(self.account, seq);
        if self.ascending < LOOK_UPS_BEFORE_SCAN {
            self.scan = None;
            return self.stored.get(Keyspace::BagBodies, &wanted);
        }
        let (stored, account) = (self.stored, self.account);
        let scan = self.scan.get_or_insert_with(|| {
            let end = prefix_end(&keys::account_number_key(account));
            stored.scan(Keyspace::BagBodies, &wanted, end.as_deref()).peekable()
        });
        for _ in 0..=PASSED_OVER_MAX {
            match scan.peek() {
                Some(Ok((key, _))) if **key < *wanted => drop(scan.next()),
                Some(Ok((key, _))) if **key > *wanted => return Ok(None),
                None => return Ok(None),
                Some(_) => return Ok(scan.next().transpose()?.map(|(_, body)| body)),
            }
        }
        self.ascending = 0;
        self.scan = None;
        self.stored.get(Keyspace::BagBodies, &wanted)
    }
}

/// The numbers of bags that are kept, each `None` if it is not.
pub(crate) fn find_bags(
    stored: &dyn Rows,
    account: AccountNumber,
    identities: &[BagIdentity],
) -> Result<Vec<Option<BagSeq>>, StoreError> {
    fence(stored, account)?;
    let find = |identity: &BagIdentity| {
        let row = stored.get(Keyspace::BagIdentities, &keys::identity_key(account, identity))?;
        row.map(|row| rows::decode_seq(&row)).transpose()
    };
    identities.iter().map(find).collect()
}

/// What is kept under numbers, each `None` if nothing is.
pub(crate) fn held_bags(
    stored: &dyn Rows,
    account: AccountNumber,
    seqs: &[BagSeq],
) -> Result<Vec<Option<HeldBag>>, StoreError> {
    fence(stored, account)?;
    let find = |seq: &BagSeq| {
        let row = stored.get(Keyspace::BagHeads, &keys::bag_key(account, *seq))?;
        let Some((body_length, sealed)) = row.map(rows::decode_head).transpose()? else { return Ok(None) };
        let stored_bytes = sealed.encoded_length() as u64 + body_length;
        Ok(Some(HeldBag { identity: rows::identity_of(body_length, &sealed), stored_bytes }))
    };
    seqs.iter().map(find).collect()
}
