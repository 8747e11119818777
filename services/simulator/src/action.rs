//! What a user does on the platform: changes the fan and writes the XML the account's server is told.
//! Source: platforms.md 1.4 and 1.5.

use kernel::{Error, Result, Time};
use serde::{Deserialize, Serialize};

use crate::account::{Account, Fan};
use crate::seeded::Seeded;
use crate::state::State;
use crate::window::{Trigger, Windows};
use crate::xml::Writer;

/// The deed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Kind {
    /// Begins to follow; with `scene`, by its code.
    Follow,
    /// Stops.
    Unfollow,
    /// Writes `text`.
    Message,
    /// Taps the menu entry `key`; a `key` that is a link is a VIEW and opens no reply window.
    MenuClick,
    /// Scans the code of `scene`. Somebody who does not follow begins to.
    Scan,
    /// The administrator saves the callback URL.
    VerifyUrl,
}

/// An order of the control side.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Action {
    pub(crate) app_id: String,
    pub(crate) action: Kind,
    /// Absent or unknown: somebody new. For everything but following and scanning they follow already.
    #[serde(default)]
    openid: String,
    /// Of somebody new, on an account bound to an open-platform account; made up when absent.
    #[serde(default)]
    unionid: String,
    #[serde(default)]
    scene: String,
    #[serde(default)]
    text: String,
    #[serde(default)]
    key: String,
    /// So many deliveries more of the same.
    #[serde(default)]
    pub(crate) duplicate: u32,
    /// When it happened; now when absent.
    at: Option<Moment>,
}

/// RFC 3339, or seconds since 1970.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
enum Moment {
    Seconds(i64),
    Text(String),
}

/// What follows from an action.
pub(crate) struct Performed {
    /// Empty for the verification of the URL.
    pub(crate) openid: String,
    pub(crate) xml: String,
}

impl Action {
    /// Changes the state and writes the callback.
    ///
    /// # Errors
    /// No such account; a field that is missing or wrong; something that cannot happen to this fan.
    pub(crate) fn perform(&self, state: &mut State, now: Time) -> Result<Performed> {
        let State { accounts, people, .. } = state;
        let account = accounts.get_mut(&self.app_id).ok_or_else(|| {
            Error::not_found("account", format!("{}; POST /_sim/wechat_oa/accounts first", self.app_id))
        })?;
        if self.action == Kind::VerifyUrl {
            return Ok(Performed { openid: String::new(), xml: String::new() });
        }
        let at = match &self.at {
            None => now,
            Some(Moment::Seconds(seconds)) => Time::from_seconds(*seconds),
            Some(Moment::Text(text)) => Time::parse(text).map_err(|wrong| Error::invalid("at", wrong))?,
        };
        self.check()?;
        let openid = self.fan(account, people, at);
        let original_id = account.settings.original_id.clone();
        let fan = account.fans.get_mut(&openid).ok_or_else(|| Error::internal("the fan is gone"))?;
        let writer = Writer::new()
            .text("ToUserName", &original_id)
            .text("FromUserName", &openid)
            .number("CreateTime", at.seconds());
        let xml = self.tell(fan, at, people, writer)?.finish();
        Ok(Performed { openid, xml })
    }

    fn check(&self) -> Result<()> {
        let ok = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        if self.openid.len() > 64 || !self.openid.chars().all(ok) {
            return Err(Error::invalid("openid", "letters, digits, - and _, at most 64 of them"));
        }
        match self.action {
            Kind::Message if self.text.is_empty() => Err(Error::invalid("text", "say what the user writes")),
            Kind::MenuClick if self.key.is_empty() => {
                Err(Error::invalid("key", "say which menu entry is tapped"))
            }
            Kind::Scan if self.scene.is_empty() => Err(Error::invalid("scene", "say which code is scanned")),
            _ => Ok(()),
        }
    }

    /// The openid of the fan, who is there afterwards.
    fn fan(&self, account: &mut Account, people: &mut Seeded, at: Time) -> String {
        let openid = if self.openid.is_empty() { people.openid() } else { self.openid.clone() };
        if !account.fans.contains_key(&openid) {
            let unionid = match (account.settings.open_platform, self.unionid.is_empty()) {
                (false, _) => String::new(),
                (true, true) => people.openid(),
                (true, false) => self.unionid.clone(),
            };
            let followed = (!matches!(self.action, Kind::Follow | Kind::Scan)).then_some(at);
            let fan = Fan {
                openid: openid.clone(),
                unionid,
                followed,
                scene: String::new(),
                windows: Windows::default(),
            };
            account.fans.insert(openid.clone(), fan);
        }
        openid
    }

    fn tell(&self, fan: &mut Fan, at: Time, people: &mut Seeded, writer: Writer) -> Result<Writer> {
        let follows = fan.followed.is_some();
        match self.action {
            Kind::Follow | Kind::Scan if !follows => {
                fan.followed = Some(at);
                fan.scene.clone_from(&self.scene);
                fan.windows.open(Trigger::Subscribe, at);
                let writer = event(writer, "subscribe");
                Ok(if self.scene.is_empty() {
                    writer.text("EventKey", "")
                } else {
                    writer
                        .text("EventKey", &format!("qrscene_{}", self.scene))
                        .text("Ticket", &ticket(people))
                })
            }
            Kind::Follow => {
                Err(Error::precondition("FOLLOWS_ALREADY", format!("{} follows already", fan.openid)))
            }
            _ if !follows => {
                let message = format!("{} does not follow; do `follow` first", fan.openid);
                Err(Error::precondition("DOES_NOT_FOLLOW", message))
            }
            Kind::Unfollow => {
                fan.followed = None;
                fan.windows.close_all();
                Ok(event(writer, "unsubscribe").text("EventKey", ""))
            }
            Kind::Message => {
                fan.windows.open(Trigger::Message, at);
                Ok(writer
                    .text("MsgType", "text")
                    .text("Content", &self.text)
                    .number("MsgId", people.message_id()))
            }
            Kind::MenuClick if self.key.starts_with("http://") || self.key.starts_with("https://") => {
                Ok(event(writer, "VIEW").text("EventKey", &self.key).text("MenuId", "433489218"))
            }
            Kind::MenuClick => {
                fan.windows.open(Trigger::MenuClick, at);
                Ok(event(writer, "CLICK").text("EventKey", &self.key))
            }
            Kind::Scan => {
                fan.windows.open(Trigger::Scan, at);
                Ok(event(writer, "SCAN").text("EventKey", &self.scene).text("Ticket", &ticket(people)))
            }
            Kind::VerifyUrl => Ok(writer),
        }
    }
}

fn event(writer: Writer, name: &str) -> Writer {
    writer.text("MsgType", "event").text("Event", name)
}

fn ticket(people: &mut Seeded) -> String {
    format!("gQ{}==", people.text(92))
}
