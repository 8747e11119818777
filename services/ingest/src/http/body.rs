//! Bodies: read up to a limit, inflated up to another.

use std::io::Read as _;

use axum::body::Body;
use bytes::{Bytes, BytesMut};
use flate2::read::MultiGzDecoder;
use futures::StreamExt as _;
use http::{HeaderMap, header};

use super::answer::Problem;

/// Of a body that is too large, so many times the limit is read and thrown away: most senders look for the answer only
/// once they have sent everything.
const PATIENCE: usize = 8;

/// Limits in bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// As sent.
    pub(super) sent: usize,
    /// Inflated.
    pub(super) inflated: usize,
}

/// The body, inflated if it is gzipped; `remedy` says what to do about one that is too large. The Content-Type is not
/// looked at: SDKs send all kinds of them.
pub(super) async fn read(
    headers: &HeaderMap,
    body: Body,
    limits: Limits,
    remedy: &'static str,
) -> Result<Bytes, Problem> {
    let too_large = |(limit, option): (usize, &str)| {
        let message = format!("the body has more than {limit} bytes (ingest.http.{option}); {remedy}");
        Problem::bad("BODY_TOO_LARGE", message)
    };
    let sent = receive(body, limits.sent).await?.ok_or_else(|| too_large((limits.sent, "max_body_bytes")))?;
    let encoding = headers.get(header::CONTENT_ENCODING).map_or("", |value| value.to_str().unwrap_or("?"));
    match encoding.trim().to_ascii_lowercase().as_str() {
        "" | "identity" => Ok(sent),
        "gzip" | "x-gzip" => {
            inflate(&sent, limits.inflated)?.ok_or_else(|| too_large((limits.inflated, "max_inflated_bytes")))
        }
        _ => Err(Problem::bad("UNKNOWN_ENCODING", "Content-Encoding may be gzip or left out")),
    }
}

/// `None` for one that is too large.
async fn receive(body: Body, limit: usize) -> Result<Option<Bytes>, Problem> {
    let mut stream = body.into_data_stream();
    let mut bytes = BytesMut::new();
    let mut read = 0;
    while let Some(chunk) = stream.next().await {
        let chunk = chunk
            .map_err(|_| Problem::bad("BODY_CUT_SHORT", "the body did not arrive whole; send it again"))?;
        read += chunk.len();
        if read <= limit {
            bytes.extend_from_slice(&chunk);
        } else if read > limit.saturating_mul(PATIENCE) {
            break;
        }
    }
    Ok((read <= limit).then(|| bytes.freeze()))
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
