//! The host codecs' laws: what is written is read back, to its last byte and no further, and no bytes whatever
//! bring a decoder down.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a panic is how a test fails")]

use std::fmt::Debug;

use bytes::Bytes;
use proptest::prelude::*;
use seabag_protocol::host::auth::{PublicKey, SignedCall, SignedTimestamp};
use seabag_protocol::host::bag::{Bag, BagSeq, SealedHead};
use seabag_protocol::host::bytes::{Reader, VARINT_MAX, put_var_bytes, put_varint, varint_length};
use seabag_protocol::host::eid::Eid;
use seabag_protocol::host::epoch::{self, Cursor, EpochAnswer};
use seabag_protocol::host::message::MessageHead;
use seabag_protocol::host::notice::NoticeItem;
use seabag_protocol::host::peek::{self, PageHead, PeekItem};
use seabag_protocol::host::prune::{PruneItem, PrunePair, PruneReason};
use seabag_protocol::host::pull::{self, PullItem};
use seabag_protocol::host::push::{self, PushItem};
use seabag_protocol::host::record::EpochId;
use seabag_protocol::host::response::{Quota, ResponseHead, Subscription};
use seabag_protocol::host::status::Status;

/// Numbers of every length.
fn number() -> impl Strategy<Value = u64> {
    (0..=56u32, any::<u64>()).prop_map(|(bits, number)| number & ((1 << bits) - 1))
}

fn bytes() -> impl Strategy<Value = Bytes> {
    let short = prop::collection::vec(any::<u8>(), 0..20);
    prop_oneof![4 => short, 1 => prop::collection::vec(any::<u8>(), 120..140)].prop_map(Bytes::from)
}

fn array64() -> impl Strategy<Value = [u8; 64]> {
    prop::array::uniform32(any::<u8>()).prop_map(|half| [half, half].concat().try_into().unwrap())
}

fn status() -> impl Strategy<Value = Status> {
    prop::sample::select(Status::ALL)
}

fn seq() -> impl Strategy<Value = BagSeq> {
    number().prop_map(BagSeq)
}

fn epoch_id() -> impl Strategy<Value = EpochId> {
    any::<[u8; 16]>().prop_map(EpochId)
}

fn timestamp() -> impl Strategy<Value = SignedTimestamp> {
    (any::<[u8; 32]>(), array64(), number()).prop_map(|(public, signature, time_ms)| SignedTimestamp {
        public: PublicKey(public),
        signature,
        time_ms,
    })
}

fn call() -> impl Strategy<Value = SignedCall> {
    (timestamp(), "\\PC{0,30}", epoch_id()).prop_map(|(auth, origin, epoch)| SignedCall {
        public: auth.public,
        signature: auth.signature,
        time_ms: auth.time_ms,
        origin,
        epoch,
    })
}

fn sealed() -> impl Strategy<Value = SealedHead> {
    (array64(), any::<[u8; 8]>(), bytes()).prop_map(|(signature, derivation, head)| SealedHead {
        signature,
        derivation,
        head,
    })
}

fn bag() -> impl Strategy<Value = Bag> {
    (sealed(), bytes()).prop_map(|(sealed, body)| Bag { sealed, body })
}

fn head() -> impl Strategy<Value = MessageHead> {
    (bytes(), number(), number(), number(), prop::option::of(bytes())).prop_map(
        |(id, created_ms, offset_ms, counter, body)| {
            let eid = Eid::new(&id, created_ms).unwrap();
            MessageHead::new(eid, offset_ms, counter, body.as_deref())
        },
    )
}

fn push_item() -> impl Strategy<Value = PushItem> {
    let failed = status().prop_filter("that is no failure", |status| *status != Status::Success);
    (number(), prop_oneof![seq().prop_map(Ok), failed.prop_map(Err)])
        .prop_map(|(index, result)| PushItem { index, result })
}

