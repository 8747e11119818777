//! The YAML shape of a journey, and what it becomes on the wire.

use std::collections::{BTreeMap, HashMap};

use chassis::values::to_struct;
use kernel::{Error, Result};
use prost_types::Struct;
use serde::Deserialize;
use serde_json::{Map, Value};
use wire::journey::entry::Trigger;
use wire::journey::wait::Until;
use wire::journey::{
    Branch, Case, DateTrigger, Definition, Entry, Exit, Journey, Node, Purpose, ReEntry, Send, Update, Wait,
    WaitFor, node,
};

use super::document::{duration, unknown};
use super::resource::Resource;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct JourneyDocument {
    key: String,
    #[serde(default)]
    name: String,
    definition: DefinitionDocument,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct DefinitionDocument {
    entry: EntryDocument,
    start: String,
    nodes: BTreeMap<String, NodeDocument>,
    #[serde(default)]
    exit_when: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct EntryDocument {
    event: Option<String>,
    segment_entered: Option<String>,
    segment_exited: Option<String>,
    date: Option<DateDocument>,
    #[serde(default)]
    condition: String,
    re_entry: Option<ReEntryDocument>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct DateDocument {
    attribute: String,
    #[serde(default)]
    offset_days: i32,
    #[serde(default)]
    at: String,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum ReEntryDocument {
    Word(String),
    After { after: String },
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct NodeDocument {
    wait: Option<WaitDocument>,
    wait_for: Option<WaitForDocument>,
    branch: Option<Vec<CaseDocument>>,
    send: Option<SendDocument>,
    update: Option<UpdateDocument>,
    exit: Option<ExitDocument>,
    #[serde(default)]
    next: String,
    #[serde(default)]
    matched: String,
    #[serde(default)]
    timed_out: String,
    #[serde(default)]
    otherwise: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct WaitDocument {
    duration: Option<String>,
    time_of_day: Option<String>,
    date: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct WaitForDocument {
    event: String,
    #[serde(default)]
    condition: String,
    timeout: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct CaseDocument {
    when: String,
    next: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct SendDocument {
    channels: Vec<String>,
    template: String,
    #[serde(default)]
    purpose: String,
    #[serde(default)]
    variables: Map<String, Value>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct UpdateDocument {
    #[serde(default)]
    attributes: Map<String, Value>,
    #[serde(default)]
    add_tags: Vec<String>,
    #[serde(default)]
    remove_tags: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ExitDocument {
    #[serde(default)]
    reason: String,
}

impl JourneyDocument {
    /// As it goes over the wire.
    ///
    /// # Errors
    /// [`kernel::Kind::Invalid`] that names the journey and the field.
    pub(super) fn into_resource(self) -> Result<Resource> {
        let Self { key, name, definition } = self;
        let mut nodes = HashMap::new();
        for (id, node) in definition.nodes {
            let place = format!("{key}: nodes.{id}");
            nodes.insert(id, node.into_node(&place)?);
        }
        let definition = Definition {
            entry: Some(definition.entry.into_entry(&key)?),
            start: definition.start,
            nodes,
            exit_when: definition.exit_when,
        };
        Ok(Resource::Journey(Journey { key, name, definition: Some(definition), ..Journey::default() }))
    }
}

impl EntryDocument {
    fn into_entry(self, key: &str) -> Result<Entry> {
        let triggers = [
            self.event.map(Trigger::Event),
            self.segment_entered.map(Trigger::SegmentEntered),
            self.segment_exited.map(Trigger::SegmentExited),
            self.date.map(|d| {
                Trigger::Date(DateTrigger { attribute: d.attribute, offset_days: d.offset_days, at: d.at })
            }),
        ];
        let trigger = only(triggers).map_err(|count| {
            let allowed = "event, segment_entered, segment_exited, date";
            Error::invalid(format!("{key}: entry"), format!("has {count} triggers; give one of {allowed}"))
        })?;
        let (re_entry, re_entry_after) = match self.re_entry {
            None => (ReEntry::AfterExit, None),
            Some(ReEntryDocument::After { after }) => {
                (ReEntry::After, Some(duration(key, "entry.re_entry.after", &after)?))
            }
            Some(ReEntryDocument::Word(word)) => (re_entry(key, &word)?, None),
        };
        Ok(Entry {
            trigger: Some(trigger),
            condition: self.condition,
            re_entry: re_entry.into(),
            re_entry_after,
        })
    }
}

fn re_entry(key: &str, word: &str) -> Result<ReEntry> {
    match word {
        "never" => Ok(ReEntry::Never),
        "after_exit" => Ok(ReEntry::AfterExit),
        "always" => Ok(ReEntry::Always),
        _ => Err(unknown(key, "entry.re_entry", word, "never, after_exit, always, {after: 30d}")),
    }
}

impl NodeDocument {
    fn into_node(self, place: &str) -> Result<Node> {
        let kinds = [
            self.wait.map(|wait| wait.into_wait(place).map(node::Kind::Wait)).transpose()?,
            match self.wait_for {
                Some(wait_for) => Some(node::Kind::WaitFor(WaitFor {
                    event: wait_for.event,
                    condition: wait_for.condition,
                    timeout: Some(duration(place, "wait_for.timeout", &wait_for.timeout)?),
                    matched: self.matched,
                    timed_out: self.timed_out,
                })),
                None => None,
            },
            self.branch.map(|cases| {
                let cases = cases.into_iter().map(|case| Case { when: case.when, next: case.next }).collect();
                node::Kind::Branch(Branch { cases, otherwise: self.otherwise })
            }),
            self.send.map(|send| send.into_send(place).map(node::Kind::Send)).transpose()?,
            self.update.map(|update| {
                node::Kind::Update(Update {
                    attributes: some_struct(update.attributes),
                    add_tags: update.add_tags,
                    remove_tags: update.remove_tags,
                })
            }),
            self.exit.map(|exit| node::Kind::Exit(Exit { reason: exit.reason })),
        ];
        let kind = only(kinds).map_err(|count| {
            let allowed = "wait, wait_for, branch, send, update, exit";
            Error::invalid(place, format!("is {count} things at once; give one of {allowed}"))
        })?;
        Ok(Node { kind: Some(kind), next: self.next })
    }
}

impl WaitDocument {
    fn into_wait(self, place: &str) -> Result<Wait> {
        let until = [
            self.duration
                .map(|text| duration(place, "wait.duration", &text).map(Until::Duration))
                .transpose()?,
            self.time_of_day.map(Until::TimeOfDay),
            match self.date {
                Some(text) => {
                    let time = kernel::Time::parse(&text)
                        .map_err(|description| Error::invalid(format!("{place}: wait.date"), description))?;
                    Some(Until::Date(time.into()))
                }
                None => None,
            },
        ];
        let until = only(until).map_err(|_| {
            Error::invalid(format!("{place}: wait"), "give one of duration, time_of_day, date")
        })?;
        Ok(Wait { until: Some(until) })
    }
}

impl SendDocument {
    fn into_send(self, place: &str) -> Result<Send> {
        let purpose = match self.purpose.as_str() {
            "" => Purpose::Unspecified,
            "marketing" => Purpose::Marketing,
            "service" => Purpose::Service,
            "transactional" => Purpose::Transactional,
            word => return Err(unknown(place, "send.purpose", word, "marketing, service, transactional")),
        };
        Ok(Send {
            channels: self.channels,
            template: self.template,
            purpose: purpose.into(),
            variables: some_struct(self.variables),
        })
    }
}

fn some_struct(object: Map<String, Value>) -> Option<Struct> {
    (!object.is_empty()).then(|| to_struct(object))
}

/// The one that is given, else how many are.
fn only<T, const N: usize>(options: [Option<T>; N]) -> Result<T, usize> {
    let mut given: Vec<T> = options.into_iter().flatten().collect();
    match (given.len(), given.pop()) {
        (1, Some(one)) => Ok(one),
        (count, _) => Err(count),
    }
}
