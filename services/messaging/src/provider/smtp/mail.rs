//! The mail itself: headers, and text and HTML as alternatives.

use std::time::{Duration, SystemTime};

use kernel::Time;
use lettre::address::Envelope;
use lettre::message::{Mailbox, MultiPart, SinglePart};
use lettre::{Address, Message};

use crate::domain::outcome::Outcome;
use crate::provider::Outgoing;

/// A mail ready to be handed over.
pub(super) struct Email {
    pub(super) envelope: Envelope,
    pub(super) bytes: Vec<u8>,
    /// Of the header, with its angle brackets.
    pub(super) message_id: String,
}

/// Writes the mail.
///
/// # Errors
/// What becomes of a message that cannot be one.
pub(super) fn compose(from: &Mailbox, outgoing: &Outgoing, now: Time) -> Result<Email, Outcome> {
    let to: Address = outgoing
        .address
        .trim()
        .parse()
        .map_err(|_| Outcome::refused("ADDRESS_INVALID", "not a mail address"))?;
    // Derived from ours, so that bounces and logs of the server lead back to the message.
    let message_id = format!("<{}@{}>", outgoing.message, from.email.domain());
    let date = SystemTime::UNIX_EPOCH + Duration::from_secs(u64::try_from(now.seconds()).unwrap_or(0));
    let content = &outgoing.content;
    // A line break would begin another header.
    let subject = content.subject.split_whitespace().collect::<Vec<_>>().join(" ");
    let head = Message::builder()
        .from(from.clone())
        .to(Mailbox::new(None, to))
        .subject(subject)
        .date(date)
        .message_id(Some(message_id.clone()));
    let built = match (content.text.is_empty(), content.html.is_empty()) {
        (true, true) => return Err(Outcome::refused("CONTENT_EMPTY", "a mail needs text or html")),
        (false, true) => head.singlepart(SinglePart::plain(content.text.clone())),
        (true, false) => head.singlepart(SinglePart::html(content.html.clone())),
        (false, false) => {
            head.multipart(MultiPart::alternative_plain_html(content.text.clone(), content.html.clone()))
        }
    };
    let mail = built.map_err(|error| Outcome::refused("CONTENT_INVALID", error.to_string()))?;
    Ok(Email { envelope: mail.envelope().clone(), bytes: mail.formatted(), message_id })
}
