//! The export file against the shared vectors, byte for byte both ways, and against what may have happened to it.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a panic is how a test fails")]

use std::io::Cursor;
use std::sync::Arc;

use bytes::Bytes;
use data_encoding::HEXLOWER;
use ed25519_dalek::{Signer, SigningKey};
use proptest::prelude::*;
use seabag_crypto::archive::{ArchiveError, ArchiveKey, ArchiveReader, ArchiveWriter, ItemError};
use seabag_crypto::{Nonces, Seed};
use seabag_protocol::host::bytes::{Reader, put_var_bytes, put_varint};
use seabag_protocol::host::eid::Eid;
use seabag_protocol::host::message::MessageHead;
use seabag_protocol::host::status::Status;
use serde_json::Value as Json;

use crate::support::{bytes, cases, number, status, text, vectors};

mod support;

type Message = (MessageHead, Option<Bytes>);

fn seed() -> Arc<Seed> {
    Arc::new(Seed::from_hex(text(&vectors("export_file"), "seed")).unwrap())
}

fn open(file: &[u8], key: &ArchiveKey) -> Result<ArchiveReader<Cursor<Vec<u8>>>, ArchiveError> {
    ArchiveReader::open(Cursor::new(file.to_vec()), seed(), key)
}

/// What the file holds, and what was wrong with it, in words.
fn read(file: &[u8], key: &ArchiveKey) -> (Vec<Message>, Vec<String>) {
    let (mut messages, mut errors) = (Vec::new(), Vec::new());
    for item in open(file, key).unwrap() {
        match item {
            Ok(message) => messages.push(message),
            Err(error) => errors.push(error.to_string()),
        }
    }
    (messages, errors)
}

fn write(messages: &[Message], key: &ArchiveKey, nonces: impl Fn(usize) -> Nonces) -> Vec<u8> {
    let places = (Cursor::new(Vec::new()), Cursor::new(Vec::new()));
    let mut writer = ArchiveWriter::new(seed(), key.clone(), places.0, places.1);
    for (at, (head, body)) in messages.iter().enumerate() {
        writer.push(head, body.as_deref(), &nonces(at)).unwrap();
    }
    assert_eq!(writer.count(), messages.len() as u64);
    let mut file = Vec::new();
    writer.finish(&mut file).unwrap();
    file
}

fn key(case: &Json) -> ArchiveKey {
    ArchiveKey::new(text(case, "label"), number(case, "index")).unwrap()
}

/// The nonces that a file was sealed with: they stand in front of every sealed part.
fn nonces_of(file: &[u8]) -> Vec<Nonces> {
    let mut reader = Reader::new(file.to_vec());
    let _ = (reader.var_bytes().unwrap(), reader.varint().unwrap());
    let count = reader.varint().unwrap();
    reader.take(96).unwrap();
    let (mut index, bodies) = (Reader::new(reader.var_bytes().unwrap()), reader.var_bytes().unwrap());
    let nonce = |sealed: &[u8]| sealed[..24].try_into().unwrap();
    let mut item = |_| {
        index.take(8).unwrap();
        let head = nonce(&index.var_bytes().unwrap());
        let length = index.varint().unwrap();
        let offset = if length > 0 { index.varint().unwrap() as usize } else { 0 };
        Nonces { head, body: if length > 0 { nonce(&bodies[offset..]) } else { [0; 24] } }
    };
    (0..count).map(&mut item).collect()
}

fn message(number: u64, body: Option<&[u8]>) -> Message {
    let eid = Eid::new(&number.to_be_bytes(), 1_767_225_600_000).unwrap();
    (MessageHead::new(eid, number, 0, body), body.map(Bytes::copy_from_slice))
}

fn plain_nonces(at: usize) -> Nonces {
    Nonces { head: [at as u8; 24], body: [at as u8 ^ 0x80; 24] }
}

