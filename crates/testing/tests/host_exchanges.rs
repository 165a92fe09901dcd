//! The scripted session of the vectors (`vectors/host/exchanges.json`), against the real program. Its clock cannot be
//! set, so requests are signed anew and times are left out; everything else is compared byte for byte, but for the
//! steps in which this host differs on purpose (docs/host.md).
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use data_encoding::HEXLOWER;
use seabag_protocol::host::auth::SignedTimestamp;
use seabag_protocol::host::bag::{Bag, BagIdentity, BagSeq};
use seabag_protocol::host::bytes::{Reader, put_varint};
use seabag_protocol::host::notice::NoticeItem;
use seabag_protocol::host::peek::PeekItem;
use seabag_protocol::host::pull::{self, PullItem};
use seabag_protocol::host::push::{self, PushItem};
use seabag_protocol::host::status::Status;
use seabag_testing::host_client::{Account, Answer, Heard, Listener, now_ms};
use seabag_testing::process::ServerProcess;
use serde_json::Value;

fn vectors() -> Value {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../vectors/host/exchanges.json");
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn hex(value: &Value) -> Vec<u8> {
    HEXLOWER.decode(value.as_str().unwrap_or_default().as_bytes()).unwrap()
}

/// The request with the same distance between its time and the host's clock, and another signature.
fn sign_anew(accounts: &[Account], step: &Value, change: impl FnOnce(&[u8]) -> Vec<u8>) -> Vec<u8> {
    let old = hex(&step["request"]);
    let mut reader = Reader::new(old.clone());
    let Ok(auth) = SignedTimestamp::read(&mut reader) else { return old };
    let rest = change(reader.rest());
    let clock_ms = step["host_clock_ms"].as_u64().unwrap();
    let time_ms = match i128::from(auth.time_ms) - i128::from(clock_ms) {
        0 => now_ms(),
        // The host's clock goes on while the request travels: towards the past that only adds.
        distance if distance < 0 => now_ms() - u64::try_from(-distance).unwrap(),
        _ => auth.time_ms,
    };
    match accounts.iter().find(|account| account.key() == auth.public) {
        Some(account) => account.request_at(time_ms, &rest),
        None => {
            let mut bytes = old[..96].to_vec();
            put_varint(&mut bytes, time_ms).unwrap();
            bytes.extend_from_slice(&rest);
            bytes
        }
    }
}

/// What becomes of the script's numbers here, where the same bag keeps its first one.
#[derive(Default)]
struct Numbers {
    first: HashMap<BagIdentity, BagSeq>,
    /// The script's number, ours, and whether the bag was a duplicate.
    known: BTreeMap<BagSeq, (BagSeq, bool)>,
}

impl Numbers {
    /// Learns from a push what the script stored, and what this host then stores.
    fn learn(&mut self, bags: &[Bag], items: &[PushItem]) {
        for (bag, item) in bags.iter().zip(items) {
            let Ok(theirs) = item.result else { continue };
            let next = BagSeq(self.first.len() as u64 + 1);
            let duplicate = self.first.contains_key(&bag.identity());
            let ours = *self.first.entry(bag.identity()).or_insert(next);
            self.known.insert(theirs, (ours, duplicate));
        }
    }

    fn ours(&self, theirs: BagSeq) -> BagSeq {
        self.known.get(&theirs).map_or(theirs, |(ours, _)| *ours)
    }

    fn is_duplicate(&self, theirs: BagSeq) -> bool {
        self.known.get(&theirs).is_some_and(|(_, duplicate)| *duplicate)
    }

    /// The greatest of our numbers up to the script's.
    fn through(&self, theirs: BagSeq) -> BagSeq {
        self.known.range(..=theirs).map(|(_, (ours, _))| *ours).max().unwrap_or_default()
    }

    /// The script's request in our numbers.
    fn request(&self, path: &str, rest: &[u8]) -> Vec<u8> {
        let mut reader = Reader::new(rest.to_vec());
        let mut out = Vec::new();
        match (path, pull::read_numbers(&mut reader)) {
            ("/peek", Ok(numbers)) => {
                numbers.iter().for_each(|seq| put_varint(&mut out, self.through(*seq).0).unwrap());
            }
            ("/pull", Ok(numbers)) => {
                numbers.iter().for_each(|seq| put_varint(&mut out, self.ours(*seq).0).unwrap());
            }
            _ => return rest.to_vec(),
        }
        out
    }

    /// The script's answer in our numbers.
    fn answer(&self, path: &str, rest: &[u8]) -> Vec<u8> {
        let (mut reader, mut out) = (Reader::new(rest.to_vec()), Vec::new());
        match path {
            "/push" => {
                for item in PushItem::read_all(&mut reader).unwrap() {
                    let result = item.result.map(|seq| self.ours(seq));
                    PushItem { result, ..item }.write(&mut out).unwrap();
                }
            }
            "/peek" => {
                for item in PeekItem::read_all(&mut reader).unwrap() {
                    if !self.is_duplicate(item.seq) {
                        PeekItem { seq: self.ours(item.seq), ..item }.write(&mut out).unwrap();
                    }
                }
            }
            "/pull" => {
                for item in PullItem::read_all(&mut reader).unwrap() {
                    PullItem { seq: self.ours(item.seq), ..item }.write(&mut out).unwrap();
                }
            }
            _ => return rest.to_vec(),
        }
        out
    }

    /// The script's notice in our numbers; nothing where nothing was stored.
    fn notice(&self, frame: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        for item in NoticeItem::decode_all(frame.to_vec()).unwrap() {
            if !self.is_duplicate(item.seq) {
                NoticeItem { seq: self.ours(item.seq), ..item }.write(&mut out).unwrap();
            }
        }
        out
    }
}

/// The status here of a step in which the reference host answers another.
fn differs(name: &str) -> Option<Status> {
    match name {
        "all-zero key and signature registers on the reference (a new host should answer 3)" => {
            Some(Status::InvalidSignature)
        }
        "timestamp beyond date range: 12" => Some(Status::ClockOutOfSync),
        _ => None,
    }
}

#[tokio::test]
async fn the_scripted_session_goes_as_with_the_reference_host_but_for_what_differs_on_purpose() {
    let server = ServerProcess::start().await;
    let vectors = vectors();
    let seed = vectors["seed"].as_str().unwrap();
    let accounts = [0, 1].map(|index| Account::of(seed, vectors["label"].as_str().unwrap(), index));
    for (account, user) in accounts.iter().zip(vectors["users"].as_array().unwrap()) {
        assert_eq!(HEXLOWER.encode(&account.key().0), user["public"].as_str().unwrap());
    }
    let (mut listener, mut numbers, mut frames_heard) = (None::<Listener>, Numbers::default(), 0);
    for step in vectors["steps"].as_array().unwrap() {
        let name = step["name"].as_str().unwrap();
        let (method, target) = (step["method"].as_str().unwrap(), step["path"].as_str().unwrap());
        let path = target.split('?').next().unwrap();
        if listener.is_none() && path == "/push" {
            // Here only the registered may listen; the script listens from the beginning.
            listener = accounts[0].try_listen(&server).await.ok();
        }
        let expected = hex(&step["response"]);
        let request = sign_anew(&accounts, step, |rest| {
            if let ("/push", Ok(bags)) = (path, push::read_bags(&mut Reader::new(rest.to_vec()))) {
                let items = PushItem::read_all(&mut Reader::new(expected[17..].to_vec())).unwrap();
                numbers.learn(&bags, &items);
            }
            numbers.request(path, rest)
        });
        let reply = server.request(method, target).body("application/octet-stream", request).send().await;
        assert_eq!(reply.status, 200, "{name}");
        assert_eq!(reply.header("access-control-allow-origin"), Some("*"), "{name}");
        assert_eq!(reply.header("content-type"), Some("application/octet-stream"), "{name}");
        let answer = Answer::read(reply);
        assert_eq!(answer.reply.body.len() - answer.rest.len(), 17, "{name}: the head has no quota");
        assert!(answer.head.received_ms <= answer.head.sent_ms, "{name}");
        let status = differs(name).unwrap_or_else(|| Status::from_code(expected[0]).unwrap());
        assert_eq!(answer.status(), status, "{name}");
        let rest = numbers.answer(path, &expected[17..]);
        assert_eq!(HEXLOWER.encode(&answer.rest), HEXLOWER.encode(&rest), "{name}");
        let Some(listener) = &mut listener else { continue };
        for frame in step["notif_frames"].as_array().unwrap() {
            let frame = numbers.notice(&hex(frame));
            if !frame.is_empty() {
                assert_eq!(listener.next().await, Heard::Frame(frame), "{name}");
                frames_heard += 1;
            }
        }
        assert_eq!(listener.next_within(Duration::from_millis(1)).await, None, "{name}");
    }
    assert!(frames_heard >= 4, "{frames_heard}");
    server.assert_keeps(&[&HEXLOWER.encode(&accounts[0].key().0)]).await;
}
