//! A shop's member list, imported by the command: customers with attributes under every identifier of their row.

use anyhow::{Context as _, Result};
use tempfile::tempdir;
use tests::platform::{Platform, eventually};
use wire::event::Identifier;
use wire::profile::get_profile_request::Customer;
use wire::profile::profile_service_client::ProfileServiceClient;
use wire::profile::{GetProfileRequest, Profile};

async fn profile(platform: &Platform, namespace: &str, value: &str) -> Result<Profile> {
    let (namespace, value) = (namespace.to_owned(), value.to_owned());
    let request = GetProfileRequest { customer: Some(Customer::Identifier(Identifier { namespace, value })) };
    let answer = ProfileServiceClient::new(platform.client()?).get_profile(request).await?;
    answer.into_inner().profile.context("no profile")
}

fn text(profile: &Profile, attribute: &str) -> String {
    use prost_types::value::Kind;
    let value = profile.attributes.as_ref().and_then(|all| all.fields.get(attribute)?.kind.as_ref());
    match value {
        Some(Kind::StringValue(text)) => text.clone(),
        Some(Kind::NumberValue(number)) => number.to_string(),
        Some(Kind::BoolValue(flag)) => flag.to_string(),
        _ => String::new(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_become_customers_and_refused_ones_once_corrected() -> Result<()> {
    let data = tempdir()?;
    let platform = Platform::start(data.path()).await?;
    let (file, errors) = (data.path().join("members.csv"), data.path().join("errors.csv"));
    let rows = std::fs::read_to_string(tests::platform::root().join("tests/golden/members.csv"))?;
    std::fs::write(&file, &rows)?;
    let arguments = [
        "import".as_ref(),
        file.as_os_str(),
        "--mapping".as_ref(),
        "tests/golden/members.yaml".as_ref(),
        "--errors".as_ref(),
        errors.as_os_str(),
    ];
    let told = platform.run(&arguments).await?;
    assert!(told.starts_with("5 rows: 3 accepted, 0 known already, 2 refused"), "{told}");
    let refused = std::fs::read_to_string(&errors)?;
    assert!(
        refused.contains("张伟")
            && refused.contains("has no identifier: nothing in")
            && refused.contains("`会员号`"),
        "{refused}"
    );
    assert!(
        refused.contains("\"刘洋, 小\"") && refused.contains("`积分` is `很多`, not a number"),
        "{refused}"
    );

    // The same person by number, phone (however it is written) and e-mail.
    let fang = eventually("王芳 by her phone", || async {
        Ok(profile(&platform, "phone", "+8613800138000").await.map_err(|error| error.to_string()))
    })
    .await?;
    for (namespace, value) in [("user_id", "M0001"), ("email", "fang.wang@example.com")] {
        assert_eq!(profile(&platform, namespace, value).await?.customer_id, fang.customer_id, "{namespace}");
    }
    eventually("王芳's attributes", || async {
        let fang = profile(&platform, "user_id", "M0001").await?;
        let seen = ["name", "city", "birthday", "points", "subscribed"].map(|name| text(&fang, name));
        Ok(if seen == ["王芳", "上海", "1990-11-21", "1280", "true"] {
            Ok(())
        } else {
            Err(format!("{seen:?}"))
        })
    })
    .await?;

    assert!(platform.run(&arguments).await?.starts_with("5 rows: 0 accepted, 3 known already, 2 refused"));
    // The refused rows stand in the error file as they were, and are imported from there when they are corrected.
    std::fs::write(&errors, refused.replace("很多", "77"))?;
    let again =
        ["import".as_ref(), errors.as_os_str(), "--mapping".as_ref(), "tests/golden/members.yaml".as_ref()];
    let told = platform.run(&again).await?;
    assert!(told.starts_with("2 rows: 1 accepted, 0 known already, 1 refused"), "{told}");
    eventually("刘洋's points", || async {
        let seen = profile(&platform, "user_id", "M0004").await.map(|found| text(&found, "points"));
        Ok(if matches!(seen.as_deref(), Ok("77")) { Ok(()) } else { Err(format!("{seen:?}")) })
    })
    .await?;
    platform.stop().await
}
