//! The platform simulator, whose clock goes with the stage's, with one account, and the events its users would cause.

use std::time::Duration;

use kernel::{Clock, Warp};
use serde_json::{Value, json};
use simulator::{Options, Simulator};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use wire::event::{Context, Event};

use crate::world::{World, customer_id, record_id};

pub(crate) const APP_ID: &str = "wx1234567890abcdef";
pub(crate) const SECRET: &str = "account-secret-5d41402a";

/// A running one.
pub(crate) struct Wechat {
    pub(crate) base: String,
    client: reqwest::Client,
    sequence: u64,
    warp: Warp,
    _server: JoinSet<()>,
}

impl Wechat {
    pub(crate) async fn start(world: &World) -> Self {
        let (clock, warp) = Clock::warped(world.stage.warp.now());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let simulator = Simulator::new(Options::new(clock, 7).unwrap()).unwrap();
        let mut server = JoinSet::new();
        server.spawn(async move { simulator.serve(listener, std::future::pending()).await.unwrap() });
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let wechat = Self { base, client, sequence: 1_000, warp, _server: server };
        wechat
            .control("wechat_oa/accounts", json!({ "app_id": APP_ID, "secret": SECRET, "token": "AAAAA" }))
            .await;
        wechat
    }

    pub(crate) fn settings(&self) -> Value {
        json!({ "app_id": APP_ID, "app_secret": SECRET, "base_url": self.base })
    }

    pub(crate) async fn control(&self, path: &str, body: Value) -> Value {
        let request = self.client.post(format!("{}/_sim/{path}", self.base)).body(body.to_string());
        let answer = request.send().await.unwrap();
        let (status, text) = (answer.status(), answer.text().await.unwrap());
        assert!(status.is_success(), "{text}");
        serde_json::from_str(&text).unwrap_or_default()
    }

    /// The user does it on the platform, and the event that ingest and identity would make of it is on the log.
    pub(crate) async fn act(&mut self, world: &World, n: u32, action: &str, event: &str) {
        let openid = openid(n);
        let action =
            json!({ "app_id": APP_ID, "action": action, "openid": openid, "text": "在吗", "key": "menu" });
        self.control("wechat_oa/actions", action).await;
        self.happened(world, n, event).await;
    }

    /// Lets time pass, for the platform too.
    pub(crate) async fn advance(&self, world: &World, by: Duration) {
        self.warp.advance_to(world.stage.warp.now().plus(by));
        world.stage.advance(by).await;
    }

    /// Only the event.
    pub(crate) async fn happened(&mut self, world: &World, n: u32, name: &str) {
        self.sequence += 1;
        let identifier = format!("wechat.openid:{APP_ID}={}", openid(n));
        let id = format!("wx-{}", self.sequence);
        let event = testkit::event(&id, name, world.stage.warp.now(), &[&identifier], json!({}));
        let event = Event {
            customer_id: customer_id(n),
            record_id: record_id(n),
            context: Some(Context { channel: "wechat_oa".into(), ..Context::default() }),
            ..event
        };
        world.stage.append(bus::Stream::Events, self.sequence, &[event]).await.unwrap();
    }

    /// Texts that the platform took for the `n`-th customer.
    pub(crate) async fn sent(&self, n: u32) -> Vec<String> {
        let answer = self.get(&format!("/_sim/sent?openid={}", openid(n))).await;
        let text = |sent: &Value| sent["message"]["text"]["content"].as_str().unwrap().to_owned();
        answer["sent"].as_array().unwrap().iter().map(text).collect()
    }

    /// Requests to a path of the platform.
    pub(crate) async fn requests(&self, path: &str) -> usize {
        let answer = self.get(&format!("/_sim/log?path={path}")).await;
        answer["log"].as_array().unwrap().len()
    }

    async fn get(&self, path: &str) -> Value {
        let answer = self.client.get(format!("{}{path}", self.base)).send().await.unwrap();
        serde_json::from_str(&answer.text().await.unwrap()).unwrap()
    }
}

/// The openid of the `n`-th customer.
pub(crate) fn openid(n: u32) -> String {
    format!("oWxFan{n:022}")
}
