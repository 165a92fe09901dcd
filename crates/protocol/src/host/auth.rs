//! Who asks: a public key that signed the time, or, for the calls that destroy, the whole request.
//! Signatures are checked strictly: keys of small order and encodings that are not canonical are refused
//! (upstream accepts them, and with them an all-zero key with an all-zero signature).

use std::fmt;

use bytes::Bytes;
use ed25519_dalek::{Signature, VerifyingKey};

use super::bytes::{Reader, put_var_bytes, put_varint};
use super::record::EpochId;
use super::status::Status;

/// How far a request's time may be from the host's, milliseconds, either way.
pub const CLOCK_TOLERANCE_MS: u64 = 30_000;

/// An account: the public key of its host keypair.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PublicKey(pub [u8; 32]);

impl PublicKey {
    /// Whether this key signed these bytes: `InvalidSignature` if not, or if the key is one that any signature
    /// could pass for.
    pub fn verify(&self, message: &[u8], signature: &[u8; 64]) -> Result<(), Status> {
        self.ready()?.verify(message, signature)
    }

    /// The key made ready to check many signatures, which takes about a tenth of the work out of each.
    /// `InvalidSignature` if it is no key.
    pub fn ready(&self) -> Result<ReadyKey, Status> {
        VerifyingKey::from_bytes(&self.0).map(ReadyKey).map_err(|_| Status::InvalidSignature)
    }
}

/// A public key that is ready to check signatures.
#[derive(Clone)]
pub struct ReadyKey(VerifyingKey);

impl ReadyKey {
    /// As [`PublicKey::verify`].
    pub fn verify(&self, message: &[u8], signature: &[u8; 64]) -> Result<(), Status> {
        let signature = Signature::from_bytes(signature);
        self.0.verify_strict(message, &signature).map_err(|_| Status::InvalidSignature)
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "PublicKey({}..)",
            data_encoding::HEXLOWER.encode(self.0.get(..4).unwrap_or_default())
        )
    }
}

/// Whether two clocks are within the tolerance: `ClockOutOfSync` if not.
fn check_time(time_ms: u64, now_ms: u64) -> Result<(), Status> {
    if time_ms.abs_diff(now_ms) > CLOCK_TOLERANCE_MS { Err(Status::ClockOutOfSync) } else { Ok(()) }
}

/// What every request begins with: a key, and its signature of the time. `Debug` leaves the signature out: whoever
/// reads it in a log could use it for a while.
#[derive(Clone, PartialEq, Eq)]
pub struct SignedTimestamp {
    /// Who asks.
    pub public: PublicKey,
    /// Ed25519 of the time's shortest varint.
    pub signature: [u8; 64],
    /// When the request was made by the client's clock, milliseconds since 1970.
    pub time_ms: u64,
}

impl fmt::Debug for SignedTimestamp {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = formatter.debug_struct("SignedTimestamp");
        shown.field("public", &self.public).field("time_ms", &self.time_ms).finish_non_exhaustive()
    }
}

impl SignedTimestamp {
    /// The bytes that are signed.
    pub fn signed_bytes(time_ms: u64) -> Result<Vec<u8>, Status> {
        let mut out = Vec::with_capacity(8);
        put_varint(&mut out, time_ms)?;
        Ok(out)
    }

    /// Reads one from the front.
    pub fn read(reader: &mut Reader) -> Result<Self, Status> {
        if reader.rest().len() < 96 {
            return Err(Status::OutOfBounds);
        }
        Ok(Self { public: PublicKey(reader.array()?), signature: reader.array()?, time_ms: reader.varint()? })
    }

    /// Appends it.
    pub fn write(&self, out: &mut Vec<u8>) -> Result<(), Status> {
        out.extend_from_slice(&self.public.0);
        out.extend_from_slice(&self.signature);
        put_varint(out, self.time_ms)
    }

    /// Whether its time is within the tolerance: `ClockOutOfSync` if not.
    pub fn check_time(&self, now_ms: u64) -> Result<(), Status> {
        check_time(self.time_ms, now_ms)
    }

    /// Whether the key signed the time: `InvalidSignature` if not. The time is checked before.
    pub fn check_signature(&self) -> Result<(), Status> {
        self.check_signature_with(&self.public.ready()?)
    }

    /// The same, where the key has been made ready already.
    pub fn check_signature_with(&self, key: &ReadyKey) -> Result<(), Status> {
        key.verify(&Self::signed_bytes(self.time_ms)?, &self.signature)
    }
}

/// What the calls that destroy begin with: a key and its signature of the whole request, so that nobody can
/// replay it for another host, another history, another call or another body (docs/host.md).
#[derive(Clone, PartialEq, Eq)]
pub struct SignedCall {
    /// Who asks.
    pub public: PublicKey,
    /// Ed25519 of [`SignedCall::signed_bytes`].
    pub signature: [u8; 64],
    /// When the request was made by the client's clock, milliseconds since 1970.
    pub time_ms: u64,
    /// The origin of the host that is meant, such as `https://host.example.org`.
    pub origin: String,
    /// The epoch of the account that is meant.
    pub epoch: EpochId,
}

