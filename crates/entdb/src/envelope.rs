//! The envelope: the msgpack map that a message's body is, with an entity's content, type, group and parent.
//! Written in one form; read in any order, with keys missing or unknown.

use bytes::Bytes;
use seabag_protocol::host::eid::Eid;

use crate::msgpack::value_length;

/// What an envelope says.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Envelope {
    /// The entity's type.
    pub(crate) kind: String,
    /// The entity that it belongs to.
    pub(crate) parent: Option<Eid>,
    /// The group that it is in.
    pub(crate) group: Option<String>,
    /// Its content, one msgpack value.
    pub(crate) body: Bytes,
}

impl Envelope {
    /// Its bytes in the form that every device writes: body, type, gid, pid, with nil for what is not there.
    pub(crate) fn encode(&self) -> Bytes {
        let parent = self.parent.as_ref().map(Eid::as_bytes);
        encode_parts(&self.kind, parent, self.group.as_deref(), &self.body)
    }
}

/// As [`Envelope::encode`], of parts.
pub(crate) fn encode_parts(kind: &str, parent: Option<&[u8]>, group: Option<&str>, body: &[u8]) -> Bytes {
    let mut out = Vec::with_capacity(48 + kind.len() + group.map_or(0, str::len) + body.len());
    out.push(MAP_OF_FOUR);
    put_text(&mut out, "body");
    out.extend_from_slice(body);
    put_text(&mut out, "type");
    put_text(&mut out, kind);
    put_text(&mut out, "gid");
    match group {
        Some(group) => put_text(&mut out, group),
        None => out.push(NIL),
    }
    put_text(&mut out, "pid");
    match parent {
        Some(parent) => rmp::encode::write_bin(&mut out, parent).expect("memory takes all that is written"),
        None => out.push(NIL),
    }
    out.into()
}

const MAP_OF_FOUR: u8 = 0x84;
const NIL: u8 = 0xc0;

fn put_text(out: &mut Vec<u8>, text: &str) {
    rmp::encode::write_str(out, text).expect("memory takes all that is written");
}

/// How envelopes are read: a later version may understand more, and then tries again what was set aside.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reader {
    /// Greater than that of every reader that understands less.
    pub(crate) version: u32,
    /// Reads one; the error is why it is set aside.
    pub(crate) decode: fn(&Bytes) -> Result<Envelope, &'static str>,
}

impl Reader {
    /// The one of this program. Whoever makes [`decode`] understand more counts it up.
    pub(crate) const CURRENT: Self = Self { version: 1, decode };
}

/// Reads an envelope. Of a key that comes twice the last one counts, as in the other implementations.
pub(crate) fn decode(bytes: &Bytes) -> Result<Envelope, &'static str> {
    if bytes.first().is_none_or(|first| !matches!(first, 0x80..=0x8f | 0xde | 0xdf)) {
        return Err("the body is not a map");
    }
    if value_length(bytes).map_err(|_| "the body is not whole msgpack")? != bytes.len() {
        return Err("bytes follow the body's end");
    }
    let mut parts = Parts::default();
    let (count, mut at) = container(bytes)?;
    for _ in 0..count {
        let key = value(bytes, &mut at)?;
        let held = value(bytes, &mut at)?;
        match text(&key).ok_or("a key is not text")? {
            "body" => parts.body = Some(held),
            "type" => parts.kind = Some(held),
            "gid" => parts.group = Some(held),
            "pid" => parts.parent = Some(held),
            _ => {}
        }
    }
    parts.envelope()
}

#[derive(Default)]
struct Parts {
    body: Option<Bytes>,
    kind: Option<Bytes>,
    group: Option<Bytes>,
    parent: Option<Bytes>,
}

impl Parts {
    fn envelope(self) -> Result<Envelope, &'static str> {
        let kind = self.kind.ok_or("there is no type")?;
        let group = match self.group.filter(|held| !is_nil(held)) {
            None => None,
            Some(held) => Some(text(&held).ok_or("the group is not text")?.to_owned()),
        };
        let parent = match self.parent.filter(|held| !is_nil(held)) {
            None => None,
            Some(held) => {
                let id = binary(&held).ok_or("the parent is not bytes")?;
                Some(Eid::decode(id).map_err(|_| "the parent is not an entity's id")?)
            }
        };
        Ok(Envelope {
            kind: text(&kind).ok_or("the type is not text")?.to_owned(),
            parent,
            group,
            body: self.body.ok_or("there is no content")?,
        })
    }
}

/// How many entries the map at the front has, and where they begin.
fn container(bytes: &[u8]) -> Result<(u32, usize), &'static str> {
    let mut rest = bytes;
    let count = rmp::decode::read_map_len(&mut rest).map_err(|_| "the body is not a map")?;
    Ok((count, bytes.len() - rest.len()))
}

/// The value at this place, which is moved past it.
fn value(bytes: &Bytes, at: &mut usize) -> Result<Bytes, &'static str> {
    let rest = bytes.get(*at..).unwrap_or_default();
    let length = value_length(rest)?;
    let value = bytes.slice(*at..*at + length);
    *at += length;
    Ok(value)
}

fn is_nil(value: &[u8]) -> bool {
    value == [NIL]
}

fn text(value: &[u8]) -> Option<&str> {
    rmp::decode::read_str_from_slice(value).ok().map(|(text, _)| text)
}

fn binary(value: &Bytes) -> Option<Bytes> {
    let mut rest = value.as_ref();
    let length = rmp::decode::read_bin_len(&mut rest).ok()?;
    let start = value.len() - rest.len();
    (rest.len() == length as usize).then(|| value.slice(start..))
}
