//! What is true, whatever anyone believes: every message that was ever written, the greatest of each entity that each
//! device and each host has had, and what everything must look like in the end. A naive oracle: lists and maximums.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use bytes::Bytes;
use seabag_entdb::{Database, Draft, Message, MessageCursor};
use seabag_protocol::host::bag::BagSeq;
use seabag_protocol::host::eid::Eid;
use seabag_protocol::host::message::{MessageHash, MessageHead, Rank};

use super::device::Device;
use super::host::Host;
use super::{Fault, sealer};

/// A message that somebody wrote.
#[derive(Clone, Debug)]
pub(super) struct Written {
    pub(super) message: Message,
    /// Its place among its entity's; without the hash if ties are broken wrongly on purpose.
    rank: (Rank, u64),
    /// What its body says; `None` for the end of an entity.
    said: Option<Draft>,
    /// Whether a device wrote it, which then has it until it is lost itself.
    by_device: bool,
    /// Whether its body cannot be read by anyone.
    pub(super) malformed: bool,
}

/// The greatest messages of an entity that are or were somewhere: of those that can be read, and of all.
#[derive(Clone, Debug, Default)]
struct Greatest {
    readable: Option<MessageHash>,
    any: Option<MessageHash>,
}

type Maximums = BTreeMap<Eid, Greatest>;

/// Everything that was written, and who had what.
pub(super) struct Truth {
    fault: Option<Fault>,
    pub(super) written: BTreeMap<MessageHash, Written>,
    /// In the order of writing, for whoever wants to pick one.
    pub(super) order: Vec<MessageHash>,
    /// What bodies say that were made here.
    drafts: HashMap<Bytes, Draft>,
    devices: BTreeMap<usize, Maximums>,
    hosts: BTreeMap<usize, Maximums>,
    /// Bags that were opened, by host, run of the account's history, and number.
    opened: HashMap<(usize, u64, BagSeq), MessageHash>,
    /// Whether everything that was ever written must still be somewhere.
    pub(super) complete: bool,
}

impl Truth {
    pub(super) fn new(fault: Option<Fault>) -> Self {
        Self {
            fault,
            written: BTreeMap::new(),
            order: Vec::new(),
            drafts: HashMap::new(),
            devices: BTreeMap::new(),
            hosts: BTreeMap::new(),
            opened: HashMap::new(),
            complete: true,
        }
    }

    /// A message was written. `draft`: what its body was made of, unless an earlier message had the same body.
    pub(super) fn write(&mut self, message: Message, draft: Option<Draft>, by_device: bool) {
        let mut rank = message.head.rank().unwrap();
        let hash = rank.hash;
        let said = message.body.clone().and_then(|body| match draft {
            Some(draft) => Some(self.drafts.entry(body).or_insert(draft).clone()),
            None => self.drafts.get(&body).cloned(),
        });
        let place = self.order.len() as u64;
        let mut tie = 0;
        if self.fault == Some(Fault::FirstArrivalWinsTies) {
            rank.hash = MessageHash([0; 32]);
            tie = u64::MAX - place;
        }
        let malformed = said.is_none() && message.body.is_some();
        if self
            .written
            .insert(hash, Written { message, rank: (rank, tie), said, by_device, malformed })
            .is_none()
        {
            self.order.push(hash);
        }
    }

    fn rank(&self, hash: &MessageHash) -> (Rank, u64) {
        self.written[hash].rank
    }

    fn add(&self, maximums: &mut Maximums, hash: &MessageHash) {
        let written = &self.written[hash];
        let greatest = maximums.entry(written.message.head.eid.clone()).or_default();
        let greater = |than: &Option<MessageHash>| than.is_none_or(|than| written.rank > self.rank(&than));
        if !written.malformed && greater(&greatest.readable) {
            greatest.readable = Some(*hash);
        }
        if greater(&greatest.any) {
            greatest.any = Some(*hash);
        }
    }

    /// Whether `now` has all that `before` had, or greater.
    fn compare(&self, before: &Maximums, now: &Maximums) -> Result<(), String> {
        for (eid, was) in before {
            let is = now.get(eid).cloned().unwrap_or_default();
            for (was, is) in [(was.readable, is.readable), (was.any, is.any)] {
                let less = was.is_some_and(|was| is.is_none_or(|is| self.rank(&is) < self.rank(&was)));
                if less {
                    return Err(format!("lost {}, and has {}", self.show(was), self.show(is)));
                }
            }
        }
        Ok(())
    }

    fn show(&self, hash: Option<MessageHash>) -> String {
        hash.map_or("nothing".into(), |hash| describe(&self.written[&hash].message.head))
    }

    fn maximums(&self, hashes: impl IntoIterator<Item = MessageHash>) -> Maximums {
        let mut maximums = Maximums::new();
        hashes.into_iter().for_each(|hash| self.add(&mut maximums, &hash));
        maximums
    }

