//! A mail server: one message per customer over connections that are kept, with a clear line between what was certainly
//! not taken and what may have been.

mod mail;

use std::future::Future;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use kernel::{Clock, Error, Result};
use lettre::transport::smtp::Error as SmtpError;
use lettre::transport::smtp::authentication::{Credentials, DEFAULT_MECHANISMS};
use lettre::transport::smtp::client::{AsyncSmtpConnection, TlsParameters};
use lettre::transport::smtp::commands::{Data, Mail, Rcpt, Rset};
use lettre::transport::smtp::extension::{ClientId, Extension, MailBodyParameter, MailParameter};

use super::guard::NoWay;
use super::{Outgoing, Policy, Surroundings};
use crate::domain::outcome::Outcome;
use crate::domain::settings::{self, Tls};
use mail::Email;

/// One mail server.
pub(crate) struct Smtp {
    settings: settings::Smtp,
    policy: Policy,
    timeout: Duration,
    clock: Clock,
    tls: Option<TlsParameters>,
    hello: ClientId,
    /// Connections at rest.
    idle: Mutex<Vec<AsyncSmtpConnection>>,
    /// At rest at the most.
    keep: usize,
}

/// Why a step of the conversation did not succeed.
enum Failure {
    /// The server said no: 4xx or 5xx.
    Said { code: String, permanent: bool, text: String },
    /// The server may not be reached.
    Forbidden(String),
    /// The server lacks what this message needs.
    Unsupported(String),
    /// The line broke, or nothing came in time.
    Silent(String),
}

impl From<NoWay> for Failure {
    fn from(no_way: NoWay) -> Self {
        match no_way {
            NoWay::Unresolved(text) => Self::Silent(text),
            NoWay::Forbidden(text) => Self::Forbidden(text),
        }
    }
}

impl From<SmtpError> for Failure {
    fn from(error: SmtpError) -> Self {
        let text = chassis::status::chain(&error);
        match error.status() {
            Some(code) => Self::Said { code: format!("SMTP_{code}"), permanent: error.is_permanent(), text },
            None if error.is_client() => Self::Unsupported(text),
            None => Self::Silent(text),
        }
    }
}

impl Failure {
    /// What becomes of a message that the server certainly has not taken.
    fn outcome(self) -> Outcome {
        match self {
            Self::Said { code, permanent: true, text } => Outcome::refused(code, text),
            Self::Said { code, permanent: false, text } => Outcome::retry(code, text),
            Self::Forbidden(text) => Outcome::refused("ADDRESS_NOT_ALLOWED", text),
            Self::Unsupported(text) => Outcome::refused("SMTP_UNSUPPORTED", text),
            Self::Silent(text) => Outcome::retry("SMTP_UNREACHABLE", text),
        }
    }
}

impl Smtp {
    pub(crate) fn new(settings: settings::Smtp, around: &Surroundings) -> Result<Self> {
        let tls = match settings.tls {
            Tls::None => None,
            Tls::Starttls | Tls::FromTheStart => {
                Some(TlsParameters::new(settings.host.clone()).map_err(|cause| {
                    Error::precondition("TLS_UNAVAILABLE", "TLS cannot be set up for this host")
                        .caused_by(cause)
                })?)
            }
        };
        Ok(Self {
            policy: around.policy,
            timeout: around.timeout,
            clock: around.clock.clone(),
            tls,
            hello: ClientId::default(),
            idle: Mutex::default(),
            keep: around.concurrency,
            settings,
        })
    }

