//! `SendMessage` and `SendMessages`: checked, made durable together, once per idempotency key.

mod check;
mod enqueue;
mod same;
mod subject;

use chassis::Caller;
use kernel::{Error, Result};
use wire::messaging as pb;

use super::{Api, convert};

/// Most requests of one call.
const MOST: usize = 500;

impl Api {
    pub(super) async fn do_send_message(
        &self,
        caller: Caller,
        request: pb::SendMessageRequest,
    ) -> Result<pb::SendMessageResponse> {
        let mut results = self.send_all(&caller, vec![request]).await?;
        let message = results.pop().unwrap_or_else(|| Err(Error::internal("a request has no result")))?;
        Ok(pb::SendMessageResponse { message: Some(convert::message(message)) })
    }

    pub(super) async fn do_send_messages(
        &self,
        caller: Caller,
        request: pb::SendMessagesRequest,
    ) -> Result<pb::SendMessagesResponse> {
        use pb::send_messages_response::Result as Answer;
        if request.requests.len() > MOST {
            return Err(Error::invalid("requests", format!("at most {MOST} in one call")));
        }
        let results = self.send_all(&caller, request.requests).await?;
        let answer = |result: Result<_>| match result {
            Ok(message) => Answer { message: Some(convert::message(message)), ..Answer::default() },
            Err(error) => Answer { message: None, reason: error.reason.to_owned(), error: error.message },
        };
        Ok(pb::SendMessagesResponse { results: results.into_iter().map(answer).collect() })
    }
}
