//! Where a key set is read from: a file, or an address.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use kernel::{Error, Kind, Result};

/// A set is a few kilobytes.
const MAX_BYTES: usize = 1 << 20;
/// For one answer of an address.
const PATIENCE: Duration = Duration::from_secs(5);

/// Where a key set is read from.
#[derive(Debug)]
pub(super) enum Source {
    File(PathBuf),
    Address(reqwest::Client, String),
}

impl Source {
    /// `jwks` is an address when it begins like one.
    ///
    /// # Errors
    /// When there can be no HTTP client.
    pub(super) fn new(jwks: &str) -> Result<Self> {
        if !jwks.starts_with("https://") && !jwks.starts_with("http://") {
            return Ok(Self::File(jwks.into()));
        }
        let client = reqwest::Client::builder()
            .timeout(PATIENCE)
            // It would name an address that no operator has.
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(|cause| Error::internal("there is no HTTP client").caused_by(cause))?;
        Ok(Self::Address(client, jwks.to_owned()))
    }

    /// The bytes of the set.
    ///
    /// # Errors
    /// [`Kind::Precondition`] for a file, [`Kind::Unavailable`] for an address; both name it and the remedy.
    pub(super) async fn read(&self) -> Result<Vec<u8>> {
        match self {
            Self::File(file) => tokio::fs::read(file).await.map_err(|cause| {
                let message = format!(
                    "common.auth.jwks: the key set {} cannot be read: {cause}; put it there, and let this process read it",
                    file.display()
                );
                Error::precondition("KEY_SET_UNREADABLE", message)
            }),
            Self::Address(client, address) => fetch(client, address).await.map_err(|flaw| {
                let message = format!(
                    "common.auth.jwks: {address} gives no key set: {flaw}; is the address right, and can this machine \
                     reach it?"
                );
                Error::new(Kind::Unavailable, "KEY_SET_UNREADABLE", message)
            }),
        }
    }
}

/// Whether others than this machine could answer for the address of a key set: one without TLS elsewhere.
pub(super) fn may_be_forged(jwks: &str) -> bool {
    let url = reqwest::Url::parse(jwks).ok().filter(|url| url.scheme() == "http");
    let host = url.as_ref().and_then(reqwest::Url::host_str).map(|host| host.trim_matches(['[', ']']));
    host.is_some_and(|host| {
        host != "localhost" && !host.parse().is_ok_and(|address: IpAddr| address.to_canonical().is_loopback())
    })
}

async fn fetch(client: &reqwest::Client, address: &str) -> Result<Vec<u8>, String> {
    let say = |cause: reqwest::Error| crate::status::chain(&cause.without_url());
    let answer = client.get(address).send().await.map_err(say)?;
    if !answer.status().is_success() {
        return Err(format!("it answers {}", answer.status()));
    }
    let bytes = crate::http::at_most(answer, MAX_BYTES).await.map_err(say)?;
    bytes.ok_or_else(|| "its answer is longer than 1 MiB".to_owned())
}

#[cfg(test)]
mod tests;
