//! A call's time is over, or its caller has gone, while the service at the end of the chain waits for its database: the
//! work stops at every hop. Always on PostgreSQL and JetStream, whatever `STACK` says.

use std::io::Write as _;
use std::time::Duration;

use anyhow::{Context as _, Result};
use sea_orm::sqlx::{self, Connection as _, postgres::PgConnection};
use tests::platform::eventually;
use tokio::time::{Instant, timeout};
use tonic::{Code, Request, Status};
use wire::messaging::messaging_service_client::MessagingServiceClient;
use wire::messaging::{
    CreateTemplateRequest, RenderTemplateRequest, Template, Variant, render_template_request::Customer,
};
use wire::profile::profile_service_client::ProfileServiceClient;
use wire::profile::{GetProfileRequest, get_profile_request};

use crate::replicas::shop::{Shop, user};
use crate::replicas::twins::{Balanced, Twins};

/// What the caller gives the chain.
const BUDGET: Duration = Duration::from_millis(800);
/// Where calls end that are given up: at their deadline, or when nobody waits for them any more.
const GIVEN_UP: [Code; 2] = [Code::DeadlineExceeded, Code::Cancelled];
/// The hops: messaging asks profile.
const HOPS: [(&str, &str); 2] = [
    ("messaging", "/guanxi.messaging.v1.MessagingService/RenderTemplate"),
    ("profile", "/guanxi.profile.v1.ProfileService/BatchGetProfiles"),
];

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_done_for_who_waits_no_longer() -> Result<()> {
    let twins = Twins::start(&[]).await?;
    let shop = Shop::open(&twins).await?;
    shop.deliver(&twins.balanced("ingest").await?, "product_viewed", "first", 1).await?;
    known(&twins).await?;
    template(&twins).await?;
    let client = MessagingServiceClient::new(twins.balanced("messaging").await?);
    render(&client, BUDGET).await?;

    let url = twins.recipe.setting("common.database.owner_url").context("no database")?;
    let mut owner = PgConnection::connect(&url.replace("{service}", "profile")).await?;
    let mut lock = owner.begin().await?;
    sqlx::query("LOCK TABLE record IN ACCESS EXCLUSIVE MODE").execute(&mut *lock).await?;

    let begin = Instant::now();
    let late = render(&client, BUDGET).await.expect_err("nobody can read profiles");
    assert!(GIVEN_UP.contains(&late.code()), "{late}");
    assert!(begin.elapsed() < 3 * BUDGET, "after {:?}", begin.elapsed());
    let after_deadline = stopped(&twins, 1.0).await?;

    // Its time would last for long.
    let call = timeout(BUDGET, render(&client, Duration::from_secs(25)));
    assert!(call.await.is_err(), "nobody can read profiles");
    let after_cancelling = stopped(&twins, 2.0).await?;

    lock.rollback().await?;
    owner.close().await?;
    eventually("profiles again", || async {
        Ok(render(&client, BUDGET).await.map_err(|status| status.to_string()))
    })
    .await?;
    writeln!(
        std::io::stderr(),
        "messaging and profile had stopped, as far as their metrics were asked, {after_deadline:.0?} after the deadline \
         and {after_cancelling:.0?} after the caller had gone"
    )?;
    twins.done();
    Ok(())
}

/// Returns, with the time that took, when so many calls have been given up at every hop.
async fn stopped(twins: &Twins, calls: f64) -> Result<Duration> {
    let begin = Instant::now();
    for (service, method) in HOPS {
        eventually("a call to stop", || async {
            let mut stopped = 0.0;
            for code in GIVEN_UP {
                let line =
                    format!("guanxi_rpc_calls_total{{method=\"{method}\",code=\"{}\"}} ", i32::from(code));
                stopped += twins.metric(service, &line).await?;
            }
            Ok(if stopped >= calls { Ok(()) } else { Err(format!("{method}: {stopped} of {calls}")) })
        })
        .await?;
    }
    let took = begin.elapsed();
    // Longer than the call itself would have taken, it was not stopped.
    assert!(took < Duration::from_secs(10), "after {took:?}");
    Ok(took)
}

/// Returns when profile knows the customer.
async fn known(twins: &Twins) -> Result<()> {
    let client = ProfileServiceClient::new(twins.balanced("profile").await?);
    eventually("the customer", || async {
        let customer = Some(get_profile_request::Customer::Identifier(user(0)));
        let answer = client.clone().get_profile(GetProfileRequest { customer }).await;
        Ok(answer.map(drop).map_err(|status| status.to_string()))
    })
    .await
}

async fn template(twins: &Twins) -> Result<()> {
    let variant = Variant { locale: "zh-CN".to_owned(), text: "您好".to_owned(), ..Variant::default() };
    let template = Template {
        key: "hello".to_owned(),
        name: "问候".to_owned(),
        variants: vec![variant],
        ..Template::default()
    };
    let request = CreateTemplateRequest { template: Some(template) };
    MessagingServiceClient::new(twins.balanced("messaging").await?).create_template(request).await?;
    Ok(())
}

async fn render(client: &MessagingServiceClient<Balanced>, budget: Duration) -> Result<(), Status> {
    let mut request = Request::new(RenderTemplateRequest {
        key: "hello".to_owned(),
        customer: Some(Customer::Identifier(user(0))),
        ..RenderTemplateRequest::default()
    });
    request.set_timeout(budget);
    client.clone().render_template(request).await.map(drop)
}
