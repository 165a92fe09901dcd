//! The shared vectors of `vectors/host`, recorded from the reference program: the groups that need no secret.
//! The others belong to the crates that hold the keys, keep the entities or answer requests.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a panic is how a test fails")]

use std::collections::BTreeSet;
use std::path::Path;

use bytes::Bytes;
use data_encoding::{BASE64, HEXLOWER, HEXLOWER_PERMISSIVE};
use seabag_protocol::host::auth::{PublicKey, SignedTimestamp};
use seabag_protocol::host::bag::{Bag, BagSeq, SealedHead};
use seabag_protocol::host::bytes::{Reader, put_var_bytes, put_varint, varint_length};
use seabag_protocol::host::eid::{Eid, TIME_MS_MAX};
use seabag_protocol::host::message::MessageHead;
use seabag_protocol::host::notice::{INLINE_BYTES_MAX, NoticeItem};
use seabag_protocol::host::peek::PeekItem;
use seabag_protocol::host::pull::PullItem;
use seabag_protocol::host::push::PushItem;
use seabag_protocol::host::response::{Quota, ResponseHead, Subscription};
use seabag_protocol::host::status::Status;
use serde_json::Value as Json;

/// Every group that was recorded from the reference program, and where the tests are that read it.
const GROUPS: [(&str, &str); 20] = [
    ("auth_timestamp", "protocol/tests/host_vectors.rs"),
    ("bag", "protocol/tests/host_vectors.rs"),
    ("blake3", "protocol/tests/host_vectors.rs"),
    ("date", "protocol/tests/host_vectors.rs"),
    ("ed25519", "protocol/tests/host_vectors.rs"),
    ("eid", "protocol/tests/host_vectors.rs"),
    ("entdb_body", "entdb"),
    ("exchanges", "server"),
    ("export_file", "crypto"),
    ("items", "protocol/tests/host_vectors.rs"),
    ("kdm_keys", "crypto"),
    ("keys", "crypto"),
    ("lww", "entdb"),
    ("message_head", "protocol/tests/host_vectors.rs"),
    ("resp_head", "protocol/tests/host_vectors.rs"),
    ("secretbox", "crypto"),
    ("status", "protocol/tests/host_vectors.rs"),
    ("text_codecs", "protocol/tests/host_vectors.rs"),
    ("var_string", "protocol/tests/host_vectors.rs"),
    ("varint", "protocol/tests/host_vectors.rs"),
];

fn folder() -> String {
    format!("{}/../../vectors/host", env!("CARGO_MANIFEST_DIR"))
}

fn group(name: &str) -> Json {
    let text = std::fs::read_to_string(format!("{}/{name}.json", folder())).unwrap();
    serde_json::from_str(&text).unwrap()
}

/// The vectors of one list of a group: never none, so that a list that was renamed is noticed.
fn list<'a>(group: &'a Json, name: &str) -> &'a [Json] {
    let list = group[name].as_array().unwrap_or_else(|| panic!("no list {name}"));
    assert!(!list.is_empty(), "{name} is empty");
    list
}

fn hex(vector: &Json, field: &str) -> Vec<u8> {
    let text = vector[field].as_str().unwrap_or_else(|| panic!("{field} is missing in {vector}"));
    HEXLOWER.decode(text.as_bytes()).unwrap()
}

fn array<const N: usize>(vector: &Json, field: &str) -> [u8; N] {
    hex(vector, field).try_into().unwrap()
}

/// A number, also one that is kept as text. `None`: negative, which no type here can hold.
fn number(vector: &Json) -> Option<u64> {
    match vector.as_str() {
        Some(text) => text.parse::<i128>().unwrap().try_into().ok(),
        None => vector.as_i64().unwrap().try_into().ok(),
    }
}

/// The status that is asked of us: where the reference program errs, the recommended one.
fn status(vector: &Json) -> Status {
    let wanted = if vector["recommended"].is_object() { &vector["recommended"] } else { &vector["status"] };
    named(wanted)
}

