//! The short name of an account for its host's keeper: the first bytes of its key, enough to tell accounts apart and
//! in the store's order, and no way to speak for one.

use seabag_protocol::host::auth::PublicKey;

/// The first bytes of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fingerprint(u64);

impl Fingerprint {
    /// Of this key.
    pub(crate) fn of(key: &PublicKey) -> Self {
        Self(key.0.first_chunk().map_or(0, |first| u64::from_be_bytes(*first)))
    }

    /// From 16 hex digits.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let digits = text.len() == 16 && text.bytes().all(|digit| digit.is_ascii_hexdigit());
        u64::from_str_radix(text, 16).ok().filter(|_| digits).map(Self)
    }

    /// As 16 hex digits.
    pub(crate) fn to_hex(self) -> String {
        format!("{:016x}", self.0)
    }

    /// The last key that could have it.
    pub(crate) fn last_key(self) -> PublicKey {
        let mut key = [0xff; 32];
        key.iter_mut().zip(self.0.to_be_bytes()).for_each(|(to, from)| *to = from);
        PublicKey(key)
    }

    /// The last key before those that could have it, if there is any.
    pub(crate) fn before(self) -> Option<PublicKey> {
        self.0.checked_sub(1).map(|before| Self(before).last_key())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fingerprint_stands_for_a_range_of_keys() {
        let fingerprint = Fingerprint::parse("00000000000000ff").unwrap();
        let mut key = [0; 32];
        key[7] = 0xff;
        key[31] = 1;
        assert_eq!(Fingerprint::of(&PublicKey(key)), fingerprint);
        assert_eq!(fingerprint.to_hex(), "00000000000000ff");
        assert!(fingerprint.before().unwrap() < PublicKey(key) && PublicKey(key) < fingerprint.last_key());
        assert_eq!(Fingerprint(0).before(), None);
        for wrong in ["", "ff", "+0000000000000ff", "g0000000000000ff"] {
            assert_eq!(Fingerprint::parse(wrong), None);
        }
    }
}
