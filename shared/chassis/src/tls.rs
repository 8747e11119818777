//! TLS of gRPC, both ways: the certificate of this process, and the authorities that others' are verified by.
//!
//! The files are looked at whenever a connection is made: certificates that are renewed (cert-manager does so) are used at
//! once, by connections made from then on. One crypto provider (aws-lc) serves the whole process.

mod files;

use std::sync::{Arc, Mutex, PoisonError};

use kernel::{Clock, Error, Result};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{ClientConfig, RootCertStore, ServerConfig};

use self::files::{Files, Stamp};
use crate::config;

/// What both sides speak.
const HTTP2: &[u8] = b"h2";

/// Makes aws-lc the crypto provider of everything in this process that does not name one. The first call counts.
pub fn install_provider() {
    // Somebody else's choice stands; then it is the only one as well.
    let _installed = rustls::crypto::aws_lc_rs::default_provider().install_default().is_ok();
}

/// The certificates in use. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Tls {
    files: Arc<Files>,
    clock: Clock,
    current: Arc<Mutex<Current>>,
}

#[derive(Clone, Debug)]
struct Current {
    stamp: Stamp,
    sides: Sides,
}

/// How TLS is spoken on either side; `None`: not at all.
#[derive(Clone, Debug, Default)]
struct Sides {
    server: Option<Arc<ServerConfig>>,
    client: Option<Arc<ClientConfig>>,
}

impl Tls {
    /// Reads the files. `prefix` stands before `certificate`, `key` and `authority` in the options that named them.
    ///
    /// # Errors
    /// [`kernel::Kind::Precondition`] that names the option, the file and the remedy: not there, not PEM, expired, a key
    /// of another certificate.
    pub fn open(settings: &config::Tls, prefix: &'static str, clock: Clock) -> Result<Self> {
        install_provider();
        let files = Arc::new(Files::new(settings, prefix)?);
        let stamp = files.stamp();
        let sides = load(&files, &clock)?;
        Ok(Self { files, clock, current: Arc::new(Mutex::new(Current { stamp, sides })) })
    }

    /// How connections to this process are served.
    pub(crate) fn server(&self) -> Option<Arc<ServerConfig>> {
        self.sides().server
    }

    /// How services elsewhere are spoken to.
    pub(crate) fn client(&self) -> Option<Arc<ClientConfig>> {
        self.sides().client
    }

    /// What the files say now; what they said before while they are no use.
    fn sides(&self) -> Sides {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        let stamp = self.files.stamp();
        if stamp != current.stamp {
            // Told once for each change, and looked at again at the next one.
            current.stamp = stamp;
            match load(&self.files, &self.clock) {
                Ok(sides) => {
                    tracing::info!("certificates were read again");
                    current.sides = sides;
                }
                Err(error) => tracing::error!(%error, "certificates stay as they were read before"),
            }
        }
        current.sides.clone()
    }
}

fn load(files: &Files, clock: &Clock) -> Result<Sides> {
    let own = files.own(clock.now())?;
    let roots = files.authorities(clock.now())?.map(Arc::new);
    let server = own.as_ref().map(|own| server(files, own, roots.clone())).transpose()?;
    let client = roots.map(|roots| client(files, own.as_ref(), roots)).transpose()?;
    Ok(Sides { server: server.map(Arc::new), client: client.map(Arc::new) })
}

/// A chain and its key.
type Own = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

fn server(files: &Files, (chain, key): &Own, roots: Option<Arc<RootCertStore>>) -> Result<ServerConfig> {
    let builder = match roots {
        Some(roots) => {
            let verifier = WebPkiClientVerifier::builder(roots).build().map_err(|cause| {
                Error::precondition(
                    "CERTIFICATE_INVALID",
                    "common.tls.authority: no caller can be verified by it",
                )
                .caused_by(cause)
            })?;
            ServerConfig::builder().with_client_cert_verifier(verifier)
        }
        None => ServerConfig::builder().with_no_client_auth(),
    };
    let mut config =
        builder.with_single_cert(chain.clone(), key.clone_key()).map_err(|cause| files.mismatch(&cause))?;
    config.alpn_protocols = vec![HTTP2.to_vec()];
    Ok(config)
}

fn client(files: &Files, own: Option<&Own>, roots: Arc<RootCertStore>) -> Result<ClientConfig> {
    let builder = ClientConfig::builder().with_root_certificates(roots);
    let mut config = match own {
        Some((chain, key)) => builder
            .with_client_auth_cert(chain.clone(), key.clone_key())
            .map_err(|cause| files.mismatch(&cause))?,
        None => builder.with_no_client_auth(),
    };
    config.alpn_protocols = vec![HTTP2.to_vec()];
    Ok(config)
}
