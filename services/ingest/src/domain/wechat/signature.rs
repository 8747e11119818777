//! Proof that a callback comes from whoever knows the token.

use sha1::{Digest as _, Sha1};
use subtle::ConstantTimeEq as _;

/// Whether `given` is the hex SHA-1 of the parts, sorted bytewise and joined: token, timestamp and nonce for
/// `signature`, and the ciphertext as well for `msg_signature`. Takes the same time wherever they differ.
pub(crate) fn is_valid(given: &str, parts: &[&str]) -> bool {
    sign(parts).as_bytes().ct_eq(given.as_bytes()).into()
}

/// The signature itself.
pub(crate) fn sign(parts: &[&str]) -> String {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let mut sorted = parts.to_vec();
    sorted.sort_unstable();
    let mut hash = Sha1::new();
    for part in sorted {
        hash.update(part);
    }
    let nibble = |n: u8| char::from(HEX[usize::from(n & 15)]);
    hash.finalize().iter().flat_map(|byte| [nibble(byte >> 4), nibble(*byte)]).collect()
}

#[cfg(test)]
mod tests {
    use super::super::vectors::{OA_SAFE, WECOM_MESSAGE, WECOM_URL};
    use super::*;

    #[test]
    fn golden_vectors_hold_and_nothing_else_does() {
        let vectors: [(&str, &[&str]); 7] = [
            ("f464b24fc39322e44b38aa78f5edd27bd1441696", &["AAAAA", "1714036504", "1514711492"]),
            ("899cf89e464efb63f54ddac96b0a0a235f53aa78", &["AAAAA", "1714037059", "486452656"]),
            ("6c5c811b55cc85e0e1b54100749188c20beb3f5d", &["AAAAA", "1714112445", "415670741"]),
            ("25ec1e5806dec62c8d0e8e8c705be35af93f595b", &["scrmtoken", "1409735669", "1320562132"]),
            (OA_SAFE.signature, &[OA_SAFE.token, OA_SAFE.timestamp, OA_SAFE.nonce, OA_SAFE.sealed]),
            (WECOM_URL.signature, &[WECOM_URL.token, WECOM_URL.timestamp, WECOM_URL.nonce, WECOM_URL.sealed]),
            (WECOM_MESSAGE.signature, &["QDG6eK", "1409659813", "1372623149", WECOM_MESSAGE.sealed]),
        ];
        for (signature, parts) in vectors {
            assert!(is_valid(signature, parts), "{signature}");
            let mut wrong = parts.to_vec();
            wrong[1] = "1";
            assert!(!is_valid(signature, &wrong));
            assert!(!is_valid(&signature[1..], parts));
            assert!(!is_valid("", parts));
        }
    }
}