impl fmt::Debug for SignedCall {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = formatter.debug_struct("SignedCall");
        shown.field("public", &self.public).field("time_ms", &self.time_ms).field("origin", &self.origin);
        shown.field("epoch", &self.epoch).finish_non_exhaustive()
    }
}

impl SignedCall {
    /// The bytes that are signed: a tag, the call's path, origin, epoch, time and the hash of what follows.
    pub fn signed_bytes(
        path: &str,
        origin: &str,
        epoch: &EpochId,
        time_ms: u64,
        body: &[u8],
    ) -> Result<Vec<u8>, Status> {
        let mut out = b"seabag signed call 1\n".to_vec();
        put_var_bytes(&mut out, path.as_bytes())?;
        put_var_bytes(&mut out, origin.as_bytes())?;
        out.extend_from_slice(&epoch.0);
        put_varint(&mut out, time_ms)?;
        out.extend_from_slice(blake3::hash(body).as_bytes());
        Ok(out)
    }

    /// Reads one from the front. What the reader has left is the body.
    pub fn read(reader: &mut Reader) -> Result<Self, Status> {
        Ok(Self {
            public: PublicKey(reader.array()?),
            signature: reader.array()?,
            time_ms: reader.varint()?,
            origin: reader.var_string()?,
            epoch: EpochId(reader.array()?),
        })
    }

    /// Appends it.
    pub fn write(&self, out: &mut Vec<u8>) -> Result<(), Status> {
        out.extend_from_slice(&self.public.0);
        out.extend_from_slice(&self.signature);
        put_varint(out, self.time_ms)?;
        put_var_bytes(out, self.origin.as_bytes())?;
        out.extend_from_slice(&self.epoch.0);
        Ok(())
    }

    /// Whether its time is within the tolerance: `ClockOutOfSync` if not.
    pub fn check_time(&self, now_ms: u64) -> Result<(), Status> {
        check_time(self.time_ms, now_ms)
    }

    /// Whether the key signed this call with this body: `InvalidSignature` if not. The time is checked before.
    pub fn check_signature(&self, path: &str, body: &Bytes) -> Result<(), Status> {
        let signed = Self::signed_bytes(path, &self.origin, &self.epoch, self.time_ms, body)?;
        self.public.verify(&signed, &self.signature)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ed25519_dalek::{Signer, SigningKey};

    const PATH: &str = "/prune";
    const BODY: Bytes = Bytes::from_static(b"\x01\x02");

    fn signed_call() -> SignedCall {
        let key = SigningKey::from_bytes(&[7; 32]);
        let (origin, epoch) = ("https://host.example.org".to_owned(), EpochId([9; 16]));
        let signed = SignedCall::signed_bytes(PATH, &origin, &epoch, 1_000, &BODY).unwrap();
        let public = PublicKey(key.verifying_key().to_bytes());
        SignedCall { public, signature: key.sign(&signed).to_bytes(), time_ms: 1_000, origin, epoch }
    }

    #[test]
    fn a_signed_call_is_good_for_nothing_else() {
        let call = signed_call();
        assert_eq!(call.check_signature(PATH, &BODY), Ok(()));
        let refused = Err(Status::InvalidSignature);
        assert_eq!(call.check_signature("/delete-account", &BODY), refused);
        assert_eq!(call.check_signature(PATH, &Bytes::new()), refused);
        for other in [
            SignedCall { time_ms: 1_001, ..call.clone() },
            SignedCall { origin: "https://host.example.com".into(), ..call.clone() },
            SignedCall { epoch: EpochId([8; 16]), ..call.clone() },
            SignedCall { public: PublicKey([0; 32]), signature: [0; 64], ..call.clone() },
        ] {
            assert_eq!(other.check_signature(PATH, &BODY), refused, "{other:?}");
        }
    }

    #[test]
    fn the_signed_bytes_are_those_of_the_document() {
        let epoch = EpochId([9; 16]);
        let signed = SignedCall::signed_bytes("/prune", "https://h", &epoch, 300, b"").unwrap();
        let mut expected = b"seabag signed call 1\n\x06/prune\x09https://h".to_vec();
        expected.extend_from_slice(&[9; 16]);
        expected.extend_from_slice(&[0xac, 0x02]);
        expected.extend_from_slice(blake3::hash(b"").as_bytes());
        assert_eq!(signed, expected);
    }

    #[test]
    fn the_clocks_may_differ_by_half_a_minute() {
        let call = SignedCall { time_ms: 100_000, ..signed_call() };
        for (now_ms, expected) in [
            (130_000, Ok(())),
            (130_001, Err(Status::ClockOutOfSync)),
            (70_000, Ok(())),
            (69_999, Err(Status::ClockOutOfSync)),
        ] {
            assert_eq!(call.check_time(now_ms), expected);
        }
    }

    #[test]
    fn who_asks_is_shown_without_what_could_be_replayed() {
        let auth = SignedTimestamp { public: PublicKey([0xab; 32]), signature: [0xcd; 64], time_ms: 5 };
        let shown = format!("{auth:?}");
        assert_eq!(shown, "SignedTimestamp { public: PublicKey(abababab..), time_ms: 5, .. }");
        assert!(!format!("{:?}", SignedCall { signature: [205; 64], ..signed_call() }).contains("205"));
    }
}
