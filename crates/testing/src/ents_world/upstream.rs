//! A client of the old kind on the same account: it keeps every message, never prunes, seals and pushes old ones again
//! as if nobody had them, counts by its own rules, and writes bodies that nobody can read.

use std::collections::BTreeMap;

use bytes::Bytes;
use seabag_crypto::Nonces;
use seabag_entdb::Message;
use seabag_protocol::host::bag::BagSeq;
use seabag_protocol::host::bytes::Reader;
use seabag_protocol::host::eid::Eid;
use seabag_protocol::host::message::{MessageHash, MessageHead};
use seabag_protocol::host::path;
use seabag_protocol::host::response::ResponseHead;
use seabag_protocol::host::status::Status;
use seabag_protocol::host::{peek, pull, push};

use super::host::Host;
use super::sealer;
use super::truth::{Truth, describe};
use crate::chance::Chance;

/// The client.
#[derive(Default)]
pub(super) struct Upstream {
    log: BTreeMap<MessageHash, Message>,
}

impl Upstream {
    /// One turn at a host: looks, writes, and pushes old and new. What it did.
    pub(super) fn turn(
        &mut self,
        host: &mut Host,
        now_ms: u64,
        chance: &mut Chance,
        truth: &mut Truth,
    ) -> String {
        if !self.read(host, now_ms) {
            return "is not answered".into();
        }
        let mut bags = Vec::new();
        if chance.happens(500) {
            let message = self.write(now_ms, chance);
            truth.write(message.clone(), None, false);
            self.log.insert(message.head.hash().unwrap(), message.clone());
            bags.push(message);
        }
        let old: Vec<_> = self.log.values().cloned().collect();
        for _ in 0..chance.below(4) {
            bags.extend((!old.is_empty()).then(|| chance.pick(&old).clone()));
        }
        let line = format!("pushes {:?}", bags.iter().map(|it| describe(&it.head)).collect::<Vec<_>>());
        let mut seal = |message: &Message| {
            let mut nonces = Nonces { head: [0; 24], body: [0; 24] };
            seabag_client::chance::Randomness::fill(chance, &mut nonces.head);
            seabag_client::chance::Randomness::fill(chance, &mut nonces.body);
            sealer().seal(&message.head, message.body.as_deref(), &nonces).unwrap()
        };
        let bags: Vec<_> = bags.iter().map(&mut seal).collect();
        self.call(host, path::PUSH, push::request(&self.auth(now_ms), &bags).unwrap(), now_ms);
        line
    }

    fn auth(&self, now_ms: u64) -> seabag_protocol::host::auth::SignedTimestamp {
        sealer().keys().timestamp(now_ms).unwrap()
    }

    fn call(&self, host: &mut Host, path: &str, body: Vec<u8>, now_ms: u64) -> Option<Reader> {
        let mut reader = Reader::new(host.answer(path, &body.into(), now_ms)?);
        let status = ResponseHead::read(&mut reader).ok()?.status;
        (status == Status::Success).then_some(reader)
    }

    fn read(&mut self, host: &mut Host, now_ms: u64) -> bool {
        let mut user = Vec::new();
        self.auth(now_ms).write(&mut user).unwrap();
        self.call(host, path::USER, user, now_ms);
        let list = peek::request(&self.auth(now_ms), BagSeq::ZERO).unwrap();
        let Some(mut list) = self.call(host, path::PEEK, list, now_ms) else { return false };
        let mut wanted = BTreeMap::new();
        for item in peek::PeekItem::read_all(&mut list).unwrap_or_default() {
            let Ok(head) = sealer().open_head(&item.sealed) else { continue };
            if !self.log.contains_key(&head.hash().unwrap()) {
                wanted.insert(item.seq, (item.sealed.derivation, head));
            }
        }
        let numbers: Vec<_> = wanted.keys().copied().collect();
        let bodies = pull::request(&self.auth(now_ms), &numbers).unwrap();
        let Some(mut bodies) = self.call(host, path::PULL, bodies, now_ms) else { return false };
        for item in pull::PullItem::read_all(&mut bodies).unwrap_or_default() {
            let Some((derivation, head)) = wanted.get(&item.seq) else { continue };
            if let Ok(body) = sealer().open_body(derivation, head, &item.body) {
                self.log.insert(head.hash().unwrap(), Message { head: head.clone(), body });
            }
        }
        true
    }

    /// Something that its rules allow: counters and times that repeat, an end, bytes that are no envelope.
    fn write(&self, now_ms: u64, chance: &mut Chance) -> Message {
        let old: Vec<_> = self.log.values().collect();
        if old.is_empty() || chance.happens(150) {
            let eid = Eid::new(&chance.number().to_be_bytes(), now_ms).unwrap();
            return message(eid, 0, 0, Some(malformed(chance)));
        }
        let last = *chance.pick(&old);
        let MessageHead { eid, offset_ms, counter, .. } = last.head.clone();
        let now = now_ms.saturating_sub(eid.created_ms());
        let (offset_ms, counter) = match chance.below(4) {
            0 => (offset_ms, counter),
            1 => (offset_ms, counter + 1),
            2 => (now, counter + 1),
            _ => (now.max(offset_ms), 0),
        };
        let body = match chance.below(4) {
            0 => None,
            1 => Some(malformed(chance)),
            _ => chance.pick(&old).body.clone(),
        };
        message(eid, offset_ms, counter, body)
    }
}

fn message(eid: Eid, offset_ms: u64, counter: u64, body: Option<Bytes>) -> Message {
    Message { head: MessageHead::new(eid, offset_ms, counter, body.as_deref()), body }
}

fn malformed(chance: &mut Chance) -> Bytes {
    let bodies: [&[u8]; 4] = [b"\xc1", b"\x84\xa4body", b"not an envelope", b"\x81\xa4body\xc0"];
    [*chance.pick(&bodies), &chance.number().to_be_bytes()[..]].concat().into()
}
