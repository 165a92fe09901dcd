//! Chance as a parameter: nonces for seals, jitter for waits.

use seabag_crypto::Nonces;

/// A source of random bytes. What comes from it ends up in nonces, so it must never repeat itself.
pub trait Randomness {
    /// Fills these bytes.
    fn fill(&mut self, bytes: &mut [u8]);
}

/// The operating system's source.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemRandomness;

impl Randomness for SystemRandomness {
    #[allow(clippy::disallowed_methods, reason = "this is the place")]
    fn fill(&mut self, bytes: &mut [u8]) {
        getrandom::fill(bytes).expect("the operating system gives random bytes to a process that runs");
    }
}

/// A number below `bound`; 0 for a bound of 0. The bias of the remainder does not matter for waits.
pub fn below(chance: &mut dyn Randomness, bound: u64) -> u64 {
    let mut bytes = [0; 8];
    chance.fill(&mut bytes);
    u64::from_be_bytes(bytes).checked_rem(bound).unwrap_or(0)
}

/// Fresh nonces for one sealing.
pub(crate) fn nonces(chance: &mut dyn Randomness) -> Nonces {
    let mut nonces = Nonces { head: [0; 24], body: [0; 24] };
    chance.fill(&mut nonces.head);
    chance.fill(&mut nonces.body);
    nonces
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Numbers that depend on their seed only, for tests of waits.
    pub(crate) struct Steps(pub(crate) u64);

    impl Randomness for Steps {
        fn fill(&mut self, bytes: &mut [u8]) {
            for byte in bytes {
                self.0 =
                    self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                *byte = (self.0 >> 56) as u8;
            }
        }
    }

    #[test]
    fn a_number_is_below_its_bound() {
        let mut chance = Steps(7);
        assert!((0..1_000).all(|_| below(&mut chance, 10) < 10));
        assert_eq!(below(&mut chance, 0), 0);
    }

    #[test]
    fn the_system_does_not_repeat_itself() {
        let mut bytes = [[0; 24]; 2];
        bytes.iter_mut().for_each(|bytes| SystemRandomness.fill(bytes));
        assert_ne!(bytes[0], bytes[1]);
    }
}
