//! Writes messages in either encoding from one description, values spliced in as they are stored.

use ciborium_ll::{Encoder, Header};

use super::value::{Encoding, Value};

/// Writes maps, lists and plain items one after another. In JSON it sets the commas itself.
pub(super) struct Writer {
    encoding: Encoding,
    out: Vec<u8>,
}

impl Writer {
    pub(super) fn new(encoding: Encoding, capacity: usize) -> Self {
        Self { encoding, out: Vec::with_capacity(capacity) }
    }

    pub(super) fn finish(self) -> Vec<u8> {
        self.out
    }

    fn json(&self) -> bool {
        self.encoding == Encoding::Json
    }

    fn head(&mut self, header: Header) {
        // Writing to a Vec cannot fail.
        let _ = Encoder::from(&mut self.out).push(header);
    }

    fn comma(&mut self) {
        if self.json() && !matches!(self.out.last(), None | Some(b'{' | b'[' | b':')) {
            self.out.push(b',');
        }
    }

    /// Opens a map of exactly `fields` fields.
    pub(super) fn map(&mut self, fields: usize) {
        self.comma();
        if self.json() { self.out.push(b'{') } else { self.head(Header::Map(Some(fields))) }
    }

    /// Closes a map.
    pub(super) fn end_map(&mut self) {
        if self.json() {
            self.out.push(b'}');
        }
    }

    /// Opens a list of exactly `items` items.
    pub(super) fn list(&mut self, items: usize) {
        self.comma();
        if self.json() { self.out.push(b'[') } else { self.head(Header::Array(Some(items))) }
    }

    /// Closes a list.
    pub(super) fn end_list(&mut self) {
        if self.json() {
            self.out.push(b']');
        }
    }

    /// A field's name; its content comes next.
    pub(super) fn name(&mut self, name: &str) {
        self.text(name);
        if self.json() {
            self.out.push(b':');
        }
    }

    pub(super) fn text(&mut self, text: &str) {
        self.comma();
        if self.json() {
            let _ = serde_json::to_writer(&mut self.out, text);
        } else {
            let _ = Encoder::from(&mut self.out).text(text, None);
        }
    }

    pub(super) fn number(&mut self, number: u64) {
        self.comma();
        if self.json() {
            let _ = serde_json::to_writer(&mut self.out, &number);
        } else {
            self.head(Header::Positive(number));
        }
    }

    pub(super) fn flag(&mut self, flag: bool) {
        self.comma();
        if self.json() {
            self.out.extend_from_slice(if flag { b"true" } else { b"false" });
        } else {
            self.head(Header::Simple(if flag {
                ciborium_ll::simple::TRUE
            } else {
                ciborium_ll::simple::FALSE
            }));
        }
    }

    pub(super) fn null(&mut self) {
        self.comma();
        if self.json() {
            self.out.extend_from_slice(b"null");
        } else {
            self.head(Header::Simple(ciborium_ll::simple::NULL));
        }
    }

    pub(super) fn value(&mut self, value: &Value) {
        self.comma();
        if self.json() { value.write_json(&mut self.out) } else { value.write_cbor(&mut self.out) }
    }

    pub(super) fn text_field(&mut self, name: &str, text: &str) {
        self.name(name);
        self.text(text);
    }

    pub(super) fn number_field(&mut self, name: &str, number: u64) {
        self.name(name);
        self.number(number);
    }

    pub(super) fn optional_number_field(&mut self, name: &str, number: Option<u64>) {
        self.name(name);
        match number {
            Some(number) => self.number(number),
            None => self.null(),
        }
    }

    pub(super) fn flag_field(&mut self, name: &str, flag: bool) {
        self.name(name);
        self.flag(flag);
    }

    pub(super) fn value_field(&mut self, name: &str, value: &Value) {
        self.name(name);
        self.value(value);
    }
}