fn pair() -> impl Strategy<Value = PrunePair> {
    let superseding = number()
        .prop_map(|by| if by == 0 { PruneReason::Damaged } else { PruneReason::SupersededBy(BagSeq(by)) });
    (seq(), superseding).prop_map(|(bag, reason)| PrunePair { bag, reason })
}

fn response_head() -> impl Strategy<Value = ResponseHead> {
    let quota = || {
        (number(), number())
            .prop_map(|(quota, usage)| Quota { quota, usage: if quota == 0 { 0 } else { usage } })
    };
    (status(), number(), number(), (number(), number(), quota(), quota())).prop_map(
        |(status, received_ms, sent_ms, (term_ms, elapsed_ms, stored, moved))| ResponseHead {
            status,
            received_ms,
            sent_ms,
            subscription: Subscription { term_ms, elapsed_ms, stored, moved },
        },
    )
}

/// Written, it is read as the same; what follows is left alone; cut anywhere, it is refused.
fn check<T: Debug + PartialEq>(
    value: &T,
    write: impl Fn(&T, &mut Vec<u8>) -> Result<(), Status>,
    read: impl Fn(&mut Reader) -> Result<T, Status>,
) {
    let mut out = Vec::new();
    write(value, &mut out).unwrap();
    let length = out.len();
    out.push(0xff);
    let mut reader = Reader::new(out.clone());
    assert_eq!(read(&mut reader).as_ref(), Ok(value));
    assert_eq!(reader.rest().len(), 1, "it is read to its end and no further");
    assert_eq!(reader.end(), Err(Status::ExtraBodyContent));
    for end in 0..length {
        let result = read(&mut Reader::new(out[..end].to_vec()));
        assert!(
            matches!(result, Err(Status::OutOfBounds | Status::InvalidMessage)),
            "{result:?} of {end} bytes"
        );
    }
}

