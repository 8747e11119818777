//! TLS of gRPC: both sides show certificates, which are read again when they change; what is no use is refused by name.

use chassis::{Assembly, Caller, Layers, rpc};
use kernel::{Clock, Error, Kind, Workspace};
use testkit::{Keys, Stage};
use tonic::metadata::MetadataValue;
use wire::analytics::analytics_service_client::AnalyticsServiceClient;

use crate::certificates::{Authority, Files, VALID};
use crate::elsewhere::{ask, mirror};
use crate::mirror::{Mirror, asking};

fn system() -> Caller {
    Caller::system(Workspace::new("demo"), "test")
}

fn at(stage: &Stage) -> String {
    format!("https://localhost:{}", stage.running.grpc.port())
}

/// A tool's call to a process that serves TLS.
async fn outside(stage: &Stage, tls: &chassis::config::Tls) -> Result<String, Error> {
    let way = rpc::outside(&at(stage), tls, Clock::system()).await?;
    let mut request = tonic::Request::new(asking("who"));
    request.metadata_mut().insert("authorization", MetadataValue::from_static("Bearer dev"));
    let answer = rpc::call(AnalyticsServiceClient::new(way).query_trend(request)).await?;
    Ok(answer.series[0].key.clone())
}

#[tokio::test]
async fn services_call_each_other_by_mutual_tls() {
    let (keys, authority) = (Keys::new().unwrap(), Authority::new("Guanxi"));
    let (first, second) = (Files::new(&authority, "mirror", VALID), Files::new(&authority, "journey", VALID));
    let there = mirror(&keys, &first.settings()).await;
    let here =
        mirror(&keys, &[second.settings(), vec![format!("common.services.mirror={}", at(&there))]].concat())
            .await;
    assert_eq!(ask(&here, &system(), "who").await.unwrap(), "demo service:test - *");
    assert_eq!(outside(&there, &second.config(true)).await.unwrap(), "demo dev - *");
}

#[tokio::test]
async fn whoever_shows_no_certificate_of_the_authority_is_turned_away() {
    let (keys, authority, other) = (Keys::new().unwrap(), Authority::new("Guanxi"), Authority::new("Other"));
    let files = Files::new(&authority, "mirror", VALID);
    let there = mirror(&keys, &files.settings()).await;
    // None at all.
    assert_eq!(outside(&there, &files.config(false)).await.unwrap_err().kind, Kind::Unavailable);
    // One of another authority, which trusts ours.
    let strange = Files::new(&other, "stranger", VALID);
    strange.put("ca.crt", &authority.pem());
    assert_eq!(outside(&there, &strange.config(true)).await.unwrap_err().kind, Kind::Unavailable);
    // One that has ended: this side refuses it by name, so the other side is asked by one who lies about the time.
    let ended = Files::new(&authority, "old", (2020, 2022));
    let past = Clock::warped(kernel::Time::parse("2021-06-01").unwrap()).0;
    let way = rpc::outside(&at(&there), &ended.config(true), past).await.unwrap();
    let answer = rpc::call(AnalyticsServiceClient::new(way).query_trend(asking("who"))).await;
    assert_eq!(answer.unwrap_err().kind, Kind::Unavailable);
    // By plain HTTP/2.
    let plain = format!("http://localhost:{}", there.running.grpc.port());
    let way = rpc::outside(&plain, &Default::default(), Clock::system()).await.unwrap();
    let answer = rpc::call(AnalyticsServiceClient::new(way).query_trend(asking("who"))).await;
    assert_eq!(answer.unwrap_err().kind, Kind::Unavailable);
    // The server is judged as well: this one is of an authority that the caller does not know.
    let error = outside(&there, &Files::new(&other, "mirror", VALID).config(false)).await.unwrap_err();
    assert!(error.message.contains("UnknownIssuer"), "{error}");
}

