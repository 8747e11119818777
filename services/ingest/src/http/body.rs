//! Bodies: read up to a limit and within a time, inflated up to another limit, each byte in the room that the process has
//! for requests.

use std::io::Read as _;
use std::time::Duration;

use axum::body::Body;
use bytes::{Bytes, BytesMut};
use chassis::http::Claim;
use flate2::read::MultiGzDecoder;
use futures::StreamExt as _;
use http::{HeaderMap, StatusCode, header};

use super::Web;
use super::answer::Problem;

/// Of a body that is too large, so many times the limit is read and thrown away: most senders look for the answer only
/// once they have sent everything.
const PATIENCE: usize = 8;

/// Limits of one body.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// Bytes as sent.
    pub(super) sent: usize,
    /// Bytes inflated.
    pub(super) inflated: usize,
    /// Time to arrive: whoever is slower, or sends nothing, would keep a place that others need.
    pub(super) patience: Duration,
}

/// The body, inflated if it is gzipped; `remedy` says what to do about one that is too large. The Content-Type is not
/// looked at: SDKs send all kinds of them.
pub(super) async fn read(
    web: &Web,
    claim: &Claim,
    headers: &HeaderMap,
    body: Body,
    remedy: &'static str,
) -> Result<Bytes, Problem> {
    let limits = web.limits;
    let too_large = |(limit, option): (usize, &str)| {
        let message = format!("the body has more than {limit} bytes (ingest.http.{option}); {remedy}");
        Problem::bad("BODY_TOO_LARGE", message)
    };
    let full = |error: kernel::Error| Problem::of(&error, web.clock.now());
    let received = tokio::time::timeout(limits.patience, receive(body, limits.sent, claim)).await;
    let sent = match received.map_err(|_| too_slow(limits.patience))? {
        Received::Whole(sent) => sent,
        Received::TooLarge => return Err(too_large((limits.sent, "max_body_bytes"))),
        Received::CutShort => {
            return Err(Problem::bad("BODY_CUT_SHORT", "the body did not arrive whole; send it again"));
        }
        Received::NoRoom(error) => return Err(full(error)),
    };
    let encoding = headers.get(header::CONTENT_ENCODING).map_or("", |value| value.to_str().unwrap_or("?"));
    match encoding.trim().to_ascii_lowercase().as_str() {
        "" | "identity" => Ok(sent),
        "gzip" | "x-gzip" => {
            let inflated = inflate(&sent, limits.inflated)?;
            let inflated = inflated.ok_or_else(|| too_large((limits.inflated, "max_inflated_bytes")))?;
            claim.take(inflated.len()).map_err(full)?;
            Ok(inflated)
        }
        _ => Err(Problem::bad("UNKNOWN_ENCODING", "Content-Encoding may be gzip or left out")),
    }
}

fn too_slow(patience: Duration) -> Problem {
    let message = format!(
        "the body did not arrive within {patience:?} (ingest.http.body_timeout); send it again, in smaller parts where the \
         line is slow"
    );
    Problem::new(StatusCode::REQUEST_TIMEOUT, "BODY_TOO_SLOW", message)
}

/// What came of receiving a body.
enum Received {
    Whole(Bytes),
    TooLarge,
    CutShort,
    NoRoom(kernel::Error),
}

/// What will be refused is read to its end all the same, and not kept.
async fn receive(body: Body, limit: usize, claim: &Claim) -> Received {
    let mut stream = body.into_data_stream();
    let (mut bytes, mut read, mut no_room) = (BytesMut::new(), 0, None);
    while let Some(chunk) = stream.next().await {
        let Ok(chunk) = chunk else { return Received::CutShort };
        read += chunk.len();
        if read > limit.saturating_mul(PATIENCE) {
            break;
        }
        if read <= limit && no_room.is_none() {
            no_room = claim.take(chunk.len()).err();
            bytes.extend_from_slice(&chunk);
        }
        if read > limit || no_room.is_some() {
            bytes = BytesMut::new();
            claim.give_back();
        }
    }
    match no_room {
        _ if read > limit => Received::TooLarge,
        Some(error) => Received::NoRoom(error),
        None => Received::Whole(bytes.freeze()),
    }
}

/// Stops one byte behind the limit: a small body that would inflate without end costs no more than that.
fn inflate(gzipped: &[u8], limit: usize) -> Result<Option<Bytes>, Problem> {
    let mut bytes = Vec::new();
    let most = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    MultiGzDecoder::new(gzipped).take(most).read_to_end(&mut bytes).map_err(|_| {
        let message =
            "the body is not the gzip that Content-Encoding says it is; leave the header out, or gzip it";
        Problem::bad("NOT_GZIP", message)
    })?;
    Ok((bytes.len() <= limit).then(|| bytes.into()))
}