#[test]
fn the_files_of_the_reference_program_are_read_and_written_byte_for_byte() {
    for case in cases(&vectors("export_file"), "files") {
        let (file, key) = (bytes(&case, "hex"), key(&case));
        let (messages, errors) = read(&file, &key);
        assert_eq!(
            (messages.len() as u64, errors),
            (number(&case, "messages"), vec![]),
            "{}",
            text(&case, "name")
        );
        let nonces = nonces_of(&file);
        assert_eq!(write(&messages, &key, |at| nonces[at]), file);
    }
}

#[test]
fn tampered_files_are_refused_with_the_status_of_the_vectors() {
    let key = ArchiveKey::default();
    for case in cases(&vectors("export_file"), "tampered") {
        let (name, file) = (text(&case, "name"), bytes(&case, "hex"));
        // These are refused as a whole upstream; here a bad item or a wrong count stops nothing else.
        let partly = match name.split([' ', ':']).next().unwrap() {
            "last" => Some((4, "message 5 of the export file: it cannot be opened")),
            "cut" => Some((4, "message 5 of the export file: the input is too short")),
            "count" if name.contains("lowered") => Some((5, "the export file tells of 3 messages and has 5")),
            "count" => Some((5, "the export file tells of 6 messages and has 5")),
            _ => None,
        };
        if let Some((messages, error)) = partly {
            let found = read(&file, &key);
            assert_eq!((found.0.len(), found.1), (messages, vec![error.to_owned()]), "{name}");
            continue;
        }
        let expected = status(&case["status"]);
        let opened = match name {
            "another seed" => {
                ArchiveReader::open(Cursor::new(file), Arc::new(Seed::from_bytes(&[9; 32])), &key)
            }
            "label changed" => open(&file, &ArchiveKey::new("dxport", 0).unwrap()),
            _ => open(&file, &key),
        };
        match opened {
            Ok(items) => {
                assert_eq!(expected, Status::Success, "{name}");
                assert_eq!(items.filter_map(Result::ok).count() as u64, number(&case, "messages"));
            }
            Err(ArchiveError::Refused(status)) => assert_eq!(status, expected, "{name}"),
            Err(other) => panic!("{name}: {other}"),
        }
    }
}

#[test]
fn a_file_of_another_keypair_is_read_only_by_a_caller_who_names_it() {
    let file = cases(&vectors("export_file"), "files")
        .into_iter()
        .find(|case| text(case, "label") == "backup-ü")
        .map(|case| bytes(&case, "hex"))
        .unwrap();
    let refused = open(&file, &ArchiveKey::default()).err().unwrap();
    let ArchiveError::OtherKey { label, index } = refused else { panic!("{refused}") };
    assert_eq!((label.as_str(), index), ("backup-ü", 7));
    assert_eq!(read(&file, &ArchiveKey::new(&label, index).unwrap()).0.len(), 2);
    assert!(open(&file, &ArchiveKey::new(&label, 8).unwrap()).is_err());
    assert_eq!(ArchiveKey::new("", 0), Err(Status::InvalidParam));
    assert_eq!(ArchiveKey::new(&"x".repeat(257), 0), Err(Status::InvalidParam));
}

#[test]
fn a_strange_label_is_shown_without_its_control_characters() {
    let mut file = Vec::new();
    put_var_bytes(&mut file, b"\x1b[2Jexport\n").unwrap();
    file.extend_from_slice(&[0; 200]);
    let refused = open(&file, &ArchiveKey::default()).err().unwrap().to_string();
    assert!(refused.contains("export") && !refused.contains(['\x1b', '\n']), "{refused}");
}

#[test]
fn one_bad_message_stops_no_other() {
    let messages =
        [message(1, Some(b"one")), message(2, Some(b"two")), message(3, None), message(4, Some(b"four"))];
    let key = ArchiveKey::default();
    let mut file = write(&messages, &key, plain_nonces);
    // The bodies are the last 43 + 43 + 44 bytes: this is in the second one.
    let at = file.len() - 44 - 1;
    file[at] ^= 1;
    let (read, errors) = read(&file, &key);
    assert_eq!(read, [messages[0].clone(), messages[2].clone(), messages[3].clone()]);
    assert_eq!(errors, ["message 2 of the export file: it cannot be opened"]);
}

