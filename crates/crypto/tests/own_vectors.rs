//! The vectors that begin here, for other implementations: recovery phrases and signed calls. Run with
//! `--ignored` it writes them anew; otherwise it checks that the files are what this code makes, and that
//! they say what they should by other means than the code that made them.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a panic is how a test fails")]

use std::path::PathBuf;

use data_encoding::HEXLOWER;
use seabag_crypto::phrase::{self, PhraseError};
use seabag_crypto::{HostKeys, Seed, SeedError};
use seabag_protocol::host::auth::SignedCall;
use seabag_protocol::host::bytes::{Reader, put_varint};
use seabag_protocol::host::path;
use seabag_protocol::host::record::EpochId;
use serde_json::{Value as Json, json};

use crate::support::{array, bytes, cases, number, status, text, vectors};

mod support;

/// Seeds and words that the authors of BIP-39 published, for 256 bits.
const PUBLISHED: [(&str, &str); 6] = [
    (
        "0000000000000000000000000000000000000000000000000000000000000000",
        "abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon \
         abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon art",
    ),
    (
        "7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f",
        "legal winner thank year wave sausage worth useful legal winner thank year wave sausage worth useful \
         legal winner thank year wave sausage worth title",
    ),
    (
        "8080808080808080808080808080808080808080808080808080808080808080",
        "letter advice cage absurd amount doctor acoustic avoid letter advice cage absurd amount doctor acoustic \
         avoid letter advice cage absurd amount doctor acoustic bless",
    ),
    (
        "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
        "zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo vote",
    ),
    (
        "68a79eaca2324873eacc50cb9c6eca8cc68ea5d936f98787c60c7ebc74e6ce7c",
        "hamster diagram private dutch cause delay private meat slide toddler razor book happy fancy gospel \
         tennis maple dilemma loan word shrug inflict delay length",
    ),
    (
        "f585c11aec520db57dd353c69554b21a89b20fb0650966fa0a9d6f74fd989d8f",
        "void come effort suffer camp survey warrior heavy shoot primary clutch crush open amazing screen patrol \
         group space point ten exist slush involve unfold",
    ),
];

/// The seed of the vectors that the reference program recorded.
const SEED: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

/// A file of vectors: what it is about, and its lists.
type Group = (&'static str, Vec<(&'static str, Vec<Json>)>);

fn recovery_phrase() -> Group {
    let about = "A seed as 24 words of BIP-39's English list, without its stretching: the words are the seed. What \
                 people type is split at white space and may be in either case; 64 hexadecimal digits are a seed \
                 too. Several groups are digits if all of them are hexadecimal and there is a numeral among them. \
                 Places are counted from 1.";
    let words = |seed: &str| phrase::reveal_words(&Seed::from_hex(seed).unwrap()).to_string();
    let phrases = PUBLISHED.iter().map(|(seed, _)| *seed).chain([SEED]);
    let phrases = phrases.map(|seed| json!({ "seed": seed, "words": words(seed) })).collect();

    let known = words(SEED);
    let in_lines = known.split(' ').collect::<Vec<_>>().join("\r\n\t ");
    let in_groups = SEED.as_bytes().chunks(4).map(|group| str::from_utf8(group).unwrap());
    let in_groups = in_groups.collect::<Vec<_>>().join(" ");
    let accepted = [known.to_uppercase(), format!(" \n{known} "), in_lines, SEED.to_uppercase(), in_groups];
    let accepted = accepted.into_iter().map(|typed| json!({ "text": typed, "seed": SEED })).collect();

    let without_last = known.rsplit_once(' ').unwrap().0;
    let swapped = known.split(' ').rev().collect::<Vec<_>>().join(" ");
    let refused = [
        ("nothing", String::new()),
        ("blanks", " \t\n ".to_owned()),
        ("one word", "abandon".to_owned()),
        (
            "twelve words, a whole phrase elsewhere",
            "zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo wrong".to_owned(),
        ),
        ("a word is missing", without_last.to_owned()),
        ("a word too many", format!("{known} zoo")),
        ("the fourth word is misspelt", PUBLISHED[1].1.replacen("year", "yaer", 1)),
        ("a word's first four letters alone", PUBLISHED[1].1.replacen("sausage", "saus", 1)),
        ("a numeral in a word", PUBLISHED[1].1.replacen("wave", "w4ve", 1)),
        ("a word of another list", PUBLISHED[0].1.replacen("art", "abaisser", 1)),
        ("another last word", PUBLISHED[0].1.replacen("art", "ability", 1)),
        ("the words in another order", swapped),
        ("words of hexadecimal letters", ["add"; 24].join(" ")),
        ("a digit is missing", SEED[1..].to_owned()),
        ("a digit too many", format!("{SEED}0")),
        ("a letter that is no digit", SEED.replacen('f', "g", 1)),
        ("a prefix that is not part of it", format!("0x{SEED}")),
    ];
    let refused = refused.into_iter().map(|(name, typed)| {
        let mut case = json!({ "name": name, "text": typed });
        let (reason, field) = reason(phrase::parse(&typed).err().unwrap());
        case["reason"] = reason.into();
        if let Some((field, value)) = field {
            case[field] = value.into();
        }
        case
    });
    (about, vec![("phrases", phrases), ("accepted", accepted), ("refused", refused.collect())])
}

