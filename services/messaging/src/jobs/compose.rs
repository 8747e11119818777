//! Writes messages: content from template and profile, address from the customer's identifiers.

use std::collections::HashMap;

use kernel::{CustomerId, Result, Workspace};
use sea_orm::ConnectionTrait;
use serde_json::{Map, Value};

use crate::domain::channel::Channel;
use crate::domain::settings::Settings;
use crate::domain::template::{Compiled, Content, RenderFailure, Subject, without_nulls};
use crate::people::Person;
use crate::store::keyed;
use crate::store::messages::{Asked, Message};
use crate::store::templates::Template;

/// Where a channel finds its customers.
pub(super) enum Addressing {
    /// A mail address.
    Mail,
    /// The openid for this account.
    Openid { app_id: String },
    /// No address is needed.
    Always,
}

impl Addressing {
    /// That of a channel.
    pub(super) fn of(channel: &Channel) -> Result<Self> {
        Ok(match channel.settings()? {
            Settings::Smtp(_) => Self::Mail,
            Settings::WechatOa(settings) => Self::Openid { app_id: settings.app_id },
            Settings::Webhook(_) | Settings::Sandbox => Self::Always,
        })
    }

    /// All addresses of a customer, the best first; one empty address where none is needed.
    pub(super) fn find(&self, person: &Person) -> Vec<String> {
        match self {
            Self::Mail => {
                let attribute = person.text("email");
                person.identifiers("email").chain(attribute).take(1).map(str::to_owned).collect()
            }
            Self::Openid { app_id } => {
                person.identifiers(&format!("wechat.openid:{app_id}")).map(str::to_owned).collect()
            }
            Self::Always => vec![String::new()],
        }
    }
}

/// The templates of a batch, compiled once each.
pub(super) struct Templates(HashMap<String, Result<Compiled, RenderFailure>>);

impl Templates {
    /// Those that `messages` need.
    pub(super) async fn load(
        db: &impl ConnectionTrait,
        workspace: &Workspace,
        messages: &[Message],
    ) -> Result<Self> {
        let mut keys: Vec<&str> = messages.iter().map(|message| message.request.template.as_str()).collect();
        keys.sort_unstable();
        keys.dedup();
        keys.retain(|key| !key.is_empty());
        let found = keyed::of_keys::<Template>(db, workspace, &keys).await?;
        Ok(Self(found.into_iter().map(|found| (found.key, Compiled::new(&found.variants))).collect()))
    }

    /// What the customer will read: as written at an earlier try, as given, or rendered now.
    ///
    /// # Errors
    /// A stable code, and where it went wrong.
    pub(super) fn write(
        &self,
        message: &Message,
        person: &Person,
    ) -> Result<Content, (&'static str, String)> {
        let asked = &message.request;
        if let Some(content) = message.content.as_ref().or(asked.content.as_ref()) {
            return Ok(content.clone());
        }
        let gone = || ("TEMPLATE_NOT_FOUND", format!("the template `{}` was deleted", asked.template));
        let compiled = self.0.get(&asked.template).ok_or_else(gone)?;
        let compiled = compiled.as_ref().map_err(|failure| ("RENDER_FAILED", failure.clone()))?;
        let subject = subject(asked, person, &message.customer.to_string());
        let rendered = compiled.render(locale(asked, person), &subject);
        rendered.map(|(content, _)| content).map_err(|failure| ("RENDER_FAILED", failure))
    }
}

/// The customer's language: what the profile says, else what the event was seen with.
pub(crate) fn locale<'a>(asked: &'a Asked, person: &'a Person) -> &'a str {
    person.text("locale").or_else(|| person.text("language")).unwrap_or(&asked.locale)
}

/// What a template speaks about. `event` holds the event's properties, and again as `event.properties`; `customer` the
/// first identifier of each namespace, and `customer_id`.
pub(crate) fn subject(asked: &Asked, person: &Person, customer_id: &str) -> Subject {
    let mut event = asked.event.clone();
    if !event.contains_key("properties") {
        event.insert("properties".to_owned(), Value::Object(without_nulls(asked.event.clone())));
    }
    let mut customer = Map::new();
    for (namespace, value) in &person.identifiers {
        customer.entry(namespace.clone()).or_insert_with(|| Value::String(value.clone()));
    }
    customer.insert("customer_id".to_owned(), Value::String(customer_id.to_owned()));
    Subject {
        profile: without_nulls(person.attributes.clone()),
        event: without_nulls(event),
        vars: without_nulls(asked.variables.clone()),
        customer,
    }
}

/// Customers of `messages`, each once.
pub(super) fn customers<'a>(messages: impl Iterator<Item = &'a Message>) -> Vec<CustomerId> {
    let mut ids: Vec<CustomerId> = messages.map(|message| message.customer).collect();
    ids.sort_unstable();
    ids.dedup();
    ids
}