    /// Hands the message over.
    pub(crate) async fn send(&self, outgoing: &Outgoing) -> Outcome {
        let email = match mail::compose(&self.settings.from, outgoing, self.clock.now()) {
            Ok(email) => email,
            Err(outcome) => return outcome,
        };
        loop {
            let resting = self.lock().pop();
            let reused = resting.is_some();
            let mut connection = match resting {
                Some(connection) => connection,
                None => match self.open().await {
                    Ok(connection) => connection,
                    Err(failure) => return failure.outcome(),
                },
            };
            match self.in_time(offer(&mut connection, &email)).await {
                Ok(()) => return self.hand_over(connection, &email).await,
                // The server had closed it while it rested; in the end a fresh one is opened.
                Err(Failure::Silent(_)) if reused => {}
                Err(failure) => {
                    if matches!(failure, Failure::Said { .. }) && connection.command(Rset).await.is_ok() {
                        self.rest(connection);
                    }
                    return failure.outcome();
                }
            }
        }
    }

    /// Connects and authenticates.
    pub(crate) async fn test(&self) -> Result<(), String> {
        match self.open().await {
            Ok(mut connection) => {
                let _said_goodbye = connection.quit().await.is_ok();
                Ok(())
            }
            Err(
                Failure::Said { text, .. }
                | Failure::Forbidden(text)
                | Failure::Unsupported(text)
                | Failure::Silent(text),
            ) => Err(text),
        }
    }

    async fn open(&self) -> Result<AsyncSmtpConnection, Failure> {
        let at_once = self.tls.clone().filter(|_| self.settings.tls == Tls::FromTheStart);
        let connecting = async {
            let found = self.policy.resolve(&self.settings.host, self.settings.port).await?;
            let server = found.as_slice();
            let mut connection =
                AsyncSmtpConnection::connect_tokio1(server, Some(self.timeout), &self.hello, at_once, None)
                    .await?;
            if let (Tls::Starttls, Some(tls)) = (self.settings.tls, self.tls.clone()) {
                connection.starttls(tls, &self.hello).await?;
            }
            if !self.settings.username.is_empty() {
                let (name, password) =
                    (self.settings.username.clone(), self.settings.password.expose().to_owned());
                connection.auth(DEFAULT_MECHANISMS, &Credentials::new(name, password)).await?;
            }
            Ok(connection)
        };
        self.in_time(connecting).await
    }

    /// The message itself: from its first byte to the answer nobody knows whether the server has it.
    async fn hand_over(&self, mut connection: AsyncSmtpConnection, email: &Email) -> Outcome {
        let transfer = async { Ok(connection.message(&email.bytes).await?) };
        match self.in_time(transfer).await {
            Ok(_) => {
                self.rest(connection);
                Outcome::Sent { provider_id: email.message_id.clone() }
            }
            Err(Failure::Silent(text)) => Outcome::unknown(text),
            Err(failure) => failure.outcome(),
        }
    }

    async fn in_time<T>(&self, step: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
        let late = |_| Err(Failure::Silent(format!("no answer within {:?}", self.timeout)));
        tokio::time::timeout(self.timeout, step).await.unwrap_or_else(late)
    }

    fn rest(&self, connection: AsyncSmtpConnection) {
        let mut idle = self.lock();
        if idle.len() < self.keep && !connection.has_broken() {
            idle.push(connection);
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<AsyncSmtpConnection>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Sender, recipient, and the announcement of the message: the server may still say no.
async fn offer(connection: &mut AsyncSmtpConnection, email: &Email) -> Result<(), Failure> {
    let mut parameters = Vec::new();
    let addresses = email.envelope.from().into_iter().chain(email.envelope.to());
    if addresses.into_iter().any(|address| !AsRef::<str>::as_ref(address).is_ascii()) {
        if !connection.server_info().supports_feature(Extension::SmtpUtfEight) {
            return Err(Failure::Unsupported("the server takes no addresses beyond ASCII".to_owned()));
        }
        parameters.push(MailParameter::SmtpUtfEight);
    }
    if !email.bytes.is_ascii() {
        parameters.push(MailParameter::Body(MailBodyParameter::EightBitMime));
    }
    connection.command(Mail::new(email.envelope.from().cloned(), parameters)).await?;
    for recipient in email.envelope.to() {
        connection.command(Rcpt::new(recipient.clone(), Vec::new())).await?;
    }
    connection.command(Data).await?;
    Ok(())
}
