//! Makes tokens, good and bad ones, without the library that reads them.

use std::path::PathBuf;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair as RsaKeyPair, KeySize};
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _, RSA_PKCS1_SHA256};
use aws_lc_rs::{hmac, signature};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::auth::keys::describe;

/// 2026-11-21 10:00 in Shanghai.
pub(super) const NOW: i64 = 1_795_226_400;

/// Two keys, and a key set with both.
pub(super) struct Forge {
    folder: TempDir,
    ed: Ed25519KeyPair,
    rsa: RsaKeyPair,
    id: String,
    jwk: Value,
}

impl Forge {
    pub(super) fn new() -> Self {
        let ed = Ed25519KeyPair::generate().unwrap();
        let rsa = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
        let (id, jwk) = describe(ed.public_key().as_ref());
        let forge = Self { folder: tempfile::tempdir().unwrap(), ed, rsa, id, jwk };
        forge.write(&[forge.jwk(), forge.rsa_jwk()]);
        forge
    }

    /// Puts these keys into the file, as a whole at once.
    pub(super) fn write(&self, keys: &[Value]) {
        let fresh = self.folder.path().join("fresh");
        std::fs::write(&fresh, json!({ "keys": keys }).to_string()).unwrap();
        std::fs::rename(fresh, self.path()).unwrap();
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("jwks.json")
    }

    pub(super) fn file(&self) -> String {
        self.path().display().to_string()
    }

    pub(super) fn damaged_file(&self) -> String {
        let path = self.folder.path().join("damaged.json");
        std::fs::write(&path, "<html>").unwrap();
        path.display().to_string()
    }

    pub(super) fn id(&self) -> &str {
        &self.id
    }

    pub(super) fn jwk(&self) -> Value {
        self.jwk.clone()
    }

    fn rsa_jwk(&self) -> Value {
        let modulus = self.rsa.public_key().modulus().big_endian_without_leading_zero().to_vec();
        json!({"kty": "RSA", "kid": "rsa", "n": URL_SAFE_NO_PAD.encode(modulus), "e": "AQAB", "alg": "RS256"})
    }

    pub(super) fn header(&self) -> Value {
        json!({"alg": "EdDSA", "typ": "JWT", "kid": self.id})
    }

    pub(super) fn claims(&self) -> Value {
        json!({
            "iss": "试", "aud": "guanxi", "sub": "canary-li.wei", "workspace": "shop-1",
            "scope": "profiles.read tags.read", "exp": NOW + 300,
        })
    }

    pub(super) fn with(&self, claim: &str, value: Value) -> Value {
        let mut claims = self.claims();
        claims[claim] = value;
        claims
    }

    pub(super) fn without(&self, claim: &str) -> Value {
        let mut claims = self.claims();
        claims.as_object_mut().unwrap().remove(claim);
        claims
    }

    /// Signed with the Ed25519 key, whatever the header says.
    pub(super) fn token(&self, header: &Value, claims: &Value) -> String {
        let signed = format!("{}.{}", text(header), text(claims));
        let signature = URL_SAFE_NO_PAD.encode(self.ed.sign(signed.as_bytes()));
        format!("{signed}.{signature}")
    }

    /// What everybody can read of the keys, in the forms that libraries have mistaken for secrets.
    pub(super) fn public_forms(&self) -> Vec<Vec<u8>> {
        let point = self.ed.public_key().as_ref().to_vec();
        let der = self.rsa.public_key().as_ref().to_vec();
        let pem =
            format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", STANDARD.encode(&der));
        let written = self.jwk["x"].as_str().unwrap().as_bytes().to_vec();
        vec![point, written, der, pem.into_bytes(), self.jwk.to_string().into_bytes(), Vec::new()]
    }
}

/// Signed with the RSA key.
pub(super) fn signed_by_rsa(forge: &Forge, claims: &Value) -> String {
    let signed = format!("{}.{}", text(&json!({"alg": "RS256", "kid": "rsa"})), text(claims));
    let pair = &forge.rsa;
    let mut signature = vec![0; pair.public_modulus_len()];
    let encoding: &'static dyn signature::RsaEncoding = &RSA_PKCS1_SHA256;
    pair.sign(encoding, &SystemRandom::new(), signed.as_bytes(), &mut signature).unwrap();
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
}

/// Signed with a shared secret.
pub(super) fn hs256(secret: &[u8], header: &Value, claims: &Value) -> String {
    let signed = format!("{}.{}", text(header), text(claims));
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), signed.as_bytes());
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(tag))
}

/// A part of a token.
pub(super) fn text(part: &Value) -> String {
    URL_SAFE_NO_PAD.encode(part.to_string())
}
