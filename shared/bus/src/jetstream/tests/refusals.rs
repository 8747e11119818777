//! What is wrong is refused at once, by name, and without passwords.

use async_nats::jetstream::{self, stream};
use kernel::{Error, Kind};
use tokio::time::Instant;

use super::*;

async fn refusal(options: Options) -> Error {
    let begin = Instant::now();
    let refused = soon(JetStreamLog::connect(options)).await.unwrap_err();
    assert!(begin.elapsed() < Duration::from_secs(8), "{:?}", begin.elapsed());
    assert!(!refused.message.contains("geheim"), "{refused}");
    refused
}

#[tokio::test]
async fn options_that_cannot_be() {
    let wrong = |change: fn(&mut Options)| {
        let mut options = Options::default();
        change(&mut options);
        options
    };
    for (options, field) in [
        (wrong(|options| options.partitions = 0), "partitions"),
        (wrong(|options| options.partitions = 5_000), "partitions"),
        (wrong(|options| options.replicas = 2), "replicas"),
        (wrong(|options| options.prefix = "观心.*".to_owned()), "prefix"),
        (wrong(|options| options.retention = Some(Duration::ZERO)), "retention"),
        (wrong(|options| options.url = Secret::new("http://u:geheim@host")), "url"),
    ] {
        let refused = refusal(options).await;
        assert_eq!((refused.kind, refused.violations[0].field.as_str()), (Kind::Invalid, field));
    }
}

#[tokio::test]
async fn a_server_that_is_not_there() {
    let mut server = NatsServer::start().unwrap();
    let url = server.url().replace("nats://", "nats://guanxi:geheim@");
    server.kill();
    let refused = refusal(Options { url: Secret::new(url), ..Options::default() }).await;
    assert_eq!(refused.kind, Kind::Unavailable);
    assert!(refused.message.contains(&server.url().replace("nats://", "")), "{refused}");
}

#[tokio::test]
async fn a_server_that_is_no_nats_server_or_does_not_speak() {
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("nats://u:geheim@{}", silent.local_addr().unwrap());
    let refused = refusal(Options { url: Secret::new(url), ..Options::default() }).await;
    assert_eq!(refused.kind, Kind::Unavailable);
}

#[tokio::test]
async fn a_wrong_password_and_the_right_one() {
    let server =
        NatsServer::start_with("max_payload: 8MB\nauthorization { user: guanxi, password: \"ge:heim@1\" }")
            .unwrap();
    let url =
        |password: &str| Secret::new(server.url().replace("nats://", &format!("nats://guanxi:{password}@")));
    let wrong = Options { url: url("geheim"), ..Options::default() };
    let refused = refusal(wrong).await;
    assert_eq!(refused.kind, Kind::Precondition);
    assert!(refused.message.contains("password"), "{refused}");
    JetStreamLog::connect(Options { url: url("ge%3Aheim%401"), ..Options::default() }).await.unwrap();
}

#[tokio::test]
async fn a_server_without_jetstream_or_with_small_messages() {
    let without = NatsServer::start_with("max_payload: 8MB # no jetstream").unwrap();
    let refused = refusal(Options { url: Secret::new(without.url()), ..Options::default() }).await;
    assert_eq!(refused.kind, Kind::Precondition);
    assert!(refused.message.contains("jetstream {"), "{refused}");
    let small = NatsServer::start_with("# max_payload: as it is").unwrap();
    let refused = refusal(Options { url: Secret::new(small.url()), ..Options::default() }).await;
    assert_eq!(refused.kind, Kind::Precondition);
    assert!(refused.message.contains("max_payload: 4MB"), "{refused}");
}

#[tokio::test]
async fn other_numbers_of_partitions_and_replicas() {
    let place = Place::new(2);
    drop(place.log().await);
    let refused = refusal(Options { partitions: 3, ..place.options.clone() }).await;
    assert_eq!(refused.kind, Kind::Precondition);
    assert!(refused.message.contains("2 partitions and 3 are configured"), "{refused}");
    for prefix in [place.options.prefix.clone(), NatsServer::prefix()] {
        let refused = refusal(Options { replicas: 3, prefix, ..place.options.clone() }).await;
        assert_eq!(refused.kind, Kind::Precondition);
        assert!(refused.message.contains("common.bus.replicas = 3"), "{refused}");
    }
}

#[tokio::test]
async fn streams_of_somebody_else() {
    let place = Place::new(1);
    let context = jetstream::new(async_nats::connect(place.server.url()).await.unwrap());
    let ours = stream::Config {
        name: format!("{}-raw", place.options.prefix),
        subjects: vec![format!("{}.raw.*", place.options.prefix)],
        ..stream::Config::default()
    };
    context.create_stream(&ours).await.unwrap();
    let refused = refusal(place.options.clone()).await;
    assert_eq!(refused.kind, Kind::Precondition);
    assert!(refused.message.contains(&ours.name), "{refused}");

    let described = Some("guanxi event log: partitions 1, base 0".to_owned());
    let in_memory = stream::Config { description: described, max_messages_per_subject: 10, ..ours };
    context.delete_stream(&in_memory.name).await.unwrap();
    context.create_stream(&in_memory).await.unwrap();
    let refused = refusal(place.options.clone()).await;
    assert!(refused.kind == Kind::Precondition && refused.message.contains("other settings"), "{refused}");
}
