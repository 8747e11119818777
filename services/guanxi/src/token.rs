//! `guanxi token`: signs a token for people and other systems.

use chassis::auth::issue::{Claims, SigningKey};
use kernel::{Clock, Error, Result};

use crate::cli::Token;
use crate::ui;

/// Prints a token and nothing else, so that it can be put into a variable.
///
/// # Errors
/// [`kernel::Kind::Precondition`] for a key that cannot be used, [`kernel::Kind::Invalid`] for options that no platform
/// would believe.
pub(crate) fn print(options: &Token) -> Result<()> {
    for (name, value) in [
        ("--workspace", &options.workspace),
        ("--subject", &options.subject),
        ("--issuer", &options.issuer),
        ("--audience", &options.audience),
    ] {
        if value.trim().is_empty() {
            return Err(Error::invalid(name, "is empty; a token without it is refused"));
        }
    }
    if !chassis::auth::is_slug(&options.workspace) {
        return Err(Error::invalid("--workspace", "is no slug: a-z, 0-9, `-` and `_`, at most 63"));
    }
    let ttl = kernel::time::parse_duration(&options.ttl).map_err(|flaw| Error::invalid("--ttl", flaw))?;
    let key = SigningKey::read(&options.key, "--key")?;
    let now = Clock::system().now();
    let token = key.sign(&Claims {
        iss: &options.issuer,
        aud: &options.audience,
        sub: &options.subject,
        workspace: &options.workspace,
        scope: &options.scope,
        via: None,
        iat: now.seconds(),
        exp: now.plus(ttl).seconds(),
    })?;
    ui::say(token);
    Ok(())
}
