//! The envelope once more, block by block and without the crate under test: an oracle for what it sends.

use aes::Aes256;
use aes::cipher::{Block, BlockCipherDecrypt, BlockCipherEncrypt, KeyInit};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha1::{Digest, Sha1};

/// 43 characters that decode without spare bits set.
pub(crate) const AES_KEY: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

pub(crate) fn sign(mut parts: Vec<&str>) -> String {
    parts.sort();
    Sha1::digest(parts.join("")).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn key() -> [u8; 32] {
    STANDARD.decode(format!("{AES_KEY}=")).unwrap().try_into().unwrap()
}

pub(crate) fn open(sealed: &str, app_id: &str) -> String {
    let cipher = Aes256::new(&key().into());
    let (mut before, mut plain) = (key()[..16].to_vec(), Vec::new());
    for chunk in STANDARD.decode(sealed).unwrap().chunks(16) {
        let mut block = Block::<Aes256>::try_from(chunk).unwrap();
        cipher.decrypt_block(&mut block);
        plain.extend(block.iter().zip(&before).map(|(a, b)| a ^ b));
        before = chunk.to_vec();
    }
    plain.truncate(plain.len() - usize::from(*plain.last().unwrap()));
    let length = usize::try_from(u32::from_be_bytes(plain[16..20].try_into().unwrap())).unwrap();
    assert_eq!(&plain[20 + length..], app_id.as_bytes());
    String::from_utf8(plain[20..20 + length].to_vec()).unwrap()
}

pub(crate) fn seal(message: &str, app_id: &str) -> String {
    let mut plain = b"fedcba9876543210".to_vec();
    plain.extend(u32::try_from(message.len()).unwrap().to_be_bytes());
    plain.extend(message.bytes().chain(app_id.bytes()));
    let pad = 32 - plain.len() % 32;
    plain.extend(std::iter::repeat_n(u8::try_from(pad).unwrap(), pad));
    let cipher = Aes256::new(&key().into());
    let (mut before, mut sealed) = (key()[..16].to_vec(), Vec::new());
    for chunk in plain.chunks(16) {
        let mixed: Vec<u8> = chunk.iter().zip(&before).map(|(a, b)| a ^ b).collect();
        let mut block = Block::<Aes256>::try_from(&mixed[..]).unwrap();
        cipher.encrypt_block(&mut block);
        before = block.to_vec();
        sealed.extend_from_slice(&block);
    }
    STANDARD.encode(sealed)
}

#[test]
fn the_oracle_agrees_with_vectors_c_and_d() {
    let c = "+qdx1OKCy+5JPCBFWw70tm0fJGb2Jmeia4FCB7kao+/Q5c/ohsOzQHi8khUOb05JCpj0JB4RvQMkUyus8TPxLKJGQqcvZqzDpVzazhZv6JsXUnnR8XGT740XgXZUXQ7vJVnAG+tE8NUd4yFyjPy7GgiaviNrlCTj+l5kdfMuFUPpRSrfMZuMcp3Fn2Pede2IuQrKEYwKSqFIZoNqJ4M8EajAsjLY2km32IIjdf8YL/P50F7mStwntrA2cPDrM1kb6mOcfBgRtWygb3VIYnSeOBrebufAlr7F9mFUPAJGj04=";
    let message = open(c, "wxba5fad812f8e6fb9");
    assert!(message.starts_with(r#"{"ToUserName":"gh_97417a04a28d""#) && message.len() == 167, "{message}");
    assert_eq!(sign(vec!["AAAAA", "1714112445", "415670741", c]), "046e02f8204d34f8ba5fa3b1db94908f3df2e9b3");
    assert_eq!(open(&seal("你好", "wx1"), "wx1"), "你好");
}
