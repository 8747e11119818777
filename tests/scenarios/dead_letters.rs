//! An operator looks at what a service could not take, mends the cause, and gives it to the service again.

use std::path::Path;

use anyhow::{Result, ensure};
use serde_json::json;
use tempfile::tempdir;
use tests::platform::{Platform, binary, eventually};
use tokio::process::Command;
use wire::audit::ListAuditEntriesRequest;
use wire::audit::audit_service_client::AuditServiceClient;
use wire::profile::ListProfilesRequest;
use wire::profile::profile_service_client::ProfileServiceClient;

/// `guanxi dead-letters identity …` beside the platform.
async fn dead_letters(platform: &Platform, options: &[&str]) -> Result<String> {
    said(&platform.settings("identity"), options).await
}

async fn said(settings: &[String], options: &[&str]) -> Result<String> {
    let mut command = Command::new(binary()?);
    command.env("USER", "王芳").args(["dead-letters", "identity"]).args(options);
    command.args(settings.iter().flat_map(|setting| ["--set", setting]));
    let output = command.output().await?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8(output.stdout)?)
}

/// Returns when that is said, and none waits to be tried again.
async fn until(platform: &Platform, wanted: &str) -> Result<String> {
    eventually(wanted, || async {
        let said = dead_letters(platform, &[]).await?;
        let tried = !said.contains("(given again)");
        Ok(if tried && said.ends_with(&format!("identity: {wanted}\n")) { Ok(said) } else { Err(said) })
    })
    .await
}

async fn customers(platform: &Platform, wanted: usize) -> Result<()> {
    eventually("customers", || async {
        let mut profiles = ProfileServiceClient::new(platform.client()?);
        let found = profiles.list_profiles(ListProfilesRequest::default()).await?.into_inner().profiles.len();
        Ok(if found == wanted { Ok(()) } else { Err(format!("{found} customers")) })
    })
    .await
}

/// What the audit log of identity says that was done with dead letters, oldest first.
async fn audited(platform: &Platform) -> Result<Vec<String>> {
    let filter = ListAuditEntriesRequest {
        service: "identity".to_owned(),
        resource_kind: "dead_letter".to_owned(),
        actor: "operator:王芳".to_owned(),
        ..ListAuditEntriesRequest::default()
    };
    let answer = AuditServiceClient::new(platform.client()?).list_audit_entries(filter).await?.into_inner();
    for entry in &answer.audit_entries {
        ensure!(entry.before.is_some(), "{entry:?}");
        ensure!(entry.after.is_some() == entry.method.ends_with("--redrive"), "{entry:?}");
    }
    Ok(answer.audit_entries.into_iter().rev().map(|entry| entry.method).collect())
}

/// Identity takes these users for nobody.
async fn start(data: &Path, blocked: &[&str]) -> Result<Platform> {
    let settings = blocked.iter().enumerate().map(|(n, user)| format!("identity.blocked[{n}]={user}"));
    Platform::start_with(data, &settings.collect::<Vec<_>>()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_set_aside_is_listed_and_taken_once_the_cause_is_mended() -> Result<()> {
    let data = tempdir()?;
    let platform = start(data.path(), &["m0002", "m0003"]).await?;
    let url = format!("http://{}/v1/track", platform.http);
    for user in ["M0001", "M0002", "M0003", "M0004"] {
        let track = json!({"userId": user, "event": "Signed Up", "messageId": format!("e-{user}")});
        reqwest::Client::new().post(&url).basic_auth("dev", Some("")).json(&track).send().await?;
    }
    customers(&platform, 2).await?;
    let listed = until(&platform, "2 set aside").await?;
    for part in ["workspace=demo", "at=raw/", "event=e-M0002 name=signed_up", "NO_IDENTIFIER: "] {
        assert!(listed.contains(part), "{part} in {listed}");
    }
    // The cause is not mended: it stays.
    let said = dead_letters(&platform, &["--redrive", "--workspace", "demo"]).await?;
    assert!(said.starts_with("identity: 2 given again"), "{said}");
    until(&platform, "2 set aside").await?;
    platform.stop().await?;

    let platform = start(data.path(), &["m0003"]).await?;
    dead_letters(&platform, &["--redrive", "--reason", "NO_IDENTIFIER"]).await?;
    customers(&platform, 3).await?;
    let left = until(&platform, "1 set aside").await?;
    assert!(left.contains("e-M0003"), "{left}");
    let id = left.split_whitespace().nth(1).unwrap_or_default();
    assert_eq!(dead_letters(&platform, &["--discard", "--id", id]).await?, "identity: 1 discarded\n");
    until(&platform, "0 set aside").await?;
    customers(&platform, 3).await?;
    // Both were given again twice; what could not be taken then either was discarded.
    let (asked, discarded) = ("guanxi dead-letters --redrive", "guanxi dead-letters --discard");
    assert_eq!(audited(&platform).await?, [asked, asked, asked, asked, discarded]);
    platform.stop().await
}

#[tokio::test]
async fn where_there_is_no_data_the_setting_is_named() -> Result<()> {
    let data = tempdir()?;
    let elsewhere = format!("common.data={}", data.path().join("elsewhere").display());
    let nowhere = said(&[elsewhere], &[]).await.unwrap_err().to_string();
    assert!(nowhere.contains("common.data"), "{nowhere}");
    Ok(())
}
