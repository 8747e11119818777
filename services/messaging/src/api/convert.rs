//! Between the wire's messages and ours.

use chassis::values;
use kernel::{Error, Result};
use wire::messaging as pb;

use crate::domain::channel::{Channel, Kind};
use crate::domain::message::State;
use crate::domain::template::{Content, Variant};
use crate::store::messages::Message;
use crate::store::templates::Template;

/// A channel as shown: without secrets.
pub(super) fn channel(channel: Channel) -> pb::Channel {
    let kind = match channel.kind {
        Kind::Smtp => pb::ChannelKind::Smtp,
        Kind::Webhook => pb::ChannelKind::Webhook,
        Kind::WechatOa => pb::ChannelKind::WechatOa,
        Kind::Sandbox => pb::ChannelKind::Sandbox,
    };
    pb::Channel {
        key: channel.key,
        name: channel.name,
        kind: kind.into(),
        settings: Some(values::to_struct(channel.shown)),
        limits: (!channel.rate.is_empty()).then_some(pb::Limits { rate: channel.rate }),
        created_at: Some(channel.created.into()),
        updated_at: Some(channel.updated.into()),
    }
}

/// A channel with its secrets, for the audit log, which hides them.
pub(super) fn whole(given: &Channel) -> pb::Channel {
    let settings =
        given.shown.iter().chain(&given.secrets).map(|(name, value)| (name.clone(), value.clone()));
    let settings = Some(values::to_struct(settings.collect()));
    pb::Channel { settings, ..channel(given.clone()) }
}

/// A kind; `None` when it is not said.
///
/// # Errors
/// A violation of `channel.kind` for a number that is none.
pub(super) fn kind(number: i32) -> Result<Option<Kind>> {
    let wrong = |_| Error::invalid("channel.kind", "is not a kind of channel this version knows");
    Ok(match pb::ChannelKind::try_from(number).map_err(wrong)? {
        pb::ChannelKind::Unspecified => None,
        pb::ChannelKind::Smtp => Some(Kind::Smtp),
        pb::ChannelKind::Webhook => Some(Kind::Webhook),
        pb::ChannelKind::WechatOa => Some(Kind::WechatOa),
        pb::ChannelKind::Sandbox => Some(Kind::Sandbox),
    })
}

/// A template as shown.
pub(super) fn template(template: Template) -> pb::Template {
    let variant = |variant: Variant| pb::Variant {
        locale: variant.locale,
        subject: variant.subject,
        text: variant.text,
        html: variant.html,
    };
    pb::Template {
        key: template.key,
        name: template.name,
        variants: template.variants.into_iter().map(variant).collect(),
        created_at: Some(template.created.into()),
        updated_at: Some(template.updated.into()),
    }
}

/// A variant as given.
pub(super) fn variant(variant: pb::Variant) -> Variant {
    let pb::Variant { locale, subject, text, html } = variant;
    Variant { locale, subject, text, html }
}

/// Content as shown.
pub(super) fn content(content: Content) -> pb::Content {
    pb::Content { subject: content.subject, text: content.text, html: content.html }
}

/// A purpose's name; empty when it is not said.
///
/// # Errors
/// A violation of `purpose` for a number that is none.
pub(super) fn purpose_name(number: i32) -> Result<&'static str> {
    let wrong = |_| Error::invalid("purpose", "is not a purpose this version knows");
    Ok(match pb::Purpose::try_from(number).map_err(wrong)? {
        pb::Purpose::Unspecified => "",
        pb::Purpose::Marketing => "marketing",
        pb::Purpose::Service => "service",
        pb::Purpose::Transactional => "transactional",
    })
}

fn purpose(name: &str) -> pb::Purpose {
    match name {
        "marketing" => pb::Purpose::Marketing,
        "service" => pb::Purpose::Service,
        "transactional" => pb::Purpose::Transactional,
        _ => pb::Purpose::Unspecified,
    }
}

/// A state as given; `None` when it is not said.
///
/// # Errors
/// A violation of `state` for a number that is none.
pub(super) fn state(number: i32) -> Result<Option<State>> {
    let wrong = |_| Error::invalid("state", "is not a state this version knows");
    Ok(match pb::MessageState::try_from(number).map_err(wrong)? {
        pb::MessageState::Unspecified => None,
        pb::MessageState::Queued => Some(State::Queued),
        pb::MessageState::Deferred => Some(State::Deferred),
        pb::MessageState::Sending => Some(State::Sending),
        pb::MessageState::Unknown => Some(State::Unknown),
        pb::MessageState::Sent => Some(State::Sent),
        pb::MessageState::Delivered => Some(State::Delivered),
        pb::MessageState::Failed => Some(State::Failed),
        pb::MessageState::Suppressed => Some(State::Suppressed),
    })
}

fn shown_state(state: State) -> pb::MessageState {
    match state {
        State::Queued => pb::MessageState::Queued,
        State::Deferred => pb::MessageState::Deferred,
        State::Sending => pb::MessageState::Sending,
        State::Unknown => pb::MessageState::Unknown,
        State::Sent => pb::MessageState::Sent,
        State::Delivered => pb::MessageState::Delivered,
        State::Failed => pb::MessageState::Failed,
        State::Suppressed => pb::MessageState::Suppressed,
    }
}

/// A message as shown.
pub(super) fn message(message: Message) -> pb::Message {
    let progress = message.progress;
    let attempts = progress.attempts.into_iter().map(|attempt| pb::Attempt {
        channel: attempt.channel,
        time: Some(attempt.time.into()),
        outcome: attempt.outcome,
        detail: attempt.detail,
    });
    pb::Message {
        message_id: message.id.to_string(),
        customer_id: message.customer.to_string(),
        channel: progress.channel,
        channels: progress.channels,
        template: message.request.template,
        purpose: purpose(&message.request.purpose).into(),
        state: shown_state(progress.state).into(),
        reason: progress.reason,
        attempts: attempts.collect(),
        provider_id: progress.provider_id,
        content: message.content.or(message.request.content).map(content),
        created_at: Some(message.created.into()),
        sent_at: progress.sent.map(Into::into),
        due_at: progress.due.map(Into::into),
        cause_id: message.cause_id,
        idempotency_key: message.idempotency_key,
        requested_by: message.request.by,
    }
}
