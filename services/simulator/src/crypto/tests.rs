//! The golden vectors of platforms.md 1.2, byte for byte, and envelopes that must be refused.

use super::*;

const C_SEALED: &str = "+qdx1OKCy+5JPCBFWw70tm0fJGb2Jmeia4FCB7kao+/Q5c/ohsOzQHi8khUOb05JCpj0JB4RvQMkUyus8TPxLKJGQqcvZqzDpVzazhZv6JsXUnnR8XGT740XgXZUXQ7vJVnAG+tE8NUd4yFyjPy7GgiaviNrlCTj+l5kdfMuFUPpRSrfMZuMcp3Fn2Pede2IuQrKEYwKSqFIZoNqJ4M8EajAsjLY2km32IIjdf8YL/P50F7mStwntrA2cPDrM1kb6mOcfBgRtWygb3VIYnSeOBrebufAlr7F9mFUPAJGj04=";
const C_MESSAGE: &str = r#"{"ToUserName":"gh_97417a04a28d","FromUserName":"o9AgO5Kd5ggOC-bXrbNODIiE3bGY","CreateTime":1714112445,"MsgType":"event","Event":"debug_demo","debug_str":"hello world"}"#;
const APP_ID: &str = "wxba5fad812f8e6fb9";

fn key() -> EnvelopeKey {
    EnvelopeKey::parse(&"A".repeat(43)).unwrap()
}

#[test]
fn vectors_a_and_b_sign_a_url() {
    assert_eq!(sign(&["AAAAA", "1714036504", "1514711492"]), "f464b24fc39322e44b38aa78f5edd27bd1441696");
    assert_eq!(sign(&["AAAAA", "1714037059", "486452656"]), "899cf89e464efb63f54ddac96b0a0a235f53aa78");
}

#[test]
fn vector_c_opens_and_seals() {
    assert_eq!(sign(&["AAAAA", "1714112445", "415670741"]), "6c5c811b55cc85e0e1b54100749188c20beb3f5d");
    assert_eq!(
        sign(&["AAAAA", "1714112445", "415670741", C_SEALED]),
        "046e02f8204d34f8ba5fa3b1db94908f3df2e9b3"
    );
    assert_eq!(C_MESSAGE.len(), 167);
    let (random, message) = key().open(C_SEALED, APP_ID).unwrap();
    assert_eq!(random, b"a8eedb185eb2fecf");
    assert_eq!(message, C_MESSAGE);
    assert_eq!(key().seal("a8eedb185eb2fecf", C_MESSAGE, APP_ID), C_SEALED);
}

#[test]
fn vector_d_seals_a_reply() {
    let sealed = key().seal("707722b803182950", r#"{"demo_resp":"good luck"}"#, APP_ID);
    assert_eq!(
        sealed,
        "ELGduP2YcVatjqIS+eZbp80MNLoAUWvzzyJxgGzxZO/5sAvd070Bs6qrLARC9nVHm48Y4hyRbtzve1L32tmxSQ=="
    );
    assert_eq!(
        sign(&["AAAAA", "1713424427", "415670741", &sealed]),
        "1b9339964ed2e271e7c7b6ff2b0ef902fc94dea1"
    );
}

#[test]
fn vector_e_opens_with_a_key_whose_spare_bits_are_set() {
    let key = EnvelopeKey::parse("jWmYm7qr5nMoAUwZRjGtBxmz3KA1tkAj3ykkR6q2B2C").unwrap();
    let sealed = "P9nAzCzyDtyTWESHep1vC5X9xho/qYX3Zpb4yKa9SKld1DsH3Iyt3tP3zNdtp+4RPcs8TgAE7OaBO+FZXvnaqQ==";
    assert_eq!(
        sign(&["QDG6eK", "1409659589", "263014780", sealed]),
        "5c45ff5e21c57e6ad56bac8758b79b1d9ac89fd3"
    );
    assert_eq!(key.open(sealed, "wx5823bf96d3bd56c7").unwrap().1, "1616140317555161061");
}

#[test]
fn vector_g_signs_a_url() {
    // The vector's ciphertext is not on record; its plain signature is.
    assert_eq!(sign(&["scrmtoken", "1409735669", "1320562132"]), "25ec1e5806dec62c8d0e8e8c705be35af93f595b");
    let key = EnvelopeKey::parse("abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG").unwrap();
    let sealed = key.seal("aaaabbbbccccdddd", "你好", "wx2c2769f8efd9abc2");
    assert_eq!(key.open(&sealed, "wx2c2769f8efd9abc2").unwrap().1, "你好");
}

#[test]
fn every_length_around_a_block_comes_back() {
    for length in 0..70 {
        let message = "x".repeat(length);
        let sealed = key().seal("0123456789abcdef", &message, APP_ID);
        assert_eq!(STANDARD.decode(&sealed).unwrap().len() % PAD_BLOCK, 0, "{length}");
        assert_eq!(key().open(&sealed, APP_ID).unwrap().1, message);
    }
}

#[test]
fn wrong_envelopes_are_refused() {
    let wrong = |sealed: &str, receiver: &str| key().open(sealed, receiver).unwrap_err();
    assert!(wrong(C_SEALED, "wx0000000000000000").contains("sealed for"));
    assert!(wrong("not base64!", APP_ID).contains("base64"));
    assert!(wrong(&STANDARD.encode([0_u8; 17]), APP_ID).contains("blocks"));
    assert!(wrong("", APP_ID).contains("padding"));
    for (plain, what) in [
        ([&[b'r'; 16][..], &[0, 0, 0, 99], b"short", &[7; 7]].concat(), "length"),
        ([&[b'r'; 31][..], &[0]].concat(), "padding of 0"),
        ([&[b'r'; 31][..], &[33]].concat(), "padding of 33"),
        ([&[b'r'; 30][..], &[1, 2]].concat(), "differ"),
        (vec![32; 32], "random"),
        ([&[b'r'; 16][..], &[16; 16]].concat(), "no length"),
    ] {
        let cipher = cbc::Encryptor::<Aes256>::new(&key().key.into(), &key().iv.into());
        let sealed = STANDARD.encode(cipher.encrypt_padded_vec::<NoPadding>(&plain));
        assert!(wrong(&sealed, APP_ID).contains(what), "{what}: {}", wrong(&sealed, APP_ID));
    }
    assert!(EnvelopeKey::parse("short").is_err());
    assert!(EnvelopeKey::parse(&"*".repeat(43)).is_err());
}
