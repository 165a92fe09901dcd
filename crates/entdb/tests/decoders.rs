//! Whatever bytes come, reading them ends with an answer; and JSON comes back as it was.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a panic is how a test fails")]

mod common;

use bytes::Bytes;
use common::{eid, message};
use proptest::prelude::*;
use seabag_entdb::{Database, Outcome, PageCursor, Watch, body};
use serde_json::{Value, json};

fn any_json() -> impl Strategy<Value = Value> {
    let key = || prop_oneof!["[a-z$]{0,4}", Just("$bytes".to_owned()), Just("$map".to_owned())];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        (-1e300..1e300_f64).prop_map(Value::from),
        ".{0,9}".prop_map(Value::from),
        (-9_000_000_000_000_000..9_000_000_000_000_000_i64).prop_map(|ms| json!({ "$date": ms })),
        proptest::collection::vec(any::<u8>(), 0..300)
            .prop_map(|bytes| json!({ "$bytes": data_encoding::BASE64.encode(&bytes) })),
        (any::<i8>(), proptest::collection::vec(any::<u8>(), 0..20))
            .prop_filter("times have a form of their own", |(kind, _)| *kind != -1)
            .prop_map(|(kind, bytes)| json!({ "$ext": [kind, data_encoding::BASE64.encode(&bytes)] })),
        prop_oneof![Just("NaN"), Just("Infinity"), Just("-Infinity")]
            .prop_map(|float| json!({ "$float": float })),
    ];
    leaf.prop_recursive(4, 40, 6, move |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            proptest::collection::btree_map(key(), inner, 0..6).prop_map(|entries| {
                let pairs: Vec<Value> = entries.iter().map(|(key, value)| json!([key, value])).collect();
                // An object that looks like a mark is written as a list of its pairs.
                match entries.keys().next() {
                    Some(key) if entries.len() == 1 && key.starts_with('$') => json!({ "$map": pairs }),
                    _ => entries.into_iter().collect::<serde_json::Map<_, _>>().into(),
                }
            }),
        ]
    })
}

proptest! {
    #[test]
    fn json_comes_back_as_it_was(value in any_json()) {
        let bytes = body::from_json(&value).unwrap();
        let again = body::to_json(&bytes).unwrap();
        prop_assert_eq!(&again, &value);
        prop_assert_eq!(body::from_json(&again).unwrap(), bytes);
    }

    #[test]
    fn any_bytes_are_read_or_set_aside(bytes in proptest::collection::vec(any::<u8>(), 1..60)) {
        let _ = body::to_json(&bytes).map(|value| body::from_json(&value).unwrap());
        let mut database = Database::in_memory();
        let sent = message(&eid(1, 1), 1, 1, Some(Bytes::from(bytes)));
        let outcome = database.merge(std::slice::from_ref(&sent)).unwrap()[0];
        prop_assert!(matches!(outcome, Outcome::Applied | Outcome::SetAside));
        prop_assert_eq!(database.messages(None, 9).unwrap().messages, [sent]);
    }

    #[test]
    fn envelopes_with_anything_in_them_are_read_or_set_aside(parts in proptest::collection::vec((0..6_usize, any_json()), 0..6)) {
        let keys = ["body", "type", "gid", "pid", "else", "other"];
        let pairs: Vec<Value> = parts.iter().map(|(key, value)| json!([keys[*key], value])).collect();
        let raw = body::from_json(&json!({ "$map": pairs })).unwrap();
        let mut database = Database::in_memory();
        let sent = message(&eid(1, 1), 1, 1, Some(raw));
        let outcome = database.merge(std::slice::from_ref(&sent)).unwrap()[0];
        // Of a key that comes twice, the last one counts.
        let last = |key: usize| parts.iter().rev().find(|(at, _)| *at == key).map(|(_, value)| value);
        let readable = last(0).is_some() && last(1).is_some_and(Value::is_string)
            && last(2).is_none_or(|group| group.is_null() || group.is_string())
            && last(3).is_none_or(Value::is_null);
        if readable {
            prop_assert_eq!(outcome, Outcome::Applied);
            let ent = database.get(&sent.head.eid).unwrap().unwrap();
            prop_assert_eq!(body::to_json(&ent.body).unwrap(), last(0).unwrap().clone());
        }
        prop_assert_eq!(database.messages(None, 9).unwrap().messages, [sent]);
    }

    #[test]
    fn any_text_is_a_cursor_or_none(text in ".{0,40}", hex in "[0-9a-f]{0,20}\\.[0-9a-f]{0,40}") {
        for text in [text, hex] {
            if let Ok(cursor) = PageCursor::from_text(&text) {
                prop_assert_eq!(PageCursor::from_text(&cursor.to_text()).unwrap(), cursor);
            }
        }
    }
}

#[test]
fn contents_are_nested_to_a_bound() {
    let deep = |levels: usize| [vec![0x91; levels], vec![0xc0]].concat();
    assert!(body::to_json(&deep(128)).is_ok());
    assert!(body::to_json(&deep(129)).is_err());
    let huge = [0xdd, 0xff, 0xff, 0xff, 0xff];
    assert!(body::to_json(&huge).is_err());
    let mut value = json!(1);
    for _ in 0..200 {
        value = json!([value]);
    }
    assert!(body::from_json(&value).is_err());
}

#[test]
fn what_json_cannot_say_is_marked_and_what_is_marked_wrongly_is_refused() {
    let shown = |bytes: &[u8]| body::to_json(bytes).unwrap();
    assert_eq!(shown(b"\xc4\x03abc"), json!({ "$bytes": "YWJj" }));
    assert_eq!(shown(b"\xa2\xff\xfe"), json!({ "$text": "//4=" }));
    assert_eq!(shown(b"\x82\xa1a\x01\xa1a\x02"), json!({ "$map": [["a", 1], ["a", 2]] }));
    assert_eq!(shown(b"\x81\x05\x01"), json!({ "$map": [[5, 1]] }));
    assert_eq!(shown(b"\xcf\xff\xff\xff\xff\xff\xff\xff\xff"), json!(u64::MAX));
    assert_eq!(shown(b"\xd3\x80\0\0\0\0\0\0\0"), json!(i64::MIN));
    assert_eq!(shown(b"\xca\x3f\xc0\0\0"), json!(1.5));
    // A time finer than milliseconds stays what it is.
    assert_eq!(shown(b"\xd7\xff\0\0\0\x04\0\0\0\x01")["$ext"][0], json!(-1));
    for wrong in [
        json!({ "$bytes": 5 }),
        json!({ "$bytes": "%" }),
        json!({ "$date": "x" }),
        json!({ "$float": 5 }),
        json!({ "$ext": [200, ""] }),
        json!({ "$map": [[1]] }),
        json!({ "$more": 1 }),
    ] {
        assert!(body::from_json(&wrong).is_err(), "{wrong}");
    }
}

#[test]
fn databases_and_watches_can_be_given_to_other_threads() {
    fn sends<T: Send>() {}
    fn shares<T: Sync>() {}
    sends::<Database>();
    sends::<Watch>();
    shares::<Watch>();
}
