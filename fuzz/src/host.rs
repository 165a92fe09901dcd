//! The host's protocol: requests, answers, notices, and what is sealed in bags. What can be read can be written,
//! and is read as the same again.

use std::fmt::Debug;

use bytes::Bytes;
use seabag_protocol::host::auth::{SignedCall, SignedTimestamp};
use seabag_protocol::host::bag::{Bag, BagSeq, SealedHead};
use seabag_protocol::host::bytes::Reader;
use seabag_protocol::host::eid::Eid;
use seabag_protocol::host::epoch::{self, Cursor, EpochAnswer};
use seabag_protocol::host::message::MessageHead;
use seabag_protocol::host::notice::NoticeItem;
use seabag_protocol::host::path;
use seabag_protocol::host::peek::{self, PageHead, PeekItem};
use seabag_protocol::host::prune::{PruneItem, PrunePair};
use seabag_protocol::host::pull::{self, PullItem};
use seabag_protocol::host::push::{self, PushItem};
use seabag_protocol::host::response::ResponseHead;
use seabag_protocol::host::status::Status;

/// First byte: which call. Then its request.
pub fn host_request(bytes: &[u8]) {
    let Some((&call, request)) = bytes.split_first() else { return };
    match call % 8 {
        6 => signed_call(path::PRUNE, request),
        7 => signed_call(path::DELETE_ACCOUNT, request),
        call => signed_timestamp(call, request),
    }
}

fn signed_timestamp(call: u8, request: &[u8]) {
    let mut reader = Reader::new(request.to_vec());
    let Ok(auth) = SignedTimestamp::read(&mut reader) else { return };
    again(&auth, SignedTimestamp::write, SignedTimestamp::read);
    assert_eq!(auth.check_time(auth.time_ms), Ok(()));
    let _ = auth.check_signature();
    // What was read, as a client would send it, and what a host then reads.
    let rest = match call {
        0 => return,
        1 => push::read_bags(&mut reader).and_then(|bags| {
            let written = push::request(&auth, &bags)?;
            assert_eq!(behind(&written, push::read_bags), bags);
            Ok(())
        }),
        2 => pull::read_numbers(&mut reader).and_then(|numbers| {
            let written = pull::request(&auth, &numbers)?;
            assert_eq!(behind(&written, pull::read_numbers), numbers);
            Ok(())
        }),
        3 => reader.varint().and_then(|after| {
            let written = peek::request(&auth, BagSeq(after))?;
            assert_eq!(behind(&written, Reader::varint), after);
            Ok(())
        }),
        4 => reader.varint().and_then(|after| Ok((after, reader.varint()?))).and_then(|(after, most)| {
            let written = peek::page_request(&auth, BagSeq(after), most)?;
            let read = |reader: &mut Reader| Ok((reader.varint()?, reader.varint()?));
            assert_eq!(behind(&written, read), (after, most));
            Ok(())
        }),
        _ => Cursor::read(&mut reader).and_then(|cursor| {
            let written = epoch::request(&auth, Some(&cursor))?;
            assert_eq!(behind(&written, Cursor::read), cursor);
            Ok(())
        }),
    };
    if let Err(status) = rest {
        assert!(is_decoding(status), "{status:?}");
    }
}

/// What a request has behind its timestamp.
fn behind<T>(request: &[u8], read: impl FnOnce(&mut Reader) -> Result<T, Status>) -> T {
    let mut reader = Reader::new(request.to_vec());
    SignedTimestamp::read(&mut reader).expect("a written timestamp can be read");
    let value = read(&mut reader).expect("a written request can be read");
    assert!(reader.is_empty(), "a written request goes on after its end");
    value
}

fn signed_call(path: &str, request: &[u8]) {
    let mut reader = Reader::new(request.to_vec());
    let Ok(call) = SignedCall::read(&mut reader) else { return };
    again(&call, SignedCall::write, SignedCall::read);
    let _ = call.check_signature(path, reader.rest());
    list(reader.rest(), PrunePair::read_all, PrunePair::write);
}

