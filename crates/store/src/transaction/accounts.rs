//! Accounts and bags in the pending transaction.

use std::collections::HashSet;

use bytes::Bytes;
use seabag_protocol::host::auth::PublicKey;
use seabag_protocol::host::bag::BagSeq;
use seabag_protocol::host::record::{AccountChanges, AccountRecord};

use super::{Known, Transaction};
use crate::StoreError;
use crate::engine::Rows;
use crate::layout::{self, Keyspace, accounts as keys};
use crate::rows::{self, accounts as account_rows};
use crate::store::{AccountCommit, AccountNumber};

/// What a commit has to know of its account.
#[derive(Clone, Copy)]
pub(super) struct KnownAccount {
    key: PublicKey,
    /// Hash of its row of `AccountNumbers`, to tell when a commit changes the lineage in it.
    lineage: blake3::Hash,
}

/// The accounts' part of the transaction.
pub(super) struct Accounts {
    known: Known<AccountNumber, KnownAccount>,
    next: u64,
    count: u64,
}

impl Accounts {
    /// Goes on from these counters.
    pub(super) fn new(next: u64, count: u64) -> Self {
        Self { known: Known::default(), next, count }
    }
}

impl Transaction {
    /// How many accounts there are.
    pub(crate) fn accounts(&self) -> u64 {
        self.accounts.count
    }

    fn account(&mut self, stored: &dyn Rows, account: AccountNumber) -> Result<KnownAccount, StoreError> {
        if let Some(known) = self.accounts.known.get(account) {
            return Ok(known);
        }
        let row = self.row(stored, Keyspace::AccountNumbers, &keys::account_number_key(account))?;
        let row = row.ok_or(StoreError::Fenced)?;
        let (key, _) = account_rows::decode_account_number(&row)?;
        let known = KnownAccount { key, lineage: blake3::hash(&row) };
        self.accounts.known.put(account, known);
        Ok(known)
    }

    /// Adds a commit to an account. Returns how many bags it inserts.
    pub(crate) fn commit_account(
        &mut self,
        stored: &dyn Rows,
        commit: AccountCommit,
    ) -> Result<usize, StoreError> {
        let known = self.account(stored, commit.account)?;
        self.add_account(commit.account, known, commit.changes)
    }

    fn add_account(
        &mut self,
        account: AccountNumber,
        known: KnownAccount,
        changes: AccountChanges,
    ) -> Result<usize, StoreError> {
        if let Some(record) = &changes.record {
            let row = account_rows::encode_account(account, record);
            self.batch.put(Keyspace::Accounts, keys::account_key(known.key), row);
            let row = account_rows::encode_account_number(known.key, &record.lineage);
            let lineage = blake3::hash(&row);
            if lineage != known.lineage {
                self.batch.put(Keyspace::AccountNumbers, keys::account_number_key(account), row);
                self.accounts.known.put(account, KnownAccount { lineage, ..known });
            }
        }
        // Removals first, so that a bag whose duplicate was let go of by the same commit keeps its identity.
        // What is inserted and removed is then left out from the start.
        let removed: HashSet<BagSeq> = changes.remove.iter().map(|(seq, _)| *seq).collect();
        for (seq, identity) in &changes.remove {
            let key = keys::bag_key(account, *seq);
            if identity.body_length > 0 {
                self.batch.delete(Keyspace::BagBodies, key.clone());
            }
            self.batch.delete(Keyspace::BagHeads, key);
            self.batch.delete(Keyspace::BagIdentities, keys::identity_key(account, identity));
        }
        let mut inserted = 0;
        for (seq, bag) in changes.insert {
            if removed.contains(&seq) {
                continue;
            }
            let (key, identity) = (keys::bag_key(account, seq), bag.identity());
            let head = account_rows::encode_head(&bag.sealed, identity.body_length)?;
            self.batch.put(Keyspace::BagHeads, key.clone(), head);
            if !bag.body.is_empty() {
                self.batch.put(Keyspace::BagBodies, key, bag.body);
            }
            let row = account_rows::encode_seq(seq);
            self.batch.put(Keyspace::BagIdentities, keys::identity_key(account, &identity), row);
            inserted += 1;
        }
        Ok(inserted)
    }

    fn count_accounts(&mut self, accounts: u64) {
        self.accounts.count = accounts;
        self.batch.put(Keyspace::Meta, layout::META_ACCOUNTS.to_vec(), rows::encode_u64(accounts));
        self.must_sync = true;
    }

    /// Adds the making of an account: `false` when there is one of this key.
    pub(crate) fn create_account(
        &mut self,
        stored: &dyn Rows,
        key: PublicKey,
        record: &AccountRecord,
    ) -> Result<bool, StoreError> {
        let account_key = keys::account_key(key);
        if self.row(stored, Keyspace::Accounts, &account_key)?.is_some() {
            return Ok(false);
        }
        let account = AccountNumber(self.accounts.next);
        self.accounts.next += 1;
        let next = rows::encode_u64(self.accounts.next);
        self.batch.put(Keyspace::Meta, layout::META_NEXT_ACCOUNT.to_vec(), next);
        self.batch.put(Keyspace::Accounts, account_key, account_rows::encode_account(account, record));
        let row = account_rows::encode_account_number(key, &record.lineage);
        self.accounts.known.put(account, KnownAccount { key, lineage: blake3::hash(&row) });
        self.batch.put(Keyspace::AccountNumbers, keys::account_number_key(account), row);
        self.count_accounts(self.accounts.count + 1);
        Ok(true)
    }

    /// Adds the removal of an account: whether there was one.
    pub(crate) fn remove_account(&mut self, stored: &dyn Rows, key: PublicKey) -> Result<bool, StoreError> {
        let account_key = keys::account_key(key);
        let Some(row) = self.row(stored, Keyspace::Accounts, &account_key)? else { return Ok(false) };
        let (account, _) = account_rows::decode_account(&row)?;
        let number = keys::account_number_key(account);
        self.batch.delete(Keyspace::Accounts, account_key);
        self.batch.delete(Keyspace::AccountNumbers, number.clone());
        self.batch.put(Keyspace::AccountGarbage, number, Bytes::new());
        self.count_accounts(self.accounts.count.saturating_sub(1));
        self.accounts.known.forget(account);
        self.garbage = true;
        Ok(true)
    }
}
