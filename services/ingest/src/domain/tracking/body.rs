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

/// A body that was read; its calls are still text, so that one that is wrong spoils no other.
#[derive(Debug, Default)]
pub(crate) struct Body<'a> {
    /// Where SDKs put the write key that send no header; empty when there is none.
    pub(crate) write_key: String,
    defaults: Map<String, Value>,
    calls: Vec<&'a str>,
}

/// Members of a batch.
#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow)]
    batch: Option<Vec<&'a RawValue>>,
    context: Option<Value>,
    #[serde(rename = "sentAt")]
    sent_at: Option<Value>,
    #[serde(rename = "writeKey")]
    write_key: Option<Value>,
}

/// Members of one call that matter before the call does.
#[derive(Deserialize)]
struct Head {
    #[serde(rename = "writeKey")]
    write_key: Option<Value>,
}

/// Why a body cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Flaw {
    /// `NOT_JSON`, or `WRONG_SHAPE` for JSON of another form.
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
    pub(crate) fn read(endpoint: Endpoint, bytes: &'a [u8]) -> Result<Self, Flaw> {
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        match endpoint {
            Endpoint::One(call) => {
                let text = std::str::from_utf8(bytes).map_err(|_| Flaw {
                    reason: "NOT_JSON",
                    message: "the body is not UTF-8; send JSON in UTF-8".to_owned(),
                })?;
                let wanted = "a call is one object, such as {\"event\": \"加入购物车\", \"userId\": \"u1\"}; a list of \
                              them goes to /v1/batch";
                let head: Head = serde_json::from_str(text).map_err(|cause| Flaw::of(&cause, wanted))?;
                let defaults = Map::from_iter([("type".to_owned(), Value::from(call.name()))]);
                Ok(Self { write_key: as_text(head.write_key), defaults, calls: vec![text] })
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
                let defaults =
                    given.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect();
                let calls = batch.into_iter().map(RawValue::get).collect();
                Ok(Self { write_key: as_text(envelope.write_key), defaults, calls })
            }
        }
    }

    /// The calls as text, in order.
    pub(crate) fn calls(&self) -> &[&'a str] {
        &self.calls
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

fn as_text(value: Option<Value>) -> String {
    value.map(|value| text(&Map::from_iter([(String::new(), value)]), "")).unwrap_or_default()
}
