//! The platform's signatures and its AES envelope. Written apart from the connector's, so that both cannot be
//! wrong together; both are held to the golden vectors of platforms.md 1.2.

use std::fmt::Write as _;

use aes::Aes256;
use aes::cipher::block_padding::NoPadding;
use aes::cipher::{BlockModeDecrypt, BlockModeEncrypt, KeyIvInit};
use base64::Engine;
use base64::alphabet;
use base64::engine::general_purpose::{GeneralPurpose, PAD, STANDARD};
use sha1::{Digest, Sha1};

/// Padding is to multiples of 32, although the AES block is 16: a full pad is 32 bytes of 0x20.
const PAD_BLOCK: usize = 32;

/// An account's key is 43 characters whose last two bits are not used.
const KEY_BASE64: GeneralPurpose =
    GeneralPurpose::new(&alphabet::STANDARD, PAD.with_decode_allow_trailing_bits(true));

/// Hex SHA-1 of the parts, sorted bytewise and joined. Parts are `token, timestamp, nonce` for `signature`, and
/// the ciphertext as well for `msg_signature`.
pub(crate) fn sign(parts: &[&str]) -> String {
    let mut sorted = parts.to_vec();
    sorted.sort_unstable();
    let digest = Sha1::digest(sorted.concat().as_bytes());
    digest.iter().fold(String::with_capacity(40), |mut hex, byte| {
        // Writing to a String cannot fail.
        let _infallible = write!(hex, "{byte:02x}");
        hex
    })
}

/// A decoded `EncodingAESKey`; its first half is the fixed initialisation vector.
#[derive(Clone)]
pub(crate) struct EnvelopeKey {
    key: [u8; 32],
    iv: [u8; 16],
}

impl EnvelopeKey {
    /// From the 43 characters.
    ///
    /// # Errors
    /// A text that says what is wrong with it.
    pub(crate) fn parse(encoded: &str) -> Result<Self, String> {
        if encoded.len() != 43 {
            return Err(format!("an EncodingAESKey has 43 characters, this one {}", encoded.len()));
        }
        let key: [u8; 32] = KEY_BASE64
            .decode(format!("{encoded}="))
            .map_err(|error| format!("the EncodingAESKey is not base64: {error}"))?
            .try_into()
            .map_err(|_| "the EncodingAESKey does not decode to 32 bytes".to_owned())?;
        let mut iv = [0; 16];
        iv.copy_from_slice(&key[..16]);
        Ok(Self { key, iv })
    }

    /// `Encrypt` of `message` for `receiver` (the app id). `random16` has exactly 16 bytes on the platform.
    pub(crate) fn seal(&self, random16: &str, message: &str, receiver: &str) -> String {
        let length = u32::try_from(message.len()).unwrap_or(u32::MAX).to_be_bytes();
        let mut plain = [random16.as_bytes(), &length, message.as_bytes(), receiver.as_bytes()].concat();
        let pad = PAD_BLOCK - plain.len() % PAD_BLOCK;
        plain.resize(plain.len() + pad, u8::try_from(pad).unwrap_or(0));
        let cipher = cbc::Encryptor::<Aes256>::new(&self.key.into(), &self.iv.into());
        STANDARD.encode(cipher.encrypt_padded_vec::<NoPadding>(&plain))
    }

    /// The random part and the message of an `Encrypt` that is meant for `receiver`.
    ///
    /// # Errors
    /// A text that says what is wrong with it.
    pub(crate) fn open(&self, sealed: &str, receiver: &str) -> Result<(Vec<u8>, String), String> {
        let bytes =
            STANDARD.decode(sealed.trim()).map_err(|error| format!("Encrypt is not base64: {error}"))?;
        let plain = cbc::Decryptor::<Aes256>::new(&self.key.into(), &self.iv.into())
            .decrypt_padded_vec::<NoPadding>(&bytes)
            .map_err(|_| format!("{} bytes of ciphertext are not whole blocks of 16", bytes.len()))?;
        let content = unpad(&plain)?;
        let (random, rest) = content.split_at_checked(16).ok_or("no 16 random bytes")?;
        let (length, rest) = rest.split_first_chunk::<4>().ok_or("no length")?;
        let length = usize::try_from(u32::from_be_bytes(*length)).map_err(|error| error.to_string())?;
        let (message, tail) = rest.split_at_checked(length).ok_or("the length goes beyond the message")?;
        if tail != receiver.as_bytes() {
            return Err(format!("sealed for `{}`, not for `{receiver}`", String::from_utf8_lossy(tail)));
        }
        let message = String::from_utf8(message.to_vec()).map_err(|_| "the message is not UTF-8")?;
        Ok((random.to_vec(), message))
    }
}

fn unpad(plain: &[u8]) -> Result<&[u8], String> {
    let pad = plain.last().map_or(0, |last| usize::from(*last));
    if !(1..=PAD_BLOCK).contains(&pad) || pad > plain.len() {
        return Err(format!("padding of {pad}; 1 to {PAD_BLOCK} is possible"));
    }
    let (content, padding) = plain.split_at(plain.len() - pad);
    if padding.iter().any(|byte| usize::from(*byte) != pad) {
        return Err("the padding bytes differ".to_owned());
    }
    Ok(content)
}

#[cfg(test)]
mod tests;
