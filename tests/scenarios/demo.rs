//! The demo from end to end: forty days of the retail workspace on a virtual clock, by the ways a shop would use.

use anyhow::{Result, ensure};
use tempfile::tempdir;
use tests::platform::{binary, root};
use tokio::process::Command;

/// The row of a table that begins with `name`, as words.
fn row<'a>(text: &'a str, name: &str) -> Vec<&'a str> {
    let line = text.lines().find(|line| line.split_whitespace().nth(1) == Some(name));
    line.unwrap_or_default().split(['│', '┆', ' ']).filter(|word| !word.is_empty()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_story_of_the_shop() -> Result<()> {
    let data = tempdir()?;
    let setting = format!("common.data={}", data.path().join("data").display());
    let play = async || -> Result<String> {
        let output = Command::new(binary()?)
            .args([
                "demo",
                "--exit",
                "--people",
                "20",
                "--simulator",
                "127.0.0.1:0",
                "--mailbox",
                "127.0.0.1:0",
            ])
            .args(["--set", &setting, "--set", "common.grpc=127.0.0.1:0", "--set", "common.http=127.0.0.1:0"])
            .current_dir(root())
            .output()
            .await?;
        ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        Ok(String::from_utf8(output.stdout)?)
    };
    let told = play().await?;
    assert!(told.contains("23 created, 0 updated, 0 unchanged"), "{told}");
    let followers = *row(&told, "wechat.subscribed").get(1).unwrap_or(&"0");
    assert_ne!(followers, "0", "{told}");
    // Everybody who follows is welcomed in WeChat at once; the gift half an hour later takes an allowed route.
    let welcomed: Vec<_> =
        told.lines().filter(|line| line.contains(" welcome ") && line.contains("sent")).collect();
    assert!(welcomed.len() == 1 && welcomed[0].contains(" oa ") && welcomed[0].contains(followers), "{told}");
    let gifts: Vec<_> = told.lines().filter(|line| line.contains(" welcome_gift ")).collect();
    assert!(gifts.iter().any(|line| line.contains(" app ") || line.contains(" mail ")), "{told}");
    assert!(gifts.iter().all(|line| line.contains(" sent ")), "{told}");
    for programme in ["travel_coupon", "recall"] {
        assert!(
            told.lines().any(|line| line.contains(&format!(" {programme} ")) && line.contains(" sent ")),
            "{told}"
        );
    }
    assert!(told.contains("funnel: from looking to buying") && told.contains("100.0 %"), "{told}");

    // Played no more; the three channels follow the simulator to its new ports.
    let again = play().await?;
    assert!(
        again.contains("0 created, 3 updated, 20 unchanged") && again.contains("not played again"),
        "{again}"
    );
    let figures = |text: &str| {
        text.lines().skip_while(|line| !line.contains("customers resolved from")).take(30).collect::<String>()
    };
    assert_eq!(figures(&told), figures(&again), "a restart shows the same");
    Ok(())
}
