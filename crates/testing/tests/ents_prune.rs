//! Pruning by three devices in any order, with crashes of devices and host in between, beside a client of the old kind
//! that never prunes and pushes everything again: no message's last copy is ever dropped, deletes stay, and what the
//! host keeps follows the working set.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a panic is how a test fails")]

mod ents_support;

use std::collections::BTreeMap;
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use ents_support::{Device, LABEL, chance_seed, eid, rounds, winners};
use seabag_entdb::Message;
use seabag_protocol::host::eid::Eid;
use seabag_protocol::host::message::{MessageHash, MessageHead, Rank};
use seabag_testing::chance::Chance;
use seabag_testing::host_client::{Account, now_ms};
use seabag_testing::process::{ServerProcess, Setup};
use serde_json::json;

/// A client of the old kind: it keeps every message that it ever saw, prunes nothing, and seals and pushes old ones
/// again. What it writes is at the host alone until a device reads it.
struct OldClient {
    account: Account,
    log: BTreeMap<MessageHash, Message>,
    sealings: u64,
}

impl OldClient {
    async fn read(&mut self, server: &ServerProcess) {
        for (head, body) in self.account.messages(server).await.into_values() {
            self.log.insert(head.hash().unwrap(), Message { head, body });
        }
    }

    async fn push(&mut self, server: &ServerProcess, messages: &[Message]) {
        let mut bags = Vec::new();
        for Message { head, body } in messages {
            self.sealings += 1;
            bags.push(self.account.seal(head, body.as_deref(), self.sealings));
        }
        self.account.store(server, &bags).await;
    }

    /// Pushes all that it ever saw, as an import does there.
    async fn push_everything(&mut self, server: &ServerProcess) {
        let all: Vec<_> = self.log.values().cloned().collect();
        self.push(server, &all).await;
    }

    /// Writes a later version of an entity, or its end, by the old rules.
    async fn write(&mut self, server: &ServerProcess, chance: &mut Chance) {
        let all: Vec<_> = self.log.values().cloned().collect();
        if all.is_empty() {
            return;
        }
        let last = chance.pick(&all);
        let body = all.iter().filter_map(|message| message.body.clone()).next();
        let body = body.filter(|_| chance.happens(800));
        let message = later(&last.head, body);
        self.log.insert(message.head.hash().unwrap(), message.clone());
        self.push(server, &[message]).await;
    }
}

fn later(of: &MessageHead, body: Option<Bytes>) -> Message {
    let offset_ms = now_ms().saturating_sub(of.eid.created_ms());
    let head = MessageHead::new(of.eid.clone(), offset_ms, of.counter + 1, body.as_deref());
    Message { head, body }
}

struct World {
    server: ServerProcess,
    devices: Vec<Device>,
    old: OldClient,
    chance: Chance,
    /// The greatest message of each entity that anybody is known to have had.
    greatest: BTreeMap<Eid, (Rank, Message)>,
}

impl World {
    async fn new(seed: u64) -> Self {
        // Idle accounts leave at once, so that some are loaded anew in the middle.
        let server = Setup::new().flag("room-idle-ms", 1).variable("SEABAG_LOG", "warn").start().await;
        let first = Device::first();
        let devices = vec![first.sibling(), first.sibling(), first];
        devices.iter().for_each(|device| device.link(&server));
        let old = OldClient { account: devices[0].account(LABEL), log: BTreeMap::new(), sealings: 0 };
        Self { server, devices, old, chance: Chance::new(seed), greatest: BTreeMap::new() }
    }

