//! The AES envelope that Official Accounts, mini-programs and WeCom share.
//!
//! `random16 || length u32 || message || receiver`, padded to 32 bytes and encrypted by AES-256-CBC; the first half of
//! the key is the initialisation vector. Source: platforms.md 1.2.

use aes::Aes256;
use aes::cipher::block_padding::NoPadding;
use aes::cipher::{BlockModeDecrypt as _, KeyIvInit as _};
use base64::Engine as _;
use base64::alphabet;
use base64::engine::general_purpose::{GeneralPurpose, NO_PAD, STANDARD};
use subtle::ConstantTimeEq as _;

/// Characters of an `EncodingAESKey`.
const KEY_CHARS: usize = 43;
/// Padding fills up blocks of 32, though those of AES have 16.
const PAD_BLOCK: usize = 32;
/// Bytes before the message: 16 random ones and its length.
const HEAD: usize = 20;

/// 43 characters are two bits more than 32 bytes; real keys have those bits set.
const KEY_BASE64: GeneralPurpose =
    GeneralPurpose::new(&alphabet::STANDARD, NO_PAD.with_decode_allow_trailing_bits(true));

/// Why an envelope or a key is refused. The text quotes neither.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Flaw {
    #[error("must have 43 letters, digits, + or /; copy EncodingAESKey from the platform's developer page")]
    Key,
    #[error("the ciphertext is not base64 of whole AES blocks")]
    Ciphertext,
    #[error("the padding is wrong: the EncodingAESKey is another one")]
    Padding,
    #[error("the length within does not fit: the EncodingAESKey is another one")]
    Length,
    #[error("it is addressed to another app id")]
    Receiver,
    #[error("the message is not UTF-8")]
    Text,
}

/// A decoded `EncodingAESKey`.
#[derive(Clone)]
pub(crate) struct EnvelopeKey([u8; 32]);

impl EnvelopeKey {
    /// From the 43 characters.
    ///
    /// # Errors
    /// [`Flaw::Key`].
    pub(crate) fn parse(text: &str) -> Result<Self, Flaw> {
        let bytes =
            Some(text).filter(|text| text.len() == KEY_CHARS).and_then(|text| KEY_BASE64.decode(text).ok());
        bytes.and_then(|bytes| bytes.try_into().ok()).map(Self).ok_or(Flaw::Key)
    }

    /// The message of an envelope that is meant for `receiver` (the app id).
    ///
    /// # Errors
    /// What is wrong with it.
    pub(crate) fn open(&self, sealed: &str, receiver: &str) -> Result<String, Flaw> {
        let (iv, _) = self.0.split_first_chunk::<16>().ok_or(Flaw::Key)?;
        let ciphertext = STANDARD.decode(sealed.trim()).map_err(|_| Flaw::Ciphertext)?;
        let plain = cbc::Decryptor::<Aes256>::new(&self.0.into(), &(*iv).into())
            .decrypt_padded_vec::<NoPadding>(&ciphertext)
            .map_err(|_| Flaw::Ciphertext)?;
        let content = without_padding(&plain)?;
        let (head, rest) = content.split_at_checked(HEAD).ok_or(Flaw::Length)?;
        let length = head.last_chunk::<4>().map(|bytes| u32::from_be_bytes(*bytes)).ok_or(Flaw::Length)?;
        let length = usize::try_from(length).map_err(|_| Flaw::Length)?;
        let (message, addressee) = rest.split_at_checked(length).ok_or(Flaw::Length)?;
        if !bool::from(addressee.ct_eq(receiver.as_bytes())) {
            return Err(Flaw::Receiver);
        }
        String::from_utf8(message.to_vec()).map_err(|_| Flaw::Text)
    }
}

fn without_padding(plain: &[u8]) -> Result<&[u8], Flaw> {
    let pad = usize::from(*plain.last().ok_or(Flaw::Padding)?);
    let kept =
        plain.len().checked_sub(pad).filter(|_| (1..=PAD_BLOCK).contains(&pad)).ok_or(Flaw::Padding)?;
    let (content, padding) = plain.split_at(kept);
    if padding.iter().all(|byte| usize::from(*byte) == pad) { Ok(content) } else { Err(Flaw::Padding) }
}

#[cfg(test)]
mod tests;
