//! `guanxi apply` on the retail workspace: everything is created once, and a second run changes nothing.

use anyhow::Result;
use tempfile::tempdir;
use tests::platform::Platform;

#[tokio::test(flavor = "multi_thread")]
async fn applied_twice_changes_nothing() -> Result<()> {
    let data = tempdir()?;
    let platform = Platform::start(data.path()).await?;
    let apply = ["apply", "-f", "deploy/workspaces/retail"];
    let planned = platform.run(&["apply", "--dry-run", "-f", "deploy/workspaces/retail"]).await?;
    let first = platform.run(&apply).await?;
    assert!(first.contains("+ segment silent_30d") && first.contains("+ journey birthday"), "{first}");
    assert!(first.ends_with("created, 0 updated, 0 unchanged\n"), "{first}");
    assert_eq!(planned.lines().count(), first.lines().count(), "--dry-run announces the same:\n{planned}");
    let second = platform.run(&apply).await?;
    let created = first.lines().filter(|line| line.starts_with('+')).count();
    assert_eq!(second, format!("0 created, 0 updated, {created} unchanged\n"));

    let edited = data.path().join("edited.yaml");
    std::fs::write(
        &edited,
        "kind: Segment\nkey: silent_30d\nname: 沉睡30天\ncondition: events().within(\"30d\").count() == 0\n",
    )?;
    let third = platform.run(&["apply".as_ref(), "-f".as_ref(), edited.as_os_str()]).await?;
    assert!(third.contains("~ segment silent_30d") && third.contains("沉睡30天"), "{third}");
    platform.stop().await
}
