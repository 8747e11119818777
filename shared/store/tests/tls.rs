//! TLS to PostgreSQL as the operator's page prescribes it: `sslmode=verify-full`, with an authority of one's own.
#![expect(clippy::unwrap_used, reason = "a test fails where something is missing")]

use std::path::PathBuf;
use std::time::{Duration, Instant};

use kernel::{Clock, Error, Kind, Result};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, date_time_ymd};
use sea_orm::{ConnectionTrait as _, DbBackend, Statement};
use store::{Database, DatabaseConfig};
use tempfile::TempDir;
use testkit::postgres::{Postgres, Urls};

/// What is wrong is said at once.
const PROMISED: Duration = Duration::from_secs(8);

/// An authority of one's own, and where its certificate is.
struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    folder: TempDir,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let authority = Self { issuer, folder: tempfile::tempdir().unwrap() };
        std::fs::write(authority.file(), authority.issuer.pem()).unwrap();
        authority
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("ca.crt")
    }

    /// A server with a certificate for 127.0.0.1 that holds until the first day of that year.
    async fn server(&self, until: i32) -> Postgres {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
        (params.not_before, params.not_after) = (date_time_ymd(2020, 1, 1), date_time_ymd(until, 1, 1));
        let certificate = params.signed_by(&key, &self.issuer).unwrap().pem();
        let options = "-c ssl=on -c ssl_cert_file=server.crt -c ssl_key_file=server.key";
        let files = [("server.crt", certificate.as_str()), ("server.key", &key.serialize_pem())];
        Postgres::start_with(options, &files).await.unwrap()
    }
}

async fn urls(server: &Postgres) -> Urls {
    server.schemas("tls", &["test"]).await.unwrap()
}

/// The database as a service opens it, once migrated, with this at the end of its URLs.
async fn open(urls: &Urls, end: &str) -> Result<Database> {
    let url = |url: &str| format!("{}&sslmode=verify-full{end}", url.replace("{service}", "test"));
    let mut config = DatabaseConfig::new(url(&urls.url));
    config.owner_url = kernel::Secret::new(url(&urls.owner_url));
    Database::migrate("test", &config, Vec::new).await?;
    Database::open("test", &config, Vec::new, &Clock::system()).await
}

/// What is said of a database that is not believed.
async fn refusal(urls: &Urls, end: &str) -> Error {
    let begin = Instant::now();
    let refused = open(urls, end).await.unwrap_err();
    assert!(begin.elapsed() < PROMISED, "{:?} until {refused}", begin.elapsed());
    assert_eq!((refused.kind, refused.reason), (Kind::Precondition, "DATABASE_TLS"), "{refused}");
    assert!(!refused.message.contains(":test@"), "a password: {refused}");
    refused
}

#[tokio::test]
async fn the_right_authority_is_believed_and_no_other() {
    let authority = Authority::new();
    let server = authority.server(2099).await;
    let urls = urls(&server).await;
    let believed = format!("&sslrootcert={}", authority.file().display());
    let db = open(&urls, &believed).await.unwrap();
    let query = Statement::from_string(
        DbBackend::Postgres,
        "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()",
    );
    assert!(db.read().query_one_raw(query).await.unwrap().unwrap().try_get::<bool>("", "ssl").unwrap());

    let stranger = Authority::new();
    for end in [format!("&sslrootcert={}", stranger.file().display()).as_str(), ""] {
        let refused = refusal(&urls, end).await;
        for named in [server.address(), "invalid peer certificate", "sslrootcert"] {
            assert!(refused.message.contains(named), "{named}: {refused}");
        }
    }
    let nowhere = refusal(&urls, "&sslrootcert=/没有/ca.crt").await;
    assert!(nowhere.message.contains("sslrootcert") && nowhere.message.contains("readable"), "{nowhere}");
    // The certificate is for the address alone.
    let port = server.address().rsplit(':').next().unwrap();
    let by_name = |url: &str| url.replace(server.address(), &format!("localhost:{port}"));
    let named = Urls { url: by_name(&urls.url), owner_url: by_name(&urls.owner_url) };
    let refused = refusal(&named, &believed).await;
    assert!(
        refused.message.contains("localhost") && refused.message.contains("not valid for name"),
        "{refused}"
    );
}

#[tokio::test]
async fn a_certificate_whose_time_is_over_is_not_believed() {
    let authority = Authority::new();
    let server = authority.server(2021).await;
    let refused =
        refusal(&urls(&server).await, &format!("&sslrootcert={}", authority.file().display())).await;
    assert!(refused.message.contains(server.address()) && refused.message.contains("xpired"), "{refused}");
}

#[tokio::test]
async fn a_server_that_speaks_no_tls_is_not_spoken_to() {
    let server = Postgres::start_apart().await.unwrap();
    let refused = refusal(&urls(&server).await, "").await;
    assert!(refused.message.contains(server.address()), "{refused}");
    assert!(refused.message.contains("does not support TLS"), "{refused}");
}
