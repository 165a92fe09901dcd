//! `kill -9` at random moments, again and again, of two devices and of the host between them, all of them real
//! processes: what was said to be written is in the database, nothing acknowledged is lost, both databases end as one,
//! and the host's numbers have neither gaps nor repeats.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a panic is how a test fails")]

mod ents_support;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use ents_support::cli_support::{Running, wait_until};
use ents_support::{Device, LABEL, chance_seed, eid, rounds, winners};
use seabag_protocol::host::bag::SealedHead;
use seabag_protocol::host::notice::NoticeItem;
use seabag_testing::chance::Chance;
use seabag_testing::host_client::{Account, Heard, Listener};
use seabag_testing::process::{ServerProcess, Setup};
use serde_json::{Value, json};

/// What a device said that it wrote: the entity's latest time and counter.
type Acknowledged = BTreeMap<String, (u64, u64)>;

/// A person at a device: writes, and notes what the program printed.
struct Writer {
    device: Arc<Device>,
    chance: Chance,
    acknowledged: Arc<Mutex<Acknowledged>>,
    /// Ids that anybody has heard of.
    known: Arc<Mutex<Vec<String>>>,
    lines: Option<Running>,
}

impl Writer {
    fn run(mut self, stop: &AtomicBool) {
        while !stop.load(Ordering::Relaxed) {
            let known = self.known.lock().unwrap().clone();
            match self.chance.below(10) {
                6..=8 if !known.is_empty() => {
                    let (id, body) = (self.chance.pick(&known).clone(), self.body());
                    self.command(&["ent", "put", "--id", &id, "note", &body, "--json"]);
                }
                9 if !known.is_empty() => {
                    let id = self.chance.pick(&known).clone();
                    self.command(&["ent", "rm", &id, "--json"]);
                }
                _ => self.line(),
            }
        }
        if let Some(lines) = self.lines.take() {
            lines.done().good();
        }
    }

    fn body(&mut self) -> String {
        json!({"number": self.chance.number(), "filler": "x".repeat(self.chance.below(200) as usize)})
            .to_string()
    }

    /// A new entity, by a process that takes one a line; sometimes that is killed meanwhile.
    fn line(&mut self) {
        let mut lines = self
            .lines
            .take()
            .unwrap_or_else(|| self.device.user.start(&["ent", "put", "note", "--lines", "--json"]));
        lines.write(&format!("{}\n", self.body()));
        if self.chance.happens(100) {
            self.pause(8);
            lines.kill().iter().for_each(|line| self.note(line));
        } else {
            self.note(&lines.next_line().expect("it answers each line"));
            self.lines = Some(lines);
        }
        self.pause(15);
    }

    /// A command of its own; sometimes that is killed meanwhile.
    fn command(&mut self, words: &[&str]) {
        let running = self.device.user.start(words);
        let lines = if self.chance.happens(300) {
            self.pause(60);
            running.kill()
        } else {
            // To delete what is not there fails, and says so.
            running.done().lines()
        };
        lines.iter().for_each(|line| self.note(line));
    }

    fn pause(&mut self, milliseconds_max: u64) {
        thread::sleep(Duration::from_millis(self.chance.below(milliseconds_max)));
    }

    fn note(&self, line: &Value) {
        let id = line["id"].as_str().unwrap().to_owned();
        let time = line["updated"].as_u64().or(line["deleted"].as_u64()).unwrap_or(0);
        let rank = (time, line["counter"].as_u64().unwrap_or(0));
        let mut acknowledged = self.acknowledged.lock().unwrap();
        let known = acknowledged.entry(id.clone()).or_default();
        *known = rank.max(*known);
        drop(acknowledged);
        let mut known = self.known.lock().unwrap();
        if !known.contains(&id) {
            known.push(id);
        }
    }
}

/// Panics unless a device has all of this, or later messages of the same entities.
fn assert_has(device: &Device, acknowledged: &Acknowledged) {
    let messages = device.messages();
    let has = winners(messages.values());
    for (id, (time, counter)) in acknowledged {
        let rank = has.get(&eid(id)).map(|(rank, _)| (rank.time_ms, rank.counter));
        assert!(rank >= Some((*time, *counter)), "{id} was written at {time}, {counter}; there is {rank:?}");
    }
}

/// Which bag has which number, by whatever the host told: to listeners, and when it was asked.
#[derive(Clone, Default)]
struct Numbers(Arc<Mutex<BTreeMap<u64, [u8; 8]>>>);

impl Numbers {
    fn note(&self, seq: u64, sealed: &SealedHead) {
        let before = self.0.lock().unwrap().insert(seq, sealed.derivation);
        let same = before.is_none_or(|before| before == sealed.derivation);
        assert!(same, "the number {seq} was given to two bags");
    }

