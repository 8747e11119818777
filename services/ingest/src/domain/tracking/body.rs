//! The body of a request: one call or a batch of them, whatever its Content-Type says.

use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::call::Call;
use super::json::{complete, text};

/// What a path of the API takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Endpoint {
    /// One call.
    One(Call),
    /// Many, in `batch`.
    Batch,
}

impl Endpoint {
    /// `track` or `t`, `batch`, `b` or `import`, and so on.
    pub(crate) fn parse(segment: &str) -> Option<Self> {
        Some(match segment {
            "batch" | "b" | "import" => Self::Batch,
            "t" => Self::One(Call::Track),
            "i" => Self::One(Call::Identify),
            "p" => Self::One(Call::Page),
            "s" => Self::One(Call::Screen),
            "g" => Self::One(Call::Group),
            "a" => Self::One(Call::Alias),
            long => Self::One(Call::parse(long)?),
        })
    }
}

/// Longer write keys are not looked at.
const MAX_WRITE_KEY: usize = 1 << 10;

/// What a body may hold. Its own length does not say what it costs: what stands beside a batch is lent to every call.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Calls.
    pub(crate) calls: usize,
    /// Bytes of one call, with what it is lent.
    pub(crate) call: usize,
    /// Bytes of all calls together, each with what it is lent.
    pub(crate) all: usize,
}

impl Limits {
    /// Looks at a batch before anything is made of it.
    fn check(&self, calls: &[&RawValue], lent: usize) -> Result<(), Flaw> {
        let flaw = |reason, message| Err(Flaw { reason, message });
        let (count, most) = (calls.len(), self.calls);
        if count > most {
            let message = format!(
                "{count} calls; a batch has at most {most} (ingest.max_batch_events): send its calls in several batches"
            );
            return flaw("TOO_MANY_EVENTS", message);
        }
        if lent > self.call {
            let message = format!(
                "what stands beside the batch has {lent} bytes and belongs to every call; an event has at most {} \
                 (ingest.event.max_bytes): leave out what is large",
                self.call
            );
            return flaw("EVENT_TOO_LARGE", message);
        }
        let all: usize = calls.iter().map(|call| call.get().len() + lent).sum();
        if all > self.all {
            let message = format!(
                "with what stands beside the batch and belongs to every call, the calls have {all} bytes; at most {} are \
                 taken (ingest.http.max_inflated_bytes): send its calls in several batches",
                self.all
            );
            return flaw("BODY_TOO_LARGE", message);
        }
        Ok(())
    }
}

/// A body that was read; its calls are still text, so that one that is wrong spoils no other.
#[derive(Debug, Default)]
pub(crate) struct Body<'a> {
    /// Where SDKs put the write key that send no header; empty when there is none.
    pub(crate) write_key: String,
    defaults: Map<String, Value>,
    /// Bytes of what stands beside a batch.
    lent: usize,
    calls: Vec<&'a str>,
}

/// Members of a batch.
#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow)]
    batch: Option<Vec<&'a RawValue>>,
    #[serde(borrow)]
    context: Option<&'a RawValue>,
    #[serde(borrow, rename = "sentAt")]
    sent_at: Option<&'a RawValue>,
    #[serde(borrow, rename = "writeKey")]
    write_key: Option<&'a RawValue>,
}

/// Members of one call that matter before the call does.
#[derive(Deserialize)]
struct Head<'a> {
    #[serde(borrow, rename = "writeKey")]
    write_key: Option<&'a RawValue>,
}

/// Why a body cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Flaw {
    /// `NOT_JSON`, `WRONG_SHAPE` for JSON of another form, or which limit it goes beyond.
    pub(crate) reason: &'static str,
    /// Place and remedy.
    pub(crate) message: String,
}

impl Flaw {
    /// The reader's complaint, and what was `wanted`.
    fn of(cause: &serde_json::Error, wanted: &str) -> Self {
        let place = format!("line {}, column {}", cause.line(), cause.column());
        let (reason, message) = if cause.is_data() {
            ("WRONG_SHAPE", format!("the body is JSON of another form ({place}); {wanted}"))
        } else {
            ("NOT_JSON", format!("the body is not JSON, or ends too early ({place}); {wanted}"))
        };
        Self { reason, message }
    }
}