#[test]
fn a_message_that_cannot_be_sealed_is_left_out_and_the_others_are_written() {
    let (good, bad) = (message(1, Some(b"one")), message(2, Some(b"two")));
    let mut writer =
        ArchiveWriter::new(seed(), ArchiveKey::default(), Cursor::new(Vec::new()), Cursor::new(Vec::new()));
    writer.push(&good.0, good.1.as_deref(), &plain_nonces(1)).unwrap();
    let refused = writer.push(&bad.0, Some(b"not two"), &plain_nonces(2)).unwrap_err();
    assert!(matches!(refused, ArchiveError::Refused(Status::HashMismatch)));
    let mut file = Vec::new();
    writer.finish(&mut file).unwrap();
    assert_eq!(read(&file, &ArchiveKey::default()), (vec![good], vec![]));
}

#[test]
fn a_spool_that_failed_once_makes_no_file() {
    /// A disk that is full for a while.
    struct Full(Cursor<Vec<u8>>, bool);
    impl std::io::Read for Full {
        fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
            self.0.read(out)
        }
    }
    impl std::io::Seek for Full {
        fn seek(&mut self, to: std::io::SeekFrom) -> std::io::Result<u64> {
            self.0.seek(to)
        }
    }
    impl std::io::Write for Full {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            if std::mem::take(&mut self.1) {
                Err(std::io::ErrorKind::StorageFull.into())
            } else {
                self.0.write(bytes)
            }
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let places = (Full(Cursor::new(Vec::new()), false), Full(Cursor::new(Vec::new()), true));
    let mut writer = ArchiveWriter::new(seed(), ArchiveKey::default(), places.0, places.1);
    for body in [&[7; 100_000][..], b"small"] {
        let (head, body) = message(1, Some(body));
        let refused = writer.push(&head, body.as_deref(), &plain_nonces(1));
        assert!(matches!(refused, Err(ArchiveError::Input(_))));
    }
    assert!(matches!(writer.finish(&mut Vec::new()), Err(ArchiveError::Input(_))));
}

/// A file with an index of our own making, signed as it should be.
fn signed(index: &[u8], bodies: &[u8]) -> Vec<u8> {
    let mut file = Vec::new();
    put_var_bytes(&mut file, b"export").unwrap();
    put_varint(&mut file, 0).unwrap();
    put_varint(&mut file, 1).unwrap();
    let hash = blake3::hash(index);
    file.extend_from_slice(hash.as_bytes());
    let seed = HEXLOWER.decode(seed().reveal_hex().as_bytes()).unwrap();
    let secret = blake3::hash(&[&seed[..], b"export", &[0; 8]].concat());
    file.extend_from_slice(&SigningKey::from_bytes(secret.as_bytes()).sign(hash.as_bytes()).to_bytes());
    put_var_bytes(&mut file, index).unwrap();
    put_var_bytes(&mut file, bodies).unwrap();
    file
}

#[test]
fn absurd_lengths_in_a_signed_index_are_refused() {
    let absurd = (1_u64 << 56) - 1;
    let mut long_head = vec![0; 8];
    put_varint(&mut long_head, absurd).unwrap();
    let mut items = open(&signed(&long_head, b""), &ArchiveKey::default()).unwrap();
    assert!(matches!(items.next(), Some(Err(ItemError::Index { item: 1, status: Status::OutOfBounds }))));
    assert!(items.next().is_none());

    for (length, offset) in [(absurd, 0), (1, absurd), (absurd, absurd), (41, 1)] {
        let mut index = vec![0; 8];
        put_var_bytes(&mut index, &[0; 60]).unwrap();
        put_varint(&mut index, length).unwrap();
        put_varint(&mut index, offset).unwrap();
        let mut items = open(&signed(&index, &[0; 41]), &ArchiveKey::default()).unwrap();
        assert!(matches!(items.next(), Some(Err(ItemError::Item { item: 1, status: Status::OutOfBounds }))));
        assert!(items.next().is_none());
    }
}

