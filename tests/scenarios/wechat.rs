//! Somebody follows the official account: the signed, encrypted callback becomes a customer, and the welcome arrives.

use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use tempfile::tempdir;
use tests::platform::{Platform, eventually};
use wire::event::Identifier;
use wire::profile::profile_service_client::ProfileServiceClient;
use wire::profile::{ListTimelineRequest, list_timeline_request};

const APP_ID: &str = "wx1234567890abcdef";

async fn post(url: String, body: Value) -> Result<Value> {
    let answer = reqwest::Client::new().post(url).json(&body).send().await?;
    let status = answer.status();
    let text = answer.text().await?;
    ensure!(status.is_success(), "{status} {text}");
    Ok(serde_json::from_str(&text).unwrap_or(Value::Null))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_follow_is_welcomed_in_every_mode() -> Result<()> {
    let data = tempdir()?;
    let platform = Platform::start(data.path()).await?;
    for (mode, openid) in [
        ("safe", "oSafeSafeSafeSafeSafeSafe001"),
        ("compat", "oCompatCompatCompatCompat001"),
        ("plain", "oPlainPlainPlainPlainPlain01"),
    ] {
        apply_retail(&platform, &data.path().join(mode), mode).await?;
        let account = json!({"app_id": APP_ID, "secret": "guanxi-demo-secret", "token": "guanxi-demo-token", "mode": mode,
            "aes_key": "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG",
            "callback_url": format!("http://{}/callbacks/wechat_oa/oa", platform.http)});
        post(format!("http://{}/_sim/wechat_oa/accounts", platform.simulator), account).await?;
        let follow = json!({"app_id": APP_ID, "action": "follow", "openid": openid, "scene": "南京路店", "duplicate": 2});
        let answer = post(format!("http://{}/_sim/wechat_oa/actions", platform.simulator), follow).await?;
        assert_eq!(answer["delivery"]["outcome"], "acknowledged", "{answer}");
        let sent = eventually("the welcome", || {
            let url = format!("http://{}/_sim/sent?openid={openid}", platform.simulator);
            async move {
                let answer: Value = reqwest::get(url).await?.json().await?;
                let sent = answer["sent"].as_array().cloned().unwrap_or_default();
                Ok(if sent.is_empty() { Err("nothing yet".to_owned()) } else { Ok(sent) })
            }
        })
        .await?;
        assert_eq!(sent.len(), 1, "three deliveries of one follow, one welcome: {sent:?}");
        assert!(sent[0].to_string().contains("感谢关注"), "{sent:?}");
        followed_from(&platform, openid, "南京路店").await?;
    }
    platform.stop().await
}

/// Applies the workspace with the official account in `mode`.
async fn apply_retail(platform: &Platform, folder: &Path, mode: &str) -> Result<()> {
    std::fs::create_dir(folder)?;
    for entry in std::fs::read_dir(tests::platform::root().join("deploy/workspaces/retail"))? {
        let file = entry?.path();
        let text = std::fs::read_to_string(&file)?.replace("127.0.0.1:7790", &platform.simulator);
        let text = text.replace("mode: safe", &format!("mode: {mode}"));
        std::fs::write(folder.join(file.file_name().context("a file")?), text)?;
    }
    platform.run(&["apply".as_ref(), "-f".as_ref(), folder.as_os_str()]).await.map(drop)
}

async fn followed_from(platform: &Platform, openid: &str, scene: &str) -> Result<()> {
    let identifier = Identifier { namespace: format!("wechat.openid:{APP_ID}"), value: openid.to_owned() };
    let request = ListTimelineRequest {
        customer: Some(list_timeline_request::Customer::Identifier(identifier)),
        names: vec!["wechat.subscribed".to_owned()],
        ..Default::default()
    };
    let answer = ProfileServiceClient::new(platform.client()?).list_timeline(request).await?.into_inner();
    assert_eq!(answer.events.len(), 1, "{:?}", answer.events);
    assert!(format!("{:?}", answer.events[0].properties).contains(scene), "the QR scene is the source");
    Ok(())
}
