//! The disk is full for a while: what cannot be kept is refused and said, nothing that was acknowledged is lost, and the
//! platform goes on by itself when there is space again.
//!
//! Full is what `RLIMIT_FSIZE` makes of it: no file may grow beyond a limit, which is lifted while the process runs.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::json;
use testkit::{Client, TokenInterceptor};
use tests::cluster::{free, ready};
use tests::platform::{LOG, binary, eventually};
use tokio::process::{Child, Command};
use tonic::service::interceptor::InterceptedService;
use tonic::transport::Endpoint;
use tonic::{Code, Status};
use tonic_types::StatusExt as _;
use wire::analytics::analytics_service_client::AnalyticsServiceClient;
use wire::analytics::{Measure, QueryTrendRequest};
use wire::event::{Event, Identifier};
use wire::ingest::ingest_service_client::IngestServiceClient;
use wire::ingest::{IngestEventsRequest, IngestEventsResponse};
use wire::profile::ListProfilesRequest;
use wire::profile::profile_service_client::ProfileServiceClient;

/// No file grows beyond it while the disk is "full".
const LIMIT: u64 = 2 << 20;
/// Events of a call, and bytes of each: a few calls fill the log's file.
const BATCH: u32 = 10;
const BYTES: usize = 20_000;

/// All services in one process.
struct Platform {
    grpc: SocketAddr,
    http: SocketAddr,
    process: Child,
}

impl Platform {
    async fn start(data: &Path) -> Result<Self> {
        let (grpc, http) = (free()?, free()?);
        let settings = [
            format!("common.data={}", data.display()),
            format!("common.grpc={grpc}"),
            format!("common.http={http}"),
            "common.dev=true".to_owned(),
        ];
        // The signal that comes with the limit would end the process; a full disk sends none.
        let mut command = Command::new("/bin/sh");
        command.args(["-c", "trap '' XFSZ; exec \"$0\" \"$@\""]).arg(binary()?).args(["serve", "all"]);
        command.args(settings.iter().flat_map(|setting| ["--set", setting]));
        let log = std::fs::File::create(data.join(LOG))?;
        let mut process = command.stdout(Stdio::null()).stderr(log).kill_on_drop(true).spawn()?;
        ready("the platform", http, &mut process).await?;
        Ok(Self { grpc, http, process })
    }

    /// From now on, of files that this process writes.
    async fn limit(&self, bytes: &str) -> Result<()> {
        let process = self.process.id().context("it has ended")?.to_string();
        let limit = format!("--fsize={bytes}:");
        let done = Command::new("prlimit").args(["--pid", &process, &limit]).status().await;
        let done = done.context("`prlimit` is missing: apt-get install util-linux")?;
        ensure!(done.success(), "prlimit {limit}: {done}");
        Ok(())
    }

    fn client(&self) -> Result<Client> {
        let channel = Endpoint::from_shared(format!("http://{}", self.grpc))?.connect_lazy();
        Ok(InterceptedService::new(channel, TokenInterceptor))
    }

    async fn send(&self, number: u32) -> Result<IngestEventsResponse, Status> {
        let client = self.client().map_err(|error| Status::internal(error.to_string()))?;
        let request = IngestEventsRequest { events: batch(number), ..IngestEventsRequest::default() };
        Ok(IngestServiceClient::new(client).ingest_events(request).await?.into_inner())
    }

    /// Every event that analytics has counted.
    async fn counted(&self) -> Result<u64> {
        let request = QueryTrendRequest {
            event: "note_written".to_owned(),
            measure: Measure::Count.into(),
            from: Some(prost_types::Timestamp::default()),
            to: Some(prost_types::Timestamp { seconds: 4_000_000_000, nanos: 0 }),
            ..Default::default()
        };
        let mut client = AnalyticsServiceClient::new(self.client()?);
        let series = client.query_trend(request).await?.into_inner().series;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count")]
        Ok(series.first().map_or(0, |series| series.total as u64))
    }
}

fn batch(number: u32) -> Vec<Event> {
    let event = |n: u32| {
        let user = Identifier { namespace: "user_id".to_owned(), value: format!("u{n}") };
        let text = match json!({"text": "满".repeat(BYTES / 3)}) {
            serde_json::Value::Object(object) => Some(chassis::values::to_struct(object)),
            _ => None,
        };
        Event {
            id: format!("disk-{number}-{n}"),
            name: "note_written".to_owned(),
            identifiers: vec![user],
            properties: text,
            ..Event::default()
        }
    };
    (0..BATCH).map(event).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_is_said_loses_nothing_and_is_over_when_there_is_space() -> Result<()> {
    let data = tempfile::tempdir()?;
    let platform = Platform::start(data.path()).await?;
    platform.send(0).await?;
    platform.limit(&LIMIT.to_string()).await?;
    let (mut number, mut acknowledged) = (1, vec![0]);
    let refused = loop {
        match platform.send(number).await {
            Ok(answer) => {
                ensure!(answer.rejections.is_empty(), "{answer:?}");
                acknowledged.push(number);
            }
            Err(status) => break status,
        }
        number += 1;
        ensure!(number < 200, "the disk is never full");
    };
    ensure!(matches!(refused.code(), Code::Unavailable | Code::ResourceExhausted), "{refused:?}");
    ensure!(refused.message().contains("send the same again"), "{refused:?}");
    ensure!(refused.get_error_details().retry_info().is_some(), "{refused:?}");
    let track = json!({"userId": "u1", "event": "Signed Up"});
    let post = reqwest::Client::new().post(format!("http://{}/v1/track", platform.http));
    let answer = post.basic_auth("dev", Some("")).json(&track).send().await?;
    assert_eq!(answer.status(), 503);
    assert!(answer.headers().contains_key("retry-after"), "{answer:?}");
    // What is known is told all the same.
    let mut profiles = ProfileServiceClient::new(platform.client()?);
    profiles.list_profiles(ListProfilesRequest::default()).await?;
    assert_eq!(reqwest::get(format!("http://{}/healthz", platform.http)).await?.status(), 200);

    let said = std::fs::read_to_string(data.path().join(LOG))?;
    ensure!(said.contains("File too large"), "the operator is not told what the disk says: {said}");

    platform.limit("unlimited").await?;
    eventually("events taken again", || async {
        Ok(platform.send(number).await.map_err(|status| status.to_string()))
    })
    .await?;
    acknowledged.push(number);
    let Platform { mut process, .. } = platform;
    process.kill().await?;

    let platform = Platform::start(data.path()).await?;
    for number in &acknowledged {
        let again = platform.send(*number).await?;
        assert_eq!((again.accepted, again.duplicates), (0, BATCH), "batch {number} was lost");
    }
    let all = u64::from(number + 1) * u64::from(BATCH);
    eventually("every event counted once", || async {
        let counted = platform.counted().await?;
        Ok(if counted == all { Ok(()) } else { Err(format!("{counted} of {all}")) })
    })
    .await
}

/// The limit itself: should it not work here, the test above would show nothing.
#[tokio::test]
async fn the_limit_makes_a_disk_full() -> Result<()> {
    let data = tempfile::tempdir()?;
    let script = "trap '' XFSZ; ulimit -S -f 1; dd if=/dev/zero of=\"$0\" bs=4096 count=4";
    let output = Command::new("/bin/sh").args(["-c", script]).arg(data.path().join("file")).output();
    let output = tokio::time::timeout(Duration::from_secs(30), output).await??;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && said.contains("too large"), "{said}");
    Ok(())
}
