//! A host in memory: the real account machine, with plain maps as its store, that turns request bytes into answer
//! bytes and checks as strictly as the server does. It can be wiped, restarted and set back to a snapshot, and can
//! play a host of the old kind, which lacks the further calls, keeps every repeat and never lets go of anything.

use std::collections::{BTreeMap, HashMap};

use bytes::Bytes;
use seabag_protocol::host::auth::{PublicKey, SignedCall, SignedTimestamp};
use seabag_protocol::host::bag::{Bag, BagIdentity, BagSeq};
use seabag_protocol::host::bytes::Reader;
use seabag_protocol::host::epoch::{Cursor, EpochAnswer};
use seabag_protocol::host::machine::{self, Account, Bounds, CheckedBag};
use seabag_protocol::host::notice::NoticeItem;
use seabag_protocol::host::path;
use seabag_protocol::host::peek::{PageHead, PeekItem};
use seabag_protocol::host::prune::PrunePair;
use seabag_protocol::host::pull::{self, PullItem};
use seabag_protocol::host::push;
use seabag_protocol::host::record::{AccountChanges, AccountRecord, HeldBag, ProcessId};
use seabag_protocol::host::response::{ResponseHead, Subscription};
use seabag_protocol::host::status::Status;

/// How a host is set up.
#[derive(Clone, Debug)]
pub struct HostSettings {
    /// The origin that signed calls must name.
    pub origin: String,
    /// Whether it lacks the further calls, as hosts of the old kind do.
    pub old_kind: bool,
    /// Most bytes an account may keep; 0: unlimited.
    pub bytes_max: u64,
    /// Most items of one page, whatever is asked.
    pub page_items_max: u64,
    /// What a registration must show, if anything.
    pub token: Option<String>,
}

impl Default for HostSettings {
    fn default() -> Self {
        Self {
            origin: "http://host.test".into(),
            old_kind: false,
            bytes_max: 0,
            page_items_max: 1_000,
            token: None,
        }
    }
}

/// One account with all that is kept of it.
#[derive(Clone, Debug)]
struct Kept {
    record: AccountRecord,
    bags: BTreeMap<BagSeq, Bag>,
    numbers: HashMap<BagIdentity, BagSeq>,
}

/// What a backup of a host holds.
#[derive(Clone, Debug)]
pub struct Backup(HashMap<PublicKey, Kept>);

/// The host.
#[derive(Clone)]
pub struct BlindHost {
    /// How it is set up; may be changed while it runs.
    pub settings: HostSettings,
    accounts: HashMap<PublicKey, Kept>,
    /// This run of the process.
    process: ProcessId,
    registrations: u64,
    /// Runs so far.
    runs: u64,
    seed: u64,
    notices: Vec<(PublicKey, Bytes)>,
    calls: BTreeMap<String, u64>,
}

/// An answer's body behind its head, or why there is none.
type Answer = Result<Vec<u8>, Status>;

impl BlindHost {
    /// A host with nothing in it. The seed tells its epochs from those of other hosts.
    pub fn new(settings: HostSettings, seed: u64) -> Self {
        let mut host = Self {
            settings,
            accounts: HashMap::new(),
            process: ProcessId([0; 16]),
            registrations: 0,
            runs: 0,
            seed,
            notices: Vec::new(),
            calls: BTreeMap::new(),
        };
        host.restart();
        host
    }

    /// Ends the process and starts it again; what it keeps stays.
    pub fn restart(&mut self) {
        self.runs += 1;
        let mut id = [0; 16];
        id[..8].copy_from_slice(&self.seed.to_be_bytes());
        id[8..].copy_from_slice(&self.runs.to_be_bytes());
        self.process = ProcessId(id);
        self.notices.clear();
    }

    /// Loses everything, accounts included.
    pub fn wipe(&mut self) {
        self.accounts.clear();
        self.restart();
    }

    /// What a backup taken now holds.
    pub fn backup(&self) -> Backup {
        Backup(self.accounts.clone())
    }

    /// Goes back to a backup.
    pub fn restore(&mut self, backup: &Backup) {
        self.accounts = backup.0.clone();
        self.restart();
    }

    /// The frames that listeners of accounts are sent, since this was last asked.
    pub fn take_notices(&mut self) -> Vec<(PublicKey, Bytes)> {
        std::mem::take(&mut self.notices)
    }

    /// How often each call was made.
    pub fn calls(&self, path: &str) -> u64 {
        self.calls.get(path).copied().unwrap_or_default()
    }

    /// The bags that an account has here, by number.
    pub fn bags(&self, account: &PublicKey) -> BTreeMap<BagSeq, Bag> {
        self.accounts.get(account).map(|kept| kept.bags.clone()).unwrap_or_default()
    }

