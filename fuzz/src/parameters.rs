//! What stands in URLs and headers: ids, cursors, the query of a connection.

use seabag_protocol::room::name::{
    Access, ClientId, Cursor, Epoch, ReadOnlyId, RoomAddress, RoomHash, RoomId,
};
use seabag_protocol::room::session::Options;
use seabag_protocol::room::value::Encoding;

/// First line: the offered subprotocols. Second: a query. All of it: an id, a cursor, an epoch.
pub fn parameters(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    for name in text.lines().chain([text]) {
        names(name);
    }
    let mut lines = text.lines();
    let offered = lines.next().unwrap_or_default();
    let query = lines.next().unwrap_or_default();
    let pairs = query.split(['&', '?']).map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    let Ok(options) = Options::parse(offered, pairs, Access::Write) else { return };
    let offers = |name: &str| offered.split(',').any(|item| item.trim() == name);
    match options.subprotocol() {
        Some(name) => assert!(offers(name), "{name} was not offered"),
        None => assert!(!offers("seabag.v1") && !offers("seabag.v1.cbor"), "an offer was ignored"),
    }
    if options.subprotocol().is_some() {
        assert_eq!(options.subprotocol() == Some("seabag.v1.cbor"), options.encoding == Encoding::Cbor);
    }
}

fn names(text: &str) {
    if let Ok(address) = RoomAddress::parse(text) {
        assert_eq!(address.reveal(), text);
        assert_eq!(address.access() == Access::Write, RoomId::parse(text).is_some());
        assert_eq!(address.access() == Access::ReadOnly, ReadOnlyId::parse(text).is_some());
        let reader = RoomAddress::parse(address.read_only.reveal()).expect("a read-only id is an id");
        assert_eq!((reader.hash(), reader.access()), (address.hash(), Access::ReadOnly));
        assert_eq!(RoomHash::from_hex(&address.hash().to_hex()), Some(address.hash()));
        assert!(!format!("{address:?}").contains(text), "a secret was printed");
    }
    if let Ok(cursor) = Cursor::parse(text) {
        assert_eq!(Cursor::parse(&cursor.to_string()), Ok(cursor));
    }
    if let Some(epoch) = Epoch::parse(text) {
        assert_eq!(epoch.as_str(), text);
    }
    if let Ok(client) = ClientId::parse(text) {
        assert_eq!(client.as_str(), text);
    }
    if let Some(hash) = RoomHash::from_hex(text) {
        assert_eq!(hash.to_hex(), text.to_ascii_lowercase());
    }
}
