//! Where the servers are, and how to prove who we are.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use async_nats::rustls::pki_types::pem::PemObject;
use async_nats::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use async_nats::rustls::{ClientConfig, RootCertStore, crypto};
use async_nats::{ConnectOptions, ServerAddr};
use kernel::{Error, Result};

use super::Options;

/// The servers of one cluster. Shows no password.
#[derive(Clone)]
pub(super) struct Address {
    pub(super) servers: Vec<ServerAddr>,
    user: Option<String>,
    password: Option<String>,
}

impl Address {
    /// Reads `nats://user:password@host:4222,nats://host2:4222`; who we are is said once, for all servers. A user without
    /// a password is a token.
    pub(super) fn parse(url: &str) -> Result<Self> {
        let mut address = Self { servers: Vec::new(), user: None, password: None };
        for server in url.split(',').map(str::trim).filter(|server| !server.is_empty()) {
            let (scheme, rest) = server.split_once("://").unwrap_or(("nats", server));
            let (user, host) = rest.rsplit_once('@').map_or((None, rest), |(user, host)| (Some(user), host));
            let parsed = format!("{scheme}://{host}").parse::<ServerAddr>().ok();
            let usable = parsed.filter(|parsed| {
                !parsed.host().is_empty() && !parsed.is_websocket() && !parsed.has_user_pass()
            });
            address.servers.push(usable.ok_or_else(|| wrong(scheme, host))?);
            if let (Some(user), None) = (user, &address.user) {
                let (user, password) =
                    user.split_once(':').map_or((user, None), |(user, password)| (user, Some(password)));
                address.user = Some(unescape(user));
                address.password = password.map(unescape);
            }
        }
        if address.servers.is_empty() {
            return Err(wrong("nats", ""));
        }
        Ok(address)
    }

    /// With who we are.
    pub(super) fn authenticate(&self, options: ConnectOptions) -> ConnectOptions {
        match (self.user.clone(), self.password.clone()) {
            (Some(user), Some(password)) => options.user_and_password(user, password),
            (Some(token), None) => options.token(token),
            (None, _) => options,
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, server) in self.servers.iter().enumerate() {
            let comma = if n > 0 { ", " } else { "" };
            write!(f, "{comma}{}:{}", server.host(), server.port())?;
        }
        Ok(())
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

fn wrong(scheme: &str, host: &str) -> Error {
    let said = format!("`{scheme}://{host}` is no address of a NATS server");
    Error::invalid(
        "url",
        format!("{said}; write nats://user:password@host:4222, several with a comma between them"),
    )
}

/// Undoes `%40` and the like.
fn unescape(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, behind)) = rest.split_first() {
        let digits = behind.first_chunk::<2>().filter(|digits| digits.iter().all(u8::is_ascii_hexdigit));
        let digits = digits.and_then(|digits| std::str::from_utf8(digits).ok());
        match digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) if *first == b'%' => {
                bytes.push(byte);
                rest = behind.get(2..).unwrap_or_default();
            }
            _ => {
                bytes.push(*first);
                rest = behind;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// How TLS is spoken, if it is. Always given to the client: its own choice depends on what else is linked into the
/// process.
pub(super) fn tls(options: &Options) -> Result<ClientConfig> {
    let mut roots = RootCertStore::empty();
    match &options.authority {
        Some(authority) => {
            for certificate in certificates(authority)? {
                roots.add(certificate).map_err(|error| unusable(authority, &error))?;
            }
        }
        // Unreadable ones are missed only if TLS is spoken, and named by the handshake then.
        None => drop(roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs)),
    }
    let provider = Arc::new(crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| Error::internal("no version of TLS").caused_by(error))?
        .with_root_certificates(roots);
    match &options.client {
        Some((certificate, key)) => {
            let private = PrivateKeyDer::from_pem_file(key).map_err(|error| unusable(key, &error))?;
            let signed = builder.with_client_auth_cert(certificates(certificate)?, private);
            signed.map_err(|error| unusable(certificate, &error))
        }
        None => Ok(builder.with_no_client_auth()),
    }
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>> {
    let read = CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    match read {
        Ok(certificates) if !certificates.is_empty() => Ok(certificates),
        Ok(_) => Err(unusable(path, &"it holds no certificate")),
        Err(error) => Err(unusable(path, &error)),
    }
}

fn unusable(path: &Path, error: &dyn fmt::Display) -> Error {
    Error::precondition(
        "LOG_TLS",
        format!("cannot use {} for TLS to NATS: {error}; give a readable PEM file", path.display()),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_are_shown_without_who_we_are() {
        let address =
            Address::parse("nats://张伟:p%40ss@a.example:4333, tls://b.example,[::1]:4222").unwrap();
        assert_eq!(address.to_string(), "a.example:4333, b.example:4222, ::1:4222");
        assert_eq!((address.user.as_deref(), address.password.as_deref()), (Some("张伟"), Some("p@ss")));
        assert_eq!(format!("{address:?}"), address.to_string());
        let servers: Vec<_> = address.servers.iter().map(ServerAddr::as_url_str).collect();
        assert!(servers.iter().all(|server| !server.contains("ss")), "{servers:?}");
        let token = Address::parse("nats://s3cret@localhost").unwrap();
        assert_eq!((token.user.as_deref(), token.password.as_deref()), (Some("s3cret"), None));
    }

    #[test]
    fn wrong_addresses_are_refused_without_the_password() {
        for url in [
            "",
            " , ",
            "http://u:geheim@host",
            "nats://u:geheim@",
            "nats://u:geheim@host:99999999",
            "ws://u:geheim@host",
        ] {
            let refused = Address::parse(url).unwrap_err();
            assert_eq!(refused.kind, kernel::Kind::Invalid);
            assert!(!refused.message.contains("geheim") && refused.message.contains("nats://"), "{refused}");
        }
    }
}
