//! Turns bearer tokens into callers: JSON Web Tokens (`EdDSA`, RS256) by a key set, and `dev` in development mode.
//!
//! What a token claims, and what is refused, stands in `auth/token.rs`; where keys come from in `auth/key_set.rs`.

pub mod issue;
mod key_set;
mod keys;
mod remembered;
mod source;
mod token;

use std::sync::Arc;

use kernel::{Clock, Error, Kind, Result, Workspace};

use self::key_set::{KeySet, START};
use self::token::Tokens;
use crate::caller::{Caller, DEV_TOKEN, DEV_WORKSPACE, EVERY_SCOPE};
use crate::config::Common;

pub use self::token::is_slug;

/// Longer tokens are refused unread.
pub const MAX_TOKEN_BYTES: usize = 8 << 10;

/// Turns tokens into callers. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Authenticator {
    dev: bool,
    tokens: Option<Arc<Tokens>>,
}

impl Authenticator {
    /// Loads the key set. In development mode the token `dev` stands for the workspace `demo`, with or without one.
    ///
    /// # Errors
    /// [`Kind::Precondition`] for settings that contradict each other and for a key set that cannot be used,
    /// [`Kind::Unavailable`] for an address that does not give one within ten seconds.
    pub async fn open(common: &Common, clock: &Clock) -> Result<Self> {
        check(common)?;
        let tokens = match common.auth.jwks.as_str() {
            "" => None,
            jwks => {
                let keys = KeySet::open(jwks, START, clock.clone()).await?;
                Some(Arc::new(Tokens::new(keys, &common.auth, clock.clone())))
            }
        };
        Ok(Self { dev: common.dev, tokens })
    }

    /// The caller behind an `authorization` header's value.
    ///
    /// # Errors
    /// [`Kind::Unauthenticated`] that says what to send or what is wrong with the token, and never what is in it.
    pub async fn authenticate(&self, header: Option<&str>) -> Result<Caller> {
        let header = header.ok_or_else(|| refused("send `authorization: Bearer <token>`"))?;
        let token = header
            .split_once(' ')
            .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
            .map(|(_, token)| token.trim())
            .ok_or_else(|| refused("the authorization header must read `Bearer <token>`"))?;
        if self.dev && token == DEV_TOKEN {
            return Ok(Caller::with_scope(Workspace::new(DEV_WORKSPACE), DEV_TOKEN, EVERY_SCOPE));
        }
        match &self.tokens {
            Some(tokens) => tokens.caller(token).await,
            None => Err(refused(
                "the token is not known here: development mode knows `dev`; give it by --token or GUANXI_TOKEN, or as \
                 `authorization: Bearer dev`",
            )),
        }
    }

    /// Reads the key set again every five minutes; ends only with the process.
    pub async fn keep_fresh(self) {
        match self.tokens {
            Some(tokens) => tokens.keep_fresh().await,
            None => std::future::pending().await,
        }
    }

    /// The id under which the key set knows a public key; `None` without a key set.
    ///
    /// # Errors
    /// [`Kind::Precondition`] when the set does not have it.
    pub(crate) fn key_id(&self, public: &[u8]) -> Result<Option<String>> {
        let Some(tokens) = &self.tokens else { return Ok(None) };
        let found = tokens.keys.now().id_of(public);
        found.map(Some).ok_or_else(|| {
            let message = "common.auth.service_key: the key set (common.auth.jwks) does not have the public half of this \
                           key, so that no service would believe its calls; put it there first (`guanxi keys new` writes \
                           it beside the key)";
            Error::precondition("CONFIG_INVALID", message)
        })
    }
}

/// Refuses settings under which nobody could call, or anybody.
fn check(common: &Common) -> Result<()> {
    let Common { auth, dev, .. } = common;
    let (dev, wrong) = (*dev, |message: &str| Err(Error::precondition("CONFIG_INVALID", message)));
    for (option, address) in [("grpc", common.grpc), ("http", common.http)] {
        if dev && !address.ip().to_canonical().is_loopback() {
            return wrong(&format!(
                "common.dev: in development mode the token `dev` opens everything, and common.{option} is {address}, where \
                 others than this machine may come from; choose 127.0.0.1 with --set common.{option}=127.0.0.1:{}, or set \
                 common.dev=false and common.auth.jwks",
                address.port()
            ));
        }
    }
    if !dev && auth.jwks.is_empty() {
        return wrong(
            "common.auth.jwks: there is no key set, and so nobody could call: outside development mode (common.dev) \
             callers prove themselves by tokens; name a file or https address with the keys that sign them (`guanxi keys \
             new --out <folder>` makes a key and its set)",
        );
    }
    if !dev && source::may_be_forged(&auth.jwks) {
        return wrong(&format!(
            "common.auth.jwks: what {} answers can be forged on the way, and with it every token; write https:// (http:// \
             is taken from this machine only)",
            auth.jwks
        ));
    }
    let signs = !auth.jwks.is_empty() || !auth.service_key.as_os_str().is_empty();
    for (name, value) in [("issuer", &auth.issuer), ("audience", &auth.audience)] {
        if signs && value.trim().is_empty() {
            return wrong(&format!(
                "common.auth.{name}: is empty, and a token of any {name} would do; write what the tokens say"
            ));
        }
    }
    Ok(())
}

fn refused(message: impl Into<String>) -> Error {
    Error::new(Kind::Unauthenticated, "TOKEN_REFUSED", message)
}
