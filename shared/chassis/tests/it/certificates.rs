//! Certificates for tests: an authority, and what it signs.

use std::path::PathBuf;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, date_time_ymd};
use tempfile::TempDir;

/// An authority.
pub(crate) struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

impl Authority {
    pub(crate) fn new(name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        Self { issuer: CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap() }
    }

    pub(crate) fn pem(&self) -> String {
        self.issuer.pem()
    }

    /// A certificate for this machine, and its key, as PEM. `years`: when it begins and ends.
    pub(crate) fn sign(&self, name: &str, years: (i32, i32)) -> (String, String) {
        let mut params =
            CertificateParams::new(vec!["localhost".to_owned(), "127.0.0.1".to_owned()]).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.not_before = date_time_ymd(years.0, 1, 1);
        params.not_after = date_time_ymd(years.1, 1, 1);
        let key = KeyPair::generate().unwrap();
        (params.signed_by(&key, &self.issuer).unwrap().pem(), key.serialize_pem())
    }
}

/// The files of one process.
pub(crate) struct Files {
    folder: TempDir,
}

/// A time in which the tests' clock and the system's lie.
pub(crate) const VALID: (i32, i32) = (2020, 2100);

impl Files {
    /// A certificate of `authority`, which is also who is trusted.
    pub(crate) fn new(authority: &Authority, name: &str, years: (i32, i32)) -> Self {
        let files = Self { folder: tempfile::tempdir().unwrap() };
        files.write(authority, name, years);
        files
    }

    /// Replaces them, as cert-manager does.
    pub(crate) fn write(&self, authority: &Authority, name: &str, years: (i32, i32)) {
        let (certificate, key) = authority.sign(name, years);
        for (file, text) in [("tls.crt", certificate), ("tls.key", key), ("ca.crt", authority.pem())] {
            self.put(file, &text);
        }
    }

    pub(crate) fn put(&self, file: &str, text: &str) {
        let fresh = self.path("fresh");
        std::fs::write(&fresh, text).unwrap();
        std::fs::rename(fresh, self.path(file)).unwrap();
    }

    pub(crate) fn path(&self, file: &str) -> PathBuf {
        self.folder.path().join(file)
    }

    pub(crate) fn settings(&self) -> Vec<String> {
        [("certificate", "tls.crt"), ("key", "tls.key"), ("authority", "ca.crt")]
            .map(|(option, file)| format!("common.tls.{option}={}", self.path(file).display()))
            .to_vec()
    }

    pub(crate) fn config(&self, certificate: bool) -> chassis::config::Tls {
        let named = |file| if certificate { self.path(file) } else { PathBuf::new() };
        chassis::config::Tls {
            certificate: named("tls.crt"),
            key: named("tls.key"),
            authority: self.path("ca.crt"),
        }
    }
}