#[tokio::test]
async fn certificates_that_are_renewed_are_used_at_once() {
    let (keys, old, new) = (Keys::new().unwrap(), Authority::new("Old"), Authority::new("New"));
    let files = Files::new(&old, "mirror", VALID);
    let there = mirror(&keys, &files.settings()).await;
    let tool = Files::new(&old, "tool", VALID);
    outside(&there, &tool.config(true)).await.unwrap();
    files.write(&new, "mirror", VALID);
    assert!(outside(&there, &tool.config(true)).await.is_err(), "both sides have a new authority now");
    tool.write(&new, "tool", VALID);
    outside(&there, &tool.config(true)).await.unwrap();
    // What is no use is not used: half written, ended, or gone.
    for flaw in ["-----BEGIN CERT", &new.sign("mirror", (2020, 2021)).0] {
        files.put("tls.crt", flaw);
        outside(&there, &tool.config(true)).await.unwrap();
    }
    std::fs::remove_file(files.path("tls.key")).unwrap();
    outside(&there, &tool.config(true)).await.unwrap();
}

/// A process that calls has its certificate renewed as well.
#[tokio::test]
async fn callers_use_their_renewed_certificate() {
    let (keys, old, new) = (Keys::new().unwrap(), Authority::new("Old"), Authority::new("New"));
    let (theirs, ours) = (Files::new(&new, "mirror", VALID), Files::new(&old, "journey", VALID));
    let there = mirror(&keys, &theirs.settings()).await;
    let setting = format!("common.services.mirror={}", at(&there));
    let here = mirror(&keys, &[ours.settings(), vec![setting]].concat()).await;
    assert_eq!(ask(&here, &system(), "who").await.unwrap_err().kind, Kind::Unavailable);
    ours.write(&new, "journey", VALID);
    let begin = std::time::Instant::now();
    while ask(&here, &system(), "who").await.is_err() {
        assert!(begin.elapsed() < std::time::Duration::from_secs(20), "the new certificate is not used");
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn files_that_are_no_use_are_refused_by_name() {
    let (keys, authority) = (Keys::new().unwrap(), Authority::new("Guanxi"));
    type Damage = fn(&Files, &Authority);
    let cases: [(Damage, &str, &str); 8] = [
        (|f, a| f.write(a, "x", (2020, 2021)), "tls.crt", "is expired since 2021-01-01T00:00:00Z"),
        (|f, a| f.write(a, "x", (2090, 2099)), "tls.crt", "is not valid before 2090-01-01T00:00:00Z"),
        (|f, a| f.put("tls.key", &a.sign("x", VALID).1), "tls.key", "is not the key of"),
        (|f, _| f.put("tls.crt", "hello"), "tls.crt", "holds no certificate"),
        (|f, _| f.put("tls.key", "hello"), "tls.key", "holds no private key"),
        (|f, _| f.put("ca.crt", ""), "ca.crt", "holds no certificate"),
        (|f, _| std::fs::remove_file(f.path("tls.crt")).unwrap(), "tls.crt", "cannot be read"),
        (|f, a| f.put("ca.crt", &a.sign("x", (2020, 2021)).0), "ca.crt", "is expired since"),
    ];
    for (damage, file, says) in cases {
        let files = Files::new(&authority, "mirror", VALID);
        damage(&files, &authority);
        let error = start(&keys, files.settings()).await;
        assert_eq!(error.kind, Kind::Precondition, "{error}");
        let place = files.path(file).display().to_string();
        assert!(error.message.contains(says) && error.message.contains(&place), "`{error}`: {file}, {says}");
        assert!(error.message.starts_with("common.tls."), "{error}");
    }
    let files = Files::new(&authority, "mirror", VALID);
    let error = start(&keys, vec![files.settings()[0].clone()]).await;
    assert!(error.message.contains("belong together"), "{error}");
}

async fn start(keys: &Keys, tls: Vec<String>) -> Error {
    let mut assembly = Assembly::new(Layers::default()).with::<Mirror>();
    assembly.layers.set = [keys.settings(), tls].concat();
    Stage::open(assembly).await.unwrap_err()
}
