//! Public keys as a JSON Web Key Set has them (RFC 7517; Ed25519: RFC 8037).

use std::collections::HashMap;

use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, DecodingKey};
use serde::Deserialize;

/// Smaller RSA keys are not trusted (RFC 7518, section 3.3).
const LEAST_RSA_BYTES: usize = 2_048 / 8;

/// A key that verifies tokens of one algorithm.
#[derive(Debug)]
pub(super) struct Key {
    /// Decided by the key, never by the token.
    pub algorithm: Algorithm,
    pub verifies: DecodingKey,
    /// The modulus of RSA, or the point of Ed25519.
    public: Vec<u8>,
}

/// Keys by id.
#[derive(Debug, Default)]
pub(super) struct Keys {
    by_id: HashMap<String, Key>,
}

/// One key as it stands in a set. Members that are unknown say nothing to us.
#[derive(Deserialize)]
struct Written {
    #[serde(default)]
    kid: String,
    kty: String,
    #[serde(default)]
    alg: Option<String>,
    #[serde(default, rename = "use")]
    purpose: Option<String>,
    #[serde(default)]
    crv: String,
    #[serde(default)]
    x: String,
    #[serde(default)]
    n: String,
    #[serde(default)]
    e: String,
}

#[derive(Deserialize)]
struct Set {
    keys: Vec<serde_json::Value>,
}

impl Keys {
    /// Reads a set. Keys for other purposes and algorithms are passed over, as RFC 7517 has it.
    ///
    /// # Errors
    /// A text that says what is wrong, when no key remains.
    pub(super) fn parse(text: &[u8]) -> Result<Self, String> {
        let set: Set = serde_json::from_slice(text)
            .map_err(|cause| format!("it is no key set, which reads {{\"keys\": [...]}}: {cause}"))?;
        let mut keys = Self::default();
        let mut flaws = Vec::new();
        for (at, written) in set.keys.into_iter().enumerate() {
            match read(written) {
                Ok((id, _)) if keys.by_id.contains_key(&id) => {
                    flaws.push(format!("keys[{at}]: the id is there twice"))
                }
                Ok((id, key)) => drop(keys.by_id.insert(id, key)),
                Err(flaw) => flaws.push(format!("keys[{at}]: {flaw}")),
            }
        }
        if keys.by_id.is_empty() {
            return Err(format!("it has no key for EdDSA or RS256 ({})", flaws.join("; ")));
        }
        for flaw in flaws {
            tracing::warn!(flaw, "a key of the key set is passed over");
        }
        Ok(keys)
    }

    /// The key of that id.
    pub(super) fn get(&self, id: &str) -> Option<&Key> {
        self.by_id.get(id)
    }

    /// The id of a public key.
    pub(super) fn id_of(&self, public: &[u8]) -> Option<String> {
        self.by_id.iter().find(|(_, key)| key.public == public).map(|(id, _)| id.clone())
    }
}

fn read(written: serde_json::Value) -> Result<(String, Key), String> {
    let written: Written = serde_json::from_value(written).map_err(|cause| cause.to_string())?;
    if written.kid.is_empty() {
        return Err("it has no `kid`".to_owned());
    }
    if written.purpose.as_deref().is_some_and(|purpose| purpose != "sig") {
        return Err("its `use` is not `sig`".to_owned());
    }
    let key = match (written.kty.as_str(), written.crv.as_str()) {
        ("OKP", "Ed25519") => ed25519(&written.x)?,
        ("RSA", _) => rsa(&written.n, &written.e)?,
        _ => return Err("it is neither OKP Ed25519 nor RSA".to_owned()),
    };
    let named = match key.algorithm {
        Algorithm::RS256 => ["RS256", "RS256"],
        // RFC 9864 names the curve.
        _ => ["EdDSA", "Ed25519"],
    };
    match written.alg {
        Some(alg) if !named.contains(&alg.as_str()) => Err(format!("its `alg` is not {}", named[0])),
        _ => Ok((written.kid, key)),
    }
}

fn ed25519(x: &str) -> Result<Key, String> {
    let public = URL_SAFE_NO_PAD.decode(x).map_err(|cause| format!("`x`: {cause}"))?;
    if public.len() != 32 {
        return Err("`x` has not 32 bytes".to_owned());
    }
    let verifies = DecodingKey::from_ed_components(x).map_err(|cause| cause.to_string())?;
    Ok(Key { algorithm: Algorithm::EdDSA, verifies, public })
}

fn rsa(n: &str, e: &str) -> Result<Key, String> {
    let public = URL_SAFE_NO_PAD.decode(n).map_err(|cause| format!("`n`: {cause}"))?;
    let exponent = URL_SAFE_NO_PAD.decode(e).map_err(|cause| format!("`e`: {cause}"))?;
    if public.len() < LEAST_RSA_BYTES || exponent.is_empty() {
        return Err("an RSA key has at least 2048 bits".to_owned());
    }
    let verifies = DecodingKey::from_rsa_raw_components(&public, &exponent);
    Ok(Key { algorithm: Algorithm::RS256, verifies, public })
}

/// The id of an Ed25519 key made from itself (RFC 7638), and the key as a member of a set.
pub(super) fn describe(public: &[u8]) -> (String, serde_json::Value) {
    let x = URL_SAFE_NO_PAD.encode(public);
    // Names in alphabetical order, no spaces: the RFC hashes exactly this text.
    let canonical = format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{x}"}}"#);
    let id = URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, canonical.as_bytes()));
    let key = serde_json::json!({
        "kty": "OKP", "crv": "Ed25519", "x": x, "kid": id, "alg": "EdDSA", "use": "sig",
    });
    (id, key)
}

#[cfg(test)]
mod tests;
