//! Devices of one person as real processes: the program with a home, a seed and a database file of its own, and what
//! the database file says when it is looked at from outside.
#![allow(dead_code, reason = "each test file uses a part of it")]

#[path = "../cli_support/mod.rs"]
pub(crate) mod cli_support;

use std::collections::BTreeMap;
use std::path::Path;

use cli_support::{Done, Running, User};
use seabag_entdb::{Database, Message};
use seabag_protocol::host::eid::Eid;
use seabag_protocol::host::message::{MessageHash, Rank};
use seabag_testing::host_client::Account;
use seabag_testing::process::ServerProcess;
use serde_json::{Value, json};

/// The label under which devices link a host unless they are told another.
pub(crate) const LABEL: &str = "main";

/// Where clients reach a server.
pub(crate) fn url(server: &ServerProcess) -> String {
    format!("http://{}", server.address())
}

/// How many rounds: `SEABAG_ROUNDS`, or the everyday number.
pub(crate) fn rounds(everyday: u64) -> u64 {
    std::env::var("SEABAG_ROUNDS").ok().and_then(|text| text.parse().ok()).unwrap_or(everyday)
}

/// Where chance begins: `SEABAG_CHANCE`, or the everyday number. It is printed, and shown when a test fails.
pub(crate) fn chance_seed(everyday: u64) -> u64 {
    let seed = std::env::var("SEABAG_CHANCE").ok().and_then(|text| text.parse().ok()).unwrap_or(everyday);
    println!("SEABAG_CHANCE={seed}");
    seed
}

/// A device.
pub(crate) struct Device {
    pub(crate) user: User,
}

impl Device {
    /// The first device of a person: with a new seed.
    pub(crate) fn first() -> Self {
        let user = User::new();
        user.run(&["keys", "new"]).good();
        Self { user }
    }

    /// The first device of whoever has this seed, as digits or words.
    pub(crate) fn of_seed(seed: &str) -> Self {
        let user = User::new();
        user.feed(&["keys", "new", "--from-words"], seed).good();
        Self { user }
    }

    /// Another device of the same person.
    pub(crate) fn sibling(&self) -> Self {
        let words = self.user.run(&["keys", "words"]).good().stdout;
        Self::of_seed(&words)
    }

    /// The same person's account, for asking the host by hand.
    pub(crate) fn account(&self, label: &str) -> Account {
        let shown = self.user.run(&["keys", "show", "--secret"]).good().stdout;
        Account::of(shown.trim(), label, 0)
    }

    /// Links a host, and syncs with it once.
    pub(crate) fn link(&self, server: &ServerProcess) {
        self.user.run(&["ent", "link", &url(server)]).good();
    }

    /// Links another host beside it.
    pub(crate) fn link_as(&self, label: &str, url: &str) -> Done {
        self.user.run(&["ent", "link", url, "--label", label])
    }

    /// Syncs once, which must work.
    pub(crate) fn sync(&self) -> Done {
        self.user.run(&["ent", "sync"]).good()
    }

    /// Starts a sync that goes on, and does not wait long before it fills a host.
    pub(crate) fn follow(&self) -> Running {
        self.user.start(&["ent", "sync", "--follow", "--fill-wait", "1s", "--json"])
    }

    /// Writes an entity; what was printed.
    pub(crate) fn put(&self, words: &[&str]) -> Value {
        let mut all = vec!["ent", "put", "--json"];
        all.extend(words);
        self.user.run(&all).good().line()
    }

    /// Writes an entity; its id.
    pub(crate) fn put_id(&self, words: &[&str]) -> String {
        self.put(words)["id"].as_str().unwrap().to_owned()
    }

    /// Deletes entities.
    pub(crate) fn remove(&self, id: &str) {
        self.user.run(&["ent", "rm", id]).good();
    }

    /// Everything that is there, as the program lists it.
    pub(crate) fn all(&self) -> Vec<Value> {
        self.user.run(&["ent", "ls", "--json"]).good().lines()
    }

    /// The bodies of everything that is there, in an order of their own.
    pub(crate) fn bodies(&self) -> Vec<Value> {
        let mut bodies: Vec<Value> = self.all().iter().map(|line| line["body"].clone()).collect();
        bodies.sort_by_key(Value::to_string);
        bodies
    }

    /// What `seabag ent status` says.
    pub(crate) fn status(&self) -> Value {
        self.user.run(&["ent", "status", "--json"]).good().line()
    }

    /// What it says of one link.
    pub(crate) fn link_status(&self, label: &str) -> Value {
        let status = self.status();
        let links = status["links"].as_array().unwrap();
        links.iter().find(|link| link["label"] == json!(label)).expect("it is linked").clone()
    }

    /// The database file, opened beside whatever processes use it.
    pub(crate) fn database(&self) -> Database {
        Database::open(self.user.path("ents.db")).expect("the database file opens")
    }

    /// Every message in the database: what entities are, and which were deleted.
    pub(crate) fn messages(&self) -> BTreeMap<MessageHash, Message> {
        let database = self.database();
        let (mut all, mut after) = (BTreeMap::new(), None);
        loop {
            let page = database.messages(after.as_ref(), 1_000).unwrap();
            all.extend(page.messages.into_iter().map(|message| (message.head.hash().unwrap(), message)));
            after = page.next;
            if after.is_none() {
                return all;
            }
        }
    }
}

/// The greatest message of each entity among these.
pub(crate) fn winners<'a>(messages: impl IntoIterator<Item = &'a Message>) -> BTreeMap<Eid, (Rank, Message)> {
    let mut winners: BTreeMap<Eid, (Rank, Message)> = BTreeMap::new();
    for message in messages {
        let rank = message.head.rank().unwrap();
        let known = winners.get(&message.head.eid);
        if known.is_none_or(|(known, _)| *known < rank) {
            winners.insert(message.head.eid.clone(), (rank, message.clone()));
        }
    }
    winners
}

/// The entity with this printed id.
pub(crate) fn eid(printed: &str) -> Eid {
    let bytes = data_encoding::BASE64URL_NOPAD.decode(printed.as_bytes()).expect("a printed id");
    Eid::decode(bytes).expect("a printed id")
}

/// Copies a directory with all that is in it.
pub(crate) fn copy_directory(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        match entry.file_type().unwrap().is_dir() {
            true => copy_directory(&entry.path(), &target),
            false => drop(std::fs::copy(entry.path(), target).unwrap()),
        }
    }
}
