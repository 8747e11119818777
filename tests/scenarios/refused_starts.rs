//! What a process needs is wrong or away: it ends, soon, with one message that says what and what to do.

use std::process::Output;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use sea_orm::ConnectionTrait as _;
use tempfile::tempdir;
use testkit::postgres::Postgres;
use testkit::{Keys, Stack};
use tests::cluster::free;
use tests::platform::{binary, terminate};
use tokio::net::TcpListener;
use tokio::process::Command;

/// Longer than it may take to find out.
const PATIENCE: Duration = Duration::from_secs(60);
/// The operator has to mend something; everything else that keeps a process from starting.
const MEND: i32 = 64;
const FAILED: i32 = 1;

async fn serve(service: &str, settings: &[String]) -> Result<Output> {
    let mut command = Command::new(binary()?);
    command.args(["serve", service]).args(settings.iter().flat_map(|setting| ["--set", setting]));
    let ended = tokio::time::timeout(PATIENCE, command.kill_on_drop(true).output());
    Ok(ended.await.context("it neither serves nor ends")??)
}

/// It ends with `code`, the last line it says has all of `words`, and nothing that looks like a crash or a secret.
async fn refused(settings: &[String], code: i32, words: &[&str]) -> Result<()> {
    refused_by("profile", settings, code, words).await
}

/// The same of a process with another service.
async fn refused_by(service: &str, settings: &[String], code: i32, words: &[&str]) -> Result<()> {
    let output = serve(service, settings).await?;
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{settings:?}: {said}");
    let last = said.lines().last().unwrap_or_default();
    assert!(last.starts_with("error: "), "{settings:?}: {said}");
    for word in words {
        assert!(last.contains(word), "`{word}` is not in: {last}");
    }
    for sign in ["panicked", "RUST_BACKTRACE", "geheim", "ended by itself"] {
        assert!(!said.contains(sign), "{sign}: {said}");
    }
    Ok(())
}

fn with(base: &[String], more: &[&str]) -> Vec<String> {
    base.iter().cloned().chain(more.iter().map(|setting| (*setting).to_owned())).collect()
}

