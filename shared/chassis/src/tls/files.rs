//! Certificates and keys in PEM files: read, judged by their dates, and watched.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use kernel::{Error, Result, Time};
use rustls::RootCertStore;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use x509_parser::prelude::{FromDer as _, X509Certificate};

use super::Own;
use crate::config;

/// Certificates that end sooner are warned of.
const SOON: Duration = Duration::from_secs(14 * 86_400);

/// Where certificates lie.
#[derive(Debug)]
pub(super) struct Files {
    /// Before the names of the options that named them: `common.tls.` or `--`.
    prefix: &'static str,
    certificate: PathBuf,
    key: PathBuf,
    authority: PathBuf,
}

/// When the files were written, and how long they are. A file that is not there has none.
pub(super) type Stamp = [Option<(SystemTime, u64)>; 3];

impl Files {
    /// # Errors
    /// [`kernel::Kind::Precondition`] for a certificate without key or a key without certificate.
    pub(super) fn new(settings: &config::Tls, prefix: &'static str) -> Result<Self> {
        let config::Tls { certificate, key, authority } = settings.clone();
        if certificate.as_os_str().is_empty() != key.as_os_str().is_empty() {
            let message =
                format!("{prefix}certificate and {prefix}key belong together: name both files, or none");
            return Err(Error::precondition("CONFIG_INVALID", message));
        }
        Ok(Self { prefix, certificate, key, authority })
    }

    pub(super) fn stamp(&self) -> Stamp {
        [&self.certificate, &self.key, &self.authority].map(|file| {
            let about = std::fs::metadata(file).ok()?;
            Some((about.modified().ok()?, about.len()))
        })
    }

    /// The certificate of this process and its key, if it has one.
    ///
    /// # Errors
    /// [`kernel::Kind::Precondition`].
    pub(super) fn own(&self, now: Time) -> Result<Option<Own>> {
        if self.certificate.as_os_str().is_empty() {
            return Ok(None);
        }
        let place = Place { option: format!("{}certificate", self.prefix), file: &self.certificate };
        let chain = place.certificates()?;
        chain.iter().try_for_each(|certificate| place.judge(certificate, now))?;
        let place = self.key();
        let key = PrivateKeyDer::from_pem_slice(&place.read()?).map_err(|cause| {
            place.unusable(&format!(
                "holds no private key as PEM ({cause}); write the certificate's key there"
            ))
        })?;
        Ok(Some((chain, key)))
    }

    /// The authorities, if any are named. Those that have ended are left out.
    ///
    /// # Errors
    /// [`kernel::Kind::Precondition`], also when none remains.
    pub(super) fn authorities(&self, now: Time) -> Result<Option<RootCertStore>> {
        if self.authority.as_os_str().is_empty() {
            return Ok(None);
        }
        let place = Place { option: format!("{}authority", self.prefix), file: &self.authority };
        let mut roots = RootCertStore::empty();
        let mut flaw = None;
        for certificate in place.certificates()? {
            match place.judge(&certificate, now) {
                Ok(()) => roots
                    .add(certificate)
                    .map_err(|cause| place.unusable(&format!("has a certificate of no use ({cause})")))?,
                Err(ended) => flaw = Some(ended),
            }
        }
        match flaw {
            Some(flaw) if roots.is_empty() => Err(flaw),
            _ => Ok(Some(roots)),
        }
    }

    /// A certificate and key that rustls does not take together.
    pub(super) fn mismatch(&self, cause: &rustls::Error) -> Error {
        let flaw = format!(
            "is not the key of {} ({cause}); put the two that were made together there",
            self.certificate.display()
        );
        self.key().unusable(&flaw)
    }

    fn key(&self) -> Place<'_> {
        Place { option: format!("{}key", self.prefix), file: &self.key }
    }
}

/// A file and the option that named it.
struct Place<'a> {
    option: String,
    file: &'a Path,
}

impl Place<'_> {
    fn certificates(&self) -> Result<Vec<CertificateDer<'static>>> {
        let pem = self.read()?;
        let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
        match found {
            Ok(chain) if !chain.is_empty() => Ok(chain),
            Ok(_) => Err(self.unusable("holds no certificate as PEM (-----BEGIN CERTIFICATE-----)")),
            Err(cause) => Err(self.unusable(&format!("is damaged ({cause}); write it anew"))),
        }
    }

    fn read(&self) -> Result<Vec<u8>> {
        std::fs::read(self.file).map_err(|cause| {
            self.unusable(&format!("cannot be read ({cause}); put it there, and let this process read it"))
        })
    }

    /// Refuses a certificate that has ended or not begun, and warns of one that ends soon.
    fn judge(&self, certificate: &CertificateDer<'_>, now: Time) -> Result<()> {
        let (_, parsed) = X509Certificate::from_der(certificate)
            .map_err(|cause| self.unusable(&format!("has a certificate that cannot be read ({cause})")))?;
        let validity = parsed.validity();
        let begins = Time::from_seconds(validity.not_before.timestamp());
        let ends = Time::from_seconds(validity.not_after.timestamp());
        if now > ends {
            return Err(
                self.unusable(&format!("is expired since {ends} (now: {now}); renew the certificate"))
            );
        }
        if now < begins {
            let flaw = format!("is not valid before {begins} (now: {now}); set the clock, or wait");
            return Err(self.unusable(&flaw));
        }
        if ends.since(now) < SOON {
            tracing::warn!(option = self.option, file = %self.file.display(), %ends, "a certificate ends soon; renew it");
        }
        Ok(())
    }

    fn unusable(&self, flaw: &str) -> Error {
        Error::precondition("CERTIFICATE_INVALID", format!("{}: {} {flaw}", self.option, self.file.display()))
    }
}