impl<'a> Body<'a> {
    /// Reads it.
    ///
    /// # Errors
    /// What is wrong with it, for people.
    pub(crate) fn read(endpoint: Endpoint, bytes: &'a [u8], limits: &Limits) -> Result<Self, Flaw> {
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        match endpoint {
            Endpoint::One(_) if bytes.len() > limits.call => Err(Flaw {
                reason: "EVENT_TOO_LARGE",
                message: format!(
                    "an event has at most {} bytes (ingest.event.max_bytes); leave out what is large",
                    limits.call
                ),
            }),
            Endpoint::One(call) => {
                let text = std::str::from_utf8(bytes).map_err(|_| Flaw {
                    reason: "NOT_JSON",
                    message: "the body is not UTF-8; send JSON in UTF-8".to_owned(),
                })?;
                let wanted = "a call is one object, such as {\"event\": \"加入购物车\", \"userId\": \"u1\"}; a list of \
                              them goes to /v1/batch";
                let head: Head<'_> = serde_json::from_str(text).map_err(|cause| Flaw::of(&cause, wanted))?;
                let defaults = Map::from_iter([("type".to_owned(), Value::from(call.name()))]);
                Ok(Self { write_key: as_text(head.write_key), defaults, lent: 0, calls: vec![text] })
            }
            Endpoint::Batch => {
                let wanted = "a batch is an object with a list `batch` of calls, such as {\"batch\": [{\"type\": \
                              \"track\", …}]}";
                let envelope: Envelope<'a> =
                    serde_json::from_slice(bytes).map_err(|cause| Flaw::of(&cause, wanted))?;
                let batch = envelope.batch.ok_or_else(|| Flaw {
                    reason: "WRONG_SHAPE",
                    message: format!("the body has no list `batch`; {wanted}"),
                })?;
                let given = [("context", envelope.context), ("sentAt", envelope.sent_at)];
                let given = || given.into_iter().filter_map(|(name, value)| Some((name, value?)));
                let lent = given().map(|(_, value)| value.get().len()).sum();
                limits.check(&batch, lent)?;
                let defaults = given()
                    .map(|(name, value)| Ok((name.to_owned(), lend(name, value)?)))
                    .collect::<Result<_, _>>()?;
                let calls = batch.into_iter().map(RawValue::get).collect();
                Ok(Self { write_key: as_text(envelope.write_key), defaults, lent, calls })
            }
        }
    }

    /// The calls as text, in order.
    pub(crate) fn calls(&self) -> &[&'a str] {
        &self.calls
    }

    /// Bytes of one call once it is completed, at the most.
    pub(crate) fn size(&self, text: &str) -> usize {
        text.len() + self.lent
    }

    /// One call, completed by what stands beside the batch; `None` when it is no JSON object.
    ///
    /// The envelope's `sentAt` wins over the call's own: it is the later one. On a path that names the type, the path
    /// decides.
    pub(crate) fn complete(&self, text: &str) -> Option<Map<String, Value>> {
        let mut call: Map<String, Value> = serde_json::from_str(text).ok()?;
        for decided in ["type", "sentAt"] {
            if let Some(value) = self.defaults.get(decided).filter(|value| !value.is_null()) {
                call.insert(decided.to_owned(), value.clone());
            }
        }
        complete(&mut call, &self.defaults);
        call.remove("writeKey");
        Some(call)
    }
}

/// What stands beside a batch; reading it can only fail for its depth.
fn lend(name: &str, value: &RawValue) -> Result<Value, Flaw> {
    serde_json::from_str(value.get()).map_err(|_| Flaw {
        reason: "WRONG_SHAPE",
        message: format!("`{name}` beside the batch is nested 128 levels or more; flatten it"),
    })
}

fn as_text(value: Option<&RawValue>) -> String {
    let value = value.map(RawValue::get).filter(|text| text.len() <= MAX_WRITE_KEY);
    let value = value.and_then(|text| serde_json::from_str(text).ok());
    value.map(|value| text(&Map::from_iter([(String::new(), value)]), "")).unwrap_or_default()
}