fn reason(error: PhraseError) -> (&'static str, Option<(&'static str, usize)>) {
    match error {
        PhraseError::Empty => ("empty", None),
        PhraseError::WordCount { found } => ("word_count", Some(("found", found))),
        PhraseError::UnknownWord { place } => ("unknown_word", Some(("place", place))),
        PhraseError::Checksum => ("checksum", None),
        PhraseError::Digits(SeedError::Length { found }) => ("digit_count", Some(("found", found))),
        PhraseError::Digits(SeedError::Digit { place }) => ("digit", Some(("place", place))),
    }
}

fn signed_call() -> Group {
    let about = "What a call that destroys begins with. signed = \"seabag signed call 1\\n\", path and origin each with \
                 its length as a varint in front, epoch (16 bytes), time (varint), BLAKE3 of the body. encoded = \
                 public key, signature of signed, time (varint), origin with its length, epoch; the body follows. \
                 refused: the same request changed on its way.";
    let keys = HostKeys::derive(&Seed::from_hex(SEED).unwrap(), "host", 0);
    let time_ms = 1_767_225_600_000_u64;
    let epoch: [u8; 16] = std::array::from_fn(|at| at as u8);
    let inputs = [
        (path::PRUNE, "https://host.example.org", epoch, time_ms, &b"\x01\x02\x03\x04"[..]),
        (path::DELETE_ACCOUNT, "https://host.example.org", epoch, time_ms, b""),
        (path::PRUNE, "http://127.0.0.1:31337", [0xff; 16], time_ms + 1, &[0x5a; 200]),
        (path::PRUNE, "https://grüße.example", [0; 16], 0, b""),
    ];
    let cases = inputs.map(|(path, origin, epoch, time_ms, body)| {
        let epoch = EpochId(epoch);
        let call = keys.call(path, origin, &epoch, time_ms, body).unwrap();
        let signed = SignedCall::signed_bytes(path, origin, &epoch, time_ms, body).unwrap();
        json!({
            "seed": SEED, "label": "host", "index": 0,
            "path": path, "origin": origin, "epoch": HEXLOWER.encode(&epoch.0), "time_ms": time_ms,
            "body": HEXLOWER.encode(body), "signed": HEXLOWER.encode(&signed),
            "signature": HEXLOWER.encode(&call.signature), "encoded": encoded(&call),
        })
    });

    let (path, origin, body) = (inputs[0].0, inputs[0].1, inputs[0].4);
    let call = keys.call(path, origin, &EpochId(epoch), time_ms, body).unwrap();
    let refuse = |name: &str, path: &str, call: &SignedCall, body: &[u8]| {
        json!({
            "name": name, "path": path, "encoded": encoded(call), "body": HEXLOWER.encode(body),
            "status": { "code": 3, "name": "InvalidSignature" },
        })
    };
    let other = |change: &dyn Fn(&mut SignedCall)| {
        let mut call = call.clone();
        change(&mut call);
        call
    };
    let refused = vec![
        refuse("another path", path::DELETE_ACCOUNT, &call, body),
        refuse("another body", path, &call, b"\x01\x02\x03\x05"),
        refuse("no body", path, &call, b""),
        refuse("another origin", path, &other(&|call| call.origin = "https://evil.example.org".into()), body),
        refuse("another epoch", path, &other(&|call| call.epoch.0[0] ^= 1), body),
        refuse("another time", path, &other(&|call| call.time_ms += 1), body),
        refuse(
            "another key",
            path,
            &other(&|call| {
                call.public = HostKeys::derive(&Seed::from_hex(SEED).unwrap(), "host", 1).public()
            }),
            body,
        ),
        refuse(
            "a signature of the time alone",
            path,
            &other(&|call| call.signature = keys.timestamp(time_ms).unwrap().signature),
            body,
        ),
        refuse("all zero", path, &other(&|call| (call.public.0, call.signature) = ([0; 32], [0; 64])), body),
    ];
    (about, vec![("cases", cases.to_vec()), ("refused", refused)])
}

fn encoded(call: &SignedCall) -> String {
    let mut out = Vec::new();
    call.write(&mut out).unwrap();
    HEXLOWER.encode(&out)
}

