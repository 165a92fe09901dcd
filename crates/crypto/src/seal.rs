//! Sealing messages into bags and opening them: the host sees sizes and a signature, and nothing else.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use seabag_protocol::host::bag::{Bag, Derivation, SealedHead};
use seabag_protocol::host::message::MessageHead;
use seabag_protocol::host::status::Status;

use crate::box_key::BoxKey;
use crate::host_keys::HostKeys;
use crate::seed::Seed;

/// Two nonces of 24 bytes, fresh from the system's random source for every sealing: head and body are sealed
/// with one key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Nonces {
    /// For the head.
    pub head: [u8; 24],
    /// For the body; not used if there is none.
    pub body: [u8; 24],
}

/// Seals for one account, and opens what was sealed for it.
pub struct Sealer {
    seed: Arc<Seed>,
    keys: HostKeys,
}

/// A message sealed, and not signed.
pub(crate) struct SealedParts {
    pub(crate) derivation: Derivation,
    pub(crate) head: Vec<u8>,
    pub(crate) body: Vec<u8>,
}

impl Sealer {
    /// For the account of this label and index. Deriving its keypair is the expensive part: keep the sealer.
    pub fn new(seed: Arc<Seed>, label: &str, index: u64) -> Self {
        let keys = HostKeys::derive(&seed, label, index);
        Self { seed, keys }
    }

    /// The account's keypair.
    pub fn keys(&self) -> &HostKeys {
        &self.keys
    }

    /// The bag of a message. An empty body is none. `HashMismatch` when the body is not the one that the head
    /// names: nobody could open such a bag.
    pub fn seal(&self, head: &MessageHead, body: Option<&[u8]>, nonces: &Nonces) -> Result<Bag, Status> {
        let SealedParts { derivation, head, body } = self.seal_parts(head, body, nonces)?;
        let signature = self.keys.sign(&head);
        Ok(Bag { sealed: SealedHead { signature, derivation, head: head.into() }, body: body.into() })
    }

    /// The same without the signature: an export file has one for all of its messages.
    pub(crate) fn seal_parts(
        &self,
        head: &MessageHead,
        body: Option<&[u8]>,
        nonces: &Nonces,
    ) -> Result<SealedParts, Status> {
        head.check_body(body)?;
        let encoded = head.encode()?;
        let derivation = self.keys.derivation(&encoded);
        let key = BoxKey::of_bag(&self.seed, &derivation);
        let body = match body {
            Some(body) if !body.is_empty() => key.seal(&nonces.body, body)?,
            _ => Vec::new(),
        };
        Ok(SealedParts { derivation, head: key.seal(&nonces.head, &encoded)?, body })
    }

    /// The message head in a bag: `InvalidSignature` if this account did not sign it, `DecryptionError` if it
    /// was not sealed with this seed and these derivation bytes, or what its decoding says.
    pub fn open_head(&self, sealed: &SealedHead) -> Result<MessageHead, Status> {
        sealed.check(&self.keys.public())?;
        open_sealed_head(&self.seed, &sealed.derivation, &sealed.head)
    }

    /// The body that belongs to a head; a delete has none. `DecryptionError` when it does not open,
    /// `HashMismatch` when it is not the one that the head names, or is there and empty.
    pub fn open_body(
        &self,
        derivation: &Derivation,
        head: &MessageHead,
        sealed_body: &[u8],
    ) -> Result<Option<Bytes>, Status> {
        open_sealed_body(&self.seed, derivation, head, sealed_body)
    }

    /// The message in a bag: all checks of [`Sealer::open_head`], then those of [`Sealer::open_body`].
    pub fn open(&self, bag: &Bag) -> Result<(MessageHead, Option<Bytes>), Status> {
        let head = self.open_head(&bag.sealed)?;
        let body = self.open_body(&bag.sealed.derivation, &head, &bag.body)?;
        Ok((head, body))
    }
}

impl fmt::Debug for Sealer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Sealer").field("keys", &self.keys).finish_non_exhaustive()
    }
}

/// The head, without looking at any signature.
pub(crate) fn open_sealed_head(
    seed: &Seed,
    derivation: &Derivation,
    sealed: &[u8],
) -> Result<MessageHead, Status> {
    let encoded = BoxKey::of_bag(seed, derivation).open(sealed)?;
    // Whoever sealed it holds the seed: it is a broken message, and how it is broken is of no use to anyone.
    MessageHead::decode(encoded).map_err(|_| Status::InvalidMessage)
}

/// The body, checked against its head.
pub(crate) fn open_sealed_body(
    seed: &Seed,
    derivation: &Derivation,
    head: &MessageHead,
    sealed: &[u8],
) -> Result<Option<Bytes>, Status> {
    if sealed.is_empty() {
        return head.check_body(None).map(|()| None);
    }
    let body = BoxKey::of_bag(seed, derivation).open(sealed)?;
    if body.is_empty() {
        // Upstream can seal this and cannot open it. To read it as a delete would part the replicas.
        return Err(Status::HashMismatch);
    }
    head.check_body(Some(&body))?;
    Ok(Some(body.into()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::support::{array, bytes, cases, number, text, vectors};

    #[test]
    fn a_bag_of_the_account_that_another_seed_sealed_does_not_open() {
        let group = vectors("bag");
        let case = &cases(&group, "sealed")[0];
        let seed = Seed::from_hex(text(case, "seed")).unwrap();
        let keys = HostKeys::derive(&seed, text(case, "label"), number(case, "index"));
        let sealed = SealedHead {
            signature: array(case, "sig"),
            derivation: array(case, "kdm"),
            head: bytes(case, "head_cph").into(),
        };
        let sealer = Sealer { seed: Arc::new(Seed::from_bytes(&[9; 32])), keys };
        assert_eq!(sealer.open_head(&sealed), Err(Status::DecryptionError));
        let sealer = Sealer { seed: Arc::new(seed), ..sealer };
        assert_eq!(sealer.open_head(&sealed).map(|head| head.length), Ok(16));
    }
}
