//! Calls to a service whose replicas come and go behind its name.

use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use futures::future::ready;
use tempfile::tempdir;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::Code;
use tonic_health::ServingStatus;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;

use super::*;
use crate::auth::issue::SigningKey;
use crate::config::{Auth, Layers};

/// Longest wait for anything.
const DEADLINE: Duration = Duration::from_secs(60);

/// A replica that says of itself by what name it goes.
async fn replica(name: &str, servers: &mut JoinSet<()>) -> SocketAddr {
    let (reporter, health) = tonic_health::server::health_reporter();
    reporter.set_service_status(name, ServingStatus::Serving).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = tonic::transport::Server::builder().add_service(health);
    servers.spawn(async move { server.serve_with_incoming(TcpListenerStream::new(listener)).await.unwrap() });
    address
}

/// Whether the call came to the replica of that name.
async fn comes_to(rpc: &Rpc, name: &str) -> bool {
    let mut client = HealthClient::new(rpc.to("mirror"));
    match client.check(HealthCheckRequest { service: name.to_owned() }).await {
        Ok(_) => true,
        Err(status) if status.code() == Code::NotFound => false,
        Err(status) => panic!("{status}"),
    }
}

#[tokio::test]
async fn calls_go_where_the_name_leads_by_now() {
    let folder = tempdir().unwrap();
    let (key, pem) = SigningKey::generate().unwrap();
    let file = |name: &str, text: String| {
        let file = folder.path().join(name);
        std::fs::write(&file, text).unwrap();
        file
    };
    let auth = Auth {
        jwks: file("jwks.json", key.key_set().to_string()).display().to_string(),
        issuer: "guanxi".to_owned(),
        audience: "guanxi".to_owned(),
        service_key: file("key.pem", pem),
    };
    let services = [("mirror".to_owned(), "http://mirror.internal:7700".to_owned())].into();
    let common: Common = Layers::default().merge().unwrap().section("common").unwrap();
    let common = Common { auth, services, ..common };
    let (clock, mut servers) = (Clock::system(), JoinSet::new());
    let (first, second) = (replica("first", &mut servers).await, replica("second", &mut servers).await);

    let now = Arc::new(Mutex::new(vec![first]));
    let told = now.clone();
    let directory = Directory::new(Duration::from_millis(10), move |host, _| {
        assert_eq!(host, "mirror.internal");
        Box::pin(ready(Ok(told.lock().unwrap_or_else(PoisonError::into_inner).clone())))
    });
    let (tls, tasks) = (Tls::open(&common.tls, "", clock.clone()).unwrap(), Tasks::default());
    let known = Authenticator::open(&common, &clock).await.unwrap();
    let trust = (&tls, &known, &clock);
    let rpc = Rpc::by_directory(directory, Switchboard::default(), &common, trust, &tasks).unwrap();
    tasks.open();

    assert!(comes_to(&rpc, "first").await && !comes_to(&rpc, "second").await);
    // One that comes gets calls …
    now.lock().unwrap().push(second);
    let found = async { while !comes_to(&rpc, "second").await {} };
    tokio::time::timeout(DEADLINE, found).await.expect("who comes gets no calls");
    // … and one that goes gets none, though it would still answer.
    *now.lock().unwrap() = vec![second];
    let left = async { while comes_to(&rpc, "first").await || comes_to(&rpc, "first").await {} };
    tokio::time::timeout(DEADLINE, left).await.expect("who goes is still called");
    for _ in 0..20 {
        assert!(comes_to(&rpc, "second").await);
    }
    tasks.stop().await;
}
