//! A host that means harm: it reorders, repeats, withholds, forges, damages, forgets what it acknowledged, and serves
//! another account's bags.

use bytes::Bytes;
use seabag_crypto::Nonces;
use seabag_protocol::host::bag::BagSeq;
use seabag_protocol::host::bytes::Reader;
use seabag_protocol::host::eid::Eid;
use seabag_protocol::host::epoch::EpochAnswer;
use seabag_protocol::host::message::MessageHead;
use seabag_protocol::host::path;
use seabag_protocol::host::peek::{PageHead, PeekItem};
use seabag_protocol::host::prune::PruneItem;
use seabag_protocol::host::pull::PullItem;
use seabag_protocol::host::push::PushItem;
use seabag_protocol::host::record::EpochId;
use seabag_protocol::host::response::ResponseHead;
use seabag_protocol::host::status::Status;

use super::{sealer, stranger};
use crate::blind_host::BlindHost;
use crate::chance::Chance;

/// What a host does to answers and bags, by chance.
pub(super) struct Hostility {
    chance: Chance,
}

impl Hostility {
    pub(super) fn new(chance: Chance) -> Self {
        Self { chance }
    }

    /// An answer, or something that looks like one.
    pub(super) fn answer(
        &mut self,
        host: &mut BlindHost,
        path: &str,
        body: &Bytes,
        now_ms: u64,
    ) -> Option<Bytes> {
        if self.chance.happens(100) {
            self.spoil(host);
        }
        // Says that it stored or pruned, and did not; or does, and says that it did not.
        if self.chance.happens(80) && path == path::PUSH {
            return self.false_receipt(body, now_ms);
        }
        let answer = host.answer(path, None, body.clone(), now_ms);
        match self.chance.below(1_000) {
            0..600 => Some(answer),
            600..620 => None,
            620..650 => Some(self.noise(&answer)),
            650..700 => Some(self.refusal(now_ms)),
            _ => Some(self.twist(path, &answer).unwrap_or(answer)),
        }
    }

    /// Harms what is kept.
    fn spoil(&mut self, host: &mut BlindHost) {
        let account = sealer().keys().public();
        let numbers: Vec<_> = host.bags(&account).into_keys().collect();
        if numbers.is_empty() {
            return;
        }
        let seq = *self.chance.pick(&numbers);
        let at = self.chance.number();
        match self.chance.below(4) {
            0 => host.lose(&account, seq),
            1 => host.tamper(&account, seq, |bag| bag.body = flip(&bag.body, at)),
            2 => host.tamper(&account, seq, |bag| bag.sealed.head = flip(&bag.sealed.head, at)),
            _ => host.tamper(&account, seq, |bag| bag.sealed.derivation[(at % 8) as usize] ^= 1),
        }
    }

    fn noise(&mut self, answer: &Bytes) -> Bytes {
        let mut bytes = answer.to_vec();
        if self.chance.happens(500) {
            bytes.truncate(self.chance.below(answer.len() as u64 + 1) as usize);
        } else {
            bytes = flip(&bytes.into(), self.chance.number()).to_vec();
        }
        bytes.into()
    }

    fn refusal(&mut self, now_ms: u64) -> Bytes {
        let statuses = [
            Status::UserNotRegistered,
            Status::ClockOutOfSync,
            Status::InvalidSignature,
            Status::NotFound,
            Status::InvalidParam,
            Status::InvalidRequest,
            Status::StorageError,
            Status::InternalError,
        ];
        let time_ms = now_ms + self.chance.below(100_000_000);
        head(*self.chance.pick(&statuses), time_ms).into()
    }

    fn false_receipt(&mut self, body: &Bytes, now_ms: u64) -> Option<Bytes> {
        let mut reader = Reader::new(body.clone());
        seabag_protocol::host::auth::SignedTimestamp::read(&mut reader).ok()?;
        let count = seabag_protocol::host::push::read_bags(&mut reader).ok()?.len() as u64;
        let mut out = head(Status::Success, now_ms);
        for index in 0..count {
            let result = Ok(BagSeq(1 + self.chance.below(60)));
            PushItem { index, result }.write(&mut out).ok()?;
        }
        Some(out.into())
    }

