//! Accounts and bags: records against what is kept, and heads, bodies and identities against each other.

use std::collections::BTreeSet;

use seabag_protocol::host::auth::PublicKey;
use seabag_protocol::host::bag::BagSeq;
use seabag_protocol::host::record::{AccountRecord, EpochRecord};

use super::Checker;
use crate::StoreError;
use crate::engine::scan_prefix;
use crate::layout::{self, Keyspace, accounts as keys};
use crate::rows::accounts as rows;
use crate::store::AccountNumber;

impl Checker<'_> {
    pub(super) fn accounts(&mut self) -> Result<(), StoreError> {
        let next = self.counter(layout::META_NEXT_ACCOUNT)?;
        let mut numbers = BTreeSet::new();
        let mut count = 0;
        for row in self.rows.scan(Keyspace::Accounts, &[], None) {
            let (key, value) = row?;
            count += 1;
            let Some(key) = keys::parse_account_key(&key) else {
                self.expect(false, || "a key of accounts has the wrong shape".into());
                continue;
            };
            self.account = Some(key);
            if let Some((number, record)) = self.read(rows::decode_account(&value))? {
                self.expect(number.0 < next, || format!("its number {} was never given out", number.0));
                let new = numbers.insert(number);
                self.expect(new, || format!("its number {} is another account's too", number.0));
                self.account_number_row(key, number, &record)?;
                self.bags(number, &record)?;
            }
            self.account = None;
        }
        let counted = self.counter(layout::META_ACCOUNTS)?;
        self.expect(counted == count, || format!("{count} accounts are stored, {counted} are counted"));
        self.account_strays(&numbers)
    }

    /// An account's number leads back to it, and its epochs follow each other.
    fn account_number_row(
        &mut self,
        key: PublicKey,
        number: AccountNumber,
        record: &AccountRecord,
    ) -> Result<(), StoreError> {
        let Some(row) = self.rows.get(Keyspace::AccountNumbers, &keys::account_number_key(number))? else {
            self.expect(false, || "its number has no row".into());
            return Ok(());
        };
        let Some((of, lineage)) = self.read(rows::decode_account_number(&row))? else { return Ok(()) };
        self.expect(of == key, || "its number leads to another account".into());
        let ordered = is_lineage(&lineage, record.last);
        self.expect(ordered, || "its epochs do not follow each other up to its last bag".into());
        Ok(())
    }

    /// Walks all bags of an account: heads and bodies side by side, then what tells them apart.
    fn bags(&mut self, account: AccountNumber, record: &AccountRecord) -> Result<(), StoreError> {
        let prefix = keys::account_number_key(account);
        let mut bodies = scan_prefix(self.rows, Keyspace::BagBodies, &prefix).peekable();
        let (mut count, mut bytes) = (0_u64, 0_u64);
        for row in scan_prefix(self.rows, Keyspace::BagHeads, &prefix) {
            let (key, value) = row?;
            while let Some(body) = bodies.next_if(|body| body.as_ref().is_ok_and(|(of, _)| *of < key)) {
                self.body_without_head(&body?.0);
            }
            let body = bodies.next_if(|body| body.as_ref().is_ok_and(|(of, _)| *of == key)).transpose()?;
            let body_bytes = body.map(|(_, body)| body.len() as u64);
            let Some((_, seq)) = keys::parse_bag_key(&key) else {
                self.expect(false, || "a key of bag-heads has the wrong shape".into());
                continue;
            };
            let number = seq.0;
            self.expect(seq <= record.last, || format!("bag {number} is above its last, {}", record.last.0));
            let Some((body_length, sealed)) = self.read(rows::decode_head(value))? else { continue };
            self.expect(body_bytes == Some(body_length).filter(|length| *length > 0), || {
                format!("bag {number} has a body of {body_length} bytes, {body_bytes:?} are stored")
            });
            let identity = rows::identity_of(body_length, &sealed);
            let row = self.rows.get(Keyspace::BagIdentities, &keys::identity_key(account, &identity))?;
            let found = row.is_some_and(|row| rows::decode_seq(&row).is_ok_and(|found| found == seq));
            self.expect(found, || format!("bag {number} is not found by its identity"));
            count += 1;
            bytes = bytes.saturating_add(sealed.encoded_length() as u64).saturating_add(body_length);
        }
        for body in bodies {
            self.body_without_head(&body?.0);
        }
        self.expect((count, bytes) == (record.bags, record.bytes), || {
            let (bags, counted) = (record.bags, record.bytes);
            format!("its record counts {bags} bags of {counted} bytes, {count} of {bytes} are stored")
        });
        self.identities(account)
    }

    fn body_without_head(&mut self, key: &[u8]) {
        match keys::parse_bag_key(key) {
            Some((_, seq)) => self.expect(false, || format!("bag {} has a body and no head", seq.0)),
            None => self.expect(false, || "a key of bag-bodies has the wrong shape".into()),
        }
    }

    /// Every identity leads to a bag that has it.
    fn identities(&mut self, account: AccountNumber) -> Result<(), StoreError> {
        let prefix = keys::account_number_key(account);
        for row in scan_prefix(self.rows, Keyspace::BagIdentities, &prefix) {
            let (key, value) = row?;
            let Some((_, identity)) = keys::parse_identity_key(&key) else {
                self.expect(false, || "a key of bag-identities has the wrong shape".into());
                continue;
            };
            let Some(seq) = self.read(rows::decode_seq(&value))? else { continue };
            let head = self.rows.get(Keyspace::BagHeads, &keys::bag_key(account, seq))?;
            // A head that does not read back was noted before.
            let found = head.and_then(|head| rows::decode_head(head).ok());
            let same = found.is_some_and(|(length, sealed)| rows::identity_of(length, &sealed) == identity);
            self.expect(same, || format!("an identity names bag {}, which is missing or another", seq.0));
        }
        Ok(())
    }

    /// Rows of accounts that are not there must be garbage of removed accounts.
    fn account_strays(&mut self, numbers: &BTreeSet<AccountNumber>) -> Result<(), StoreError> {
        for row in self.rows.scan(Keyspace::AccountNumbers, &[], None) {
            let number = keys::parse_account_number_key(&row?.0);
            let known = number.is_some_and(|number| numbers.contains(&number));
            self.expect(known, || format!("number {number:?} leads to no account"));
        }
        for row in self.rows.scan(Keyspace::AccountGarbage, &[], None) {
            let number = keys::parse_account_number_key(&row?.0);
            let gone = number.is_some_and(|number| !numbers.contains(&number));
            self.expect(gone, || format!("account number {number:?} is garbage and in use"));
        }
        let known = |number| numbers.contains(&AccountNumber(number));
        for keyspace in [Keyspace::BagHeads, Keyspace::BagBodies, Keyspace::BagIdentities] {
            self.strays_in(keyspace, Keyspace::AccountGarbage, "an account", known)?;
        }
        Ok(())
    }
}