/// Reads a whole request: who asks, and the rest with `read`.
fn read_request<T>(
    request: Vec<u8>,
    read: impl FnOnce(&mut Reader) -> Result<T, Status>,
) -> (SignedTimestamp, T) {
    let mut reader = Reader::new(request);
    let auth = SignedTimestamp::read(&mut reader).unwrap();
    let rest = read(&mut reader).unwrap();
    assert!(reader.is_empty());
    (auth, rest)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(500) })]

    #[test]
    fn primitives_are_read_as_they_were_written(number in number(), bytes in bytes(), text in "\\PC{0,20}") {
        check(&number, |number, out| put_varint(out, *number), Reader::varint);
        check(&bytes, |bytes, out| put_var_bytes(out, bytes), Reader::var_bytes);
        check(&text, |text, out| put_var_bytes(out, text.as_bytes()), Reader::var_string);
        let mut out = Vec::new();
        put_varint(&mut out, number).unwrap();
        prop_assert_eq!(varint_length(number), out.len());
        // A longer form of the same number.
        if out.len() < 8 {
            *out.last_mut().unwrap() |= 0x80;
            out.push(0);
            prop_assert_eq!(Reader::new(out).varint(), Ok(number));
        }
    }

    #[test]
    fn no_number_above_the_greatest_is_written(number in VARINT_MAX + 1..) {
        let mut out = Vec::new();
        prop_assert_eq!(put_varint(&mut out, number), Err(Status::VarLimitExceeded));
        prop_assert!(out.is_empty());
    }

    #[test]
    fn who_asks_is_read_as_it_was_written(timestamp in timestamp(), call in call()) {
        check(&timestamp, SignedTimestamp::write, SignedTimestamp::read);
        check(&call, SignedCall::write, SignedCall::read);
    }

    #[test]
    fn sealed_things_are_read_as_they_were_written(sealed in sealed(), bag in bag(), head in head()) {
        check(&sealed, SealedHead::write, SealedHead::read);
        prop_assert_eq!(sealed.encode().unwrap().len(), sealed.encoded_length());
        check(&bag, Bag::write, Bag::read);
        let write = |head: &MessageHead, out: &mut Vec<u8>| {
            out.extend_from_slice(&head.encode()?);
            Ok(())
        };
        check(&head, write, MessageHead::read);
    }

    #[test]
    fn answers_are_read_as_they_were_written(
        head in response_head(),
        (sealed, body, seq, epoch) in (sealed(), bytes(), seq(), epoch_id()),
        (push_item, status, index, valid) in (push_item(), status(), number(), any::<bool>()),
    ) {
        check(&head, ResponseHead::write, ResponseHead::read);
        check(&PeekItem { sealed: sealed.clone(), seq }, PeekItem::write, PeekItem::read);
        check(&PageHead { epoch, last: seq, through: BagSeq(index) }, PageHead::write, PageHead::read);
        check(&PullItem { seq, body: body.clone() }, PullItem::write, PullItem::read);
        check(&NoticeItem { seq, sealed, body }, NoticeItem::write, NoticeItem::read);
        check(&push_item, PushItem::write, PushItem::read);
        check(&PruneItem { index, status }, PruneItem::write, PruneItem::read);
        check(&EpochAnswer { epoch, last: seq, valid }, EpochAnswer::write, EpochAnswer::read);
        check(&Cursor { epoch, seq }, Cursor::write, Cursor::read);
    }

    #[test]
    fn requests_are_read_as_they_were_written(
        auth in timestamp(),
        bags in prop::collection::vec(bag(), 0..4),
        numbers in prop::collection::vec(seq(), 0..6),
        (after, items_max) in (seq(), number()),
        cursor in prop::option::of((epoch_id(), seq()).prop_map(|(epoch, seq)| Cursor { epoch, seq })),
    ) {
        let bytes = push::request(&auth, &bags).unwrap();
        prop_assert_eq!(read_request(bytes, push::read_bags), (auth.clone(), bags));
        let bytes = pull::request(&auth, &numbers).unwrap();
        prop_assert_eq!(read_request(bytes, pull::read_numbers), (auth.clone(), numbers));
        let bytes = peek::request(&auth, after).unwrap();
        prop_assert_eq!(read_request(bytes, Reader::varint), (auth.clone(), after.0));
        let bytes = peek::page_request(&auth, after, items_max).unwrap();
        let read = |reader: &mut Reader| Ok((reader.varint()?, reader.varint()?));
        prop_assert_eq!(read_request(bytes, read), (auth.clone(), (after.0, items_max)));
        let bytes = epoch::request(&auth, cursor.as_ref()).unwrap();
        let read = |reader: &mut Reader| {
            if reader.is_empty() { Ok(None) } else { Cursor::read(reader).map(Some) }
        };
        prop_assert_eq!(read_request(bytes, read), (auth, cursor));
    }

    #[test]
    fn lists_are_read_to_their_ends(
        bags in prop::collection::vec(bag(), 0..4),
        pairs in prop::collection::vec(pair(), 0..6),
        items in prop::collection::vec(push_item(), 0..6),
    ) {
        let (mut peeked, mut pulled, mut notice) = (Vec::new(), Vec::new(), Vec::new());
        let (mut out, mut out_pulled, mut out_notice) = (Vec::new(), Vec::new(), Vec::new());
        for (seq, Bag { sealed, body }) in (1..).map(BagSeq).zip(bags) {
            let item = PeekItem { sealed: sealed.clone(), seq };
            item.write(&mut out).unwrap();
            peeked.push(item);
            let item = PullItem { seq, body: body.clone() };
            item.write(&mut out_pulled).unwrap();
            pulled.push(item);
            let item = NoticeItem { seq, sealed, body };
            item.write(&mut out_notice).unwrap();
            notice.push(item);
        }
        prop_assert_eq!(PeekItem::read_all(&mut Reader::new(out)), Ok(peeked));
        prop_assert_eq!(PullItem::read_all(&mut Reader::new(out_pulled)), Ok(pulled));
        prop_assert_eq!(NoticeItem::decode_all(out_notice), Ok(notice));
        let mut out = Vec::new();
        pairs.iter().for_each(|pair| pair.write(&mut out).unwrap());
        prop_assert_eq!(PrunePair::read_all(&mut Reader::new(out)), Ok(pairs));
        let mut out = Vec::new();
        items.iter().for_each(|item| item.write(&mut out).unwrap());
        prop_assert_eq!(PushItem::read_all(&mut Reader::new(out)), Ok(items));
    }

    #[test]
    fn no_bytes_bring_a_decoder_down(bytes in prop::collection::vec(prop_oneof![any::<u8>(), 0..4u8, Just(0x80)], 0..300)) {
        let reader = || Reader::new(bytes.clone());
        let _ = SignedTimestamp::read(&mut reader()).map(|auth| (auth.check_time(0), auth.check_signature()));
        let _ = SignedCall::read(&mut reader()).map(|call| call.check_signature("/prune", &Bytes::new()));
        let _ = push::read_bags(&mut reader());
        let _ = pull::read_numbers(&mut reader());
        let _ = PrunePair::read_all(&mut reader());
        let _ = Cursor::read(&mut reader());
        let _ = ResponseHead::read(&mut reader());
        let _ = PushItem::read_all(&mut reader());
        let _ = PullItem::read_all(&mut reader());
        let _ = PeekItem::read_all(&mut reader());
        let _ = PruneItem::read_all(&mut reader());
        let _ = PageHead::read(&mut reader());
        let _ = EpochAnswer::read(&mut reader());
        let _ = NoticeItem::decode_all(bytes.clone());
        let _ = Reader::new(bytes.clone()).var_string();
        if let Ok(head) = MessageHead::decode(bytes.clone()) {
            let _ = (head.time_ms(), head.rank(), head.check_body(Some(b"x")));
            prop_assert_eq!(MessageHead::decode(head.encode().unwrap()), Ok(head));
        }
    }
}

