//! Deterministic ids: the same seed and the same actions give the same openids, tokens and message ids.

const ALPHANUMERIC: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

/// `SplitMix64` (Steele, Lea and Flood, 2014). Not for secrets: nothing here is one.
#[derive(Clone, Debug)]
pub(crate) struct Seeded(u64);

impl Seeded {
    /// A stream of its own for each `purpose`, so that a retry's nonce does not change the next openid.
    pub(crate) fn new(seed: u64, purpose: u64) -> Self {
        Self(seed ^ purpose.wrapping_mul(0xD6E8_FEB8_6659_FD93))
    }

    /// The next 64 bits.
    pub(crate) fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// Letters and digits.
    pub(crate) fn text(&mut self, length: usize) -> String {
        (0..length).map(|_| self.one_of(ALPHANUMERIC)).collect()
    }

    /// Decimal digits, the first of them not 0.
    pub(crate) fn digits(&mut self, length: usize) -> String {
        (0..length).map(|at| self.one_of(if at == 0 { b"123456789" } else { b"0123456789" })).collect()
    }

    /// An openid or unionid: 28 characters, the first an `o`.
    pub(crate) fn openid(&mut self) -> String {
        format!("o{}", self.text(27))
    }

    /// A message id: a positive 64-bit integer, which an f64 does not hold exactly, as on the platform.
    pub(crate) fn message_id(&mut self) -> i64 {
        i64::try_from(self.bits() >> 1 | 1 << 61).unwrap_or(i64::MAX)
    }

    /// The trace that ends every error message of the platform.
    pub(crate) fn rid(&mut self) -> String {
        let (high, low) = (self.bits(), self.bits());
        format!("{:08x}-{:08x}-{:08x}", high >> 32, high & 0xFFFF_FFFF, low >> 32)
    }

    fn one_of(&mut self, alphabet: &[u8]) -> char {
        let length = u64::try_from(alphabet.len()).unwrap_or(1);
        let at = usize::try_from(self.bits() % length).unwrap_or(0);
        char::from(alphabet.get(at).copied().unwrap_or(b'0'))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_decides_everything_and_purposes_differ() {
        assert_eq!(Seeded::new(7, 1).openid(), Seeded::new(7, 1).openid());
        assert_ne!(Seeded::new(7, 1).openid(), Seeded::new(7, 2).openid());
        assert_ne!(Seeded::new(7, 1).openid(), Seeded::new(8, 1).openid());
        assert_eq!(Seeded::new(7, 1).openid().len(), 28);
        assert!(Seeded::new(7, 1).message_id() > 1 << 53);
    }
}
