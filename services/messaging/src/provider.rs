//! Those who carry messages out, behind one type: a mail server, somebody's endpoint, an Official Account, a sandbox.

mod guard;
mod http;
mod smtp;
mod webhook;
mod wechat_oa;

use std::time::Duration;

use kernel::{Clock, CustomerId, MessageId, Result, Time};

use crate::domain::channel::Channel;
use crate::domain::outcome::Outcome;
use crate::domain::settings::Settings;
use crate::domain::template::Content;

pub(crate) use guard::Policy;
pub(crate) use wechat_oa::WINDOW_CODES;

/// A message at the moment it leaves.
#[derive(Clone, Debug)]
pub(crate) struct Outgoing {
    pub(crate) message: MessageId,
    pub(crate) idempotency_key: String,
    pub(crate) customer: CustomerId,
    /// The channel's key.
    pub(crate) channel: String,
    /// Mail address or openid; empty where the channel needs none.
    pub(crate) address: String,
    pub(crate) content: Content,
    /// Namespace and value.
    pub(crate) identifiers: Vec<(String, String)>,
    /// `marketing`, `service`, `transactional` or empty.
    pub(crate) purpose: String,
    pub(crate) time: Time,
}

/// What every provider is given.
#[derive(Clone, Debug)]
pub(crate) struct Surroundings {
    pub(crate) clock: Clock,
    /// How long an answer may take, in real time.
    pub(crate) timeout: Duration,
    /// Where it may lead.
    pub(crate) policy: Policy,
    /// Messages handed over at the same time.
    pub(crate) concurrency: usize,
}

/// One of them, with its connections and tokens.
pub(crate) enum Provider {
    Smtp(Box<smtp::Smtp>),
    Webhook(webhook::Webhook),
    WechatOa(wechat_oa::WechatOa),
    Sandbox,
}

impl Provider {
    /// The provider of a channel.
    ///
    /// # Errors
    /// When the channel's settings are not (or no longer) right.
    pub(crate) fn new(channel: &Channel, around: &Surroundings) -> Result<Self> {
        Ok(match channel.settings()? {
            Settings::Smtp(settings) => Self::Smtp(Box::new(smtp::Smtp::new(settings, around)?)),
            Settings::Webhook(settings) => Self::Webhook(webhook::Webhook::new(settings, around)?),
            Settings::WechatOa(settings) => Self::WechatOa(wechat_oa::WechatOa::new(settings, around)?),
            Settings::Sandbox => Self::Sandbox,
        })
    }

    /// Hands a message over and says what came of it.
    pub(crate) async fn send(&self, outgoing: &Outgoing) -> Outcome {
        match self {
            Self::Smtp(smtp) => smtp.send(outgoing).await,
            Self::Webhook(webhook) => webhook.send(outgoing).await,
            Self::WechatOa(account) => account.send(outgoing).await,
            Self::Sandbox => Outcome::Sent { provider_id: String::new() },
        }
    }

    /// Connects and authenticates; sends nothing.
    ///
    /// # Errors
    /// What stands in the way, for people.
    pub(crate) async fn test(&self) -> Result<(), String> {
        match self {
            Self::Smtp(smtp) => smtp.test().await,
            Self::Webhook(webhook) => webhook.test().await,
            Self::WechatOa(account) => account.test().await,
            Self::Sandbox => Ok(()),
        }
    }
}
