//! What must not be said: seeds and keys stay out of everything that is printed.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a panic is how a test fails")]

use std::io::Cursor;
use std::sync::Arc;

use data_encoding::HEXLOWER;
use proptest::prelude::*;
use seabag_crypto::archive::{ArchiveKey, ArchiveWriter};
use seabag_crypto::{HostKeys, Nonces, Sealer, Seed, phrase};
use seabag_protocol::host::bag::{Bag, SealedHead};
use seabag_protocol::host::bytes::Reader;
use seabag_protocol::host::eid::Eid;
use seabag_protocol::host::message::MessageHead;

fn sealer() -> Sealer {
    Sealer::new(Arc::new(Seed::from_bytes(&[0x42; 32])), "host", 0)
}

fn head(body: Option<&[u8]>) -> MessageHead {
    MessageHead::new(Eid::new(b"12345678", 1_767_225_600_000).unwrap(), 5, 1, body)
}

#[test]
fn debug_output_shows_no_secret() {
    let bytes: [u8; 32] = std::array::from_fn(|at| (at * 7 + 3) as u8);
    let seed = Arc::new(Seed::from_bytes(&bytes));
    let secret = blake3::hash(&[&bytes[..], b"host", &[0; 8]].concat());
    let (keys, sealer) = (HostKeys::derive(&seed, "host", 0), Sealer::new(Arc::clone(&seed), "host", 0));
    let shown = format!("{seed:?} {keys:?} {sealer:?} {seed:#?} {keys:#?} {sealer:#?}");
    for secret in [&bytes[..], secret.as_bytes()] {
        // As hex, or as a list of numbers: no three bytes of it in a row.
        for window in secret.windows(3) {
            let [a, b, c] = window else { panic!() };
            assert!(!shown.to_lowercase().contains(&HEXLOWER.encode(window)), "{shown}");
            assert!(!shown.contains(&format!("{a}, {b}, {c}")), "{shown}");
        }
    }
    assert!(shown.starts_with("Seed(..) HostKeys { public: PublicKey("), "{shown}");
}

#[test]
fn a_seed_survives_both_of_its_written_forms() {
    proptest!(|(bytes: [u8; 32])| {
        let seed = Seed::from_bytes(&bytes);
        let (hex, words) = (seed.reveal_hex(), phrase::reveal_words(&seed));
        prop_assert_eq!(hex.as_str(), HEXLOWER.encode(&bytes));
        prop_assert_eq!(phrase::parse(&hex).unwrap().reveal_hex(), hex.clone());
        prop_assert_eq!(phrase::parse(&words).unwrap().reveal_hex(), hex);
    });
}

proptest! {
    #[test]
    fn what_is_sealed_opens(
        body in proptest::option::of(proptest::collection::vec(any::<u8>(), 0..400)),
        nonces: ([u8; 24], [u8; 24]),
    ) {
        let nonces = Nonces { head: nonces.0, body: nonces.1 };
        let head = head(body.as_deref());
        let bag = sealer().seal(&head, body.as_deref(), &nonces).unwrap();
        let expected = body.filter(|body| !body.is_empty());
        prop_assert_eq!(bag.body.is_empty(), expected.is_none());
        prop_assert_eq!(sealer().open(&bag), Ok((head, expected.map(Into::into))));
    }

    #[test]
    fn a_bag_with_any_bit_flipped_is_refused(at in any::<proptest::sample::Index>(), bit in 0_u8..8) {
        let body = b"what only the two of us know";
        let nonces = Nonces { head: [1; 24], body: [2; 24] };
        let bag = sealer().seal(&head(Some(body)), Some(body), &nonces).unwrap();
        let mut encoded = Vec::new();
        bag.write(&mut encoded).unwrap();
        let at = at.index(encoded.len());
        encoded[at] ^= 1 << bit;
        let opened = Bag::read(&mut Reader::new(encoded)).and_then(|bag| sealer().open(&bag));
        prop_assert!(opened.is_err(), "byte {}", at);
    }

    #[test]
    fn no_bytes_panic_the_opener(
        signature in proptest::collection::vec(any::<u8>(), 64),
        derivation: [u8; 8],
        part in proptest::collection::vec(any::<u8>(), 0..120),
    ) {
        let sealer = sealer();
        let sealed = SealedHead { signature: signature.try_into().unwrap(), derivation, head: part.clone().into() };
        prop_assert!(sealer.open_head(&sealed).is_err());
        let opened = sealer.open_body(&derivation, &head(Some(b"x")), &part);
        prop_assert!(opened.is_err());
    }

    #[test]
    fn no_text_panics_the_reader_of_phrases(text: String, words in "[a-z0-9 ]{0,200}") {
        let _ = (phrase::parse(&text), phrase::parse(&words));
    }
}

#[test]
fn the_parts_of_a_bag_tell_nothing_that_was_sealed() {
    let body = b"a sentence that must not be seen";
    let head = head(Some(body));
    let nonces = Nonces { head: [1; 24], body: [2; 24] };
    let bag = sealer().seal(&head, Some(body), &nonces).unwrap();
    let mut encoded = Vec::new();
    bag.write(&mut encoded).unwrap();
    let mut writer = ArchiveWriter::new(
        Arc::new(Seed::from_bytes(&[0x42; 32])),
        ArchiveKey::default(),
        Cursor::new(Vec::new()),
        Cursor::new(Vec::new()),
    );
    writer.push(&head, Some(body), &nonces).unwrap();
    let mut file = Vec::new();
    writer.finish(&mut file).unwrap();
    let hidden = [&body[..], head.eid.as_bytes(), &head.body_hash.unwrap(), &[0x42; 8]];
    for (hidden, place) in hidden.iter().flat_map(|hidden| [(hidden, &encoded), (hidden, &file)]) {
        assert!(!place.windows(hidden.len()).any(|window| window == *hidden));
    }
}