/// The file's text: a case a line, as in the other files.
fn file((about, lists): &Group) -> String {
    let mut out = format!("{{\n  \"about\": {},\n", Json::from(*about));
    for (at, (name, cases)) in lists.iter().enumerate() {
        let lines = cases.iter().map(|case| format!("    {case}")).collect::<Vec<_>>().join(",\n");
        let comma = if at + 1 < lists.len() { "," } else { "" };
        out += &format!("  \"{name}\": [\n{lines}\n  ]{comma}\n");
    }
    out + "}\n"
}

fn groups() -> [(PathBuf, String); 2] {
    let path = |name| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../vectors/host").join(name);
    [
        (path("recovery_phrase.json"), file(&recovery_phrase())),
        (path("signed_call.json"), file(&signed_call())),
    ]
}

#[test]
#[ignore = "writes the files of vectors"]
#[allow(clippy::disallowed_methods, reason = "this is what it is for")]
fn write_the_vectors() {
    for (path, text) in groups() {
        std::fs::write(path, text).unwrap();
    }
}

#[test]
fn the_files_of_vectors_are_what_this_code_makes() {
    for (path, text) in groups() {
        assert_eq!(std::fs::read_to_string(&path).unwrap(), text, "{}", path.display());
    }
}

#[test]
fn seeds_have_the_words_that_the_authors_of_the_scheme_published() {
    for (seed, words) in PUBLISHED {
        assert_eq!(phrase::reveal_words(&Seed::from_hex(seed).unwrap()).as_str(), words);
        assert_eq!(phrase::parse(words).unwrap().reveal_hex().as_str(), seed);
    }
}

#[test]
fn phrases_are_read_and_refused_as_the_vectors_say() {
    let group = vectors("recovery_phrase");
    for case in cases(&group, "phrases") {
        let seed = phrase::parse(text(&case, "words")).unwrap();
        assert_eq!(seed.reveal_hex().as_str(), text(&case, "seed"));
        assert_eq!(phrase::reveal_words(&seed).as_str(), text(&case, "words"));
    }
    for case in cases(&group, "accepted") {
        assert_eq!(phrase::parse(text(&case, "text")).unwrap().reveal_hex().as_str(), text(&case, "seed"));
    }
    for case in cases(&group, "refused") {
        let (reason, field) = reason(phrase::parse(text(&case, "text")).err().unwrap());
        assert_eq!(reason, text(&case, "reason"), "{case}");
        if let Some((field, value)) = field {
            assert_eq!(value as u64, number(&case, field), "{case}");
        }
    }
}

#[test]
fn what_a_refusal_says_holds_nothing_of_what_was_typed() {
    for case in cases(&vectors("recovery_phrase"), "refused") {
        let said = phrase::parse(text(&case, "text")).err().unwrap();
        let said = format!("{said} {said:?}").to_lowercase();
        let told = said.split(|character: char| !character.is_alphanumeric()).collect::<Vec<_>>();
        let typed = text(&case, "text").to_lowercase();
        // Words that the messages use themselves, and which are in the list as well.
        let common = ["word", "list", "one"];
        for word in typed.split_whitespace().filter(|word| !common.contains(word)) {
            assert!(!told.contains(&word), "{said:?} tells {word:?}");
        }
    }
}

#[test]
fn calls_are_signed_as_the_vectors_say() {
    let group = vectors("signed_call");
    for case in cases(&group, "cases") {
        let keys = HostKeys::derive(
            &Seed::from_hex(text(&case, "seed")).unwrap(),
            text(&case, "label"),
            number(&case, "index"),
        );
        // The layout again, written out.
        let (path, origin, body) = (text(&case, "path"), text(&case, "origin"), bytes(&case, "body"));
        let mut signed = b"seabag signed call 1\n".to_vec();
        for part in [path, origin] {
            signed.push(u8::try_from(part.len()).unwrap());
            signed.extend_from_slice(part.as_bytes());
        }
        signed.extend_from_slice(&bytes(&case, "epoch"));
        put_varint(&mut signed, number(&case, "time_ms")).unwrap();
        signed.extend_from_slice(blake3::hash(&body).as_bytes());
        assert_eq!(signed, bytes(&case, "signed"));
        assert_eq!(keys.public().verify(&signed, &array(&case, "signature")), Ok(()));

        let epoch = EpochId(array(&case, "epoch"));
        let call = keys.call(path, origin, &epoch, number(&case, "time_ms"), &body).unwrap();
        assert_eq!(call.signature, array(&case, "signature"));
        let mut request = Reader::new([bytes(&case, "encoded"), body].concat());
        assert_eq!(SignedCall::read(&mut request), Ok(call.clone()));
        assert_eq!(call.check_signature(path, request.rest()), Ok(()));
    }
    for case in cases(&group, "refused") {
        let mut request = Reader::new([bytes(&case, "encoded"), bytes(&case, "body")].concat());
        let call = SignedCall::read(&mut request).unwrap();
        let checked = call.check_signature(text(&case, "path"), request.rest());
        assert_eq!(checked, Err(status(&case["status"])), "{}", text(&case, "name"));
    }
}
