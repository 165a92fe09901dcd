//! The key of one bag, which seals its two parts: NaCl's secretbox (XSalsa20-Poly1305) with the nonce in front.

use crypto_secretbox::aead::AeadInPlace;
use crypto_secretbox::{Key, KeyInit, Nonce, Tag, XSalsa20Poly1305};
use seabag_protocol::host::bag::Derivation;
use seabag_protocol::host::status::Status;

use crate::derive::derive;
use crate::seed::Seed;

/// Bytes of a nonce.
const NONCE_BYTES: usize = 24;
/// Bytes of a tag.
const TAG_BYTES: usize = 16;
/// How many more bytes sealed bytes are than what was sealed.
const OVERHEAD_BYTES: usize = NONCE_BYTES + TAG_BYTES;

/// A secretbox key; wiped when it is dropped.
pub(crate) struct BoxKey(XSalsa20Poly1305);

impl BoxKey {
    /// The key of the bag with these derivation bytes.
    pub(crate) fn of_bag(seed: &Seed, derivation: &Derivation) -> Self {
        Self::from_bytes(&derive(seed, &[derivation]))
    }

    fn from_bytes(key: &[u8; 32]) -> Self {
        Self(XSalsa20Poly1305::new(Key::from_slice(key)))
    }

    /// Nonce, tag, ciphertext. The nonce must be fresh: two plaintexts under one nonce reveal each other.
    pub(crate) fn seal(&self, nonce: &[u8; NONCE_BYTES], plain: &[u8]) -> Result<Vec<u8>, Status> {
        let mut out = Vec::with_capacity(OVERHEAD_BYTES + plain.len());
        out.extend_from_slice(nonce);
        out.extend_from_slice(&[0; TAG_BYTES]);
        out.extend_from_slice(plain);
        let (front, text) = out.split_at_mut(OVERHEAD_BYTES);
        let tag = self
            .0
            .encrypt_in_place_detached(Nonce::from_slice(nonce), &[], text)
            .map_err(|_| Status::InvalidParam)?;
        let (_, place) = front.split_at_mut(NONCE_BYTES);
        place.copy_from_slice(&tag);
        Ok(out)
    }

    /// What was sealed; `DecryptionError` for anything that this key did not seal.
    pub(crate) fn open(&self, sealed: &[u8]) -> Result<Vec<u8>, Status> {
        let parts = sealed.split_at_checked(NONCE_BYTES);
        let (nonce, rest) = parts.ok_or(Status::DecryptionError)?;
        let (tag, text) = rest.split_at_checked(TAG_BYTES).ok_or(Status::DecryptionError)?;
        let mut plain = text.to_vec();
        self.0
            .decrypt_in_place_detached(Nonce::from_slice(nonce), &[], &mut plain, Tag::from_slice(tag))
            .map_err(|_| Status::DecryptionError)?;
        Ok(plain)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::support::{bytes, cases, text, vectors};

    #[test]
    fn a_box_has_the_bytes_of_the_vectors_and_opens_again() {
        for case in cases(&vectors("secretbox"), "cases") {
            let key = BoxKey::from_bytes(&bytes(&case, "key").try_into().unwrap());
            let (plain, combined) = (bytes(&case, "plaintext"), bytes(&case, "combined"));
            assert_eq!(key.seal(&bytes(&case, "nonce").try_into().unwrap(), &plain).unwrap(), combined);
            assert_eq!(key.open(&combined).unwrap(), plain);
        }
    }

    #[test]
    fn bag_keys_follow_from_seed_and_derivation_bytes_as_the_vectors_say() {
        for case in cases(&vectors("kdm_keys"), "cases") {
            let seed = Seed::from_hex(text(&case, "seed")).unwrap();
            let derived = derive(&seed, &[&bytes(&case, "kdm")]);
            assert_eq!(derived.to_vec(), bytes(&case, "key"));
            let of_bag = BoxKey::of_bag(&seed, &bytes(&case, "kdm").try_into().unwrap());
            let sealed = of_bag.seal(&[7; 24], b"the same key").unwrap();
            assert_eq!(BoxKey::from_bytes(&derived).open(&sealed).unwrap(), b"the same key");
        }
    }
}
