//! The official Segment SDKs against the running binary: an anonymous visitor who signs up is one customer.

use std::process::Command;

use anyhow::Result;
use tempfile::tempdir;
use tests::platform::{Platform, eventually, root};
use tests::tools::{node_with, not_run, present, python_with, run};
use wire::event::Identifier;
use wire::profile::profile_service_client::ProfileServiceClient;
use wire::profile::{GetProfileRequest, ListTimelineRequest, get_profile_request, list_timeline_request};

fn email(value: &str) -> Identifier {
    Identifier { namespace: "email".to_owned(), value: value.to_owned() }
}

/// Waits for the customer with that address and checks that the anonymous events are theirs.
async fn one_customer(platform: &Platform, address: &str, city: &str, products: [&str; 2]) -> Result<()> {
    let client = ProfileServiceClient::new(platform.client()?);
    let names = eventually("the timeline", || {
        let mut client = client.clone();
        async move {
            let customer = Some(list_timeline_request::Customer::Identifier(email(address)));
            match client.list_timeline(ListTimelineRequest { customer, ..Default::default() }).await {
                Err(status) => Ok(Err(status.to_string())),
                Ok(answer) => {
                    let events = answer.into_inner().events;
                    let ours: Vec<_> = events.into_iter().filter(|event| event.cause_id.is_empty()).collect();
                    Ok(if ours.len() == 5 { Ok(ours) } else { Err(format!("{} events", ours.len())) })
                }
            }
        }
    })
    .await?;
    let count = |name: &str| names.iter().filter(|event| event.name == name).count();
    let seen = ["page_viewed", "product_viewed", "identified", "order_completed"].map(count);
    assert_eq!(seen, [1, 2, 1, 1]);
    let customers: std::collections::BTreeSet<_> = names.iter().map(|event| &event.customer_id).collect();
    assert_eq!(customers.len(), 1, "the visitor and the member are one customer");
    let text = format!("{names:?}");
    assert!(products.iter().all(|product| text.contains(product)), "{text}");
    let customer = Some(get_profile_request::Customer::Identifier(email(address)));
    let profile = client.clone().get_profile(GetProfileRequest { customer }).await?.into_inner().profile;
    assert!(format!("{profile:?}").contains(city), "{profile:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn python() -> Result<()> {
    if !present("python3")? {
        return not_run("not run: there is no python3 on this machine");
    }
    let python = python_with("segment-analytics-python==2.4.0")?;
    let data = tempdir()?;
    let platform = Platform::start(data.path()).await?;
    let host = format!("http://{}", platform.http);
    for (mode, address) in [("plain", "fang@example.com"), ("gzip", "fang.2@example.com")] {
        let script = root().join("tests/sdk/events.py");
        run(Command::new(&python).arg(script).args([&host, mode, &format!("py-{mode}"), address]))?;
        one_customer(&platform, address, "上海", ["三亚五日自由行", "大理古城民宿"]).await?;
    }
    platform.stop().await
}

#[tokio::test(flavor = "multi_thread")]
async fn node() -> Result<()> {
    if !(present("node")? && present("npm")?) {
        return not_run("not run: there is no node with npm on this machine");
    }
    let folder = node_with("@segment/analytics-node@3.1.0")?;
    let data = tempdir()?;
    let platform = Platform::start(data.path()).await?;
    let (host, script) = (format!("http://{}", platform.http), root().join("tests/sdk/events.mjs"));
    run(Command::new("node").arg(script).arg(host).arg(folder).args(["node-1", "qiang@example.com"]))?;
    one_customer(&platform, "qiang@example.com", "北京", ["降噪耳机", "机械键盘"]).await?;
    platform.stop().await
}
