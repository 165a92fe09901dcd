//! What only a seed opens: bags, export files and recovery phrases. Random bytes never carry a good signature
//! and seldom a good seal, so the targets also sign and seal what the fuzzer gives, and look at what is inside.

use std::io::Cursor;
use std::sync::{Arc, LazyLock};

use arbitrary::Arbitrary;
use bytes::Bytes;
use crypto_secretbox::aead::AeadInPlace;
use crypto_secretbox::{Key, KeyInit, Nonce, XSalsa20Poly1305};
use ed25519_dalek::{Signer, SigningKey};
use seabag_crypto::archive::{ArchiveKey, ArchiveReader, ItemError};
use seabag_crypto::{Nonces, Sealer, Seed, phrase};
use seabag_protocol::host::bag::{Bag, SealedHead};
use seabag_protocol::host::bytes::{Reader, put_var_bytes, put_varint};
use seabag_protocol::host::eid::Eid;
use seabag_protocol::host::message::MessageHead;

/// The seed of the shared vectors: the files among the seeds of `archive_bytes` are theirs.
const SEED: [u8; 32] = *b"\x01\x23\x45\x67\x89\xab\xcd\xef\x01\x23\x45\x67\x89\xab\xcd\xef\
    \x01\x23\x45\x67\x89\xab\xcd\xef\x01\x23\x45\x67\x89\xab\xcd\xef";

static HOST: LazyLock<Sealer> = LazyLock::new(|| Sealer::new(Arc::new(Seed::from_bytes(&SEED)), "host", 0));

/// Two parts of a bag as the fuzzer has them, sealed as they should be, or not.
#[derive(Arbitrary, Debug)]
pub struct AnyBag {
    head: Head,
    body: Part,
    derivation: [u8; 8],
    signature: Option<Vec<u8>>,
}

#[derive(Arbitrary, Debug)]
enum Head {
    /// The right head for the body: no fuzzer finds its hash.
    Right {
        id: Vec<u8>,
        created_ms: u32,
        offset_ms: u32,
        counter: u32,
    },
    Any(Part),
}

#[derive(Arbitrary, Debug)]
enum Part {
    Sealed(Vec<u8>),
    Raw(Vec<u8>),
}

/// A bag: whatever opens is whole, and can be sealed and opened again.
pub fn sealed_bag(any: AnyBag) {
    let head = sealed_head(any.head, &any.body, &any.derivation);
    let signature = match any.signature {
        Some(bytes) => std::array::from_fn(|at| bytes.get(at).copied().unwrap_or_default()),
        None => signing("host").sign(&head).to_bytes(),
    };
    let sealed = SealedHead { signature, derivation: any.derivation, head };
    let bag = Bag { sealed, body: part(&any.body, &any.derivation) };
    if let Ok((head, body)) = HOST.open(&bag) {
        whole(&head, body.as_ref());
        let nonces = Nonces { head: [1; 24], body: [2; 24] };
        let again = HOST.seal(&head, body.as_deref(), &nonces).expect("what was opened can be sealed");
        assert_eq!(HOST.open(&again), Ok((head, body)));
    }
}

/// The sections of an export file, signed, then cut.
#[derive(Arbitrary, Debug)]
pub struct AnyArchive {
    items: Vec<AnyItem>,
    more_index: Vec<u8>,
    bodies: Vec<u8>,
    count: u64,
    cut: Option<u16>,
}

#[derive(Arbitrary, Debug)]
struct AnyItem {
    head: Head,
    body: Part,
    derivation: [u8; 8],
    /// Where the body is said to be, if not where it is.
    place: Option<(u64, u64)>,
}

/// Any bytes, read as an export file.
pub fn archive_bytes(bytes: &[u8]) {
    read_archive(bytes.to_vec());
}

