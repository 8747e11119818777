//! Asks any method for a word: the request is made from its descriptor.

use std::fmt::Write as _;

use anyhow::{Context as _, Result};
use prost::Message as _;
use prost_reflect::{DescriptorPool, DynamicMessage, FieldDescriptor, Kind, MessageDescriptor, Value};
use testkit::Stage;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request, Status};

/// Messages within messages beyond this are left out.
const DEPTH: usize = 4;
/// Answers of a stream that are looked at.
const ANSWERS: usize = 100;

/// A caller.
pub(crate) struct Asker {
    pool: DescriptorPool,
    channel: Channel,
    authorization: String,
    /// `traceparent` of its calls; empty: none.
    pub(crate) trace: &'static str,
}

/// What came of a call.
#[derive(Debug, PartialEq)]
pub(crate) struct Answer {
    pub(crate) code: Code,
    message: String,
    /// What else a refusal says, as it came.
    details: Vec<u8>,
    /// Every text in it, wherever it stands.
    pub(crate) texts: Vec<String>,
    /// As JSON, whose order does not depend on that of maps.
    json: Vec<String>,
}

impl Answer {
    /// A text at a place of the first message.
    pub(crate) fn field(&self, place: &str) -> Option<String> {
        self.first()?.pointer(place)?.as_str().map(str::to_owned)
    }

    /// The first message.
    pub(crate) fn first(&self) -> Option<serde_json::Value> {
        serde_json::from_str(self.json.first()?).ok()
    }

    /// All of it without what tells one call from another: the word that was asked for, ids, times and how far
    /// something is.
    pub(crate) fn shape(&self, word: &str) -> Result<(Code, String)> {
        let details = String::from_utf8_lossy(&self.details).replace(word, "WORD");
        let mut shape = format!("{} {details}", self.message.replace(word, "WORD"));
        for json in &self.json {
            let mut value = serde_json::from_str(json)?;
            blank(&mut value, word);
            write!(shape, " {value}")?;
        }
        Ok((self.code, shape))
    }

    pub(crate) fn says(&self, word: &str) -> bool {
        self.message.contains(word) || self.json.iter().any(|json| json.contains(word))
    }
}

impl Asker {
    pub(crate) fn new(stage: &Stage, token: &str) -> Result<Self> {
        Ok(Self {
            pool: DescriptorPool::decode(wire::DESCRIPTORS)?,
            channel: Endpoint::from_shared(format!("http://{}", stage.running.grpc))?.connect_lazy(),
            authorization: format!("Bearer {token}"),
            trace: "",
        })
    }

    /// Asks for `word`, which stands wherever the request names something.
    pub(crate) async fn ask(&self, path: &str, word: &str) -> Result<Answer> {
        let request = fill(&self.method(path)?.input(), word, 0);
        self.call(path, request).await
    }

    /// Sends a request written as JSON, which must be answered.
    pub(crate) async fn tell(&self, path: &str, json: serde_json::Value) -> Result<Answer> {
        let answer = self.request(path, json).await?;
        anyhow::ensure!(answer.code == Code::Ok, "{path}: {answer:?}");
        Ok(answer)
    }

    /// Sends a request written as JSON.
    pub(crate) async fn request(&self, path: &str, json: serde_json::Value) -> Result<Answer> {
        let request = DynamicMessage::deserialize(self.method(path)?.input(), json)?;
        self.call(path, request).await
    }

    fn method(&self, path: &str) -> Result<prost_reflect::MethodDescriptor> {
        let (service, method) =
            path.trim_start_matches('/').split_once('/').context("a path has two parts")?;
        let service = self.pool.get_service_by_name(service).context("no such service")?;
        service.methods().find(|known| known.name() == method).context("no such method")
    }

    async fn call(&self, path: &str, request: DynamicMessage) -> Result<Answer> {
        let output = self.method(path)?.output();
        let mut request = Request::new(request.encode_to_vec());
        request.metadata_mut().insert("authorization", self.authorization.parse()?);
        if !self.trace.is_empty() {
            request.metadata_mut().insert("traceparent", self.trace.parse()?);
        }
        let mut client = tonic::client::Grpc::new(self.channel.clone());
        client.ready().await?;
        let place = path.parse()?;
        let mut messages = Vec::new();
        let outcome = async {
            let mut stream = client.server_streaming(request, place, Raw).await?.into_inner();
            while let Some(bytes) = stream.message().await?
                && messages.len() < ANSWERS
            {
                messages.push(bytes);
            }
            Ok::<_, Status>(())
        };
        let mut answer = Answer {
            code: Code::Ok,
            message: String::new(),
            details: Vec::new(),
            texts: Vec::new(),
            json: Vec::new(),
        };
        if let Err(status) = outcome.await {
            (answer.code, answer.message) = (status.code(), status.message().to_owned());
            answer.details = status.details().to_vec();
        }
        for bytes in messages {
            let message = DynamicMessage::decode(output.clone(), bytes.as_slice())?;
            answer.json.push(serde_json::to_value(&message)?.to_string());
            gather(&Value::Message(message), &mut answer.texts);
        }
        answer.texts.sort_unstable();
        Ok(answer)
    }
}