/// First byte: which answer, or a notice. Then what stands behind the response head; for 0 the head itself.
pub fn host_answer(bytes: &[u8]) {
    let Some((&answer, rest)) = bytes.split_first() else { return };
    let rest = Bytes::copy_from_slice(rest);
    match answer % 7 {
        0 => one(&rest, ResponseHead::read, ResponseHead::write),
        1 => list(&rest, PushItem::read_all, PushItem::write),
        2 => list(&rest, PullItem::read_all, PullItem::write),
        3 => list(&rest, PeekItem::read_all, PeekItem::write),
        4 => {
            let mut reader = Reader::new(rest.clone());
            one(&rest, PageHead::read, PageHead::write);
            if PageHead::read(&mut reader).is_ok() {
                list(reader.rest(), PeekItem::read_all, PeekItem::write);
            }
        }
        5 => {
            one(&rest, EpochAnswer::read, EpochAnswer::write);
            list(&rest, PruneItem::read_all, PruneItem::write);
        }
        _ => list(&rest, |reader| NoticeItem::decode_all(reader.rest().clone()), NoticeItem::write),
    }
}

/// A bag, a message head and an entity id.
pub fn host_bag(bytes: &[u8]) {
    let bytes = Bytes::copy_from_slice(bytes);
    one(&bytes, Bag::read, Bag::write);
    one(&bytes, SealedHead::read, SealedHead::write);
    if let Ok(bag) = Bag::read(&mut Reader::new(bytes.clone())) {
        assert_eq!(bag.sealed.encode().map(|encoded| encoded.len()), Ok(bag.sealed.encoded_length()));
        assert_eq!(bag.identity(), bag.clone().identity());
    }
    one(&bytes, MessageHead::read, |head, out| {
        out.extend_from_slice(&head.encode()?);
        Ok(())
    });
    if let Ok(head) = MessageHead::decode(bytes.clone()) {
        assert_eq!(head.rank().is_ok(), head.time_ms().is_some());
        assert_eq!(head.is_delete(), head.body_hash.is_none());
        let _ = head.check_body(Some(b"body"));
    }
    if let Ok(eid) = Eid::decode(bytes.clone()) {
        assert_eq!(eid.as_bytes(), bytes);
        let plain = Eid::new(&eid.id(), eid.created_ms()).expect("what was read can be written");
        assert_eq!((plain.id(), plain.created_ms()), (eid.id(), eid.created_ms()));
    }
}

/// One value from the front.
fn one<T: Debug + PartialEq>(
    bytes: &Bytes,
    read: impl Fn(&mut Reader) -> Result<T, Status>,
    write: impl Fn(&T, &mut Vec<u8>) -> Result<(), Status>,
) {
    match read(&mut Reader::new(bytes.clone())) {
        Ok(value) => again(&value, write, read),
        Err(status) => assert!(is_decoding(status), "{status:?}"),
    }
}

fn again<T: Debug + PartialEq>(
    value: &T,
    write: impl Fn(&T, &mut Vec<u8>) -> Result<(), Status>,
    read: impl Fn(&mut Reader) -> Result<T, Status>,
) {
    let mut out = Vec::new();
    write(value, &mut out).expect("what was read can be written");
    let mut reader = Reader::new(out);
    assert_eq!(read(&mut reader).as_ref(), Ok(value));
    assert!(reader.is_empty(), "more was written than is read");
}

/// Values to the end.
fn list<T: Debug + PartialEq>(
    bytes: &Bytes,
    read_all: impl Fn(&mut Reader) -> Result<Vec<T>, Status>,
    write: impl Fn(&T, &mut Vec<u8>) -> Result<(), Status>,
) {
    let values = match read_all(&mut Reader::new(bytes.clone())) {
        Ok(values) => values,
        Err(status) => return assert!(is_decoding(status), "{status:?}"),
    };
    let mut out = Vec::new();
    for value in &values {
        write(value, &mut out).expect("what was read can be written");
    }
    assert!(out.len() <= bytes.len(), "the shortest form is longer");
    assert_eq!(read_all(&mut Reader::new(out)), Ok(values));
}

/// The statuses with which a decoder fails.
fn is_decoding(status: Status) -> bool {
    matches!(
        status,
        Status::InvalidMessage | Status::OutOfBounds | Status::VarLimitExceeded | Status::InvalidResponse
    )
}
