//! The one place that asks for random bytes.

use seabag_protocol::error::Refusal;

use crate::status::unavailable;

/// Random bytes of the operating system.
pub(crate) fn random<const N: usize>() -> Result<[u8; N], Refusal> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|_| unavailable("the operating system gave no random bytes"))?;
    Ok(bytes)
}
