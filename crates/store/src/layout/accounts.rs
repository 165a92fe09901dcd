//! Keys of accounts and bags. The number of an account comes first in every key of its rows, so that they lie
//! together and its removal is a range.

use seabag_protocol::host::auth::PublicKey;
use seabag_protocol::host::bag::{BagIdentity, BagSeq};
use seabag_protocol::host::bytes::{Reader, VARINT_MAX, put_varint};

use super::{join, read_u64, u64_at};
use crate::store::AccountNumber;

/// Key of `Accounts`.
pub(crate) fn account_key(key: PublicKey) -> Vec<u8> {
    key.0.to_vec()
}

/// Key of `AccountNumbers` and `AccountGarbage`; the prefix of all of an account's keys in `BagHeads`,
/// `BagBodies` and `BagIdentities`.
pub(crate) fn account_number_key(account: AccountNumber) -> Vec<u8> {
    account.0.to_be_bytes().to_vec()
}

/// Key of `BagHeads` and `BagBodies`.
pub(crate) fn bag_key(account: AccountNumber, seq: BagSeq) -> Vec<u8> {
    join([&account.0.to_be_bytes(), &seq.0.to_be_bytes()])
}

/// Key of `BagIdentities`: derivation bytes, then the lengths of head and body as varints. Lengths that no varint
/// can say are no bag's, so it does not matter that they share a key.
pub(crate) fn identity_key(account: AccountNumber, identity: &BagIdentity) -> Vec<u8> {
    let mut key = Vec::with_capacity(24);
    key.extend_from_slice(&account.0.to_be_bytes());
    key.extend_from_slice(&identity.derivation);
    for length in [identity.head_length, identity.body_length] {
        // Cannot fail at or below the greatest.
        let _ = put_varint(&mut key, length.min(VARINT_MAX));
    }
    key
}

/// Reads a key of `Accounts`.
pub(crate) fn parse_account_key(key: &[u8]) -> Option<PublicKey> {
    Some(PublicKey(key.try_into().ok()?))
}

/// Reads a key of `AccountNumbers` or `AccountGarbage`.
pub(crate) fn parse_account_number_key(key: &[u8]) -> Option<AccountNumber> {
    read_u64(key).map(AccountNumber)
}

/// Reads a key of `BagHeads` or `BagBodies`.
pub(crate) fn parse_bag_key(key: &[u8]) -> Option<(AccountNumber, BagSeq)> {
    if key.len() != 16 {
        return None;
    }
    Some((AccountNumber(u64_at(key, 0)?), BagSeq(u64_at(key, 8)?)))
}

/// Reads a key of `BagIdentities`.
pub(crate) fn parse_identity_key(key: &[u8]) -> Option<(AccountNumber, BagIdentity)> {
    let account = AccountNumber(u64_at(key, 0)?);
    let mut reader = Reader::new(key.get(8..)?.to_vec());
    let derivation = reader.array().ok()?;
    let (head_length, body_length) = (reader.varint().ok()?, reader.varint().ok()?);
    reader.end().ok()?;
    Some((account, BagIdentity { derivation, head_length, body_length }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_bags_round_trip_and_sort_as_their_numbers() {
        let (account, seq) = (AccountNumber(7), BagSeq(1 << 40));
        assert_eq!(parse_bag_key(&bag_key(account, seq)), Some((account, seq)));
        assert!(bag_key(account, BagSeq(255)) < bag_key(account, BagSeq(256)));
        assert_eq!(parse_bag_key(&account_number_key(account)), None, "a key of another shape is not read");
        let identity = BagIdentity { derivation: [9; 8], head_length: 128, body_length: 0 };
        let key = identity_key(account, &identity);
        assert_eq!(parse_identity_key(&key), Some((account, identity)));
        assert_eq!(parse_identity_key(key.split_last().unwrap().1), None);
        assert_eq!(parse_identity_key(&[key.as_slice(), &[0]].concat()), None);
    }
}