fn named(status: &Json) -> Status {
    let code = status["code"].as_u64().unwrap_or_else(|| panic!("{status} is no status"));
    let found = Status::from_code(code.try_into().unwrap()).unwrap();
    assert_eq!(format!("{found:?}"), status["name"].as_str().unwrap());
    found
}

/// Success or the error of a result.
fn status_of<T>(result: &Result<T, Status>) -> Status {
    result.as_ref().err().copied().unwrap_or(Status::Success)
}

/// Checks that `read` answers the vector's status, and on success consumes as much as the vector says.
fn check_read<T>(vector: &Json, read: impl FnOnce(&mut Reader) -> Result<T, Status>) -> Option<T> {
    let bytes = hex(vector, "hex");
    let mut reader = Reader::new(bytes.clone());
    let result = read(&mut reader);
    assert_eq!(status_of(&result), status(vector), "{vector}");
    if result.is_ok() {
        let consumed = ["consumed", "bytes_read"].iter().find_map(|field| vector[field].as_u64());
        assert_eq!((bytes.len() - reader.rest().len()) as u64, consumed.unwrap(), "{vector}");
    }
    result.ok()
}

fn written(write: impl FnOnce(&mut Vec<u8>) -> Result<(), Status>) -> Vec<u8> {
    let mut out = Vec::new();
    write(&mut out).unwrap();
    out
}

/// Reads all of `bytes`.
fn read_whole<T>(bytes: &[u8], read: impl FnOnce(&mut Reader) -> Result<T, Status>) -> T {
    let mut reader = Reader::new(bytes.to_vec());
    let value = read(&mut reader).unwrap();
    assert_eq!(reader.end(), Ok(()));
    value
}

/// What `pattern` means in the vectors: byte i is i mod 251.
fn pattern(length: usize) -> Vec<u8> {
    (0..length).map(|at| (at % 251) as u8).collect()
}

/// Recorded groups are all there. Those that began here are named by some test.
#[test]
fn every_group_is_read_by_somebody() {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let files: BTreeSet<_> = std::fs::read_dir(folder())
        .unwrap()
        .map(|file| {
            file.unwrap().file_name().into_string().unwrap().strip_suffix(".json").unwrap().to_owned()
        })
        .collect();
    for (name, reader) in GROUPS {
        assert!(files.contains(name), "the vectors {name} are gone");
        assert!(crates.join(reader).exists(), "{reader}, which reads {name}, is gone");
    }
    let mut sources = Vec::new();
    read_sources(&crates, &mut sources);
    for name in files.iter().filter(|name| GROUPS.iter().all(|(group, _)| group != name)) {
        let named = [format!("\"{name}\""), format!("\"{name}.json\"")];
        let read = sources.iter().any(|source| named.iter().any(|named| source.contains(named)));
        assert!(read, "nobody reads the vectors {name}");
    }
}

/// The texts of all tests and other Rust files below a folder.
fn read_sources(folder: &Path, sources: &mut Vec<String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            read_sources(&path, sources);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            sources.push(std::fs::read_to_string(path).unwrap());
        }
    }
}

#[test]
fn status_codes_are_the_vectors() {
    let vectors = group("status");
    let ours: BTreeSet<_> =
        Status::ALL.iter().map(|one| (u64::from(one.code()), format!("{one:?}"))).collect();
    let theirs: BTreeSet<_> = vectors["values"]
        .as_object()
        .unwrap()
        .iter()
        .map(|(name, code)| (code.as_u64().unwrap(), name.clone()))
        .collect();
    assert_eq!(ours, theirs);
    assert_eq!([1, 2, 29, 255].map(Status::from_code), [None; 4]);
}

#[test]
fn varints_are_written_and_read_as_the_vectors_say() {
    let vectors = group("varint");
    for vector in list(&vectors, "encode") {
        let (value, bytes) = (number(&vector["value"]).unwrap(), hex(vector, "hex"));
        assert_eq!(written(|out| put_varint(out, value)), bytes, "{vector}");
        assert_eq!(varint_length(value), bytes.len(), "{vector}");
        assert_eq!(read_whole(&bytes, Reader::varint), value);
    }
    for vector in list(&vectors, "encode_errors") {
        let result = match number(&vector["value"]) {
            Some(value) => put_varint(&mut Vec::new(), value),
            None => Err(Status::InvalidParam),
        };
        assert_eq!(status_of(&result), status(vector), "{vector}");
    }
    for vector in list(&vectors, "decode") {
        if let Some(value) = check_read(vector, Reader::varint) {
            assert_eq!(Some(value), number(&vector["value"]), "{vector}");
        }
    }
}