#[test]
fn absurd_lengths_in_the_head_are_refused() {
    let file = write(&[message(1, Some(b"one"))], &ArchiveKey::default(), plain_nonces);
    let index_length_at = 7 + 1 + 1 + 96;
    for at in [0, index_length_at] {
        let mut absurd = file[..at].to_vec();
        put_varint(&mut absurd, (1 << 56) - 1).unwrap();
        absurd.extend_from_slice(&file[at + 1..]);
        let refused = open(&absurd, &ArchiveKey::default()).err().unwrap();
        assert!(matches!(refused, ArchiveError::Refused(Status::OutOfBounds)), "{refused}");
    }
}

#[test]
fn a_file_larger_than_every_window_is_read_as_it_was_written() {
    let large = vec![0x5a; 300_000];
    let messages: Vec<_> = (0..3_000_u64)
        .map(|number| match number % 500 {
            0 => message(number, Some(&large)),
            1 => message(number, None),
            _ => message(number, Some(&number.to_be_bytes())),
        })
        .collect();
    let file = write(&messages, &ArchiveKey::default(), plain_nonces);
    let mut reader = open(&file, &ArchiveKey::default()).unwrap();
    assert_eq!(reader.told(), 3_000);
    let read: Vec<_> = reader.by_ref().map(Result::unwrap).collect();
    assert!(read == messages);
    let (done, all) = reader.progress();
    assert!(done == all && all > 0);
}

proptest! {
    #[test]
    fn what_is_written_is_read(bodies in proptest::collection::vec(proptest::option::of(
        proptest::collection::vec(any::<u8>(), 1..200)), 0..12)
    ) {
        let messages: Vec<_> =
            bodies.iter().enumerate().map(|(at, body)| message(at as u64, body.as_deref())).collect();
        let file = write(&messages, &ArchiveKey::default(), plain_nonces);
        prop_assert_eq!(read(&file, &ArchiveKey::default()), (messages, vec![]));
    }

    /// Whatever bit is flipped, every message that comes out is one that went in, and none is missing without
    /// an error or a warning.
    #[test]
    fn a_flipped_bit_is_noticed_and_changes_no_message(at in any::<proptest::sample::Index>(), bit in 0_u8..8) {
        let messages = [message(1, Some(b"one")), message(2, None), message(3, Some(b"three"))];
        let mut file = write(&messages, &ArchiveKey::default(), plain_nonces);
        let at = at.index(file.len());
        file[at] ^= 1 << bit;
        if open(&file, &ArchiveKey::default()).is_ok() {
            let (read, errors) = read(&file, &ArchiveKey::default());
            prop_assert!(read.iter().all(|message| messages.contains(message)));
            prop_assert!(!errors.is_empty() || read == messages, "byte {}", at);
        }
    }

    #[test]
    fn no_bytes_panic_the_reader(
        file in proptest::collection::vec(any::<u8>(), 0..300),
        index in proptest::collection::vec(any::<u8>(), 0..200),
        bodies in proptest::collection::vec(any::<u8>(), 0..60),
        cut in any::<proptest::sample::Index>(),
    ) {
        let _ = open(&file, &ArchiveKey::default());
        let mut signed = signed(&index, &bodies);
        signed.truncate(cut.index(signed.len() + 1));
        if let Ok(items) = open(&signed, &ArchiveKey::default()) {
            // Every item but the last takes at least ten bytes of the index, and a warning may follow.
            prop_assert!(items.count() <= index.len() / 10 + 2);
        }
    }
}
