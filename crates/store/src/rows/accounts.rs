//! Rows of accounts and bags. A record lies in two: its counters, which every commit writes, and its lineage,
//! which changes once a process.

use bytes::Bytes;
use minicbor::{Decode, Encode};
use seabag_protocol::host::auth::PublicKey;
use seabag_protocol::host::bag::{BagIdentity, BagSeq, SealedHead};
use seabag_protocol::host::bytes::{Reader, put_varint, varint_length};
use seabag_protocol::host::record::{AccountRecord, EpochId, EpochRecord};

use super::{damaged, decode, encode};
use crate::StoreError;
use crate::store::AccountNumber;

#[derive(Encode, Decode)]
struct AccountRow {
    #[n(0)]
    number: u64,
    #[n(1)]
    registered_ms: u64,
    #[n(2)]
    changed_ms: u64,
    #[n(3)]
    last: u64,
    #[n(4)]
    bags: u64,
    #[n(5)]
    bytes: u64,
}

#[derive(Encode, Decode)]
struct AccountNumberRow {
    #[cbor(n(0), with = "minicbor::bytes")]
    key: [u8; 32],
    #[n(1)]
    lineage: Vec<EpochRow>,
}

#[derive(Encode, Decode)]
struct EpochRow {
    #[cbor(n(0), with = "minicbor::bytes")]
    epoch: [u8; 16],
    #[n(1)]
    end: Option<u64>,
}

/// The value of a row of `Accounts`: all of a record but its lineage.
pub(crate) fn encode_account(number: AccountNumber, record: &AccountRecord) -> Bytes {
    encode(&AccountRow {
        number: number.0,
        registered_ms: record.registered_ms,
        changed_ms: record.changed_ms,
        last: record.last.0,
        bags: record.bags,
        bytes: record.bytes,
    })
}

/// Reads a row of `Accounts`. The record has no lineage yet.
pub(crate) fn decode_account(bytes: &[u8]) -> Result<(AccountNumber, AccountRecord), StoreError> {
    let row: AccountRow = decode(bytes, "accounts")?;
    let record = AccountRecord {
        registered_ms: row.registered_ms,
        changed_ms: row.changed_ms,
        last: BagSeq(row.last),
        bags: row.bags,
        bytes: row.bytes,
        lineage: Vec::new(),
    };
    Ok((AccountNumber(row.number), record))
}

/// The value of a row of `AccountNumbers`.
pub(crate) fn encode_account_number(key: PublicKey, lineage: &[EpochRecord]) -> Bytes {
    let epochs = lineage.iter();
    encode(&AccountNumberRow {
        key: key.0,
        lineage: epochs.map(|e| EpochRow { epoch: e.epoch.0, end: e.end.map(|end| end.0) }).collect(),
    })
}

/// Reads a row of `AccountNumbers`.
pub(crate) fn decode_account_number(bytes: &[u8]) -> Result<(PublicKey, Vec<EpochRecord>), StoreError> {
    let row: AccountNumberRow = decode(bytes, "account-numbers")?;
    let epochs = row.lineage.into_iter();
    let lineage = epochs.map(|e| EpochRecord { epoch: EpochId(e.epoch), end: e.end.map(BagSeq) });
    Ok((PublicKey(row.key), lineage.collect()))
}

/// The value of a row of `BagHeads`: the length of the body as a varint, then the sealed head as on the wire.
pub(crate) fn encode_head(sealed: &SealedHead, body_length: u64) -> Result<Bytes, StoreError> {
    let mut row = Vec::with_capacity(varint_length(body_length) + sealed.encoded_length());
    let written = put_varint(&mut row, body_length).and_then(|()| sealed.write(&mut row));
    written.map_err(|_| StoreError::Damaged("a bag is impossibly long".into()))?;
    Ok(row.into())
}

/// Reads a row of `BagHeads`: the length of the body, and the head. Copies nothing.
pub(crate) fn decode_head(bytes: Bytes) -> Result<(u64, SealedHead), StoreError> {
    let mut reader = Reader::new(bytes);
    let body_length = reader.varint().map_err(|_| damaged("bag-heads"))?;
    let sealed = SealedHead::read(&mut reader).map_err(|_| damaged("bag-heads"))?;
    reader.end().map_err(|_| damaged("bag-heads"))?;
    Ok((body_length, sealed))
}

/// What tells a bag apart, from its row of `BagHeads`.
pub(crate) fn identity_of(body_length: u64, sealed: &SealedHead) -> BagIdentity {
    let head_length = sealed.head.len() as u64;
    BagIdentity { derivation: sealed.derivation, head_length, body_length }
}

/// The value of a row of `BagIdentities`.
pub(crate) fn encode_seq(seq: BagSeq) -> Bytes {
    super::encode_u64(seq.0)
}

/// Reads a row of `BagIdentities`.
pub(crate) fn decode_seq(bytes: &[u8]) -> Result<BagSeq, StoreError> {
    super::decode_u64(bytes, "bag-identities").map(BagSeq)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_of_accounts_and_bags_come_back_as_they_were() {
        let (epoch, key) = (EpochId([3; 16]), PublicKey([4; 32]));
        let lineage = vec![EpochRecord { epoch, end: Some(BagSeq(9)) }, EpochRecord { epoch, end: None }];
        let row = encode_account_number(key, &lineage);
        assert_eq!(decode_account_number(&row).unwrap(), (key, lineage));
        let record = AccountRecord {
            registered_ms: 1,
            changed_ms: u64::MAX,
            last: BagSeq(3),
            bags: 4,
            bytes: 5,
            lineage: Vec::new(),
        };
        let row = encode_account(AccountNumber(6), &record);
        assert_eq!(decode_account(&row).unwrap(), (AccountNumber(6), record));
        let sealed = SealedHead { signature: [1; 64], derivation: [2; 8], head: Bytes::from_static(b"head") };
        let row = encode_head(&sealed, 300).unwrap();
        assert_eq!(row.slice(2..), sealed.encode().unwrap(), "as PEEK answers it");
        assert_eq!(decode_head(row).unwrap(), (300, sealed));
    }

    #[test]
    fn damaged_rows_of_accounts_and_bags_are_refused_by_name() {
        for bytes in [&b""[..], b"\x00", b"\xff\xff", b"\x82\x01"] {
            assert!(matches!(decode_account(bytes), Err(StoreError::Damaged(_))));
            assert!(matches!(decode_account_number(bytes), Err(StoreError::Damaged(_))));
            assert!(matches!(decode_head(Bytes::copy_from_slice(bytes)), Err(StoreError::Damaged(_))));
            assert!(matches!(decode_seq(bytes), Err(StoreError::Damaged(_))));
        }
    }
}