#[test]
fn strings_are_written_and_read_as_the_vectors_say() {
    let vectors = group("var_string");
    for vector in list(&vectors, "encode") {
        let (text, bytes) = (vector["text"].as_str().unwrap(), hex(vector, "hex"));
        assert_eq!(written(|out| put_var_bytes(out, text.as_bytes())), bytes);
        assert_eq!(read_whole(&bytes, Reader::var_string), text);
    }
    for vector in list(&vectors, "decode_errors") {
        check_read(vector, Reader::var_string);
        check_read(vector, Reader::var_bytes);
    }
}

#[test]
fn times_are_written_and_read_as_the_vectors_say() {
    let vectors = group("date");
    let mut greatest = 0;
    for vector in list(&vectors, "encode") {
        let (time_ms, bytes) = (number(&vector["ms"]).unwrap(), hex(vector, "hex"));
        assert_eq!(written(|out| put_varint(out, time_ms)), bytes);
        assert_eq!(read_whole(&bytes, Reader::varint), time_ms);
        greatest = greatest.max(time_ms);
    }
    assert_eq!(greatest, TIME_MS_MAX);
    for vector in list(&vectors, "encode_errors") {
        // No type here holds a time before 1970: there is nothing to refuse.
        assert_eq!((number(&vector["ms"]), status(vector)), (None, Status::InvalidParam));
    }
}

#[test]
fn entity_ids_are_written_and_read_as_the_vectors_say() {
    let vectors = group("eid");
    for vector in list(&vectors, "encode") {
        let (id, created_ms) = (hex(vector, "id"), number(&vector["ts"]).unwrap());
        let eid = Eid::new(&id, created_ms).unwrap();
        assert_eq!(HEXLOWER.encode(eid.as_bytes()), vector["hex"].as_str().unwrap());
        assert_eq!(BASE64.encode(eid.as_bytes()), vector["b64"].as_str().unwrap());
        assert_eq!((eid.id().to_vec(), eid.created_ms()), (id, created_ms));
        assert_eq!(Eid::decode(hex(vector, "hex")), Ok(eid));
    }
    for vector in list(&vectors, "decode") {
        let decoded = Eid::decode(hex(vector, "hex"));
        assert_eq!(status_of(&decoded), status(vector), "{vector}");
        if let Ok(eid) = decoded {
            assert_eq!(eid.id(), hex(vector, "id"));
            assert_eq!(Some(eid.created_ms()), number(&vector["ts"]));
            check_read(vector, |reader| Ok((reader.var_bytes()?, reader.varint()?)));
        }
    }
    for vector in list(&vectors, "singleton") {
        let eid = Eid::singleton(vector["type"].as_str().unwrap());
        assert_eq!(eid.as_bytes(), hex(vector, "eid"));
        assert_eq!((eid.id().to_vec(), Some(eid.created_ms())), (hex(vector, "id"), number(&vector["ts"])));
    }
}

#[test]
fn message_heads_are_written_and_read_as_the_vectors_say() {
    let vectors = group("message_head");
    for vector in list(&vectors, "encode") {
        let length = number(&vector["len"]).unwrap();
        let body = match (&vector["body"], &vector["body_pattern"]) {
            (Json::String(_), _) => Some(hex(vector, "body")),
            (_, Json::String(_)) => Some(pattern(length as usize)),
            _ => None,
        };
        let eid = Eid::decode(hex(vector, "eid")).unwrap();
        let (offset_ms, counter) = (number(&vector["off"]).unwrap(), number(&vector["ctr"]).unwrap());
        let head = MessageHead::new(eid, offset_ms, counter, body.as_deref());
        assert_eq!(head.length, length);
        assert_eq!(head.body_hash, vector["hsh"].as_str().map(|_| array(vector, "hsh")));
        assert_eq!(head.encode().unwrap(), hex(vector, "hex"));
        assert_eq!(head.hash().unwrap().0, array(vector, "head_hash"));
        assert_eq!(head.check_body(body.as_deref()), Ok(()));
        assert_eq!(read_whole(&hex(vector, "hex"), MessageHead::read), head);
    }
    for vector in list(&vectors, "encode_errors") {
        // An offset has no sign here: there is nothing to refuse.
        assert_eq!((number(&vector["off"]), status(vector)), (None, Status::InvalidParam));
    }
    for vector in list(&vectors, "decode") {
        check_read(vector, MessageHead::read);
    }
}

