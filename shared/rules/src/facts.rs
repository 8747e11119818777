//! What is known of a customer besides events.

use std::collections::{BTreeMap, BTreeSet};

use crate::value::Val;

/// Attributes, tags and scores as they stand: of a customer, so after the fold over its records.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Facts {
    /// Attributes by name.
    pub attributes: serde_json::Map<String, serde_json::Value>,
    /// Keys of the tags.
    pub tags: BTreeSet<String>,
    /// Scores by key.
    pub scores: BTreeMap<String, f64>,
}

impl Facts {
    pub(crate) fn attribute(&self, path: &[String]) -> Val<'_> {
        let Some((first, rest)) = path.split_first() else { return Val::Null };
        let found = rest
            .iter()
            .try_fold(self.attributes.get(first), |value, step| Some(value?.as_object()?.get(step)));
        found.flatten().map_or(Val::Null, Val::json)
    }

    pub(crate) fn tags(&self) -> Val<'_> {
        Val::List(self.tags.iter().map(|key| Val::text(key)).collect())
    }

    pub(crate) fn score(&self, key: &str) -> Val<'_> {
        self.scores.get(key).map_or(Val::Null, |score| Val::number(*score))
    }
}
