//! `kill -9` in the middle of pushes, again and again, against the real program: what was acknowledged or shown to a
//! listener is there under its number, whole pushes or none are there, and numbers have no gaps and do not repeat.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Duration;

use futures_util::future::join_all;
use seabag_protocol::host::bag::SealedHead;
use seabag_protocol::host::bytes::Reader;
use seabag_protocol::host::push::PushItem;
use seabag_protocol::host::status::Status;
use seabag_testing::chance::Chance;
use seabag_testing::host_client::{Account, Answer, Heard};
use seabag_testing::process::{ServerProcess, Setup};
use tokio::time::sleep;

const ROUNDS: u64 = 12;
const WRITERS: u64 = 4;
/// Bags of one push.
const BATCH: u64 = 7;

/// What anybody was told: which bag has which number, by what every sealing of a message has in common.
#[derive(Default)]
struct Told(Mutex<BTreeMap<u64, [u8; 8]>>);

impl Told {
    fn note(&self, seq: u64, derivation: [u8; 8]) {
        let before = self.0.lock().unwrap().insert(seq, derivation);
        assert!(before.is_none_or(|before| before == derivation), "the number {seq} was given to two bags");
    }
}

struct Writer {
    number: u64,
    /// The push that comes next.
    next: u64,
    sealing: u8,
}

impl Writer {
    /// Pushes until the server is gone. A push without an answer is sealed and sent again after the restart.
    async fn run(&mut self, server: &ServerProcess, account: &Account, told: &Told) {
        loop {
            let first = (self.number << 32) + self.next * BATCH;
            self.sealing = self.sealing.wrapping_add(1);
            let bags: Vec<_> = (first..first + BATCH)
                .map(|n| account.bag(n, Some(b"worth keeping"), self.sealing))
                .collect();
            let Some(items) = account.try_push(server, &bags).await else { return };
            for (bag, item) in bags.iter().zip(items) {
                told.note(item.result.unwrap().0, bag.sealed.derivation);
            }
            self.next += 1;
        }
    }
}

async fn hear(server: &ServerProcess, account: &Account, told: &Told) {
    let Ok(mut listener) = account.try_listen(server).await else { return };
    loop {
        match listener.next().await {
            Heard::Frame(frame) => {
                let items = seabag_protocol::host::notice::NoticeItem::decode_all(frame).unwrap();
                items.iter().for_each(|item| told.note(item.seq.0, item.sealed.derivation));
            }
            Heard::Closed(..) | Heard::Cut => return,
        }
    }
}

#[tokio::test]
async fn what_was_acknowledged_or_heard_survives_kill_9_under_its_number() {
    // Idle accounts leave at once, so that some are loaded anew in the middle.
    let mut server = Setup::new().flag("room-idle-ms", 1).variable("SEABAG_LOG", "warn").start().await;
    let account = Account::new(3);
    account.register(&server).await;
    let told = Told::default();
    let mut writers: Vec<_> = (0..WRITERS).map(|number| Writer { number, next: 0, sealing: 0 }).collect();
    let mut chance = Chance::new(0x5eaba6);
    for round in 0..ROUNDS {
        let kill = async {
            sleep(Duration::from_millis(20 + chance.below(250))).await;
            server.signal("KILL");
        };
        let write = join_all(writers.iter_mut().map(|writer| writer.run(&server, &account, &told)));
        tokio::join!(kill, write, hear(&server, &account, &told));
        server.wait().await;
        server.restart().await;
        let heads = account.peek(&server, 0).await;
        let numbers: Vec<_> = heads.iter().map(|item| item.seq.0).collect();
        assert_eq!(numbers, (1..=heads.len() as u64).collect::<Vec<_>>(), "round {round}: gaps or repeats");
        assert_eq!(heads.len() as u64 % BATCH, 0, "round {round}: half a push is there");
        let kept: BTreeMap<u64, &SealedHead> = heads.iter().map(|item| (item.seq.0, &item.sealed)).collect();
        for (seq, derivation) in told.0.lock().unwrap().iter() {
            let found = kept.get(seq).map(|sealed| sealed.derivation);
            assert_eq!(found, Some(*derivation), "round {round}: number {seq} was told of");
        }
        let mut distinct: Vec<_> = heads.iter().map(|item| item.sealed.derivation).collect();
        distinct.sort_unstable();
        distinct.dedup();
        assert_eq!(distinct.len(), heads.len(), "round {round}: a repeated push was stored twice");
        assert_eq!(account.pull(&server, &numbers).await.len(), numbers.len(), "round {round}: bodies");
        // What is there without anybody having been told of is told from now on.
        heads.iter().for_each(|item| told.note(item.seq.0, item.sealed.derivation));
    }
    assert!(!told.0.lock().unwrap().is_empty());
}

#[tokio::test]
async fn what_was_acknowledged_while_the_server_was_told_to_stop_is_there_under_its_number() {
    let mut server = ServerProcess::start().await;
    let account = Account::new(4);
    account.register(&server).await;
    let told = Told::default();
    for round in 0..4 {
        let writers = (0..12).map(|writer| {
            let (server, account, told) = (&server, &account, &told);
            async move {
                for number in 0.. {
                    let bag = account.bag(round << 40 | writer << 32 | number, Some(b"worth keeping"), 0);
                    let mut request = account.request(&[]);
                    bag.write(&mut request).unwrap();
                    let request = server.request("POST", "/push").body("application/octet-stream", request);
                    // None, or that the store has stopped: then nothing was promised.
                    let Ok(reply) = request.try_send().await else { return };
                    let answer = Answer::read(reply);
                    if answer.status() != Status::Success {
                        assert_eq!(answer.status(), Status::StorageError);
                        return;
                    }
                    let items = PushItem::read_all(&mut Reader::new(answer.rest)).unwrap();
                    told.note(items[0].result.unwrap().0, bag.sealed.derivation);
                }
            }
        });
        let stop = async {
            sleep(Duration::from_millis(150)).await;
            server.terminate();
        };
        tokio::join!(stop, join_all(writers));
        assert!(server.wait().await.success());
        server.restart().await;
        let heads = account.peek(&server, 0).await;
        assert!(
            heads.iter().map(|item| item.seq.0).eq(1..=heads.len() as u64),
            "round {round}: gaps or repeats"
        );
        for (seq, derivation) in told.0.lock().unwrap().iter() {
            let found = heads.iter().find(|item| item.seq.0 == *seq).map(|item| item.sealed.derivation);
            assert_eq!(found, Some(*derivation), "round {round}: number {seq} was told of");
        }
    }
}

#[tokio::test]
async fn a_push_as_large_as_one_may_be_survives_kill_9() {
    let mut server = ServerProcess::start().await;
    let account = Account::new(5);
    account.register(&server).await;
    let mut bag = account.bag(1, Some(b"replaced"), 0);
    // The signature covers the head alone, and the host looks no further.
    bag.body = vec![7; 127 << 20].into();
    let small = account.bags(2..3);
    assert_eq!(account.store(&server, std::slice::from_ref(&bag)).await, [1]);
    assert_eq!(account.store(&server, &small).await, [2]);
    server.kill();
    server.restart().await;
    let pulled = account.pull(&server, &[2, 1]).await;
    assert!(pulled[0].body == small[0].body && pulled[1].body == bag.body && pulled.len() == 2);
    assert_eq!(account.store(&server, &[bag]).await, [1], "it is a duplicate");
}