#[test]
fn hashes_are_the_vectors() {
    for vector in list(&group("blake3"), "cases") {
        let input = pattern(vector["input_len"].as_u64().unwrap() as usize);
        let eid = Eid::new(b"", 0).unwrap();
        let expected = (!input.is_empty()).then(|| array(vector, "hash"));
        assert_eq!(MessageHead::new(eid, 0, 0, Some(&input)).body_hash, expected);
        assert_eq!(*blake3::hash(&input).as_bytes(), array(vector, "hash"));
    }
}

#[test]
fn signatures_are_checked_as_the_vectors_say() {
    for vector in list(&group("ed25519"), "cases") {
        let (key, message) = (PublicKey(array(vector, "public")), hex(vector, "message"));
        let mut signature = array(vector, "signature");
        assert_eq!(key.verify(&message, &signature), Ok(()));
        assert_eq!(key.verify(b"another", &signature), Err(Status::InvalidSignature));
        signature[40] ^= 1;
        assert_eq!(key.verify(&message, &signature), Err(Status::InvalidSignature));
    }
}

/// All that a host checks of a signed timestamp, in order.
fn authenticate(reader: &mut Reader, now_ms: u64) -> Result<SignedTimestamp, Status> {
    let auth = SignedTimestamp::read(reader)?;
    auth.check_time(now_ms)?;
    auth.check_signature()?;
    Ok(auth)
}

#[test]
fn signed_timestamps_are_let_in_as_the_vectors_say() {
    let vectors = group("auth_timestamp");
    let cases = list(&vectors, "cases");
    assert_eq!(cases.len(), 20);
    let mut stricter = 0;
    for vector in cases {
        let now_ms = number(&vector["host_clock_ms"]).unwrap();
        let decoded = SignedTimestamp::read(&mut Reader::new(hex(vector, "hex")));
        assert_eq!(decoded.is_err(), vector["stage"] == "decode", "{vector}");
        let accepted = status(vector) == Status::Success;
        stricter += usize::from(vector["status"]["code"] == 0 && !accepted);
        let auth = if accepted {
            check_read(vector, |reader| authenticate(reader, now_ms))
        } else {
            let result = authenticate(&mut Reader::new(hex(vector, "hex")), now_ms);
            assert_eq!(status_of(&result), status(vector), "{vector}");
            None
        };
        if let Some(auth) = auth.filter(|_| !vector["name"].as_str().unwrap().contains("overlong")) {
            assert_eq!(written(|out| auth.write(out)), hex(vector, "hex"));
        }
    }
    assert_eq!(stricter, 2, "the two that only a lax check lets in");
}

/// The reference program lets anybody in who claims one of these keys; here nobody is.
#[test]
fn a_key_of_small_order_signs_nothing() {
    let vectors = group("auth_timestamp");
    let lax = list(&vectors, "cases").iter().filter(|vector| vector["recommended"]["code"] == 3);
    let names: Vec<_> = lax
        .map(|vector| {
            let now_ms = number(&vector["host_clock_ms"]).unwrap();
            assert_eq!(vector["status"]["code"], 0, "the reference program accepts it");
            let auth = SignedTimestamp::read(&mut Reader::new(hex(vector, "hex"))).unwrap();
            assert_eq!(auth.check_time(now_ms), Ok(()), "nothing but the signature is wrong");
            assert_eq!(auth.check_signature(), Err(Status::InvalidSignature));
            vector["name"].as_str().unwrap()
        })
        .collect();
    assert!(
        names.len() == 2 && names[0].contains("all-zero") && names[1].contains("small-order"),
        "{names:?}"
    );
}