#[test]
fn times_past_the_range_have_no_rank() {
    let eid = |created_ms| Eid::new(b"x", created_ms).unwrap();
    let head = |created_ms, offset_ms| MessageHead::new(eid(created_ms), offset_ms, 0, None);
    assert!(head(8_640_000_000_000_000, 0).rank().is_ok());
    assert_eq!(head(8_640_000_000_000_000, 1).rank(), Err(Status::InvalidParam));
    assert_eq!(head(VARINT_MAX, VARINT_MAX).rank(), Err(Status::InvalidParam));
}

#[test]
fn an_empty_body_is_none_and_a_wrong_one_is_noticed() {
    let eid = Eid::new(b"x", 1).unwrap();
    let delete = MessageHead::new(eid.clone(), 0, 0, Some(b""));
    assert_eq!(delete, MessageHead::new(eid.clone(), 0, 0, None));
    assert!(delete.is_delete());
    assert_eq!((delete.check_body(None), delete.check_body(Some(b""))), (Ok(()), Ok(())));
    assert_eq!(delete.check_body(Some(b"a")), Err(Status::HashMismatch));
    let head = MessageHead::new(eid, 0, 0, Some(b"body"));
    assert_eq!(head.check_body(Some(b"body")), Ok(()));
    assert_eq!(head.check_body(Some(b"bodies")), Err(Status::HashMismatch));
    assert_eq!(head.check_body(None), Err(Status::HashMismatch));
    let liar = MessageHead { length: 3, ..head };
    assert_eq!(liar.check_body(Some(b"body")), Err(Status::HashMismatch), "the length counts too");
}

#[test]
fn a_status_without_meaning_is_no_answer() {
    let read = |bytes: &[u8]| Reader::new(bytes.to_vec());
    assert_eq!(PushItem::read(&mut read(&[0, 1])), Err(Status::InvalidResponse));
    assert_eq!(PruneItem::read(&mut read(&[0, 200])), Err(Status::InvalidResponse));
    assert_eq!(ResponseHead::read(&mut read(&[99, 0, 0, 0, 0, 0, 0])), Err(Status::InvalidResponse));
}
