//! How every other secret follows from the seed: the plain BLAKE3 hash of the seed and what the secret is for.
//! A keyed hash with a tag would be better (docs/threat-model.md); these are the bytes that exist.

use blake3::Hasher;
use zeroize::{Zeroize, Zeroizing};

use crate::seed::Seed;

/// BLAKE3 of the seed and these parts, one after the other.
pub(crate) fn derive(seed: &Seed, parts: &[&[u8]]) -> Zeroizing<[u8; 32]> {
    let mut hasher = Hasher::new();
    hasher.update(seed.bytes());
    for part in parts {
        hasher.update(part);
    }
    let derived = finish(&hasher);
    hasher.zeroize();
    derived
}

/// The hash, in memory that is wiped.
pub(crate) fn finish(hasher: &Hasher) -> Zeroizing<[u8; 32]> {
    let mut hash = hasher.finalize();
    let derived = Zeroizing::new(*hash.as_bytes());
    hash.zeroize();
    derived
}
