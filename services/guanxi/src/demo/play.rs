//! Plays the story: moves the clock, lets everything settle, does what is due.

use std::time::Duration;

use chassis::rpc::call;
use chassis::values::to_struct;
use indicatif::ProgressBar;
use kernel::{Error, Result, Time, Warp};
use serde_json::{Value, json};
use wire::event::{Event, Identifier};
use wire::ingest::IngestEventsRequest;

use super::story::{Deed, Story};
use crate::client::Clients;
use crate::dev::{self, Platform};
use crate::ui;

/// The official account of `deploy/workspaces/retail`.
pub(super) const APP_ID: &str = "wx1234567890abcdef";

/// What happens within this time is done at once.
const SLOT: Duration = Duration::from_secs(1_800);

/// Plays to the end and lets the clock go on by itself.
///
/// # Errors
/// When something that must be accepted is refused.
pub(super) async fn play(
    platform: &Platform,
    clients: &Clients,
    warp: &Warp,
    story: Story,
    end: Time,
) -> Result<()> {
    let http = reqwest::Client::new();
    let stage = Stage { platform, clients, warp, http };
    stage.open_account().await?;
    let bar = ui::bar(u64::try_from(story.len()).unwrap_or(0), "playing forty days");
    let mut rest = story.as_slice();
    while let Some((first, _)) = rest.first() {
        let slot_end = first.plus(SLOT);
        let count = rest.iter().take_while(|(time, _)| *time < slot_end).count();
        let (due, later) = rest.split_at(count);
        stage.advance(slot_end.min(end), &bar).await;
        stage.perform(due, slot_end).await?;
        stage.platform.running.activity.settled().await;
        bar.inc(u64::try_from(count).unwrap_or(0));
        rest = later;
    }
    stage.advance(end, &bar).await;
    bar.finish_and_clear();
    warp.release();
    Ok(())
}

struct Stage<'a> {
    platform: &'a Platform,
    clients: &'a Clients,
    warp: &'a Warp,
    http: reqwest::Client,
}

impl Stage<'_> {
    /// Moves time, stopping wherever a journey or a retry wakes.
    async fn advance(&self, to: Time, bar: &ProgressBar) {
        self.platform.running.activity.settled().await;
        while let Some(next) = self.warp.next_wake().filter(|next| *next <= to) {
            self.warp.advance_to(next);
            self.platform.running.activity.settled().await;
            bar.tick();
        }
        self.warp.advance_to(to);
        self.platform.running.activity.settled().await;
    }

    async fn perform(&self, due: &[(Time, Deed)], now: Time) -> Result<()> {
        let mut web: Vec<&Value> = Vec::new();
        let mut app = Vec::new();
        let mut wechat = Vec::new();
        for (time, deed) in due {
            match deed {
                Deed::Web(call) => web.push(call),
                Deed::App { name, identifiers, properties } => {
                    app.push(event(*time, name, identifiers, properties))
                }
                Deed::Follow { openid, scene } => {
                    wechat.push(
                        json!({"app_id": APP_ID, "action": "follow", "openid": openid, "scene": scene}),
                    );
                }
                Deed::Say { openid, text } => {
                    wechat
                        .push(json!({"app_id": APP_ID, "action": "message", "openid": openid, "text": text}));
                }
            }
        }
        // In their order: a fan writes after following.
        for action in &wechat {
            self.control("actions", action).await?;
        }
        if !web.is_empty() {
            let url = format!("http://{}/v1/batch", self.platform.running.http);
            let body = json!({"batch": web, "sentAt": now.to_string()});
            let request = self.http.post(url).basic_auth(chassis::caller::DEV_TOKEN, Some("")).json(&body);
            checked(request.send().await).await?;
        }
        if !app.is_empty() {
            let request = IngestEventsRequest { events: app, source_key: "app".to_owned() };
            let answer = call(self.clients.ingest().ingest_events(request)).await?;
            if let Some(rejection) = answer.rejections.first() {
                return Err(Error::internal(format!("the app's event was refused: {}", rejection.message)));
            }
        }
        Ok(())
    }

    /// The simulator's account matches the source `oa` of the workspace.
    async fn open_account(&self) -> Result<()> {
        let account = json!({
            "app_id": APP_ID, "secret": dev::OA_SECRET, "token": dev::OA_TOKEN, "mode": "safe",
            "aes_key": dev::OA_AES_KEY,
            "callback_url": format!("http://{}/callbacks/wechat_oa/oa", self.platform.running.http),
        });
        self.control("accounts", &account).await
    }

    async fn control(&self, path: &str, body: &Value) -> Result<()> {
        let url = format!("http://{}/_sim/wechat_oa/{path}", self.platform.simulator);
        checked(self.http.post(url).json(body).send().await).await
    }
}

async fn checked(answer: reqwest::Result<reqwest::Response>) -> Result<()> {
    let refused = |cause: &dyn std::fmt::Display| Error::internal(format!("the demo was refused: {cause}"));
    let answer = answer.map_err(|cause| refused(&cause))?;
    let status = answer.status();
    if status.is_success() {
        return Ok(());
    }
    let text = answer.text().await.unwrap_or_default();
    Err(refused(&format!("{status} {text}")))
}

fn event(time: Time, name: &str, identifiers: &[(String, String)], properties: &Value) -> Event {
    let identifier = |(namespace, value): &(String, String)| Identifier {
        namespace: namespace.clone(),
        value: value.clone(),
    };
    let properties = match properties {
        Value::Object(object) => Some(to_struct(object.clone())),
        _ => None,
    };
    Event {
        name: name.to_owned(),
        time: Some(time.into()),
        identifiers: identifiers.iter().map(identifier).collect(),
        properties,
        ..Event::default()
    }
}
