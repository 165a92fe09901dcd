//! The values of rows: how records become bytes and come back. CBOR arrays with numbered fields, so that a
//! later version can append fields that this one skips. Bytes that do not read back are `Damaged`, never a
//! default.

use bytes::{BufMut, Bytes, BytesMut};
use minicbor::{Decode, Encode};
use seabag_protocol::room::name::{Epoch, KeyNumber, PushId, RoomHash, RoomSeq, StreamKey};
use seabag_protocol::room::record::{ClientRecord, EpochRecord, KeyRecord, RoomRecord};
use seabag_protocol::room::value::{Encoding, Value};

use crate::StoreError;
use crate::store::RoomNumber;

pub(crate) mod accounts;

#[derive(Encode, Decode)]
struct RoomRow {
    #[n(0)]
    number: u64,
    #[n(1)]
    created_ms: u64,
    #[n(2)]
    touched_ms: u64,
    #[n(3)]
    stored: u64,
    #[n(4)]
    reserved: u64,
    #[n(5)]
    entries: u64,
    #[n(6)]
    bytes: u64,
    #[n(7)]
    next_key: u32,
    #[n(8)]
    forgotten_floor: u64,
    #[n(9)]
    closed: bool,
    #[n(10)]
    lineage: Vec<EpochRow>,
}

#[derive(Encode, Decode)]
struct EpochRow {
    #[n(0)]
    epoch: String,
    #[n(1)]
    last: u64,
}

#[derive(Encode, Decode)]
struct KeyRow {
    #[n(0)]
    name: String,
    #[n(1)]
    count: u64,
    #[n(2)]
    bytes: u64,
    #[n(3)]
    floor: u64,
    #[n(4)]
    base: Option<u64>,
    #[n(5)]
    first: u64,
    #[n(6)]
    last: u64,
}

#[derive(Encode, Decode)]
struct ClientRow {
    #[n(0)]
    last_id: u64,
    #[n(1)]
    seq: Option<u64>,
    #[n(2)]
    used_ms: u64,
}

/// How an [`Encoding`] is written down. Zero is no encoding, so that zeroed bytes are noticed.
fn encoding_byte(encoding: Encoding) -> u8 {
    match encoding {
        Encoding::Json => 1,
        Encoding::Cbor => 2,
    }
}

fn damaged(what: &str) -> StoreError {
    StoreError::Damaged(format!("a row of {what} does not read back"))
}

fn encode<T: Encode<()>>(row: &T) -> Bytes {
    // Writing into memory cannot fail.
    minicbor::to_vec(row).unwrap_or_default().into()
}

fn decode<'b, T: Decode<'b, ()>>(bytes: &'b [u8], what: &str) -> Result<T, StoreError> {
    minicbor::decode(bytes).map_err(|_| damaged(what))
}

/// The value of a row of `Rooms`.
pub(crate) fn encode_room(number: RoomNumber, record: &RoomRecord) -> Bytes {
    let epochs = record.lineage.iter();
    encode(&RoomRow {
        number: number.0,
        created_ms: record.created_ms,
        touched_ms: record.touched_ms,
        stored: record.stored.0,
        reserved: record.reserved.0,
        entries: record.entries,
        bytes: record.bytes,
        next_key: record.next_key,
        forgotten_floor: record.forgotten_floor.0,
        closed: record.closed,
        lineage: epochs.map(|e| EpochRow { epoch: e.epoch.as_str().to_owned(), last: e.last.0 }).collect(),
    })
}

/// Reads a row of `Rooms`.
pub(crate) fn decode_room(bytes: &[u8]) -> Result<(RoomNumber, RoomRecord), StoreError> {
    let row: RoomRow = decode(bytes, "rooms")?;
    let lineage = row.lineage.into_iter().map(|epoch| {
        let name = Epoch::parse(&epoch.epoch).ok_or_else(|| damaged("rooms"))?;
        Ok(EpochRecord { epoch: name, last: RoomSeq(epoch.last) })
    });
    let record = RoomRecord {
        created_ms: row.created_ms,
        touched_ms: row.touched_ms,
        stored: RoomSeq(row.stored),
        reserved: RoomSeq(row.reserved),
        entries: row.entries,
        bytes: row.bytes,
        next_key: row.next_key,
        forgotten_floor: RoomSeq(row.forgotten_floor),
        closed: row.closed,
        lineage: lineage.collect::<Result<_, StoreError>>()?,
    };
    Ok((RoomNumber(row.number), record))
}

/// The value of a row of `Keys`.
pub(crate) fn encode_key(name: &StreamKey, record: &KeyRecord) -> Bytes {
    encode(&KeyRow {
        name: name.as_str().to_owned(),
        count: record.count,
        bytes: record.bytes,
        floor: record.floor.0,
        base: record.base.map(|seq| seq.0),
        first: record.first.0,
        last: record.last.0,
    })
}