/// A request that asks for `word`, and is otherwise as plain as it can be right.
fn fill(of: &MessageDescriptor, word: &str, depth: usize) -> DynamicMessage {
    let mut message = DynamicMessage::new(of.clone());
    for field in of.fields().filter(|_| !word.is_empty()) {
        let chosen = field.containing_oneof().is_none_or(|oneof| {
            // Of several ways to name a customer: by id.
            oneof.fields().next().is_some_and(|first| first.number() == field.number())
        });
        if !chosen || field.is_map() {
            continue;
        }
        if let Some(value) = value(&field, word, depth) {
            let value = if field.is_list() { Value::List(vec![value]) } else { value };
            message.set_field(&field, value);
        }
    }
    message
}

fn value(field: &FieldDescriptor, word: &str, depth: usize) -> Option<Value> {
    match field.kind() {
        Kind::String => text(field, word).map(Value::String),
        Kind::Enum(choices) => {
            // A channel that needs no settings.
            let plainest = choices.get_value_by_name("CHANNEL_KIND_SANDBOX");
            let choice = plainest.or_else(|| choices.values().find(|value| value.number() == 1))?;
            Some(Value::EnumNumber(choice.number()))
        }
        Kind::Message(inner) if inner.full_name() == "google.protobuf.Struct" => {
            let json = serde_json::json!({"city": "上海"});
            DynamicMessage::deserialize(inner, json).ok().map(Value::Message)
        }
        // Times and durations are left out, and with them every limit.
        Kind::Message(inner) if inner.full_name().starts_with("google.") => None,
        Kind::Message(inner) if depth < DEPTH => Some(Value::Message(fill(&inner, word, depth + 1))),
        _ => None,
    }
}

fn text(field: &FieldDescriptor, word: &str) -> Option<String> {
    let name = field.name();
    let says = match name {
        "page_token" | "expected_version" | "cause_id" | "trace_parent" | "html" => return None,
        "condition" | "filter" | "expression" => "events().count() > 0".to_owned(),
        "namespace" => "user_id".to_owned(),
        "event" | "names" => "product_viewed".to_owned(),
        "locale" => "zh-CN".to_owned(),
        "timezone" => "Asia/Shanghai".to_owned(),
        "name" | "text" | "subject" | "reason" | "group" | "owner" => "was_here".to_owned(),
        // Whatever else there is names something: customer_ids, key, segment, template, channels, value …
        _ => word.to_owned(),
    };
    Some(says)
}

fn blank(value: &mut serde_json::Value, word: &str) {
    match value {
        serde_json::Value::String(text) if uuid::Uuid::parse_str(text).is_ok() => *text = "ID".to_owned(),
        serde_json::Value::String(text) if text.parse::<jiff::Timestamp>().is_ok() => {
            *text = "TIME".to_owned()
        }
        serde_json::Value::String(text) => *text = text.replace(word, "WORD"),
        serde_json::Value::Array(values) => values.iter_mut().for_each(|value| blank(value, word)),
        serde_json::Value::Object(fields) => {
            // How far work in the background has come meanwhile.
            fields.retain(|name, _| !["progress", "state"].contains(&name.as_str()));
            fields.values_mut().for_each(|value| blank(value, word));
        }
        _ => {}
    }
}

fn gather(value: &Value, into: &mut Vec<String>) {
    match value {
        Value::String(text) => into.push(text.clone()),
        Value::Message(message) => message.fields().for_each(|(_, value)| gather(value, into)),
        Value::List(values) => values.iter().for_each(|value| gather(value, into)),
        Value::Map(entries) => entries.values().for_each(|value| gather(value, into)),
        _ => {}
    }
}

/// Messages as the bytes they are.
#[derive(Clone, Copy)]
struct Raw;

impl Codec for Raw {
    type Encode = Vec<u8>;
    type Decode = Vec<u8>;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        *self
    }

    fn decoder(&mut self) -> Self {
        *self
    }
}

impl Encoder for Raw {
    type Item = Vec<u8>;
    type Error = Status;

    fn encode(&mut self, item: Vec<u8>, into: &mut EncodeBuf<'_>) -> Result<(), Status> {
        bytes::BufMut::put_slice(into, &item);
        Ok(())
    }
}

impl Decoder for Raw {
    type Item = Vec<u8>;
    type Error = Status;

    fn decode(&mut self, from: &mut DecodeBuf<'_>) -> Result<Option<Vec<u8>>, Status> {
        let mut item = vec![0; bytes::Buf::remaining(from)];
        bytes::Buf::copy_to_slice(from, &mut item);
        Ok(Some(item))
    }
}