/// A signed export file.
pub fn archive(any: AnyArchive) {
    let (mut index, mut bodies) = (Vec::new(), any.bodies);
    for item in any.items {
        index.extend_from_slice(&item.derivation);
        let head = sealed_head(item.head, &item.body, &item.derivation);
        put_var_bytes(&mut index, &head).expect("short");
        let body = part(&item.body, &item.derivation);
        let (length, offset) = item.place.unwrap_or((body.len() as u64, bodies.len() as u64));
        // A varint has 56 bits.
        put_varint(&mut index, length >> 8).expect("in range");
        if length >> 8 > 0 {
            put_varint(&mut index, offset >> 8).expect("in range");
        }
        bodies.extend_from_slice(&body);
    }
    index.extend_from_slice(&any.more_index);
    let mut file = Vec::new();
    put_var_bytes(&mut file, b"export").expect("short");
    put_varint(&mut file, 0).expect("in range");
    put_varint(&mut file, any.count >> 8).expect("in range");
    let hash = blake3::hash(&index);
    file.extend_from_slice(hash.as_bytes());
    file.extend_from_slice(&signing("export").sign(hash.as_bytes()).to_bytes());
    put_var_bytes(&mut file, &index).expect("short");
    put_var_bytes(&mut file, &bodies).expect("short");
    file.truncate(any.cut.map_or(file.len(), usize::from));
    read_archive(file);
}

/// What is read is whole, there is an end, and a wrong count is told.
fn read_archive(file: Vec<u8>) {
    let length = file.len();
    let opened =
        ArchiveReader::open(Cursor::new(file), Arc::new(Seed::from_bytes(&SEED)), &ArchiveKey::default());
    let Ok(mut archive) = opened else { return };
    let (told, mut found, mut warned, mut broken) = (archive.told(), 0_u64, false, false);
    for item in archive.by_ref() {
        assert!(!warned && !broken, "something came after the end");
        match item {
            Ok((head, body)) => whole(&head, body.as_ref()),
            Err(ItemError::Count { found: counted, .. }) => {
                assert_eq!(counted, found);
                warned = true;
                continue;
            }
            Err(ItemError::Item { item, .. }) => assert_eq!(item, found + 1),
            Err(ItemError::Index { .. }) => broken = true,
            Err(ItemError::Input(error)) => panic!("memory was not read: {error}"),
        }
        found += 1;
        assert!(found as usize <= length, "more items than bytes");
    }
    assert!(broken || warned == (told != found), "{told} told, {found} found, warned: {warned}");
    let (done, all) = archive.progress();
    assert!(broken || done == all);
}

/// Text, read as a recovery phrase: what is read has its two written forms.
pub fn recovery_phrase(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Ok(seed) = phrase::parse(text) {
        let hex = seed.reveal_hex();
        for written in [&hex, &phrase::reveal_words(&seed)] {
            let again = phrase::parse(written).expect("a written form is read");
            assert_eq!(again.reveal_hex(), hex);
        }
    }
}

fn whole(head: &MessageHead, body: Option<&Bytes>) {
    assert_eq!(head.check_body(body.map(|body| body.as_ref())), Ok(()));
    assert_eq!(body.map_or(0, Bytes::len) as u64, head.length);
    let encoded = head.encode().expect("what was decoded can be encoded");
    assert_eq!(MessageHead::read(&mut Reader::new(encoded)).as_ref(), Ok(head));
}

fn sealed_head(head: Head, body: &Part, derivation: &[u8; 8]) -> Bytes {
    let head = match head {
        Head::Any(head) => return part(&head, derivation),
        Head::Right { id, created_ms, offset_ms, counter } => {
            let (Part::Sealed(body) | Part::Raw(body)) = body;
            let eid = Eid::new(&id, created_ms.into()).expect("in range");
            MessageHead::new(eid, offset_ms.into(), counter.into(), Some(body))
        }
    };
    part(&Part::Sealed(head.encode().expect("in range")), derivation)
}

fn part(part: &Part, derivation: &[u8; 8]) -> Bytes {
    let plain = match part {
        Part::Raw(bytes) => return bytes.clone().into(),
        Part::Sealed(plain) => plain,
    };
    let key = derived(derivation);
    let nonce = Nonce::from([3; 24]);
    let mut text = plain.clone();
    let tag = XSalsa20Poly1305::new(Key::from_slice(&key))
        .encrypt_in_place_detached(&nonce, &[], &mut text)
        .expect("short enough to seal");
    [nonce.as_slice(), tag.as_slice(), &text].concat().into()
}

fn signing(label: &str) -> SigningKey {
    SigningKey::from_bytes(&derived(&[label.as_bytes(), &[0; 8]].concat()))
}

fn derived(purpose: &[u8]) -> [u8; 32] {
    blake3::hash(&[&SEED, purpose].concat()).into()
}