    /// A device did something: what it had it has, or greater, and nothing that nobody wrote.
    pub(super) fn check_device(&mut self, number: usize, database: &Database) -> Result<(), String> {
        let mut hashes = Vec::new();
        for message in messages(database) {
            let hash = message.head.hash().unwrap();
            match self.written.get(&hash) {
                Some(written) if written.message == message => hashes.push(hash),
                _ => return Err(format!("device {number} has what nobody wrote: {message:?}")),
            }
        }
        let now = self.maximums(hashes);
        let before = self.devices.remove(&number).unwrap_or_default();
        self.compare(&before, &now).map_err(|what| format!("device {number} {what}"))?;
        self.devices.insert(number, now);
        Ok(())
    }

    /// A device is gone for good, with all that it had.
    pub(super) fn device_lost(&mut self, number: usize) {
        self.devices.remove(&number);
        self.complete = false;
    }

    /// Which messages a host has: bags that open.
    fn at_host(&mut self, number: usize, host: &Host) -> Result<Vec<(BagSeq, MessageHash)>, String> {
        let mut found = Vec::new();
        for (seq, bag) in host.blind.bags(&sealer().keys().public()) {
            let key = (number, host.run, seq);
            if let Some(hash) = self.opened.get(&key) {
                found.push((seq, *hash));
                continue;
            }
            let Ok((head, _)) = sealer().open(&bag) else { continue };
            let hash = head.hash().unwrap();
            if !self.written.contains_key(&hash) {
                return Err(format!("host {number} has what nobody wrote: {head:?}"));
            }
            self.opened.insert(key, hash);
            found.push((seq, hash));
        }
        Ok(found)
    }

    /// A host did something: the greatest message of each entity that it stored is there, or a greater one.
    pub(super) fn check_host(&mut self, number: usize, host: &Host) -> Result<(), String> {
        // One that was hostile may have talked devices into letting go of what they then bring again.
        if host.is_hostile() || host.was_hostile {
            self.hosts.remove(&number);
            return Ok(());
        }
        let now = self.at_host(number, host)?.into_iter().map(|(_, hash)| hash);
        let now = self.maximums(now);
        let before = self.hosts.remove(&number).unwrap_or_default();
        self.compare(&before, &now).map_err(|what| format!("host {number} {what}"))?;
        self.hosts.insert(number, now);
        Ok(())
    }

    /// A host was wiped or set back: what it had counts no longer.
    pub(super) fn host_set_back(&mut self, number: usize) {
        self.hosts.remove(&number);
    }

    /// Everything has come to rest.
    pub(super) fn check_end(&mut self, devices: &[Device], hosts: &[Host]) -> Result<(), String> {
        let alive: Vec<_> = devices.iter().filter(|device| device.alive).collect();
        let linked: BTreeSet<_> =
            alive.iter().flat_map(|device| device.lines.iter().map(|line| line.host)).collect();
        let mut expected = Maximums::new();
        let from_devices = alive.iter().filter_map(|device| self.devices.get(&device.number));
        let from_hosts = linked.iter().filter_map(|host| self.hosts.get(host));
        for maximums in from_devices.chain(from_hosts) {
            let hashes = maximums.values().flat_map(|greatest| [greatest.readable, greatest.any]);
            hashes.flatten().for_each(|hash| self.add(&mut expected, &hash));
        }
        if self.complete {
            let by_devices = self.written.iter().filter(|(_, written)| written.by_device);
            let all = self.maximums(by_devices.map(|(hash, _)| *hash));
            self.compare(&all, &expected).map_err(|what| format!("all of them {what}"))?;
        }
        for device in &alive {
            self.check_device_end(device, hosts, &expected)?;
        }
        for host in linked {
            self.check_host_end(host, &hosts[host], &alive, &expected)?;
        }
        Ok(())
    }

    fn check_device_end(&self, device: &Device, hosts: &[Host], expected: &Maximums) -> Result<(), String> {
        let number = device.number;
        let database = &device.database;
        let have = self.maximums(messages(database).iter().map(|message| message.head.hash().unwrap()));
        for (eid, greatest) in expected {
            let is = have.get(eid).cloned().unwrap_or_default();
            if (is.readable, is.any) != (greatest.readable, greatest.any) {
                let (is, not) = ([is.readable, is.any], [greatest.readable, greatest.any]);
                let [is, not] = [is, not].map(|both| both.map(|hash| self.show(hash)));
                return Err(format!("device {number} ends with {is:?} instead of {not:?}"));
            }
            self.check_ent(device, eid, greatest)?;
            for durable in database.durable_at(eid).unwrap() {
                if durable.waiting || durable.stored.is_none() {
                    let what = self.show(is.any);
                    return Err(format!("device {number} says of {what} in the end: {durable:?}"));
                }
            }
        }
        if have.len() != expected.len() {
            return Err(format!("device {number} has {} entities and not {}", have.len(), expected.len()));
        }
        let readable = expected.values().filter_map(|greatest| greatest.readable.as_ref());
        let (ends, ents): (Vec<&MessageHash>, Vec<&MessageHash>) =
            readable.partition(|hash| self.written[*hash].said.is_none());
        let status = database.status().unwrap();
        if (status.ents, status.tombstones) != (ents.len() as u64, ends.len() as u64) {
            return Err(format!("device {number} counts wrong: {status:?}"));
        }
        for link in status.links {
            // What a hostile host has spoiled so that nobody knows what it was stays there, and is told.
            let spoiled = hosts[device.links()[&link.link.id]].was_hostile;
            if link.waiting > 0 || (link.unreadable > 0 && !spoiled) || link.link.trouble.is_some() {
                return Err(format!("device {number} in the end: {link:?}"));
            }
        }
        Ok(())
    }

