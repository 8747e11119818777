//! Where a key set is read from: a file, or an address.

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

async fn fetch(client: &reqwest::Client, address: &str) -> Result<Vec<u8>, String> {
    let say = |cause: reqwest::Error| crate::status::chain(&cause.without_url());
    let mut answer = client.get(address).send().await.map_err(say)?;
    if !answer.status().is_success() {
        return Err(format!("it answers {}", answer.status()));
    }
    let mut bytes = Vec::new();
    while let Some(piece) = answer.chunk().await.map_err(say)? {
        bytes.extend_from_slice(&piece);
        if bytes.len() > MAX_BYTES {
            return Err("its answer is longer than 1 MiB".to_owned());
        }
    }
    Ok(bytes)
}
