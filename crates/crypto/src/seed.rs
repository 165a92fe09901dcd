//! The seed: the one secret from which all others are made. It is wiped when it is dropped, and says nothing of
//! itself unless it is asked by a method that is named for it.

use std::fmt;

use data_encoding::{HEXLOWER, HEXLOWER_PERMISSIVE};
use thiserror::Error;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

/// Bytes of a seed.
pub(crate) const SEED_BYTES: usize = 32;

/// Hexadecimal digits of a seed.
const SEED_DIGITS: usize = 2 * SEED_BYTES;

/// 32 random bytes, a person's only secret. Neither `Clone` nor `Display`: share it in an `Arc`.
///
/// It lives on the heap, so that moving it leaves no copy behind.
pub struct Seed(Box<[u8; SEED_BYTES]>);

/// Why text is not a seed. It tells places and counts, never what was typed: that may be most of a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum SeedError {
    /// Not 64 digits.
    #[error("a seed has {SEED_DIGITS} hexadecimal digits, and here are {found}")]
    Length {
        /// How many characters there are.
        found: usize,
    },
    /// A character that is no digit, at this place, counted from 1.
    #[error("character {place} is not a hexadecimal digit (0 to 9, a to f)")]
    Digit {
        /// Its place, counted from 1.
        place: usize,
    },
}

impl Seed {
    /// Of these bytes, which come from the system's random source.
    pub fn from_bytes(bytes: &[u8; SEED_BYTES]) -> Self {
        let mut seed = Self(Box::new([0; SEED_BYTES]));
        seed.0.copy_from_slice(bytes);
        seed
    }

    /// Of 64 hexadecimal digits in either case, with nothing around them.
    pub fn from_hex(digits: &str) -> Result<Self, SeedError> {
        if let Some(at) = digits.chars().position(|character| !character.is_ascii_hexdigit()) {
            return Err(SeedError::Digit { place: at + 1 });
        }
        let wrong_length = SeedError::Length { found: digits.len() };
        if digits.len() != SEED_DIGITS {
            return Err(wrong_length);
        }
        let mut seed = Self(Box::new([0; SEED_BYTES]));
        HEXLOWER_PERMISSIVE.decode_mut(digits.as_bytes(), seed.0.as_mut_slice()).map_err(|_| wrong_length)?;
        Ok(seed)
    }

    /// The seed as 64 lower-case hexadecimal digits: whoever sees them can read and write everything.
    pub fn reveal_hex(&self) -> Zeroizing<String> {
        let mut digits = Zeroizing::new(String::with_capacity(SEED_DIGITS));
        HEXLOWER.encode_append(self.bytes(), &mut digits);
        digits
    }

    pub(crate) fn bytes(&self) -> &[u8; SEED_BYTES] {
        &self.0
    }
}

impl Drop for Seed {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl ZeroizeOnDrop for Seed {}

impl fmt::Debug for Seed {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Seed(..)")
    }
}