    /// A right answer, changed so that it still reads well.
    fn twist(&mut self, path: &str, answer: &Bytes) -> Option<Bytes> {
        let mut reader = Reader::new(answer.clone());
        let head = ResponseHead::read(&mut reader).ok()?;
        if head.status != Status::Success {
            return None;
        }
        let mut out = Vec::new();
        head.write(&mut out).ok()?;
        match path {
            path::EPOCH => {
                let mut told = EpochAnswer::read(&mut reader).ok()?;
                match self.chance.below(3) {
                    0 => told.epoch = EpochId([self.chance.below(4) as u8; 16]),
                    1 => told.valid = !told.valid,
                    _ => told.last = BagSeq(self.chance.below(80)),
                }
                told.write(&mut out).ok()?;
            }
            path::PEEK | path::PEEK_PAGE => {
                if path == path::PEEK_PAGE {
                    let mut page = PageHead::read(&mut reader).ok()?;
                    match self.chance.below(8) {
                        0 => page.through = BagSeq(self.chance.below(80)),
                        1 => page.last = BagSeq(self.chance.below(80)),
                        2 => page.epoch = EpochId([self.chance.below(4) as u8; 16]),
                        _ => {}
                    }
                    page.write(&mut out).ok()?;
                }
                let mut items = PeekItem::read_all(&mut reader).ok()?;
                self.twist_list(&mut items);
                items.iter().try_for_each(|item| item.write(&mut out)).ok()?;
            }
            path::PULL => {
                let mut items = PullItem::read_all(&mut reader).ok()?;
                self.shuffle(&mut items);
                if let [first, second, ..] = items.as_mut_slice()
                    && self.chance.happens(400)
                {
                    std::mem::swap(&mut first.body, &mut second.body);
                }
                if let Some(item) = items.first_mut()
                    && self.chance.happens(400)
                {
                    item.body = flip(&item.body, self.chance.number());
                }
                items.iter().try_for_each(|item| item.write(&mut out)).ok()?;
            }
            path::PUSH => {
                let mut items = PushItem::read_all(&mut reader).ok()?;
                if let Some(item) = items.first_mut() {
                    let number = BagSeq(self.chance.below(80));
                    item.result = *self.chance.pick(&[
                        Ok(number),
                        Err(Status::InvalidSignature),
                        Err(Status::StorageError),
                    ]);
                }
                self.shuffle(&mut items);
                items.iter().try_for_each(|item| item.write(&mut out)).ok()?;
            }
            path::PRUNE => {
                let mut items = PruneItem::read_all(&mut reader).ok()?;
                let statuses =
                    [Status::Success, Status::NotFound, Status::InvalidRequest, Status::InvalidParam];
                items.iter_mut().for_each(|item| item.status = *self.chance.pick(&statuses));
                self.shuffle(&mut items);
                items.iter().try_for_each(|item| item.write(&mut out)).ok()?;
            }
            _ => return None,
        }
        Some(out.into())
    }

    fn twist_list(&mut self, items: &mut Vec<PeekItem>) {
        self.shuffle(items);
        if let Some(item) = items.first_mut() {
            match self.chance.below(6) {
                0 => item.seq = BagSeq(self.chance.below(80)),
                1 => item.sealed.head = flip(&item.sealed.head, self.chance.number()),
                2 => item.sealed.signature[5] ^= 1,
                3 => item.sealed.derivation[3] ^= 1,
                4 => item.sealed = another_account(self.chance.number()),
                _ => {}
            }
        }
        if let [first, second, ..] = items.as_mut_slice()
            && self.chance.happens(300)
        {
            std::mem::swap(&mut first.sealed, &mut second.sealed);
        }
    }

    /// Another order, some twice, some not at all.
    fn shuffle<T: Clone>(&mut self, items: &mut Vec<T>) {
        for at in (1..items.len()).rev() {
            if self.chance.happens(300) {
                items.swap(at, self.chance.below(at as u64 + 1) as usize);
            }
        }
        if !items.is_empty() && self.chance.happens(200) {
            items.push(self.chance.pick(items).clone());
        }
        if !items.is_empty() && self.chance.happens(300) {
            items.remove(self.chance.below(items.len() as u64) as usize);
        }
    }
}

fn head(status: Status, time_ms: u64) -> Vec<u8> {
    let head =
        ResponseHead { status, received_ms: time_ms, sent_ms: time_ms, subscription: Default::default() };
    let mut out = Vec::new();
    head.write(&mut out).unwrap();
    out
}

/// One bit is another.
fn flip(bytes: &Bytes, at: u64) -> Bytes {
    let mut bytes = bytes.to_vec();
    if !bytes.is_empty() {
        let at = at as usize % (8 * bytes.len());
        bytes[at / 8] ^= 1 << (at % 8);
    }
    bytes.into()
}

/// A bag that another account sealed.
fn another_account(number: u64) -> seabag_protocol::host::bag::SealedHead {
    let eid = Eid::new(&number.to_be_bytes(), 1_767_225_600_000).unwrap();
    let nonces = Nonces { head: [number as u8; 24], body: [0; 24] };
    stranger().seal(&MessageHead::new(eid, 0, 0, Some(b"\xc0")), Some(b"\xc0"), &nonces).unwrap().sealed
}
