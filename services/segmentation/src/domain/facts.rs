//! What the other services said of one record, and its fold over the records of a customer.

use std::collections::BTreeSet;

use kernel::survivorship::{Attributes, Stated, fold, state};
use kernel::{Error, Result, Time};
use rules::Facts;
use serde_json::{Map, Value};

/// Attributes with their evidence and tags, of one record.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
pub(crate) struct RecordFacts {
    #[serde(default, skip_serializing_if = "Attributes::is_empty")]
    pub(crate) attributes: Attributes<Value>,
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub(crate) tags: BTreeSet<String>,
}

impl RecordFacts {
    /// Takes in a `profile.updated`; says which attributes changed.
    pub(crate) fn update(
        &mut self,
        statement: &Map<String, Value>,
        time: Time,
        event_id: &str,
    ) -> Vec<String> {
        let Some(Value::Object(values)) = statement.get("attributes") else { return Vec::new() };
        let priority = statement.get("priority").and_then(Value::as_i64).and_then(|p| i32::try_from(p).ok());
        let by = statement.get("by").and_then(Value::as_str).unwrap_or(event_id);
        let mut changed = Vec::new();
        for (name, value) in values {
            let value = Some(value.clone()).filter(|value| !value.is_null());
            let stated = Stated { value, time, priority: priority.unwrap_or(0), by: by.to_owned() };
            if state(&mut self.attributes, name, stated) {
                changed.push(name.clone());
            }
        }
        changed
    }

    pub(crate) fn encode(&self) -> Result<String> {
        if self.attributes.is_empty() && self.tags.is_empty() {
            return Ok(String::new());
        }
        serde_json::to_string(self)
            .map_err(|cause| Error::internal("facts cannot be written").caused_by(cause))
    }

    pub(crate) fn decode(text: &str) -> Result<Self> {
        if text.is_empty() {
            return Ok(Self::default());
        }
        serde_json::from_str(text)
            .map_err(|cause| Error::internal("facts of a record are damaged").caused_by(cause))
    }
}

/// The customer's facts: by survivorship and by union.
pub(crate) fn of_customer<'a>(records: impl Iterator<Item = &'a RecordFacts> + Clone) -> Facts {
    Facts {
        attributes: fold(records.clone().map(|facts| &facts.attributes)).into_iter().collect(),
        tags: records.flat_map(|facts| facts.tags.iter().cloned()).collect(),
        scores: std::collections::BTreeMap::new(),
    }
}
