//! Wrong input at the edges of the binary: each is refused with the place and the remedy, and nothing is half done.

use std::process::Output;

use anyhow::Result;
use tempfile::tempdir;
use tests::platform::{Platform, binary, root};
use tokio::process::Command;

async fn guanxi(arguments: &[&str], environment: &[(&str, &str)]) -> Result<Output> {
    let mut command = Command::new(binary()?);
    Ok(command.args(arguments).envs(environment.iter().copied()).current_dir(root()).output().await?)
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[tokio::test]
async fn unknown_settings_are_named() -> Result<()> {
    let output = guanxi(&["dev", "--set", "common.htpp=1"], &[]).await?;
    assert_eq!(output.status.code(), Some(64));
    assert!(said(&output).contains("htpp"), "{}", said(&output));
    let output = guanxi(&["dev"], &[("GUANXI_IDENTITY__DATABSE__URL", "sqlite:x")]).await?;
    assert_eq!(output.status.code(), Some(64));
    assert!(said(&output).contains("databse"), "{}", said(&output));
    let output = guanxi(&["serve", "identty"], &[]).await?;
    assert!(said(&output).contains("identty") && said(&output).contains("identity"), "{}", said(&output));
    Ok(())
}

#[tokio::test]
async fn settings_are_shown_without_secrets() -> Result<()> {
    let secret = [("GUANXI_IDENTITY__DATABASE__URL", "postgres://u:geheim@h/db")];
    let output = guanxi(&["dev", "--print-config"], &secret).await?;
    let shown = String::from_utf8(output.stdout)?;
    assert!(output.status.success() && shown.contains("\"grpc\"") && !shown.contains("geheim"), "{shown}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_data_directory_serves_one_process() -> Result<()> {
    let data = tempdir()?;
    let platform = Platform::one_process(data.path()).await?;
    let setting = format!("common.data={}", data.path().display());
    let free = ["--simulator", "127.0.0.1:0", "--mailbox", "127.0.0.1:0"];
    let output = guanxi(&[&["dev", "--set", &setting], &free[..]].concat(), &[]).await?;
    assert_eq!(output.status.code(), Some(64));
    assert!(said(&output).contains("in use"), "{}", said(&output));
    platform.stop().await?;
    let output = guanxi(&[&["dev", "--set", "common.data=/proc/nowhere"], &free[..]].concat(), &[]).await?;
    assert_eq!(output.status.code(), Some(64));
    assert!(said(&output).contains("/proc/nowhere"), "{}", said(&output));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn broken_definitions_and_rows_are_named() -> Result<()> {
    let data = tempdir()?;
    let platform = Platform::start(data.path()).await?;
    let file = data.path().join("wrong.yaml");
    for (text, wanted) in [
        ("kind: Segment\nkey: a\ncondition: 'events(\"x\").count() >'\n", "condition"),
        ("kind: Segment\nkey: a\ncondtion: 'true'\n", "condtion"),
        ("kind: Segmnt\nkey: a\n", "Segmnt"),
        ("kind: Channel\nkey: c\nchannel_kind: pigeon\n", "pigeon"),
        (
            "kind: Channel\nkey: c\nchannel_kind: smtp\nsettings: { host: {env: GUANXI_NO_SUCH} }\n",
            "GUANXI_NO_SUCH",
        ),
        ("kind: Template\nkey: t\nvariants: [ {locale: zh-CN, text: '{{ profile.name'} ]\n", "variants"),
    ] {
        std::fs::write(&file, text)?;
        let error =
            platform.run(&["apply".as_ref(), "-f".as_ref(), file.as_os_str()]).await.unwrap_err().to_string();
        assert!(error.contains(wanted) && error.contains("wrong.yaml"), "{text} → {error}");
    }
    let rows = data.path().join("orders.csv");
    std::fs::write(
        &rows,
        "no,who,when,total\n1,u1,2026-11-01,12.5\n2,,2026-11-02,3\n3,u3,gestern,4\n4,u4,2026-11-04,viel\n5\n",
    )?;
    let mapping = data.path().join("mapping.yaml");
    std::fs::write(
        &mapping,
        "kind: events\nnamespace: t\nevent: order_completed\nid: no\ntime: {column: when}\nidentifiers: {user_id: who}\n\
         properties: {total: {column: total, type: number}}\n",
    )?;
    let said = platform
        .run(&["import".as_ref(), rows.as_os_str(), "--mapping".as_ref(), mapping.as_os_str()])
        .await?;
    assert!(said.starts_with("5 rows: 1 accepted, 0 known already, 4 refused"), "{said}");
    let errors = std::fs::read_to_string(data.path().join("orders.csv.errors.csv"))?;
    for wanted in ["3,has no identifier", "gestern", "viel", "6,"] {
        assert!(errors.contains(wanted), "{wanted} in\n{errors}");
    }
    for (text, wanted) in [
        ("", "orders.csv is empty; it needs a header line and rows"),
        ("no;who;when;total\n1;u1;2026-11-01;1\n", "correct the mapping, or its `delimiter`"),
    ] {
        std::fs::write(&rows, text)?;
        let arguments = ["import".as_ref(), rows.as_os_str(), "--mapping".as_ref(), mapping.as_os_str()];
        let error = platform.run(&arguments).await.unwrap_err().to_string();
        assert!(error.contains(wanted), "{error}");
    }
    let arguments = ["import".as_ref(), rows.as_os_str(), "--mapping".as_ref(), mapping.as_os_str()];
    std::fs::write(&rows, "no,who,when,total\n1,u1,2026-11-01,1\n")?;
    let wrong_token = [&arguments[..], &["--token".as_ref(), "prod".as_ref()]].concat();
    let error = platform.run(&wrong_token).await.unwrap_err().to_string();
    assert!(error.contains("--token") && error.contains("GUANXI_TOKEN"), "{error}");
    platform.stop().await
}
