//! The keypair of an account at a host, and what it signs. One seed has one for every label and index; none of
//! them tells of another.

use std::fmt;

use blake3::Hasher;
use ed25519_dalek::{Signer, SigningKey};
use seabag_protocol::host::auth::{PublicKey, SignedCall, SignedTimestamp};
use seabag_protocol::host::bag::Derivation;
use seabag_protocol::host::record::EpochId;
use seabag_protocol::host::status::Status;
use zeroize::{Zeroize, Zeroizing};

use crate::derive::{derive, finish};
use crate::seed::Seed;

/// An account's keypair, derived once and kept. Its secret half is on the heap, and is wiped when it is dropped.
pub struct HostKeys {
    signing: Box<SigningKey>,
    /// Told apart from the secret half, so that showing it touches no secret.
    public: PublicKey,
}

impl HostKeys {
    /// The keypair of this label and index. The host's address is no part of it: an account may move.
    pub fn derive(seed: &Seed, label: &str, index: u64) -> Self {
        Self::from_secret(&derive(seed, &[label.as_bytes(), &index.to_be_bytes()]))
    }

    fn from_secret(secret: &[u8; 32]) -> Self {
        let signing = Box::new(SigningKey::from_bytes(secret));
        let public = PublicKey(signing.verifying_key().to_bytes());
        Self { signing, public }
    }

    /// The account's name at its host.
    pub fn public(&self) -> PublicKey {
        self.public
    }

    /// What a request begins with, made at this time in milliseconds since 1970. `VarLimitExceeded` for a time
    /// that no varint holds.
    pub fn timestamp(&self, now_ms: u64) -> Result<SignedTimestamp, Status> {
        let signature = self.sign(&SignedTimestamp::signed_bytes(now_ms)?);
        Ok(SignedTimestamp { public: self.public, signature, time_ms: now_ms })
    }

    /// What a call that destroys begins with: good for this path, origin, epoch, time and body only. The origin
    /// is the host's as the client knows it, such as `https://host.example.org`.
    pub fn call(
        &self,
        path: &str,
        origin: &str,
        epoch: &EpochId,
        now_ms: u64,
        body: &[u8],
    ) -> Result<SignedCall, Status> {
        let signature = self.sign(&SignedCall::signed_bytes(path, origin, epoch, now_ms, body)?);
        let origin = origin.to_owned();
        Ok(SignedCall { public: self.public, signature, time_ms: now_ms, origin, epoch: *epoch })
    }

    /// Signs any bytes. Not for others: what is signed has no tag that says what it is for.
    pub(crate) fn sign(&self, message: &[u8]) -> [u8; 64] {
        self.signing.sign(message).to_bytes()
    }

    /// The derivation bytes of the message with this encoded head: the same every time, others at another account.
    pub(crate) fn derivation(&self, encoded_head: &[u8]) -> Derivation {
        let private = Zeroizing::new(self.signing.to_keypair_bytes());
        let mut hasher = Hasher::new();
        hasher.update(private.as_slice());
        hasher.update(encoded_head);
        let hash = finish(&hasher);
        hasher.zeroize();
        let [a, b, c, d, e, f, g, h, ..] = *hash;
        [a, b, c, d, e, f, g, h]
    }
}

impl fmt::Debug for HostKeys {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("HostKeys").field("public", &self.public).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::support::{bytes, cases, number, text, vectors};

    #[test]
    fn signatures_are_those_of_the_vectors_and_verify() {
        for case in cases(&vectors("ed25519"), "cases") {
            let keys = HostKeys::from_secret(&bytes(&case, "seed").try_into().unwrap());
            let (message, signature) = (bytes(&case, "message"), keys.sign(&bytes(&case, "message")));
            assert_eq!(keys.public.0.to_vec(), bytes(&case, "public"));
            assert_eq!(keys.signing.to_keypair_bytes().to_vec(), bytes(&case, "private64"));
            assert_eq!(signature.to_vec(), bytes(&case, "signature"));
            assert_eq!(keys.public.verify(&message, &signature), Ok(()));
        }
    }

    #[test]
    fn keypairs_follow_from_seed_label_and_index_as_the_vectors_say() {
        for case in cases(&vectors("keys"), "cases") {
            let seed = Seed::from_hex(text(&case, "seed")).unwrap();
            let keys = HostKeys::derive(&seed, text(&case, "label"), number(&case, "index"));
            assert_eq!(keys.signing.to_bytes().to_vec(), bytes(&case, "derived"));
            assert_eq!(keys.public.0.to_vec(), bytes(&case, "public"));
        }
    }
}
