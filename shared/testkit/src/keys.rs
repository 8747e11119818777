//! A signing key and its key set, as an operator would make them.

use std::path::{Path, PathBuf};

use chassis::auth::issue::{Claims, SigningKey};
use kernel::{Clock, Error, Result};
use tempfile::TempDir;

/// Issuer and audience of the tokens.
const ISSUER: &str = "testkit";
const AUDIENCE: &str = "guanxi";

/// A key in a folder of its own: processes that get its [`Keys::settings`] believe each other, and its tokens.
#[derive(Debug)]
pub struct Keys {
    folder: TempDir,
    key: SigningKey,
}

impl Keys {
    /// A new key.
    ///
    /// # Errors
    /// When it cannot be made or written.
    pub fn new() -> Result<Self> {
        let unwritten = |cause| Error::internal("a key cannot be written").caused_by(cause);
        let folder = tempfile::tempdir().map_err(unwritten)?;
        let (key, pem) = SigningKey::generate()?;
        std::fs::write(folder.path().join("key.pem"), pem).map_err(unwritten)?;
        std::fs::write(folder.path().join("jwks.json"), key.key_set().to_string()).map_err(unwritten)?;
        Ok(Self { folder, key })
    }

    /// The file with the private key.
    pub fn private(&self) -> PathBuf {
        self.folder.path().join("key.pem")
    }

    /// The file with the key set.
    pub fn set(&self) -> PathBuf {
        self.folder.path().join("jwks.json")
    }

    /// Settings (`key=value`) of a process that believes tokens of this key and signs its calls with it.
    pub fn settings(&self) -> Vec<String> {
        let file = |path: &Path| path.display().to_string();
        vec![
            format!("common.auth.jwks={}", file(&self.set())),
            format!("common.auth.service_key={}", file(&self.private())),
            format!("common.auth.issuer={ISSUER}"),
            format!("common.auth.audience={AUDIENCE}"),
        ]
    }

    /// A token that is valid for an hour of `clock`.
    ///
    /// # Errors
    /// When it cannot be signed.
    pub fn token(&self, clock: &Clock, workspace: &str, subject: &str, scope: &str) -> Result<String> {
        let now = clock.now().seconds();
        self.key.sign(&Claims {
            iss: ISSUER,
            aud: AUDIENCE,
            sub: subject,
            workspace,
            scope,
            via: None,
            iat: now,
            exp: now + 3_600,
        })
    }
}
