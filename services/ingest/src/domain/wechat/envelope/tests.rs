//! Golden vectors, and envelopes that must be refused.

use aes::cipher::BlockModeEncrypt as _;
use proptest::prelude::*;

use super::super::vectors::{OA_REPLY, OA_SAFE, Vector, WECOM_MESSAGE, WECOM_URL};
use super::*;

const APP_ID: &str = "wx2c2769f8efd9abc2";
const KEY: &str = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG";

/// Encrypts whatever bytes are given, right or wrong.
fn encrypt(plain: &[u8]) -> String {
    let key = EnvelopeKey::parse(KEY).unwrap();
    let iv: [u8; 16] = key.0[..16].try_into().unwrap();
    STANDARD.encode(
        cbc::Encryptor::<Aes256>::new(&key.0.into(), &iv.into()).encrypt_padded_vec::<NoPadding>(plain),
    )
}

/// The bytes within an envelope, padded.
fn plain(message: &str, length: u32, receiver: &str) -> Vec<u8> {
    let mut plain =
        [b"0123456789abcdef".as_slice(), &length.to_be_bytes(), message.as_bytes(), receiver.as_bytes()]
            .concat();
    let pad = PAD_BLOCK - plain.len() % PAD_BLOCK;
    plain.resize(plain.len() + pad, u8::try_from(pad).unwrap());
    plain
}

fn open(sealed: &str) -> Result<String, Flaw> {
    EnvelopeKey::parse(KEY).unwrap().open(sealed, APP_ID)
}

fn open_vector(vector: &Vector) -> String {
    EnvelopeKey::parse(vector.key).unwrap().open(vector.sealed, vector.receiver).unwrap()
}

#[test]
fn golden_vectors_open() {
    let safe = open_vector(&OA_SAFE);
    assert_eq!(safe.len(), 167);
    assert_eq!(
        safe,
        r#"{"ToUserName":"gh_97417a04a28d","FromUserName":"o9AgO5Kd5ggOC-bXrbNODIiE3bGY","CreateTime":1714112445,"MsgType":"event","Event":"debug_demo","debug_str":"hello world"}"#
    );
    assert_eq!(open_vector(&OA_REPLY), r#"{"demo_resp":"good luck"}"#);
    assert_eq!(open_vector(&WECOM_URL), "1616140317555161061");
    let wecom = open_vector(&WECOM_MESSAGE);
    assert!(
        wecom.contains("hello") && wecom.contains("4561255354251345929") && wecom.contains("218"),
        "{wecom}"
    );
}

#[test]
fn what_is_wrong_is_refused() {
    let good = plain("你好", 6, APP_ID);
    assert_eq!(open(&encrypt(&good)), Ok("你好".to_owned()));
    assert_eq!(open(&encrypt(&plain("你好", 6, "wx0000000000000000"))), Err(Flaw::Receiver));
    assert_eq!(open(&encrypt(&plain("你好", 5, APP_ID))), Err(Flaw::Receiver));
    assert_eq!(open(&encrypt(&plain("你好", u32::MAX, APP_ID))), Err(Flaw::Length));
    assert_eq!(open(&encrypt(&plain("\u{ff}", 1, &format!("\u{bf}{APP_ID}")))), Err(Flaw::Receiver));
    for pad in [0, 33, 255] {
        let mut wrong = good.clone();
        *wrong.last_mut().unwrap() = pad;
        assert_eq!(open(&encrypt(&wrong)), Err(Flaw::Padding), "{pad}");
    }
    let mut uneven = good.clone();
    let before_last = uneven.len() - 2;
    uneven[before_last] ^= 1;
    assert_eq!(open(&encrypt(&uneven)), Err(Flaw::Padding));
    assert_eq!(open(&encrypt(&[16; 16])), Err(Flaw::Length));
    let bytes = STANDARD.decode(encrypt(&good)).unwrap();
    assert_eq!(open(&STANDARD.encode(&bytes[..bytes.len() - 1])), Err(Flaw::Ciphertext));
    assert_eq!(open(""), Err(Flaw::Padding));
    assert_eq!(open("你好"), Err(Flaw::Ciphertext));
    for key in ["", &KEY[1..], &format!("{KEY}A"), &format!("{}=", &KEY[1..]), &"字".repeat(43)] {
        assert_eq!(EnvelopeKey::parse(key).err(), Some(Flaw::Key), "{key}");
    }
}

proptest! {
    #[test]
    fn no_envelope_makes_it_panic(plain in prop::collection::vec(any::<u8>(), 0..12), tail in any::<u8>()) {
        let mut blocks: Vec<u8> = plain.iter().cycle().take(plain.len().div_ceil(4) * 16).copied().collect();
        if let Some(last) = blocks.last_mut() {
            *last = tail;
        }
        prop_assert!(open(&encrypt(&blocks)).is_err());
    }
}
