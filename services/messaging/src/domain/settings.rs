//! A channel's settings by kind, read from free-form data with every mistake named.

use std::collections::BTreeMap;

use kernel::{Error, Result, Secret, Violation};
use lettre::Address;
use lettre::message::Mailbox;
use serde_json::{Map, Value};

use super::channel::Kind;

/// What a provider needs to know.
#[derive(Clone, Debug)]
pub(crate) enum Settings {
    Smtp(Smtp),
    Webhook(Webhook),
    WechatOa(WechatOa),
    Sandbox,
}

/// A mail server.
#[derive(Clone, Debug)]
pub(crate) struct Smtp {
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) username: String,
    pub(crate) password: Secret,
    pub(crate) from: Mailbox,
    pub(crate) tls: Tls,
}

/// How a connection to a mail server is protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tls {
    None,
    Starttls,
    FromTheStart,
}

/// Somebody's HTTP endpoint.
#[derive(Clone, Debug)]
pub(crate) struct Webhook {
    pub(crate) url: String,
    /// Signs bodies; empty: they are not signed.
    pub(crate) secret: Secret,
    pub(crate) headers: BTreeMap<String, Secret>,
    /// Addresses of private networks may be reached, where the operator allows it.
    pub(crate) allow_private: bool,
}

/// An Official Account.
#[derive(Clone, Debug)]
pub(crate) struct WechatOa {
    pub(crate) app_id: String,
    pub(crate) app_secret: Secret,
    /// Without a slash at the end.
    pub(crate) base_url: String,
}

impl Settings {
    /// Reads the settings of a kind.
    ///
    /// # Errors
    /// A violation for everything missing, wrong or unknown, with paths such as `settings.host`.
    pub(crate) fn read(kind: Kind, given: &Map<String, Value>) -> Result<Self> {
        let mut form = Form { given, known: Vec::new(), violations: Vec::new() };
        let settings = match kind {
            Kind::Smtp => form.smtp(),
            Kind::Webhook => form.webhook(),
            Kind::WechatOa => form.wechat_oa(),
            Kind::Sandbox => Some(Self::Sandbox),
        };
        form.refuse_unknown(kind);
        match settings {
            Some(settings) if form.violations.is_empty() => Ok(settings),
            _ => Err(Error::violations(form.violations)),
        }
    }
}

struct Form<'a> {
    given: &'a Map<String, Value>,
    known: Vec<&'static str>,
    violations: Vec<Violation>,
}