    async fn step(&mut self) -> &'static str {
        let at = self.chance.below(3) as usize;
        match self.chance.below(12) {
            0..=3 => {
                self.write(at);
                "a device writes"
            }
            4..=5 => {
                self.devices[at].sync();
                "a device syncs"
            }
            6..=7 => {
                let running = self.devices[at].user.start(&["ent", "sync"]);
                thread::sleep(Duration::from_millis(self.chance.below(120)));
                // Which kills it.
                drop(running);
                "a device that syncs is killed"
            }
            8 => {
                let running: Vec<_> =
                    self.devices.iter().map(|device| device.user.start(&["ent", "sync"])).collect();
                thread::sleep(Duration::from_millis(self.chance.below(150)));
                self.server.kill();
                self.server.restart().await;
                // Each of them ends, well or with the reason.
                running.into_iter().for_each(|running| drop(running.done()));
                "the host is killed while all sync"
            }
            9 => {
                self.old.write(&self.server, &mut self.chance).await;
                "the old client writes"
            }
            _ => {
                self.old.read(&self.server).await;
                self.old.push_everything(&self.server).await;
                "the old client pushes everything again"
            }
        }
    }

    fn write(&mut self, at: usize) {
        let device = &self.devices[at];
        let known: Vec<String> =
            device.all().iter().map(|line| line["id"].as_str().unwrap().to_owned()).collect();
        let body = json!(self.chance.number()).to_string();
        if known.len() < 6 || self.chance.happens(100) {
            device.put(&["note", &body]);
        } else if self.chance.happens(250) {
            let id: &String = self.chance.pick(&known);
            device.remove(id);
        } else {
            for _ in 0..self.chance.between(1, 3) {
                let id: &String = self.chance.pick(&known);
                device.put(&["--id", id, "note", &body]);
            }
        }
    }

    /// Panics if the greatest message of an entity is neither at the host nor on any device.
    async fn assert_nothing_is_gone(&mut self, after: &str) {
        let at_host = self.old.account.messages(&self.server).await;
        let at_host = at_host.into_values().map(|(head, body)| Message { head, body });
        let on_devices = self.devices.iter().flat_map(|device| device.messages().into_values());
        let everywhere: Vec<Message> = at_host.chain(on_devices).collect();
        let now = winners(&everywhere);
        for (eid, (rank, _)) in &self.greatest {
            let found = now.get(eid).map(|(rank, _)| rank);
            assert!(found >= Some(rank), "after {after}: the last copy of a message of {eid:?} is gone");
        }
        self.greatest = now;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_last_copy_is_dropped_by_devices_that_prune_in_any_order() {
    let mut world = World::new(chance_seed(0x000b_ead5)).await;
    for round in 0..rounds(90) {
        let what = world.step().await;
        world.assert_nothing_is_gone(&format!("{what} (step {round})")).await;
    }

    // The old client is gone. Everybody syncs, twice: what the last one brought supersedes what the first had pruned for.
    for device in world.devices.iter().chain(&world.devices) {
        device.sync();
    }
    world.assert_nothing_is_gone("the end").await;
    let messages = world.devices[0].messages();
    world.devices.iter().for_each(|device| assert_eq!(device.messages(), messages));
    assert_eq!(
        winners(messages.values()),
        world.greatest,
        "the greatest of each entity won, wherever it was"
    );

    // What the host keeps: each entity's state once, and deletes.
    let at_host = world.old.account.messages(&world.server).await;
    let bodies = |message: &&(MessageHead, Option<Bytes>)| message.1.is_some();
    let kept: Vec<_> = at_host.values().filter(bodies).map(|(head, _)| head.hash().unwrap()).collect();
    let mut wanted: Vec<_> =
        messages.iter().filter(|(_, it)| it.body.is_some()).map(|(hash, _)| *hash).collect();
    let mut found = kept.clone();
    found.sort();
    wanted.sort();
    assert_eq!(found, wanted, "bags with bodies are the working set");
    let ends = messages.values().filter(|message| message.body.is_none());
    let ends_at_host: Vec<_> = at_host.values().filter(|it| it.1.is_none()).map(|(head, _)| head).collect();
    ends.clone().for_each(|end| assert!(ends_at_host.contains(&&end.head), "a delete is gone from the host"));
    println!(
        "{} entities, {} ends; {} bags of {} numbers; the old client saw {} messages",
        wanted.len(),
        ends.count(),
        at_host.len(),
        at_host.keys().max().unwrap(),
        world.old.log.len()
    );

    // Nothing that was deleted returns, on a new device either, and not by the old client's whole log.
    world.old.push_everything(&world.server).await;
    let new = world.devices[0].sibling();
    new.link(&world.server);
    assert_eq!(new.messages(), messages);
    assert_eq!(new.all().len(), wanted.len());
    let after = world.old.account.messages(&world.server).await;
    assert_eq!(after.values().filter(bodies).count(), wanted.len(), "its repeats were pruned again");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_bags_of_a_host_follow_the_working_set_and_not_the_history() {
    let server = ServerProcess::start().await;
    let one = Device::first();
    let two = one.sibling();
    let ids: Vec<_> = (0..4).map(|number: u64| one.put_id(&["note", &number.to_string()])).collect();
    one.link(&server);
    two.link(&server);
    let account = one.account(LABEL);
    for round in 0..6_u64 {
        let writer = if round % 2 == 0 { &one } else { &two };
        for id in &ids {
            writer.put(&["--id", id, "note", &(100 * round).to_string()]);
        }
        writer.sync();
        assert_eq!(account.peek(&server, 0).await.len(), ids.len(), "round {round}");
        one.sync();
        two.sync();
    }
    assert!(account.page(&server, 0, 1).await.0.last.0 >= 28, "each update had a number");
    one.remove(&ids[0]);
    one.sync();
    two.sync();
    let left: Vec<_> = account.messages(&server).await.into_values().map(|(head, _)| head).collect();
    assert_eq!(left.len(), 4, "three states and the end of one");
    assert!(left.iter().any(|head| head.is_delete() && head.eid == eid(&ids[0])));
}
