//! Export files between the program and the reference: the recorded file is read, what the program writes has the same
//! messages and the recorded layout, and one bad item costs that item alone, counted and named.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a panic is how a test fails")]

mod ents_support;

use std::collections::BTreeMap;
use std::sync::Arc;

use data_encoding::HEXLOWER_PERMISSIVE;
use ents_support::{Device, winners};
use seabag_crypto::archive::{ArchiveKey, ArchiveReader};
use seabag_crypto::phrase;
use seabag_entdb::Message;
use serde_json::Value;

fn vectors() -> Value {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../vectors/host/export_file.json");
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn bytes(case: &Value) -> Vec<u8> {
    HEXLOWER_PERMISSIVE.decode(case["hex"].as_str().unwrap().as_bytes()).unwrap()
}

fn named(vectors: &Value, group: &str, name: &str) -> Vec<u8> {
    let cases = vectors[group].as_array().unwrap();
    bytes(cases.iter().find(|case| case["name"].as_str().unwrap().starts_with(name)).unwrap())
}

/// The messages of a file, by the library that knows nothing of databases.
fn read(seed: &str, file: &[u8]) -> Vec<Message> {
    let seed = Arc::new(phrase::parse(seed).unwrap());
    let reader = ArchiveReader::open(std::io::Cursor::new(file), seed, &ArchiveKey::default()).unwrap();
    let mut messages = Vec::new();
    for item in reader {
        let (head, body) = item.unwrap();
        messages.push(Message { head, body });
    }
    messages
}

fn import(device: &Device, name: &str, file: &[u8]) -> ents_support::cli_support::Done {
    let path = device.user.file(name, file);
    device.user.run(&["ent", "import", &path, "--json"])
}

#[test]
fn the_recorded_file_is_read_and_what_is_written_is_read_by_its_rules() {
    let vectors = vectors();
    let seed = vectors["seed"].as_str().unwrap();
    let recorded = named(&vectors, "files", "five messages");
    let device = Device::of_seed(seed);
    let told = import(&device, "recorded.dpl", &recorded).good().line();
    let count = |name: &str| told[name].as_u64().unwrap();
    assert_eq!(count("new") + count("kept") + count("known"), 5);
    assert_eq!((count("refused"), &told["whole"]), (0, &Value::Bool(true)));

    // What the database now holds is the winners of the recorded messages, byte for byte.
    let wanted = winners(&read(seed, &recorded));
    let held: Vec<Message> = device.messages().into_values().collect();
    assert_eq!(winners(&held), wanted);

    // What it writes holds the same, in the recorded layout: the label, the index, as many items as it says.
    let path = device.user.path("written.dpl").display().to_string();
    device.user.run(&["ent", "export", &path]).good();
    let written = std::fs::read(&path).unwrap();
    assert_eq!(winners(&read(seed, &written)), winners(&held));
    assert_eq!(&written[..8], &recorded[..8], "label and index");
    assert_eq!(usize::from(written[8]), held.len(), "the count");

    // And back into an empty device of the same person; again it changes nothing.
    let other = Device::of_seed(seed);
    import(&other, "written.dpl", &written).good();
    assert_eq!(other.messages(), device.messages());
    let again = import(&other, "recorded.dpl", &recorded).good().line();
    assert_eq!((again["new"].as_u64(), again["refused"].as_u64()), (Some(0), Some(0)));
}

#[test]
fn what_was_tampered_with_is_refused_or_read_as_far_as_it_is_good() {
    let vectors = vectors();
    let seed = vectors["seed"].as_str().unwrap();
    // (what was done to it, exit code, how many messages are taken, refused)
    let expected: BTreeMap<&str, (i32, u64, u64)> = BTreeMap::from([
        ("last body byte flipped", (1, 4, 1)),
        ("cut by one byte", (1, 4, 1)),
        ("one trailing byte", (0, 5, 0)),
        ("count field lowered", (0, 5, 0)),
        ("count field raised", (0, 5, 0)),
    ]);
    for case in vectors["tampered"].as_array().unwrap() {
        let name = case["name"].as_str().unwrap();
        let stranger = name.starts_with("another seed");
        let device = if stranger { Device::first() } else { Device::of_seed(seed) };
        let done = import(&device, "tampered.dpl", &bytes(case));
        let Some((_, (code, taken, refused))) = expected.iter().find(|(begin, _)| name.starts_with(**begin))
        else {
            // A keypair of another label is not used before its user says so.
            let code = if name.starts_with("label changed") { 2 } else { 1 };
            assert_eq!(done.code, code, "{name}: {done:?}");
            assert!(device.messages().is_empty(), "{name}: nothing of it is believed");
            continue;
        };
        assert_eq!(done.code, *code, "{name}: {done:?}");
        let told = done.line();
        let count = |name: &str| told[name].as_u64().unwrap();
        assert_eq!(count("new") + count("kept") + count("known"), *taken, "{name}: {told}");
        assert_eq!(count("refused"), *refused, "{name}: {told}");
        assert_eq!(
            told["problems"].as_array().unwrap().is_empty(),
            name.starts_with("one trailing"),
            "{name}"
        );
    }
}

#[test]
fn a_file_of_another_label_is_read_once_that_label_is_named() {
    let vectors = vectors();
    let recorded = named(&vectors, "files", "other label and index");
    let device = Device::of_seed(vectors["seed"].as_str().unwrap());
    let path = device.user.file("other.dpl", &recorded);
    device.user.run(&["ent", "import", &path]).bad(2, "backup-ü");
    device.user.run(&["ent", "import", &path, "--label", "backup-ü", "--index", "7"]).good();
    assert_eq!(device.messages().len(), 2);
}
