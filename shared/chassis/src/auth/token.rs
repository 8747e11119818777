//! What a token claims, and whether it is believed.
//!
//! Signatures are checked by `jsonwebtoken`, claims here: time is the process's clock, and a refusal says which claim is
//! wrong and never what the token holds beside it.

use std::sync::Arc;
use std::time::Duration;

use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, Validation, decode, decode_header};
use kernel::{Clock, Result, Time, Workspace};
use serde::Deserialize;

use super::key_set::KeySet;
use super::keys::Keys;
use super::remembered::{Remembered, Verified};
use super::{MAX_TOKEN_BYTES, refused};
use crate::caller::Caller;
use crate::config::Auth;

/// How far apart the clocks of issuer and process may be.
const LEEWAY: Duration = Duration::from_secs(30);
/// Ids of keys are shown in refusals up to this length.
const SHOWN: usize = 64;

/// Believes tokens of one issuer for one audience.
#[derive(Debug)]
pub(super) struct Tokens {
    pub(super) keys: KeySet,
    issuer: String,
    audience: String,
    clock: Clock,
    remembered: Remembered,
}

/// Everything is optional so that what is missing can be named.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Claims {
    iss: Option<String>,
    aud: Option<Audience>,
    exp: Option<f64>,
    nbf: Option<f64>,
    sub: Option<String>,
    workspace: Option<String>,
    scope: Option<String>,
    via: Option<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Some(Vec<String>),
}

impl Tokens {
    pub(super) fn new(keys: KeySet, auth: &Auth, clock: Clock) -> Self {
        let (issuer, audience) = (auth.issuer.clone(), auth.audience.clone());
        Self { keys, issuer, audience, clock, remembered: Remembered::default() }
    }

    pub(super) async fn keep_fresh(&self) {
        self.keys.keep_fresh().await;
    }

    /// The caller that a token stands for.
    ///
    /// # Errors
    /// [`kernel::Kind::Unauthenticated`].
    pub(super) async fn caller(&self, token: &str) -> Result<Caller> {
        if token.len() > MAX_TOKEN_BYTES {
            return Err(refused(format!("the token is longer than {MAX_TOKEN_BYTES} bytes")));
        }
        let verified = match self.remembered.get(token, &self.keys.now()) {
            Some(verified) => verified,
            None => {
                let (keys, verified) = self.verify(token).await?;
                self.remembered.put(token, &keys, verified.clone(), self.clock.now());
                verified
            }
        };
        self.in_time(&verified)?;
        Ok(verified.caller)
    }

    async fn verify(&self, token: &str) -> Result<(Arc<Keys>, Verified)> {
        let header = decode_header(token)
            .map_err(|_| refused(
                "the token is no JSON Web Token that is signed with EdDSA or RS256; give one by --token or GUANXI_TOKEN, or \
                 as `authorization: Bearer <token>`",
            ))?;
        if header.crit.is_some() {
            return Err(refused("the token demands extensions (`crit`) that are not known here"));
        }
        let id = header.kid.ok_or_else(|| refused("the token names no key (`kid`)"))?;
        let keys = self.keys.with(&id).await;
        let key = keys.get(&id).ok_or_else(|| unknown_key(&id))?;
        if header.alg != key.algorithm {
            return Err(refused(format!(
                "the token's key is one for {:?}, and its header says otherwise",
                key.algorithm
            )));
        }
        let claims =
            decode::<Claims>(token, &key.verifies, &signature_only(key.algorithm)).map_err(|cause| {
                refused(match cause.kind() {
                    ErrorKind::InvalidSignature => "the token's signature is wrong",
                    ErrorKind::Json(_) => {
                        "the token's claims are not what they should be: `iss`, `sub`, `workspace` and \
                                       `scope` are text, `aud` is text or a list, `exp` and `nbf` are numbers"
                    }
                    _ => "the token is damaged",
                })
            })?;
        let verified = self.believe(claims.claims)?;
        Ok((keys, verified))
    }

    /// Judges everything but the time.
    fn believe(&self, claims: Claims) -> Result<Verified> {
        if given(claims.iss, "iss")? != self.issuer {
            return Err(refused(format!("the token is of another issuer than `{}`", self.issuer)));
        }
        let meant = match claims.aud {
            None => return Err(missing("aud")),
            Some(Audience::One(audience)) => audience == self.audience,
            Some(Audience::Some(audiences)) => audiences.contains(&self.audience),
        };
        if !meant {
            return Err(refused(format!("the token is meant for another audience than `{}`", self.audience)));
        }
        let expires = moment(claims.exp, "exp")?.ok_or_else(|| missing("exp"))?;
        let begins = moment(claims.nbf, "nbf")?.unwrap_or(Time::MIN);
        let subject = given(claims.sub, "sub")?;
        let workspace = given(claims.workspace, "workspace")?;
        if !is_slug(&workspace) {
            return Err(refused("the token's `workspace` is no slug: a-z, 0-9, `-` and `_`, at most 63"));
        }
        // An empty list is a list: of a caller who may nothing.
        let scope = claims.scope.ok_or_else(|| missing("scope"))?;
        let mut caller = Caller::with_scope(Workspace::new(workspace), &subject, &scope);
        caller.via = claims.via.map(Into::into);
        Ok(Verified { caller, begins, expires })
    }

    fn in_time(&self, verified: &Verified) -> Result<()> {
        let now = self.clock.now();
        if now >= verified.expires.plus(LEEWAY) {
            let since = verified.expires;
            return Err(refused(format!("the token is expired since {since} (now: {now}); get a new one")));
        }
        if now.plus(LEEWAY) < verified.begins {
            let begins = verified.begins;
            return Err(refused(format!(
                "the token is not valid before {begins} (now: {now}); set the clocks right"
            )));
        }
        Ok(())
    }
}

/// Everything else of a token is judged here, by the process's clock.
fn signature_only(algorithm: Algorithm) -> Validation {
    let mut validation = Validation::new(algorithm);
    validation.required_spec_claims.clear();
    validation.validate_exp = false;
    validation.validate_nbf = false;
    validation.validate_aud = false;
    validation
}

fn unknown_key(id: &str) -> kernel::Error {
    let shown = if id.chars().count() <= SHOWN { id } else { "…" };
    refused(format!(
        "the token's key {shown:?} is not in the key set; a key that is new must stand there before it signs"
    ))
}

fn given(claim: Option<String>, name: &str) -> Result<String> {
    claim.filter(|text| !text.is_empty()).ok_or_else(|| missing(name))
}

fn missing(name: &str) -> kernel::Error {
    refused(format!("the token has no `{name}`"))
}

/// Seconds since the epoch, with or without a fraction (RFC 7519, `NumericDate`).
fn moment(seconds: Option<f64>, name: &str) -> Result<Option<Time>> {
    match seconds {
        None => Ok(None),
        #[expect(
            clippy::cast_possible_truncation,
            reason = "out of range it saturates, which is as far away"
        )]
        Some(seconds) if seconds.is_finite() => Ok(Some(Time((seconds * 1e6) as i64))),
        Some(_) => Err(refused(format!("the token's `{name}` is no time"))),
    }
}

/// Whether a workspace can be called so.
pub fn is_slug(text: &str) -> bool {
    (1..=63).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_')
}

#[cfg(test)]
mod tests;
