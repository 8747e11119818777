//! Servers that speak TLS, and want to know who we are.

use std::path::PathBuf;

use kernel::Kind;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, date_time_ymd};

use super::*;

/// An authority, what it has signed for the server and for us; another authority knows nothing of it.
struct Papers {
    folder: tempfile::TempDir,
}

impl Papers {
    fn new() -> Self {
        Self::with_server((2020, 2099))
    }

    /// The server's certificate holds from the one year to the other.
    fn with_server((from, to): (i32, i32)) -> Self {
        let papers = Self { folder: tempfile::tempdir().unwrap() };
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        papers.write("authority", &authority.pem());
        for (name, host) in [("server", "127.0.0.1"), ("client", "guanxi.example")] {
            let key = KeyPair::generate().unwrap();
            let mut params = CertificateParams::new(vec![host.to_owned()]).unwrap();
            if name == "server" {
                (params.not_before, params.not_after) = (date_time_ymd(from, 1, 1), date_time_ymd(to, 1, 1));
            }
            papers.write(name, &params.signed_by(&key, &authority).unwrap().pem());
            papers.write(&format!("{name}-key"), &key.serialize_pem());
        }
        papers
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).unwrap();
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

fn server(papers: &Papers) -> NatsServer {
    let path = |name| papers.path(name).display().to_string();
    let (authority, certificate, key) = (path("authority"), path("server"), path("server-key"));
    let tls = format!(
        "tls {{ ca_file: \"{authority}\", cert_file: \"{certificate}\", key_file: \"{key}\", verify: true }}"
    );
    NatsServer::start_with(&format!("max_payload: 8MB\n{tls}")).unwrap()
}

#[tokio::test]
async fn mutual_tls_works_and_its_failures_are_named() {
    let papers = Papers::new();
    let server = server(&papers);
    let good = Options {
        url: Secret::new(server.url().replace("nats://", "tls://")),
        authority: Some(papers.path("authority")),
        client: Some((papers.path("client"), papers.path("client-key"))),
        ..Options::default()
    };
    for url in [good.url.clone(), Secret::new(server.url())] {
        let log = JetStreamLog::connect(Options { url, ..good.clone() }).await.unwrap();
        append(&log, 0..3).await;
    }
    let stranger = Papers::new();
    for authority in [Some(stranger.path("authority")), None] {
        let refused = soon(JetStreamLog::connect(Options { authority, ..good.clone() })).await.unwrap_err();
        assert_eq!((refused.kind, refused.reason), (Kind::Precondition, "LOG_TLS"), "{refused}");
        assert!(refused.message.contains("127.0.0.1"), "{refused}");
    }
    let missing = Some(PathBuf::from("/没有/ca.pem"));
    for (options, named) in [
        (Options { client: None, ..good.clone() }, None),
        (Options { authority: missing, ..good.clone() }, Some("/没有/ca.pem")),
        (Options { authority: Some(papers.path("client-key")), ..good.clone() }, Some("client-key")),
    ] {
        let refused = soon(JetStreamLog::connect(options)).await.unwrap_err();
        match named {
            Some(path) => {
                assert!(refused.kind == Kind::Precondition && refused.message.contains(path), "{refused}")
            }
            None => assert!(refused.message.contains("127.0.0.1"), "{refused}"),
        }
    }
}

#[tokio::test]
async fn a_certificate_whose_time_is_over_or_has_not_come_is_refused() {
    for (years, said) in [((2020, 2021), "xpired"), ((2098, 2099), "ot valid yet")] {
        let papers = Papers::with_server(years);
        let server = server(&papers);
        let options = Options {
            url: Secret::new(server.url()),
            authority: Some(papers.path("authority")),
            client: Some((papers.path("client"), papers.path("client-key"))),
            ..Options::default()
        };
        let refused = soon(JetStreamLog::connect(options)).await.unwrap_err();
        assert_eq!((refused.kind, refused.reason), (Kind::Precondition, "LOG_TLS"), "{refused}");
        assert!(refused.message.contains("127.0.0.1") && refused.message.contains(said), "{refused}");
    }
}
