//! Whether a request that comes again under a known key asks for the same message.
//!
//! A merge between a request and its repetition gives the customer another id, a split gives the old one back. So the
//! customer is compared by name first, and by who owns the message's record now when the names differ.

use std::collections::HashMap;

use chassis::Caller;
use kernel::{Error, Kind, Result};
use prost::Message as _;
use sha2::{Digest as _, Sha256};
use wire::messaging as pb;

use crate::api::Api;
use crate::store::messages::Message;

impl Api {
    /// The message that each request stands for, when it asks for what is kept under its key.
    pub(super) async fn picked(
        &self,
        caller: &Caller,
        requests: &[pb::SendMessageRequest],
        kept: &HashMap<String, Message>,
    ) -> Result<Vec<Result<Message>>> {
        let found: Vec<Option<(&Message, Same)>> = requests
            .iter()
            .map(|request| {
                kept.get(&request.idempotency_key).map(|message| (message, same(message, request)))
            })
            .collect();
        let is_renamed = |found: &Option<(&Message, Same)>| matches!(found, Some((_, Same::ButForTheName)));
        let renamed: Vec<_> = requests
            .iter()
            .zip(&found)
            .filter(|(_, found)| is_renamed(found))
            .map(|(asked, _)| asked)
            .collect();
        let mut customers = self.customers(caller, &renamed).await?.into_iter();
        let mut pick = |found: Option<(&Message, Same)>| match found {
            None => Err(Error::internal("an accepted request was not kept")),
            Some((message, Same::Yes)) => Ok(message.clone()),
            Some((_, Same::No)) => Err(reused()),
            Some((message, Same::ButForTheName)) => {
                let customer =
                    customers.next().unwrap_or_else(|| Err(Error::internal("nobody was asked")))?;
                if customer.records.contains(&message.record) { Ok(message.clone()) } else { Err(reused()) }
            }
        };
        Ok(found.into_iter().map(&mut pick).collect())
    }
}

/// What two requests under one key have to do with each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Same {
    Yes,
    /// The customer goes by another name.
    ButForTheName,
    No,
}

fn same(message: &Message, request: &pb::SendMessageRequest) -> Same {
    let digest = digest(request);
    if message.digest == digest {
        Same::Yes
    } else if message.digest.get(..MEANING) == digest.get(..MEANING) {
        Same::ButForTheName
    } else {
        Same::No
    }
}

/// Bytes of a digest that do not depend on the customer's name.
const MEANING: usize = 32;

/// What must be the same under the same idempotency key, everything but the traces of what caused it: SHA-256 of the
/// message meant, then that of the customer's name.
pub(super) fn digest(request: &pb::SendMessageRequest) -> Vec<u8> {
    let meaning = pb::SendMessageRequest {
        customer: None,
        cause_id: String::new(),
        cause_depth: 0,
        event: None,
        idempotency_key: String::new(),
        ..request.clone()
    };
    let name =
        pb::SendMessageRequest { customer: request.customer.clone(), ..pb::SendMessageRequest::default() };
    [meaning, name].iter().flat_map(|part| Sha256::digest(part.encode_to_vec())).collect()
}

fn reused() -> Error {
    let text =
        "the idempotency key was used for another message; use a key of its own for each message meant";
    Error::new(Kind::AlreadyExists, "IDEMPOTENCY_KEY_REUSED", text)
}
