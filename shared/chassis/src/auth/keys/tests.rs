//! Key sets as they are written.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

/// RFC 8037, appendix A.2 and A.3.
const RFC_X: &str = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";

fn a_set(keys: &[Value]) -> Vec<u8> {
    json!({ "keys": keys }).to_string().into_bytes()
}

fn rsa_key(id: &str, bytes: usize) -> Value {
    json!({"kty": "RSA", "kid": id, "n": URL_SAFE_NO_PAD.encode(vec![0xAB; bytes]), "e": "AQAB"})
}

#[test]
fn a_key_has_the_id_that_the_rfc_gives_it() {
    let public = URL_SAFE_NO_PAD.decode(RFC_X).unwrap();
    let (id, key) = describe(&public);
    assert_eq!(id, "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
    let set = Keys::parse(&a_set(&[key])).unwrap();
    assert_eq!(set.get(&id).unwrap().algorithm, Algorithm::EdDSA);
    assert_eq!(set.id_of(&public), Some(id));
}

#[test]
fn keys_for_something_else_are_passed_over() {
    let with = |mut key: Value, name: &str, value: Value| {
        key[name] = value;
        key
    };
    let good = rsa_key("good", 256);
    let strange = [
        json!({"kty": "EC", "kid": "ec", "crv": "P-256", "x": RFC_X, "y": RFC_X}),
        json!({"kty": "oct", "kid": "secret", "k": "c2VjcmV0"}),
        json!({"kty": "OKP", "kid": "short", "crv": "Ed25519", "x": "AAAA"}),
        json!({"kty": "OKP", "kid": "x25519", "crv": "X25519", "x": RFC_X}),
        rsa_key("small", 128),
        with(rsa_key("encrypts", 256), "use", json!("enc")),
        with(rsa_key("rs512", 256), "alg", json!("RS512")),
        with(rsa_key("hs256", 256), "alg", json!("HS256")),
        with(rsa_key("", 256), "kid", json!("")),
        json!("no key at all"),
    ];
    for key in &strange {
        let flaw = Keys::parse(&a_set(std::slice::from_ref(key))).unwrap_err();
        assert!(flaw.contains("no key for EdDSA or RS256"), "{key}: {flaw}");
    }
    let mut all = strange.to_vec();
    all.push(good);
    let keys = Keys::parse(&a_set(&all)).unwrap();
    assert_eq!(keys.by_id.keys().collect::<Vec<_>>(), ["good"]);
}

#[test]
fn of_two_keys_with_one_id_the_first_is_meant() {
    let keys = Keys::parse(&a_set(&[rsa_key("a", 256), rsa_key("a", 512)])).unwrap();
    assert_eq!(keys.get("a").unwrap().public.len(), 256);
}

#[test]
fn what_is_no_set_says_so() {
    for text in ["", "[]", "{}", "{\"keys\": {}}", "<html>"] {
        let flaw = Keys::parse(text.as_bytes()).unwrap_err();
        assert!(flaw.contains("no key set"), "{text}: {flaw}");
    }
    assert!(Keys::parse(b"{\"keys\": []}").is_err());
}

proptest! {
    #[test]
    fn any_bytes_are_a_set_or_a_flaw(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = Keys::parse(&bytes);
    }
}