#[test]
fn bags_are_written_and_read_as_the_vectors_say() {
    let vectors = group("bag");
    let key = key_of_the_vectors();
    for vector in list(&vectors, "sealed") {
        let sealed = SealedHead {
            signature: array(vector, "sig"),
            derivation: array(vector, "kdm"),
            head: hex(vector, "head_cph").into(),
        };
        assert_eq!(sealed.check(&key), Ok(()), "{vector}");
        assert_eq!(SealedHead::decode(sealed.encode().unwrap()).unwrap(), sealed);
        // Of long bodies the vectors have only the length.
        if vector["body_cph"].is_null() && vector["body_cph_len"].as_u64().unwrap() > 0 {
            continue;
        }
        let body = vector["body_cph"].as_str().map(|_| hex(vector, "body_cph")).unwrap_or_default();
        let bag = Bag { sealed, body: body.into() };
        let bytes = written(|out| bag.write(out));
        assert_eq!(bytes, hex(vector, "bag"));
        assert_eq!(bytes.len() as u64, vector["bag_bytes"].as_u64().unwrap());
        assert_eq!(*blake3::hash(&bytes).as_bytes(), array(vector, "bag_blake3"));
        assert_eq!(read_whole(&bytes, Bag::read), bag);
        let length_of_body = varint_length(bag.body.len() as u64) as u64;
        assert_eq!(bag.stored_bytes() + length_of_body, bytes.len() as u64);
    }
    for vector in list(&vectors, "decode_errors") {
        check_read(vector, Bag::read);
    }
}

/// The account that signed the bags and timestamps of the vectors.
fn key_of_the_vectors() -> PublicKey {
    let vectors = group("auth_timestamp");
    let bytes = hex(&list(&vectors, "cases")[0], "hex");
    PublicKey(bytes[..32].try_into().unwrap())
}

#[test]
fn a_host_sees_which_tampered_heads_were_not_signed() {
    let vectors = group("bag");
    for vector in list(&vectors, "tampered") {
        let bag = read_whole(&hex(vector, "bag"), Bag::read);
        let name = vector["name"].as_str().unwrap();
        let another_key = name.contains("another host key");
        let unsigned = named(&vector["open_head_as_peek_item"]) == Status::InvalidSignature && !another_key;
        let expected = if unsigned { Err(Status::InvalidSignature) } else { Ok(()) };
        assert_eq!(bag.sealed.check(&key_of_the_vectors()), expected, "{name}");
        if another_key {
            let other = PublicKey(array(&group("exchanges")["users"][1], "public"));
            assert_eq!(bag.sealed.check(&other), Err(Status::InvalidSignature));
        }
    }
}

fn quota(vector: &Json) -> Quota {
    Quota { quota: number(&vector["quota"]).unwrap(), usage: vector["usage"].as_u64().unwrap_or_default() }
}

#[test]
fn response_heads_are_written_and_read_as_the_vectors_say() {
    let vectors = group("resp_head");
    for vector in list(&vectors, "encode") {
        let field = |name: &str| number(&vector[name]).unwrap();
        let head = ResponseHead {
            status: Status::from_code(field("status") as u8).unwrap(),
            received_ms: field("timeRcvd"),
            sent_ms: field("timeSent"),
            subscription: Subscription {
                term_ms: field("term"),
                elapsed_ms: field("elapsed"),
                stored: quota(&vector["stat"]),
                moved: quota(&vector["dyn"]),
            },
        };
        assert_eq!(written(|out| head.write(out)), hex(vector, "hex"));
        assert_eq!(read_whole(&hex(vector, "hex"), ResponseHead::read), head);
    }
    for vector in list(&vectors, "encode_errors") {
        // A quota always has its usage here: there is nothing to refuse.
        assert_eq!(status(vector), Status::MissingParam);
    }
    for vector in list(&vectors, "decode_errors") {
        check_read(vector, ResponseHead::read);
    }
}