    /// An account's record.
    pub fn record(&self, account: &PublicKey) -> Option<&AccountRecord> {
        self.accounts.get(account).map(|kept| &kept.record)
    }

    /// Changes a kept bag behind the account's back, as if it had been pushed like that.
    pub fn tamper(&mut self, account: &PublicKey, seq: BagSeq, change: impl FnOnce(&mut Bag)) {
        let Some(kept) = self.accounts.get_mut(account) else { return };
        let Some(bag) = kept.bags.get_mut(&seq) else { return };
        if kept.numbers.get(&bag.identity()) == Some(&seq) {
            kept.numbers.remove(&bag.identity());
        }
        change(bag);
        kept.numbers.entry(bag.identity()).or_insert(seq);
    }

    /// Loses one bag.
    pub fn lose(&mut self, account: &PublicKey, seq: BagSeq) {
        let Some(kept) = self.accounts.get_mut(account) else { return };
        if let Some(bag) = kept.bags.remove(&seq) {
            kept.numbers.remove(&bag.identity());
        }
    }

    /// Answers one request, by the host's clock.
    pub fn answer(&mut self, path: &str, token: Option<&str>, body: Bytes, now_ms: u64) -> Bytes {
        *self.calls.entry(path.to_owned()).or_default() += 1;
        let account = body.get(..32).and_then(|key| key.try_into().ok()).map(PublicKey);
        let answer = self.dispatch(path, token, body, now_ms);
        let record = account.and_then(|account| self.record(&account));
        let subscription = match (&answer, record) {
            (Ok(_), Some(record)) => machine::subscription(record, &self.bounds()),
            _ => Subscription::default(),
        };
        let status = answer.as_ref().err().copied().unwrap_or(Status::Success);
        let head = ResponseHead { status, received_ms: now_ms, sent_ms: now_ms, subscription };
        let mut out = Vec::new();
        head.write(&mut out).expect("a clock within the range");
        out.extend_from_slice(&answer.unwrap_or_default());
        out.into()
    }

    fn dispatch(&mut self, path: &str, token: Option<&str>, body: Bytes, now_ms: u64) -> Answer {
        if body.is_empty() {
            return Err(Status::MissingBody);
        }
        let known = [path::USER, path::PUSH, path::PEEK, path::PULL].contains(&path)
            || (!self.settings.old_kind
                && [path::PEEK_PAGE, path::PRUNE, path::EPOCH, path::DELETE_ACCOUNT].contains(&path));
        if !known {
            return Err(Status::NotFound);
        }
        let mut reader = Reader::new(body);
        if path == path::PRUNE || path == path::DELETE_ACCOUNT {
            return self.signed_call(path, &mut reader, now_ms);
        }
        let auth = SignedTimestamp::read(&mut reader)?;
        auth.check_time(now_ms)?;
        auth.check_signature()?;
        if path == path::USER {
            reader.end()?;
            return self.register(auth.public, token, now_ms);
        }
        let kept = self.accounts.get(&auth.public).ok_or(Status::UserNotRegistered)?;
        match path {
            path::PEEK => kept.peek(&mut reader),
            path::PEEK_PAGE => kept.page(&mut reader, self.settings.page_items_max),
            path::PULL => kept.pull(&mut reader),
            path::EPOCH => kept.epoch(&mut reader),
            _ => self.push(auth.public, &mut reader, now_ms),
        }
    }

    fn bounds(&self) -> Bounds {
        Bounds { bytes_max: self.settings.bytes_max, lineage_max: 64 }
    }

    fn register(&mut self, account: PublicKey, token: Option<&str>, now_ms: u64) -> Answer {
        if !self.accounts.contains_key(&account) {
            if self.settings.token.is_some() && self.settings.token.as_deref() != token {
                return Err(Status::UserNotRegistered);
            }
            self.registrations += 1;
            let mut registration = (self.registrations << 16 | self.seed).to_be_bytes();
            registration.reverse();
            let record = machine::register(&self.process, registration, now_ms);
            let kept = Kept { record, bags: BTreeMap::new(), numbers: HashMap::new() };
            self.accounts.insert(account, kept);
        }
        Ok(Vec::new())
    }

    fn push(&mut self, account: PublicKey, reader: &mut Reader, now_ms: u64) -> Answer {
        let bags = push::read_bags(reader)?
            .into_iter()
            .map(|bag| CheckedBag { signed: bag.sealed.check(&account).is_ok(), bag })
            .collect();
        let (bounds, process, old_kind) = (self.bounds(), self.process, self.settings.old_kind);
        let kept = self.accounts.get_mut(&account).ok_or(Status::UserNotRegistered)?;
        let mut running = Account::new(kept.record.clone(), &process, bounds);
        let known = |identity: &BagIdentity| {
            if old_kind { None } else { kept.numbers.get(identity).copied() }
        };
        let (items, notice) = running.push(bags, now_ms, known);
        kept.commit(running.take_changes());
        self.notify(account, &notice)?;
        let mut out = Vec::new();
        items.iter().try_for_each(|item| item.write(&mut out))?;
        Ok(out)
    }

