//! A bag: a message sealed in two parts, as a host keeps it.

use bytes::Bytes;

use super::auth::PublicKey;
use super::bytes::{Reader, put_var_bytes, varint_length};
use super::status::Status;

/// What a host counts an account's bags with: from 1, without gaps, never given out twice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BagSeq(pub u64);

impl BagSeq {
    /// Before the first bag.
    pub const ZERO: Self = Self(0);

    /// The number after this one.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

/// The last number that a host gives out: what a JavaScript client can still tell from its neighbours.
pub const BAG_SEQ_MAX: BagSeq = BagSeq((1 << 53) - 1);

/// The bytes from which, with the seed, a bag's key is derived.
pub type Derivation = [u8; 8];

/// What a host keeps of a bag beside its body, and PEEK shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealedHead {
    /// Ed25519 of the sealed head, by the account's key.
    pub signature: [u8; 64],
    /// From which the bag's key is derived.
    pub derivation: Derivation,
    /// The sealed message head.
    pub head: Bytes,
}

/// A sealed message. A delete's body has no bytes at all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bag {
    /// All but the body.
    pub sealed: SealedHead,
    /// The sealed body.
    pub body: Bytes,
}

/// What tells two bags apart: every sealing of one message for one account has the same. Two bags of the same
/// identity are duplicates, though their bytes differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BagIdentity {
    /// The derivation bytes: they are a hash of key and message head.
    pub derivation: Derivation,
    /// Bytes of the sealed head.
    pub head_length: u64,
    /// Bytes of the sealed body.
    pub body_length: u64,
}

impl SealedHead {
    /// Reads a sealed head from the front.
    pub fn read(reader: &mut Reader) -> Result<Self, Status> {
        Ok(Self { signature: reader.array()?, derivation: reader.array()?, head: reader.var_bytes()? })
    }

    /// Reads a sealed head; bytes after its end are ignored.
    pub fn decode(bytes: impl Into<Bytes>) -> Result<Self, Status> {
        Self::read(&mut Reader::new(bytes))
    }

    /// Appends it.
    pub fn write(&self, out: &mut Vec<u8>) -> Result<(), Status> {
        out.extend_from_slice(&self.signature);
        out.extend_from_slice(&self.derivation);
        put_var_bytes(out, &self.head)
    }

    /// Its bytes.
    pub fn encode(&self) -> Result<Vec<u8>, Status> {
        let mut out = Vec::with_capacity(self.encoded_length());
        self.write(&mut out)?;
        Ok(out)
    }

    /// How many bytes it encodes to.
    pub fn encoded_length(&self) -> usize {
        72 + varint_length(self.head.len() as u64) + self.head.len()
    }

    /// Whether the account signed it: `InvalidSignature` if not.
    pub fn check(&self, key: &PublicKey) -> Result<(), Status> {
        key.verify(&self.head, &self.signature)
    }
}

impl Bag {
    /// Reads a bag from the front.
    pub fn read(reader: &mut Reader) -> Result<Self, Status> {
        Ok(Self { sealed: SealedHead::read(reader)?, body: reader.var_bytes()? })
    }

    /// Appends it.
    pub fn write(&self, out: &mut Vec<u8>) -> Result<(), Status> {
        self.sealed.write(out)?;
        put_var_bytes(out, &self.body)
    }

    /// Its identity.
    pub fn identity(&self) -> BagIdentity {
        BagIdentity {
            derivation: self.sealed.derivation,
            head_length: self.sealed.head.len() as u64,
            body_length: self.body.len() as u64,
        }
    }

    /// What it counts against its account's quota: the bytes of its two parts as a host keeps them.
    pub fn stored_bytes(&self) -> u64 {
        (self.sealed.encoded_length() + self.body.len()) as u64
    }
}