/// Whether these are epochs of one history: all but the last have ended, none before the one that it follows,
/// and none beyond the last number given out.
fn is_lineage(lineage: &[EpochRecord], last: BagSeq) -> bool {
    let Some((open, ended)) = lineage.split_last() else { return false };
    let ends = ended.iter().map(|epoch| epoch.end);
    let mut before = BagSeq::ZERO;
    let follow = ends.into_iter().all(|end| {
        let follows = end.is_some_and(|end| before <= end && end <= last);
        before = end.unwrap_or(before);
        follows
    });
    open.end.is_none() && follow
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use seabag_protocol::host::bag::{Bag, SealedHead};
    use seabag_protocol::host::machine::{Account, Bounds, CheckedBag, register};
    use seabag_protocol::host::record::ProcessId;

    use super::*;
    use crate::engine::memory::MemoryEngine;
    use crate::engine::{Batch, Engine, Rows};
    use crate::{AccountCommit, LocalStore, Options, Store};

    fn bag(number: u8) -> CheckedBag {
        let head = Bytes::from(vec![number; 20]);
        let sealed = SealedHead { signature: [number; 64], derivation: [number; 8], head };
        // Every third is a delete's, without a body.
        let body = vec![number; if number.is_multiple_of(3) { 0 } else { 5 }].into();
        CheckedBag { bag: Bag { sealed, body }, signed: true }
    }

    /// All rows of a store with one account of six bags.
    fn furnished() -> MemoryEngine {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let store = LocalStore::in_memory(&Options::default()).unwrap();
        runtime.block_on(async {
            let (key, process) = (PublicKey([7; 32]), ProcessId([1; 16]));
            store.create_account(key, register(&process, [1; 8], 5)).await.unwrap();
            let (number, record) = store.snapshot().account(&key).unwrap().unwrap();
            let mut account = Account::new(record, &process, Bounds::default());
            account.push((1..=6).map(bag).collect(), 6, |_| None);
            let commit = AccountCommit { account: number, changes: account.take_changes() };
            store.submit_account(commit).await.unwrap().await.unwrap();
        });
        let (engine, mut batch) = (MemoryEngine::default(), Batch::default());
        let stored = store.rows().unwrap();
        for keyspace in Keyspace::ALL {
            for row in stored.scan(keyspace, &[], None) {
                let (key, value) = row.unwrap();
                batch.put(keyspace, key.to_vec(), value);
            }
        }
        engine.write(batch).unwrap();
        engine
    }

    fn findings(harm: impl FnOnce(&mut Batch)) -> Vec<String> {
        let (engine, mut batch) = (furnished(), Batch::default());
        harm(&mut batch);
        engine.write(batch).unwrap();
        super::super::check_rows(&engine).unwrap().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn whole_accounts_have_no_findings() {
        assert_eq!(findings(|_| {}), [""; 0]);
    }

    #[test]
    fn every_row_that_is_missing_is_found() {
        let engine = furnished();
        for keyspace in Keyspace::ALL.into_iter().filter(|keyspace| *keyspace >= Keyspace::Accounts) {
            for row in engine.scan(keyspace, &[], None) {
                let (key, _) = row.unwrap();
                let found = findings(|batch| batch.delete(keyspace, key.to_vec()));
                assert!(!found.is_empty(), "{} without {key:02x?}", keyspace.name());
            }
        }
    }

    #[test]
    fn every_row_that_is_damaged_is_found() {
        let engine = furnished();
        // A body may be anything but longer or shorter.
        for keyspace in Keyspace::ALL.into_iter().filter(|keyspace| *keyspace >= Keyspace::Accounts) {
            for row in engine.scan(keyspace, &[], None) {
                let (key, value) = row.unwrap();
                let cut = value.slice(..value.len().saturating_sub(1));
                let found = findings(|batch| batch.put(keyspace, key.to_vec(), cut));
                assert!(!found.is_empty(), "{} cut at {key:02x?}", keyspace.name());
            }
        }
    }

    #[test]
    fn findings_say_what_is_wrong_and_where() {
        let account = AccountNumber(1);
        let found = findings(|batch| batch.delete(Keyspace::BagBodies, keys::bag_key(account, BagSeq(2))));
        let whose = "account 0707070707070707070707070707070707070707070707070707070707070707: ";
        assert_eq!(found, [format!("{whose}bag 2 has a body of 5 bytes, None are stored")]);
        let found = findings(|batch| batch.delete(Keyspace::BagHeads, keys::bag_key(account, BagSeq(2))));
        assert!(found.iter().any(|text| text.ends_with("bag 2 has a body and no head")), "{found:?}");
        assert!(found.iter().any(|text| text.contains("an identity names bag 2")), "{found:?}");
        assert!(found.iter().any(|text| text.contains("counts 6 bags")), "{found:?}");
        let found = findings(|batch| {
            batch.put(Keyspace::BagBodies, keys::bag_key(AccountNumber(9), BagSeq(1)), Bytes::new());
            batch.put(Keyspace::Meta, layout::META_ACCOUNTS.to_vec(), crate::rows::encode_u64(3));
        });
        assert!(found.iter().any(|text| text.contains("an account that is not there: Some(9)")), "{found:?}");
        assert!(found.iter().any(|text| text == "1 accounts are stored, 3 are counted"), "{found:?}");
    }
}