fn sealed_of(bags: &Json, name: &str) -> (SealedHead, Bytes) {
    let vector = list(bags, "sealed").iter().find(|vector| vector["name"] == name).unwrap();
    let bag = read_whole(&hex(vector, "bag"), Bag::read);
    (bag.sealed, bag.body)
}

#[test]
fn items_are_written_and_read_as_the_vectors_say() {
    let (vectors, bags) = (group("items"), group("bag"));
    let (insert, insert_body) = sealed_of(&bags, "insert 16 B");
    let (delete, _) = sealed_of(&bags, "delete");

    for vector in list(&vectors, "peek_item_head") {
        let (sealed, _) = sealed_of(&bags, vector["bag"].as_str().unwrap());
        assert_eq!(sealed.encode().unwrap(), hex(vector, "hex"));
        assert_eq!(read_whole(&hex(vector, "hex"), SealedHead::read), sealed);
    }
    for (vector, sealed) in list(&vectors, "peek_item").iter().zip([&insert, &delete]) {
        let item = PeekItem { sealed: sealed.clone(), seq: BagSeq(number(&vector["seq"]).unwrap()) };
        assert_eq!(written(|out| item.write(out)), hex(vector, "hex"));
        assert_eq!(read_whole(&hex(vector, "hex"), PeekItem::read), item);
    }
    for vector in list(&vectors, "pull_item") {
        let seq = BagSeq(number(&vector["seq"]).unwrap());
        let item = PullItem { seq, body: hex(vector, "bodyCph").into() };
        assert_eq!(written(|out| item.write(out)), hex(vector, "hex"));
        assert_eq!(read_whole(&hex(vector, "hex"), PullItem::read), item);
    }
    for vector in list(&vectors, "push_item") {
        let result = match Status::from_code(vector["status"].as_u64().unwrap() as u8).unwrap() {
            Status::Success => Ok(BagSeq(number(&vector["seq"]).unwrap())),
            status => Err(status),
        };
        let item = PushItem { index: number(&vector["idx"]).unwrap(), result };
        assert_eq!(written(|out| item.write(out)), hex(vector, "hex"));
        assert_eq!(read_whole(&hex(vector, "hex"), PushItem::read), item);
    }
    for (vector, sealed) in list(&vectors, "notif_item").iter().zip([&insert, &insert, &delete]) {
        let body = if vector["inlined"] == true { insert_body.clone() } else { Bytes::new() };
        assert!(body.len() <= INLINE_BYTES_MAX);
        let seq = BagSeq(number(&vector["seq"]).unwrap());
        let item = NoticeItem { seq, sealed: sealed.clone(), body };
        assert_eq!(written(|out| item.write(out)), hex(vector, "hex"));
        assert_eq!(NoticeItem::decode_all(hex(vector, "hex")), Ok(vec![item]));
    }
}

#[test]
fn broken_items_are_refused_as_the_vectors_say() {
    for vector in list(&group("items"), "decode_errors") {
        match vector["struct"].as_str().unwrap() {
            "push_item" => check_read(vector, PushItem::read).is_some(),
            "pull_item" => check_read(vector, PullItem::read).is_some(),
            "peek_item" => check_read(vector, PeekItem::read).is_some(),
            "notif_item" => check_read(vector, NoticeItem::read).is_some(),
            other => panic!("unknown structure {other}"),
        };
    }
}

/// Hex carries the signed timestamp of a listener and is read in either case; base64 is how entity ids are shown.
#[test]
fn bytes_become_text_as_the_vectors_say() {
    for vector in list(&group("text_codecs"), "cases") {
        let (bytes, text) = (hex(vector, "hex"), vector["base64"].as_str().unwrap());
        assert_eq!(BASE64.encode(&bytes), text);
        assert_eq!(BASE64.decode(text.as_bytes()).unwrap(), bytes);
        let upper = vector["hex"].as_str().unwrap().to_uppercase();
        assert_eq!(HEXLOWER_PERMISSIVE.decode(upper.as_bytes()).unwrap(), bytes);
    }
}
