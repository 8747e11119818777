//! A hash that is the same in every process and every version: ids of series and of distinct values are stored.

/// FNV-1a of 64 bits over parts, with a final mix (that of `MurmurHash3`) so that short inputs spread.
#[derive(Clone, Copy)]
pub(crate) struct Hash(u64);

impl Hash {
    pub(crate) const fn new() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }

    pub(crate) fn add(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }

    pub(crate) const fn finish(self) -> u64 {
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
        mixed = (mixed ^ (mixed >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
        mixed ^ (mixed >> 33)
    }

    pub(crate) fn of(text: &str) -> u64 {
        let mut hash = Self::new();
        hash.add(text.as_bytes());
        hash.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::Hash;

    #[test]
    fn stored_ids_never_change() {
        assert_eq!(Hash::of(""), 0xefd0_1f60_ba99_2926);
        assert_ne!(Hash::of("a"), Hash::of("b"));
    }
}