/// Reads a row of `Keys`.
pub(crate) fn decode_key(number: KeyNumber, bytes: &[u8]) -> Result<(StreamKey, KeyRecord), StoreError> {
    let row: KeyRow = decode(bytes, "keys")?;
    let record = KeyRecord {
        number,
        count: row.count,
        bytes: row.bytes,
        floor: RoomSeq(row.floor),
        base: row.base.map(RoomSeq),
        first: RoomSeq(row.first),
        last: RoomSeq(row.last),
    };
    Ok((StreamKey::from(row.name), record))
}

/// The value of a row of `Clients`.
pub(crate) fn encode_client(record: &ClientRecord) -> Bytes {
    encode(&ClientRow {
        last_id: record.last_id.0,
        seq: record.seq.map(|seq| seq.0),
        used_ms: record.used_ms,
    })
}

/// Reads a row of `Clients`.
pub(crate) fn decode_client(bytes: &[u8]) -> Result<ClientRecord, StoreError> {
    let row: ClientRow = decode(bytes, "clients")?;
    Ok(ClientRecord { last_id: PushId(row.last_id), seq: row.seq.map(RoomSeq), used_ms: row.used_ms })
}

/// The value of a row of `Streams`: encoding byte, then the value's bytes.
pub(crate) fn encode_value(value: &Value) -> Bytes {
    let mut out = BytesMut::with_capacity(1 + value.len());
    out.put_u8(encoding_byte(value.encoding()));
    out.put_slice(value.bytes());
    out.freeze()
}

/// Reads a row of `Streams` that is not a base.
pub(crate) fn decode_value(mut bytes: Bytes) -> Result<Value, StoreError> {
    let encoding = match bytes.first() {
        Some(1) => Encoding::Json,
        Some(2) => Encoding::Cbor,
        _ => return Err(damaged("streams")),
    };
    Ok(Value::from_stored(encoding, bytes.split_off(1)))
}

/// The value of a base's row: its seq, then as any other row.
pub(crate) fn encode_base(seq: RoomSeq, value: &Value) -> Bytes {
    let mut out = BytesMut::with_capacity(9 + value.len());
    out.put_u64(seq.0);
    out.put_u8(encoding_byte(value.encoding()));
    out.put_slice(value.bytes());
    out.freeze()
}

/// Reads a base's row.
pub(crate) fn decode_base(mut bytes: Bytes) -> Result<(RoomSeq, Value), StoreError> {
    if bytes.len() < 9 {
        return Err(damaged("streams"));
    }
    let value = bytes.split_off(8);
    let seq = crate::layout::read_u64(&bytes).ok_or_else(|| damaged("streams"))?;
    Ok((RoomSeq(seq), decode_value(value)?))
}

/// The value of a row of `Numbers` and of one of `Expiry` (whose bucket stands in its key too).
pub(crate) fn encode_number(hash: RoomHash, bucket: u64) -> Bytes {
    [hash.0.as_slice(), &bucket.to_be_bytes()].concat().into()
}

/// Reads a row of `Numbers`: the room's hash and the bucket of its row in `Expiry`.
pub(crate) fn decode_number(bytes: &[u8]) -> Result<(RoomHash, u64), StoreError> {
    let (hash, bucket) = bytes.split_first_chunk::<16>().ok_or_else(|| damaged("numbers"))?;
    let bucket = crate::layout::read_u64(bucket).ok_or_else(|| damaged("numbers"))?;
    Ok((RoomHash(*hash), bucket))
}

/// The value of a row of `Expiry`.
pub(crate) fn encode_hash(hash: RoomHash) -> Bytes {
    Bytes::copy_from_slice(&hash.0)
}

/// Reads a row of `Expiry`.
pub(crate) fn decode_hash(bytes: &[u8]) -> Result<RoomHash, StoreError> {
    bytes.try_into().map(RoomHash).map_err(|_| damaged("expiry"))
}

/// The value of a counter.
pub(crate) fn encode_u64(number: u64) -> Bytes {
    Bytes::copy_from_slice(&number.to_be_bytes())
}

/// Reads a counter.
pub(crate) fn decode_u64(bytes: &[u8], what: &str) -> Result<u64, StoreError> {
    crate::layout::read_u64(bytes).ok_or_else(|| damaged(what))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_that_a_later_version_appends_are_skipped() {
        let mut encoder = minicbor::Encoder::new(Vec::new());
        encoder
            .array(4)
            .unwrap()
            .u64(7)
            .unwrap()
            .null()
            .unwrap()
            .u64(9)
            .unwrap()
            .str("of the future")
            .unwrap();
        let read = decode_client(&encoder.into_writer()).unwrap();
        assert_eq!(read, ClientRecord { last_id: PushId(7), seq: None, used_ms: 9 });
    }

    #[test]
    fn damaged_rows_are_refused_by_name() {
        for bytes in [&b""[..], b"\x00", b"\xff\xff", b"\x82\x01"] {
            assert!(matches!(decode_room(bytes), Err(StoreError::Damaged(_))));
            assert!(matches!(decode_client(bytes), Err(StoreError::Damaged(_))));
            assert!(matches!(decode_base(Bytes::copy_from_slice(bytes)), Err(StoreError::Damaged(_))));
        }
        assert!(decode_value(Bytes::from_static(b"\x03abc")).is_err(), "an encoding of another version");
    }
}
