//! What every process serves beside its services: health and reflection, with no token.

use testkit::{Keys, Stage};
use tokio_stream::iter;
use tonic::transport::{Channel, Endpoint};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use tonic_reflection::pb::{v1, v1alpha};

use crate::elsewhere::mirror;
use crate::mirror::stage;

const OURS: &str = "guanxi.analytics.v1.AnalyticsService";

fn stranger(stage: &Stage) -> Channel {
    Endpoint::from_shared(format!("http://{}", stage.running.grpc)).unwrap().connect_lazy()
}

#[tokio::test]
async fn health_is_told_of_the_process_and_of_each_service() {
    let stage = stage().await;
    let mut client = HealthClient::new(stranger(&stage));
    for service in ["", "mirror"] {
        let request = HealthCheckRequest { service: service.to_owned() };
        let status = client.check(request).await.unwrap().into_inner().status();
        assert_eq!(status, ServingStatus::Serving, "{service}");
    }
    let unknown = client.check(HealthCheckRequest { service: "mirrror".to_owned() }).await.unwrap_err();
    assert_eq!(unknown.code(), tonic::Code::NotFound);
}

#[tokio::test]
async fn a_service_says_itself_when_it_is_not_ready() {
    let stage = stage().await;
    let ready = async || {
        let answer = reqwest::get(format!("http://{}/readyz", stage.running.http)).await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    };
    assert_eq!(ready().await.0, 200);
    let folder = stage.folder().join("mirror");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("cold"), "").unwrap();
    let (status, said) = ready().await;
    assert!(status == 503 && said.contains("the mirror is cold"), "{status} {said}");
    std::fs::remove_file(folder.join("cold")).unwrap();
    assert_eq!(ready().await.0, 200);
}

#[tokio::test]
async fn who_drains_gives_its_connections_up() {
    let stage = mirror(&Keys::new().unwrap(), &["common.drain=2s".to_owned()]).await;
    let address = format!("http://{}/healthz", stage.running.http);
    let client = reqwest::Client::new();
    let parts = async || client.get(&address).send().await.unwrap().headers().contains_key("connection");
    assert!(!parts().await);
    let ((), draining) = tokio::join!(stage.running.shutdown(), parts());
    assert!(draining, "the client would use the connection again, and meet its end");
}

#[tokio::test]
async fn reflection_names_the_services_and_gives_their_files() {
    use v1::server_reflection_client::ServerReflectionClient;
    use v1::server_reflection_request::MessageRequest as Ask;
    use v1::server_reflection_response::MessageResponse as Answer;

    let stage = stage().await;
    let ask = |what| v1::ServerReflectionRequest { host: String::new(), message_request: Some(what) };
    let asked = [
        ask(Ask::ListServices(String::new())),
        ask(Ask::FileContainingSymbol(format!("{OURS}.QueryTrend"))),
        ask(Ask::FileContainingSymbol("guanxi.nix.v1.Nix".to_owned())),
    ];
    let mut client = ServerReflectionClient::new(stranger(&stage));
    let mut answers = client.server_reflection_info(iter(asked)).await.unwrap().into_inner();
    let Some(Answer::ListServicesResponse(list)) = answers.message().await.unwrap().unwrap().message_response
    else {
        panic!("no list")
    };
    let names: Vec<&str> = list.service.iter().map(|service| service.name.as_str()).collect();
    assert!(names.contains(&OURS) && names.contains(&"grpc.health.v1.Health"), "{names:?}");
    let Some(Answer::FileDescriptorResponse(file)) =
        answers.message().await.unwrap().unwrap().message_response
    else {
        panic!("no file")
    };
    assert!(file.file_descriptor_proto.iter().any(|file| !file.is_empty()));
    assert!(!matches!(
        answers.message().await,
        Ok(Some(v1::ServerReflectionResponse {
            message_response: Some(Answer::FileDescriptorResponse(_)),
            ..
        }))
    ));
}

/// Python's client, among others, still asks in this version.
#[tokio::test]
async fn the_older_reflection_answers_too() {
    use v1alpha::server_reflection_client::ServerReflectionClient;
    use v1alpha::server_reflection_request::MessageRequest as Ask;
    use v1alpha::server_reflection_response::MessageResponse as Answer;

    let stage = stage().await;
    let list = v1alpha::ServerReflectionRequest {
        host: String::new(),
        message_request: Some(Ask::ListServices(String::new())),
    };
    let mut client = ServerReflectionClient::new(stranger(&stage));
    let mut answers = client.server_reflection_info(iter([list])).await.unwrap().into_inner();
    let Some(Answer::ListServicesResponse(list)) = answers.message().await.unwrap().unwrap().message_response
    else {
        panic!("no list")
    };
    assert!(list.service.iter().any(|service| service.name == OURS));
}