impl Form<'_> {
    fn smtp(&mut self) -> Option<Settings> {
        let host = self.required("host");
        let tls = match self.text("tls").as_str() {
            "" | "starttls" => Tls::Starttls,
            "none" => Tls::None,
            "tls" => Tls::FromTheStart,
            _ => {
                self.wrong("tls", "write none, starttls or tls");
                Tls::Starttls
            }
        };
        let port = self.port(match tls {
            Tls::None => 25,
            Tls::Starttls => 587,
            Tls::FromTheStart => 465,
        });
        let (username, password) = (self.text("username"), Secret::new(self.text("password")));
        if username.is_empty() != password.is_empty() {
            self.wrong("username", "give username and password together, or neither");
        }
        let from = self.required("from");
        let mailbox = read_mailbox(&from);
        if mailbox.is_none() && !from.is_empty() {
            self.wrong("from", "write an address such as 关系 <hello@example.com>");
        }
        Some(Settings::Smtp(Smtp { host, port, username, password, from: mailbox?, tls }))
    }

    fn webhook(&mut self) -> Option<Settings> {
        let url = self.url("url", None);
        let secret = Secret::new(self.text("secret"));
        let headers = self.headers();
        let allow_private = self.flag("allow_private", true);
        Some(Settings::Webhook(Webhook { url, secret, headers, allow_private }))
    }

    fn wechat_oa(&mut self) -> Option<Settings> {
        let app_id = self.required("app_id");
        let app_secret = Secret::new(self.required("app_secret"));
        let base_url =
            self.url("base_url", Some("https://api.weixin.qq.com")).trim_end_matches('/').to_owned();
        Some(Settings::WechatOa(WechatOa { app_id, app_secret, base_url }))
    }

    fn wrong(&mut self, name: &str, description: &str) {
        self.violations
            .push(Violation { field: format!("settings.{name}"), description: description.to_owned() });
    }

    fn value(&mut self, name: &'static str) -> Option<Value> {
        self.known.push(name);
        self.given.get(name).filter(|value| !value.is_null()).cloned()
    }

    fn text(&mut self, name: &'static str) -> String {
        match self.value(name) {
            None => String::new(),
            Some(Value::String(text)) => text,
            Some(_) => {
                self.wrong(name, "write a text");
                String::new()
            }
        }
    }

    fn required(&mut self, name: &'static str) -> String {
        let missing = self.given.get(name).is_none_or(|value| value.is_null() || value == "");
        if missing {
            self.wrong(name, "is required");
        }
        self.text(name)
    }

    fn flag(&mut self, name: &'static str, default: bool) -> bool {
        match self.value(name) {
            None => default,
            Some(Value::Bool(flag)) => flag,
            Some(_) => {
                self.wrong(name, "write true or false");
                default
            }
        }
    }

    fn port(&mut self, default: u16) -> u16 {
        let Some(value) = self.value("port") else { return default };
        // Definitions may write it as a number or take it from a variable as text.
        let number = value.as_u64().or_else(|| value.as_str()?.parse().ok());
        match number.and_then(|number| u16::try_from(number).ok()).filter(|port| *port > 0) {
            Some(port) => port,
            None => {
                self.wrong("port", "write a number from 1 to 65535");
                default
            }
        }
    }

    fn url(&mut self, name: &'static str, default: Option<&str>) -> String {
        let text = match default {
            None => self.required(name),
            Some(default) => {
                Some(self.text(name)).filter(|text| !text.is_empty()).unwrap_or_else(|| default.to_owned())
            }
        };
        let good = reqwest::Url::parse(&text).is_ok_and(|url| {
            matches!(url.scheme(), "http" | "https") && url.host().is_some() && url.password().is_none()
        });
        if !good && !text.is_empty() {
            self.wrong(name, "write an address that begins with https:// or http://, without credentials");
        }
        text
    }

    fn headers(&mut self) -> BTreeMap<String, Secret> {
        let given = match self.value("headers") {
            None => return BTreeMap::new(),
            Some(Value::Object(given)) => given,
            Some(_) => {
                self.wrong("headers", "write names and values");
                return BTreeMap::new();
            }
        };
        let mut headers = BTreeMap::new();
        for (name, value) in given {
            let text = value.as_str().filter(|text| reqwest::header::HeaderValue::from_str(text).is_ok());
            match text {
                Some(text) if reqwest::header::HeaderName::from_bytes(name.as_bytes()).is_ok() => {
                    headers.insert(name, Secret::new(text));
                }
                _ => self.wrong(&format!("headers.{name}"), "is not a header's name with a text of one line"),
            }
        }
        headers
    }

    fn refuse_unknown(&mut self, kind: Kind) {
        let unknown: Vec<String> =
            self.given.keys().filter(|name| !self.known.contains(&name.as_str())).cloned().collect();
        let known = if self.known.is_empty() { "none".to_owned() } else { self.known.join(", ") };
        for name in unknown {
            self.wrong(&name, &format!("is not a setting of {}; it takes {known}", kind.name()));
        }
    }
}

/// `关系 <hello@example.com>`, `"关系" <hello@example.com>` or the address alone. Names beyond ASCII need no quotes.
fn read_mailbox(text: &str) -> Option<Mailbox> {
    let text = text.trim();
    let Some((name, address)) = text.strip_suffix('>').and_then(|text| text.rsplit_once('<')) else {
        return Some(Mailbox::new(None, text.parse::<Address>().ok()?));
    };
    let name = name.trim().trim_matches('"').trim();
    if name.contains(['\r', '\n']) {
        return None;
    }
    Some(Mailbox::new((!name.is_empty()).then(|| name.to_owned()), address.trim().parse::<Address>().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn fields(kind: Kind, given: &Value) -> Vec<String> {
        let error = Settings::read(kind, given.as_object().unwrap()).unwrap_err();
        error.violations.into_iter().map(|violation| violation.field).collect()
    }

    #[test]
    fn senders_may_have_chinese_names() {
        let mailbox = read_mailbox("关系 <hello@example.com>").unwrap();
        assert_eq!(
            (mailbox.name.as_deref(), mailbox.email.to_string().as_str()),
            (Some("关系"), "hello@example.com")
        );
        assert_eq!(read_mailbox("\"关系, 有限公司\" <a@b.cn>").unwrap().name.unwrap(), "关系, 有限公司");
        assert_eq!(read_mailbox("a@b.cn").unwrap().name, None);
        assert!(read_mailbox("关系").is_none() && read_mailbox("关系 <>").is_none());
    }

    #[test]
    fn every_mistake_is_named() {
        let mail =
            json!({"host": "", "tls": "yes", "port": 0, "from": "nobody", "username": "a", "passwrod": "x"});
        let mut named = fields(Kind::Smtp, &mail);
        named.sort();
        let all = ["from", "host", "passwrod", "port", "tls", "username"];
        assert_eq!(named, all.map(|name| format!("settings.{name}")));
        assert_eq!(fields(Kind::Webhook, &json!({"url": "ftp://x"})), ["settings.url"]);
        assert_eq!(
            fields(Kind::Webhook, &json!({"url": "https://x", "headers": {"a b": "c"}})),
            ["settings.headers.a b"]
        );
        assert_eq!(fields(Kind::WechatOa, &json!({"app_id": "wx1"})), ["settings.app_secret"]);
        assert_eq!(fields(Kind::Sandbox, &json!({"x": 1})), ["settings.x"]);
    }
}
