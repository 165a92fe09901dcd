//! Ids of entities as people read, copy and type them.

use data_encoding::{BASE64, BASE64_NOPAD, BASE64URL, BASE64URL_NOPAD, HEXLOWER_PERMISSIVE};
use seabag_protocol::host::bytes::Reader;
use seabag_protocol::host::eid::Eid;

/// The id as every command prints it: base64url without padding, 20 characters as a rule.
pub(crate) fn print(eid: &Eid) -> String {
    BASE64URL_NOPAD.encode(eid.as_bytes())
}

/// Reads an id in base64url, base64 or hex. For clap.
pub(crate) fn parse(text: &str) -> Result<Eid, String> {
    let text = text.trim();
    // Hex is tried first: that the digits of one id make sense as hex by chance does not happen, since the
    // length inside must be right as well.
    let hex = HEXLOWER_PERMISSIVE.decode(text.as_bytes()).ok().and_then(exact);
    let base64 = || {
        let encodings = [&BASE64URL_NOPAD, &BASE64URL, &BASE64_NOPAD, &BASE64];
        encodings.iter().find_map(|encoding| encoding.decode(text.as_bytes()).ok())
    };
    hex.or_else(|| base64().and_then(|bytes| Eid::decode(bytes).ok()))
        .ok_or_else(|| "this is no id: `seabag ent ls` shows the ids, 20 characters each".to_owned())
}

/// An id of exactly these bytes.
fn exact(bytes: Vec<u8>) -> Option<Eid> {
    let mut reader = Reader::new(bytes.clone());
    reader.var_bytes().and_then(|_| reader.varint()).ok()?;
    if reader.rest().is_empty() { Eid::decode(bytes).ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;
    use data_encoding::HEXLOWER;

    #[test]
    fn an_id_is_read_in_every_form_that_programs_print() {
        let eid = Eid::new(&[251, 255, 3, 4, 5, 6, 7, 8], 1_700_000_000_000).unwrap();
        let bytes = eid.as_bytes();
        assert_eq!(print(&eid).len(), 20);
        for text in [
            print(&eid),
            BASE64.encode(bytes),
            BASE64_NOPAD.encode(bytes),
            HEXLOWER.encode(bytes),
            HEXLOWER.encode(bytes).to_uppercase(),
            format!(" {}\n", print(&eid)),
        ] {
            assert_eq!(parse(&text), Ok(eid.clone()), "{text}");
        }
    }

    #[test]
    fn an_id_with_a_tail_keeps_it() {
        let eid = Eid::decode(vec![1, 2, 3, 99]).unwrap();
        assert_eq!(parse(&print(&eid)), Ok(eid));
    }

    #[test]
    fn what_is_no_id_is_refused() {
        for text in ["", "x", "note", "CA", "ffff", "\u{1b}[0m", "=="] {
            assert!(parse(text).is_err(), "{text:?}");
        }
    }
}