    fn notify(&mut self, account: PublicKey, notice: &[NoticeItem]) -> Result<(), Status> {
        if !notice.is_empty() || self.settings.old_kind {
            let mut frame = Vec::new();
            notice.iter().try_for_each(|item| item.write(&mut frame))?;
            self.notices.push((account, frame.into()));
        }
        Ok(())
    }

    fn signed_call(&mut self, path: &str, reader: &mut Reader, now_ms: u64) -> Answer {
        let call = SignedCall::read(reader)?;
        call.check_time(now_ms)?;
        call.check_signature(path, reader.rest())?;
        let bounds = self.bounds();
        let kept = self.accounts.get_mut(&call.public).ok_or(Status::UserNotRegistered)?;
        if call.origin != self.settings.origin || call.epoch != machine::open_epoch(&kept.record) {
            return Err(Status::InvalidRequest);
        }
        if path == path::DELETE_ACCOUNT {
            reader.end()?;
            self.accounts.remove(&call.public);
            return Ok(Vec::new());
        }
        let pairs = PrunePair::read_all(reader)?;
        let mut running = Account::new(kept.record.clone(), &self.process, bounds);
        let items = running.prune(&pairs, now_ms, |seq| kept.held(seq));
        kept.commit(running.take_changes());
        let mut out = Vec::new();
        items.iter().try_for_each(|item| item.write(&mut out))?;
        Ok(out)
    }
}

impl Kept {
    fn held(&self, seq: BagSeq) -> Option<HeldBag> {
        self.bags.get(&seq).map(|bag| HeldBag { identity: bag.identity(), stored_bytes: bag.stored_bytes() })
    }

    fn commit(&mut self, changes: AccountChanges) {
        for (seq, bag) in changes.insert {
            self.numbers.entry(bag.identity()).or_insert(seq);
            assert!(self.bags.insert(seq, bag).is_none(), "{seq:?} was given out twice");
        }
        for (seq, identity) in changes.remove {
            self.bags.remove(&seq);
            if self.numbers.get(&identity) == Some(&seq) {
                self.numbers.remove(&identity);
            }
        }
        if let Some(record) = changes.record {
            self.record = record;
        }
    }

    fn peek(&self, reader: &mut Reader) -> Answer {
        let after = BagSeq(reader.varint()?);
        reader.end()?;
        let mut out = Vec::new();
        for (seq, bag) in self.bags.range(after.next()..) {
            PeekItem { sealed: bag.sealed.clone(), seq: *seq }.write(&mut out)?;
        }
        Ok(out)
    }

    fn page(&self, reader: &mut Reader, items_max: u64) -> Answer {
        let (after, asked) = (BagSeq(reader.varint()?), reader.varint()?);
        reader.end()?;
        let items_max = if asked == 0 { items_max } else { items_max.min(asked) } as usize;
        let mut behind = self.bags.range(after.next()..);
        let items: Vec<_> = behind.by_ref().take(items_max).collect();
        let through = match (behind.next(), items.last()) {
            (Some(_), Some((seq, _))) => **seq,
            _ => self.record.last.max(after),
        };
        let mut out = Vec::new();
        PageHead { epoch: machine::open_epoch(&self.record), last: self.record.last, through }
            .write(&mut out)?;
        for (seq, bag) in items {
            PeekItem { sealed: bag.sealed.clone(), seq: *seq }.write(&mut out)?;
        }
        Ok(out)
    }

    fn pull(&self, reader: &mut Reader) -> Answer {
        let mut out = Vec::new();
        for seq in pull::read_numbers(reader)? {
            if let Some(bag) = self.bags.get(&seq) {
                PullItem { seq, body: bag.body.clone() }.write(&mut out)?;
            }
        }
        Ok(out)
    }

    fn epoch(&self, reader: &mut Reader) -> Answer {
        let cursor = if reader.is_empty() { None } else { Some(Cursor::read(reader)?) };
        reader.end()?;
        let valid = cursor.is_none_or(|cursor| machine::is_valid_cursor(&self.record, &cursor));
        let mut out = Vec::new();
        EpochAnswer { epoch: machine::open_epoch(&self.record), last: self.record.last, valid }
            .write(&mut out)?;
        Ok(out)
    }
}