    fn check_ent(&self, device: &Device, eid: &Eid, greatest: &Greatest) -> Result<(), String> {
        let ent = device.database.get(eid).unwrap();
        let winner = greatest.readable.as_ref().map(|hash| &self.written[hash]);
        let said = winner.and_then(|winner| Some((&winner.message.head, winner.said.as_ref()?)));
        let same = match (&ent, said) {
            (None, None) => true,
            (Some(ent), Some((head, said))) => {
                let is = (&ent.kind, &ent.parent, &ent.group, &ent.body, ent.counter);
                let times = (ent.created_ms, Some(ent.updated_ms));
                is == (&said.kind, &said.parent, &said.group, &said.body, head.counter)
                    && times == (head.eid.created_ms(), head.time_ms())
            }
            _ => false,
        };
        if same { Ok(()) } else { Err(format!("device {} shows {ent:?} and not {said:?}", device.number)) }
    }

    fn check_host_end(
        &mut self,
        number: usize,
        host: &Host,
        alive: &[&Device],
        expected: &Maximums,
    ) -> Result<(), String> {
        let bags = self.at_host(number, host)?;
        let have = self.maximums(bags.iter().map(|(_, hash)| *hash));
        let mut wanted = expected.clone();
        if host.was_hostile {
            // Hosts never let go of a delete, not of a damaged one either, and take the whole one for a repeat of it.
            let ends = |hash: &MessageHash| self.written[hash].message.head.is_delete();
            wanted.retain(|_, greatest| !greatest.any.iter().chain(&greatest.readable).any(ends));
        }
        self.compare(&wanted, &have).map_err(|what| {
            let bags = host.blind.bags(&sealer().keys().public());
            let opened = |(seq, bag): (_, _)| (seq, sealer().open(bag).map(|(head, _)| describe(&head)));
            let bags: Vec<_> = bags.iter().map(opened).collect();
            format!("in the end host {number} {what}; it has {bags:?}")
        })?;
        if host.blind.settings.old_kind || host.restored || host.was_hostile {
            return Ok(());
        }
        // It keeps the working set: what is superseded went, but for ends and for what a device keeps the past of.
        let mut shown = BTreeSet::new();
        for (seq, hash) in bags {
            let written = &self.written[&hash];
            let greatest = &expected[&written.message.head.eid];
            let above = greatest.readable.is_none_or(|readable| written.rank >= self.rank(&readable));
            let of_it = self.written.values().filter(|it| it.message.head.eid == written.message.head.eid);
            let kinds: Vec<_> = of_it.filter_map(|it| Some(it.said.as_ref()?.kind.as_str())).collect();
            let past = written.message.head.is_delete() || alive.iter().any(|device| device.keeps(&kinds));
            if !(above || past) {
                let what = self.show(Some(hash));
                let eid = &written.message.head.eid;
                let past = |device: &&Device| (device.number, device.database.history(eid).unwrap().len());
                let past: Vec<_> = alive.iter().map(past).collect();
                return Err(format!(
                    "host {number} still has the superseded {seq:?} {what}; pasts: {past:?}"
                ));
            }
            // One of those that cannot be read may be there twice: a host of the old kind keeps repeats, and may have
            // become one of the new kind.
            if !shown.insert(hash) && !past && !written.malformed {
                return Err(format!("host {number} has {} twice", self.show(Some(hash))));
            }
        }
        Ok(())
    }
}

/// A message in a few characters: entity, time since its creation, counter, bytes, and the beginning of its hash.
pub(super) fn describe(head: &MessageHead) -> String {
    let eid: String = head.eid.as_bytes().iter().skip(1).take(3).map(|byte| format!("{byte:02x}")).collect();
    let hash = head.hash().map_or(0, |hash| u32::from_be_bytes([hash.0[0], hash.0[1], hash.0[2], hash.0[3]]));
    format!("{eid}+{}#{}[{}]={hash:08x}", head.offset_ms, head.counter, head.length)
}

/// All messages of a database.
pub(super) fn messages(database: &Database) -> Vec<Message> {
    let (mut all, mut after): (Vec<_>, Option<MessageCursor>) = (Vec::new(), None);
    loop {
        let page = database.messages(after.as_ref(), 10_000).unwrap();
        all.extend(page.messages);
        after = page.next;
        if after.is_none() {
            return all;
        }
    }
}
