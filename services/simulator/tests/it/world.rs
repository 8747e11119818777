//! One simulator on port 0 with a virtual clock, one account, and the calls tests make.

use std::time::Duration;

use kernel::{Clock, Time, Warp};
use serde_json::{Value, json};
use simulator::{Options, Simulator};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::envelope::AES_KEY;
use crate::receiver::Receiver;

pub(crate) const APP_ID: &str = "wxba5fad812f8e6fb9";
pub(crate) const GH: &str = "gh_97417a04a28d";
pub(crate) const TOKEN: &str = "AAAAA";

pub(crate) struct World {
    pub(crate) base: String,
    pub(crate) client: reqwest::Client,
    pub(crate) clock: Clock,
    pub(crate) warp: Warp,
    pub(crate) receiver: Receiver,
    _tasks: JoinSet<()>,
}

impl World {
    /// An account in `mode` whose callbacks go to the receiver.
    pub(crate) async fn start(mode: &str) -> Self {
        Self::start_with(mode, Duration::from_secs(5)).await
    }

    /// The same with another time-out for callbacks, which is of real time.
    pub(crate) async fn start_with(mode: &str, timeout: Duration) -> Self {
        let (clock, warp) = Clock::warped(Time::parse("2026-11-21T10:00:00+08:00").unwrap());
        let mut options = Options::new(clock.clone(), 7).unwrap();
        options.limits.callback.timeout = timeout;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let mut tasks = JoinSet::new();
        let simulator = Simulator::new(options).unwrap();
        tasks.spawn(async move { simulator.serve(listener, std::future::pending()).await.unwrap() });
        let receiver = Receiver::default();
        let callback_url = receiver.start(&mut tasks).await;
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let world = Self { base, client, clock, warp, receiver, _tasks: tasks };
        let account = json!({
            "app_id": APP_ID, "secret": "s3cret", "token": TOKEN, "aes_key": AES_KEY, "mode": mode,
            "original_id": GH, "callback_url": callback_url, "open_platform": true,
        });
        assert_eq!(world.control("wechat_oa/accounts", account).await["original_id"], GH);
        world
    }

    pub(crate) fn advance(&self, duration: Duration) {
        self.warp.advance_to(self.clock.now().plus(duration));
    }

    /// POST to the control side; must succeed.
    pub(crate) async fn control(&self, path: &str, body: Value) -> Value {
        let (status, answer) = self.post(&format!("/_sim/{path}"), body.to_string()).await;
        assert_eq!(status, 200, "{answer}");
        serde_json::from_str(&answer).unwrap()
    }

    /// An action on the account; `more` adds its fields.
    pub(crate) async fn act(&self, action: &str, more: Value) -> Value {
        let mut body = json!({ "app_id": APP_ID, "action": action });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        self.control("wechat_oa/actions", body).await
    }

    /// A body without Content-Type, as wechatpy sends it.
    pub(crate) async fn post(&self, path: &str, body: impl Into<reqwest::Body>) -> (u16, String) {
        let response = self.client.post(format!("{}{path}", self.base)).body(body).send().await.unwrap();
        (response.status().as_u16(), response.text().await.unwrap())
    }

    /// GET of JSON, whatever its Content-Type.
    pub(crate) async fn get(&self, path: &str) -> Value {
        let response = self.client.get(format!("{}{path}", self.base)).send().await.unwrap();
        serde_json::from_str(&response.text().await.unwrap()).unwrap()
    }

    pub(crate) async fn token(&self) -> String {
        let path = format!("/cgi-bin/token?grant_type=client_credential&appid={APP_ID}&secret=s3cret");
        self.get(&path).await["access_token"].as_str().unwrap().to_owned()
    }

    /// The errcode of a custom send of `body`.
    pub(crate) async fn send(&self, token: &str, body: &str) -> i64 {
        let path = format!("/cgi-bin/message/custom/send?access_token={token}");
        let (status, answer) = self.post(&path, body.to_owned()).await;
        assert_eq!(status, 200);
        let answer: Value = serde_json::from_str(&answer).unwrap();
        let code = answer["errcode"].as_i64().unwrap();
        assert!(code == 0 || answer["errmsg"].as_str().unwrap().contains(" rid: "), "{answer}");
        code
    }

    pub(crate) async fn send_text(&self, token: &str, openid: &str) -> i64 {
        let body = json!({ "touser": openid, "msgtype": "text", "text": { "content": "您好,欢迎光临" } });
        self.send(token, &body.to_string()).await
    }

    /// Messages the platform took for `openid`.
    pub(crate) async fn sent(&self, openid: &str) -> Vec<Value> {
        self.get(&format!("/_sim/sent?openid={openid}")).await["sent"].as_array().unwrap().clone()
    }
}

pub(crate) fn openid(answer: &Value) -> String {
    answer["openid"].as_str().unwrap().to_owned()
}