/// A process that would start.
fn sound(data: &std::path::Path) -> Vec<String> {
    [
        format!("common.data={}", data.display()),
        "common.grpc=127.0.0.1:0".to_owned(),
        "common.http=127.0.0.1:0".to_owned(),
        "common.dev=true".to_owned(),
    ]
    .to_vec()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_is_wrong_or_away_is_named() -> Result<()> {
    let data = tempdir()?;
    let sound = sound(data.path());
    let url = |url: &str| with(&sound, &[&format!("profile.database.url={url}")]);
    let admin = Postgres::shared().await.map_err(|error| anyhow::anyhow!(error.to_string()))?.admin();
    let server = admin.rsplit_once('/').context("no URL")?.0;
    let address = server.rsplit_once('@').context("no URL")?.1;
    let role = url(&format!("postgres://nirgendwer:geheim@{address}/guanxi_test"));
    refused(&role, FAILED, &["nirgendwer", "database.url names its host"]).await?;
    refused(&url(&format!("{server}/nirgends")), FAILED, &["nirgends", "database.url names its host"])
        .await?;
    let nobody = free()?;
    let away = url(&format!("postgres://guanxi:geheim@{nobody}/guanxi_profile"));
    refused(&away, FAILED, &[&format!("{nobody}/guanxi_profile"), "refused", "see that it runs"]).await?;
    refused(&url("mysql://x"), MEND, &["must begin with `sqlite:` or `postgres:`"]).await?;
    refused(&url("postgres://[::"), MEND, &["database.url cannot be read"]).await
}

#[tokio::test]
async fn a_schema_that_is_behind_or_far_ahead_is_named() -> Result<()> {
    let data = tempdir()?;
    let engines = Stack::engines().settings(&["profile"]).await?;
    let settings = with(&sound(data.path()), &engines.iter().map(String::as_str).collect::<Vec<_>>());
    refused(&settings, MEND, &["the schema lacks m0000_shared", "run `guanxi migrate profile`"]).await?;
    let mut migrate = Command::new(binary()?);
    migrate.args(["migrate", "profile"]).args(settings.iter().flat_map(|setting| ["--set", setting]));
    ensure!(migrate.status().await?.success(), "it cannot be brought up to date");
    let owner = engines.iter().find_map(|setting| setting.strip_prefix("common.database.owner_url="));
    let owner = owner.context("no owner")?.replace("{service}", "profile");
    #[expect(clippy::disallowed_methods, reason = "what versions to come leave behind")]
    let owner = sea_orm::Database::connect(owner).await?;
    // One ahead would do.
    let later = "INSERT INTO seaql_migrations VALUES ('m9001_later', 0), ('m9002_later', 0)";
    owner.execute_unprepared(later).await?;
    refused(&settings, MEND, &["2 migrations ahead", "m9001_later, m9002_later", "start the version"]).await
}

#[tokio::test]
async fn a_broker_that_is_away_is_named() -> Result<()> {
    let (data, nobody) = (tempdir()?, free()?);
    let settings = with(&sound(data.path()), &[&format!("common.bus.url=nats://guanxi:geheim@{nobody}")]);
    refused(&settings, FAILED, &["NATS", &nobody.to_string(), "common.bus.url"]).await
}

/// The first process of a container is ended by no signal that it does not listen to.
#[tokio::test]
async fn who_waits_for_another_ends_when_asked_to() -> Result<()> {
    let data = tempdir()?;
    // They take the connection, and say nothing.
    let (database, broker) =
        (TcpListener::bind("127.0.0.1:0").await?, TcpListener::bind("127.0.0.1:0").await?);
    let database_url = format!("profile.database.url=postgres://guanxi@{}/profile", database.local_addr()?);
    let owner_url = database_url.replace(".url=", ".owner_url=");
    let broker_url = format!("common.bus.url=nats://{}", broker.local_addr()?);
    for (verb, mute, more, code) in [
        ("serve", &database, vec![&database_url], 0),
        ("serve", &broker, vec![&broker_url], 0),
        ("migrate", &database, vec![&database_url, &owner_url], FAILED),
    ] {
        let settings = with(&sound(data.path()), &more.into_iter().map(String::as_str).collect::<Vec<_>>());
        let mut command = Command::new(binary()?);
        command.args([verb, "profile"]).args(settings.iter().flat_map(|setting| ["--set", setting]));
        let mut child = command.kill_on_drop(true).spawn()?;
        let _waited_for =
            tokio::time::timeout(PATIENCE, mute.accept()).await.context("it does not come")??;
        terminate(&child).await?;
        let ended = tokio::time::timeout(Duration::from_secs(2), child.wait()).await;
        let ended = ended.with_context(|| format!("{verb} does not hear"))??;
        assert_eq!(ended.code(), Some(code), "{verb} {settings:?}");
    }
    Ok(())
}

#[tokio::test]
async fn a_key_set_that_is_wrong_or_away_is_named() -> Result<()> {
    let (data, nobody) = (tempdir()?, free()?);
    let sound = with(&sound(data.path()), &["common.dev=false"]);
    refused(&sound, MEND, &["common.auth.jwks", "guanxi keys new"]).await?;
    let jwks = |place: &str| with(&sound, &[&format!("common.auth.jwks={place}")]);
    refused(&jwks("/nirgends/jwks.json"), MEND, &["/nirgends/jwks.json", "put it there"]).await?;
    let forgeable = "http://id.example.com/jwks.json";
    refused(&jwks(forgeable), MEND, &["common.auth.jwks", forgeable, "write https://"]).await?;
    let address = format!("http://{nobody}/jwks.json");
    refused(&jwks(&address), FAILED, &[&address, "is the address right"]).await?;
    let keys = Keys::new().map_err(|error| anyhow::anyhow!(error.to_string()))?;
    refused(&jwks(&keys.private().display().to_string()), MEND, &["common.auth.jwks", "key.pem"]).await
}

#[tokio::test]
async fn settings_that_contradict_each_other_are_named() -> Result<()> {
    let data = tempdir()?;
    let sound = sound(data.path());
    let taken = std::net::TcpListener::bind("127.0.0.1:0")?;
    let taken = taken.local_addr()?;
    let taken_at = taken.to_string();
    for (more, words) in [
        (vec!["common.tls.certificate=/tmp/a.pem".to_owned()], ["common.tls.key", "belong together"]),
        (
            vec!["common.bus.url=nats://127.0.0.1:1".to_owned(), "common.bus.key=/tmp/k".to_owned()],
            ["common.bus.certificate", "belong together"],
        ),
        (vec!["common.bus.partitions=0".to_owned()], ["common.bus.partitions", "choose 1"]),
        (vec!["common.drain=bald".to_owned()], ["common.drain", "bald"]),
        // Everybody knows the token of development.
        (vec!["common.grpc=0.0.0.0:0".to_owned()], ["common.dev", "--set common.grpc=127.0.0.1"]),
        (vec!["common.http=[::]:0".to_owned()], ["common.dev", "--set common.http=127.0.0.1"]),
        (
            vec![
                "profile.database.statement_timeout=bald".to_owned(),
                "profile.database.url=postgres://h/d".to_owned(),
            ],
            ["statement_timeout", "bald"],
        ),
        (
            vec!["common.services.identity=http://127.0.0.1:1".to_owned()],
            ["common.auth.service_key", "guanxi keys new"],
        ),
        (
            vec![format!("common.grpc={taken}"), format!("common.http={taken}")],
            [taken_at.as_str(), "common.grpc"],
        ),
        (
            vec!["common.limits.calls_in_progress=viele".to_owned()],
            ["common.limits.calls_in_progress", "viele"],
        ),
    ] {
        let more: Vec<&str> = more.iter().map(String::as_str).collect();
        refused(&with(&sound, &more), MEND, &words).await?;
    }
    Ok(())
}

/// What is read again from the log after a crash must still be there.
#[tokio::test]
async fn what_relies_on_the_log_for_longer_than_it_keeps_anything_is_named() -> Result<()> {
    let data = tempdir()?;
    for (service, option) in [("analytics", "flush_age"), ("ingest", "deduplication.flush_after")] {
        let option = format!("{service}.{option}");
        let settings = with(&sound(data.path()), &[&format!("{option}=5h"), "common.bus.retention=8h"]);
        refused_by(service, &settings, MEND, &[&option, "common.bus.retention", "at most half"]).await?;
    }
    Ok(())
}
