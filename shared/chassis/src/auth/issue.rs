//! Signs tokens with an Ed25519 key: of services that call others, and of `guanxi token`.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::HeaderValue;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use kernel::{Clock, Error, Result, Time};
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::pki_types::pem::PemObject as _;
use serde::Serialize;

use super::keys::describe;
use crate::caller::Caller;
use crate::config::Auth;

/// A token between services is valid this long …
const VALID: Duration = Duration::from_secs(60);
/// … and used again this long, so that the other side has at least half a minute.
const REUSED: Duration = Duration::from_secs(30);
/// Tokens kept for reuse.
const MAX_KEPT: usize = 4_096;

/// A private key that signs tokens.
#[derive(Clone)]
pub struct SigningKey {
    signs: EncodingKey,
    public: Vec<u8>,
    id: String,
}

impl std::fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SigningKey").field("id", &self.id).finish_non_exhaustive()
    }
}

/// What a token says.
#[derive(Debug, Serialize)]
pub struct Claims<'a> {
    /// Issuer.
    pub iss: &'a str,
    /// Audience.
    pub aud: &'a str,
    /// Subject.
    pub sub: &'a str,
    /// Slug of the workspace.
    pub workspace: &'a str,
    /// Scopes with spaces between them.
    pub scope: &'a str,
    /// The service that calls on the subject's behalf.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub via: Option<&'a str>,
    /// Issued at, in seconds since the epoch.
    pub iat: i64,
    /// Expires, in seconds since the epoch.
    pub exp: i64,
}

impl SigningKey {
    /// A new key, and its PKCS#8 PEM.
    ///
    /// # Errors
    /// When the system has no randomness.
    pub fn generate() -> Result<(Self, String)> {
        let document = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new())
            .map_err(|cause| Error::internal("no key can be made").caused_by(cause))?;
        let encoded = STANDARD.encode(document.as_ref());
        let lines: Vec<&str> =
            encoded.as_bytes().chunks(64).filter_map(|line| std::str::from_utf8(line).ok()).collect();
        let pem = format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", lines.join("\n"));
        Ok((Self::from_pem(pem.as_bytes()).map_err(Error::internal)?, pem))
    }

    /// Reads a PKCS#8 PEM file. `option` is what named it.
    ///
    /// # Errors
    /// [`kernel::Kind::Precondition`] that names option, file and remedy.
    pub fn read(file: &Path, option: &str) -> Result<Self> {
        let wrong = |flaw: String| {
            let message = format!(
                "{option}: {}: {flaw}; it must be a readable PKCS#8 PEM file with an Ed25519 private key, such as \
                 `guanxi keys new --out <folder>` or `openssl genpkey -algorithm ed25519` makes",
                file.display()
            );
            Error::precondition("SIGNING_KEY_INVALID", message)
        };
        let pem = std::fs::read(file).map_err(|cause| wrong(cause.to_string()))?;
        Self::from_pem(&pem).map_err(wrong)
    }

    fn from_pem(pem: &[u8]) -> Result<Self, String> {
        let der = PrivatePkcs8KeyDer::from_pem_slice(pem).map_err(|cause| cause.to_string())?;
        let pair = Ed25519KeyPair::from_pkcs8(der.secret_pkcs8_der())
            .map_err(|cause| format!("it is no Ed25519 key ({cause})"))?;
        let public = pair.public_key().as_ref().to_vec();
        let (id, _) = describe(&public);
        Ok(Self { signs: EncodingKey::from_ed_der(der.secret_pkcs8_der()), public, id })
    }

    /// The id its tokens name.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Its public half as a key set.
    pub fn key_set(&self) -> serde_json::Value {
        serde_json::json!({ "keys": [describe(&self.public).1] })
    }

    /// A signed token.
    ///
    /// # Errors
    /// When it cannot be signed.
    pub fn sign(&self, claims: &Claims<'_>) -> Result<String> {
        let header = Header { kid: Some(self.id.clone()), ..Header::new(Algorithm::EdDSA) };
        encode(&header, claims, &self.signs)
            .map_err(|cause| Error::internal("a token cannot be signed").caused_by(cause))
    }
}

/// Signs the calls of a process to services elsewhere.
#[derive(Debug)]
pub(crate) struct CallSigner {
    key: SigningKey,
    issuer: String,
    audience: String,
    clock: Clock,
    kept: Mutex<HashMap<Who, (Time, HeaderValue)>>,
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Who {
    workspace: String,
    subject: String,
    scope: String,
    via: String,
}

impl CallSigner {
    /// Signs with the key of `auth.service_key`, under the id that the key set knows it by.
    ///
    /// # Errors
    /// [`kernel::Kind::Precondition`] for a key that cannot be used or that the key set does not have.
    pub(crate) fn open(auth: &Auth, known: &super::Authenticator, clock: &Clock) -> Result<Self> {
        let mut key = SigningKey::read(&auth.service_key, "common.auth.service_key")?;
        if let Some(id) = known.key_id(&key.public)? {
            key.id = id;
        }
        let (issuer, audience) = (auth.issuer.clone(), auth.audience.clone());
        Ok(Self { key, issuer, audience, clock: clock.clone(), kept: Mutex::default() })
    }

    /// The `authorization` of a call that `service` makes for `caller`: with its workspace, its subject, and no scope
    /// that it does not have itself.
    ///
    /// # Errors
    /// When no token can be signed.
    pub(crate) fn authorization(&self, caller: &Caller, service: &str) -> Result<HeaderValue> {
        let who = Who {
            workspace: caller.workspace.to_string(),
            subject: caller.subject.to_string(),
            scope: caller.scope(),
            via: service.to_owned(),
        };
        let now = self.clock.now();
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((signed, value)) = kept.get(&who)
            && now.since(*signed) < REUSED
        {
            return Ok(value.clone());
        }
        let token = self.key.sign(&Claims {
            iss: &self.issuer,
            aud: &self.audience,
            sub: &who.subject,
            workspace: &who.workspace,
            scope: &who.scope,
            via: Some(service).filter(|service| !service.is_empty()),
            iat: now.seconds(),
            exp: now.plus(VALID).seconds(),
        })?;
        let mut value = HeaderValue::try_from(format!("Bearer {token}"))
            .map_err(|cause| Error::internal("a token does not fit a header").caused_by(cause))?;
        value.set_sensitive(true);
        if kept.len() >= MAX_KEPT {
            kept.retain(|_, (signed, _)| now.since(*signed) < REUSED);
        }
        if kept.len() >= MAX_KEPT {
            kept.clear();
        }
        kept.insert(who, (now, value.clone()));
        Ok(value)
    }
}