    /// Notes everything from now on, until the server is gone.
    async fn follow(&self, server: &ServerProcess, account: &Account) {
        let listener = account.listen(server).await;
        tokio::spawn(self.clone().hear(listener));
        let heads = account.peek(server, 0).await;
        heads.iter().for_each(|item| self.note(item.seq.0, &item.sealed));
        let mut distinct: Vec<_> = heads.iter().map(|item| item.sealed.derivation).collect();
        distinct.sort_unstable();
        distinct.dedup();
        assert_eq!(distinct.len(), heads.len(), "a repeated push was stored twice");
    }

    async fn hear(self, mut listener: Listener) {
        // Without an end of its own: the host may be quiet for as long as the others need.
        while let Some(Heard::Frame(frame)) = listener.next_within(Duration::from_secs(3_600)).await {
            let items = NoticeItem::decode_all(frame).unwrap();
            items.iter().for_each(|item| self.note(item.seq.0, &item.sealed));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_acknowledged_is_lost_whoever_is_killed_whenever() {
    // Idle accounts leave at once, so that some are loaded anew in the middle.
    let mut server = Setup::new().flag("room-idle-ms", 1).variable("SEABAG_LOG", "warn").start().await;
    let one = Arc::new(Device::first());
    let two = Arc::new(one.sibling());
    let devices = [Arc::clone(&one), two];
    devices.iter().for_each(|device| device.link(&server));
    let (account, numbers) = (one.account(LABEL), Numbers::default());
    numbers.follow(&server, &account).await;

    let mut chance = Chance::new(chance_seed(0x0005_eaba_6003));
    let (stop, known) = (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::new(Vec::new())));
    let books: Vec<Arc<Mutex<Acknowledged>>> = vec![Arc::default(), Arc::default()];
    let writers: Vec<_> = devices
        .iter()
        .zip(&books)
        .map(|(device, book)| {
            let writer = Writer {
                device: Arc::clone(device),
                chance: Chance::new(chance.number()),
                acknowledged: Arc::clone(book),
                known: Arc::clone(&known),
                lines: None,
            };
            let stop = Arc::clone(&stop);
            thread::spawn(move || writer.run(&stop))
        })
        .collect();
    let mut follows: Vec<Option<Running>> = devices.iter().map(|device| Some(device.follow())).collect();

    for _ in 0..rounds(10) {
        thread::sleep(Duration::from_millis(50 + chance.below(600)));
        let victims = chance.between(1, 7);
        for at in 0..2 {
            if victims & (1 << at) != 0 {
                follows[at].take().unwrap().kill();
                let acknowledged = books[at].lock().unwrap().clone();
                assert_has(&devices[at], &acknowledged);
            }
        }
        if victims & 4 != 0 {
            server.kill();
            thread::sleep(Duration::from_millis(chance.below(300)));
            // Nobody may prune what nobody has seen the number of.
            follows.iter().flatten().for_each(|follow| follow.signal("STOP"));
            server.restart().await;
            numbers.follow(&server, &account).await;
            follows.iter().flatten().for_each(|follow| follow.signal("CONT"));
        }
        for (follow, device) in follows.iter_mut().zip(&devices) {
            follow.get_or_insert_with(|| device.follow());
        }
    }

    stop.store(true, Ordering::Relaxed);
    writers.into_iter().for_each(|writer| writer.join().unwrap());
    follows.into_iter().flatten().for_each(|follow| drop(follow.kill()));
    let follows = devices.each_ref().map(|device| device.follow());
    wait_until("both have the same, and so has the host", || {
        devices.iter().all(|device| device.link_status(LABEL)["state"] == "synced")
            && devices[0].messages() == devices[1].messages()
    });
    follows.into_iter().for_each(|follow| drop(follow.kill()));
    devices.iter().for_each(|device| drop(device.sync()));

    assert_eq!(devices[0].all(), devices[1].all());
    for book in &books {
        let acknowledged = book.lock().unwrap();
        assert!(acknowledged.len() > 3, "something was written");
        devices.iter().for_each(|device| assert_has(device, &acknowledged));
    }
    // The host has all of it too, and of what can be read nothing else.
    let messages = devices[0].messages();
    let at_host = account.messages(&server).await;
    let hashes: Vec<_> = at_host.values().map(|(head, _)| head.hash().unwrap()).collect();
    assert!(messages.keys().all(|hash| hashes.contains(hash)), "every winner is at the host");
    let old = at_host.values().filter(|(head, _)| !messages.contains_key(&head.hash().unwrap()));
    assert_eq!(old.filter(|(head, _)| !head.is_delete()).count(), 0, "what is superseded was pruned");
    // Numbers: each that was given out was seen, and stood for one bag.
    let last = account.page(&server, 0, 1).await.0.last.0;
    println!("{} entities, {} bags of {last} numbers", messages.len(), at_host.len());
    let seen = || numbers.0.lock().unwrap().keys().copied().collect::<Vec<u64>>();
    // The last notices may still be on their way.
    wait_until("every number was heard of", || seen().len() as u64 >= last);
    assert_eq!(seen(), (1..=last).collect::<Vec<_>>(), "gaps");
}
