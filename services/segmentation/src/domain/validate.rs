//! Whether something may be saved: keys, conditions with the place of every mistake, no rings of segments.

use std::collections::BTreeSet;

use kernel::{Error, Result, Violation};
use rules::{Condition, Schema};

use super::catalogue::Catalogue;
use super::definition::{Definition, Kind, Part};

/// What somebody wants to save.
#[derive(Clone, Debug)]
pub(crate) struct Draft {
    pub(crate) key: String,
    pub(crate) name: String,
    pub(crate) kind: Kind,
    pub(crate) parts: Vec<DraftPart>,
}

/// A part of it, and the path of its condition in the request.
#[derive(Clone, Debug)]
pub(crate) struct DraftPart {
    pub(crate) key: String,
    pub(crate) name: String,
    pub(crate) condition: Option<String>,
    pub(crate) field: String,
}

impl Draft {
    /// # Errors
    /// [`kernel::Kind::Invalid`] with everything that is wrong.
    pub(crate) fn check(&self, catalogue: &Catalogue) -> Result<()> {
        let schema = Schema { segments: Some(catalogue.segment_keys()), ..Schema::open() };
        let mut wrong = Vec::new();
        let root = if self.kind == Kind::Tiers { "tier_set" } else { "segment" };
        if !is_key(&self.key, self.kind) {
            wrong.push(violation(format!("{root}.key"), KEY_FORM));
        }
        if self.name.chars().count() > 200 {
            wrong.push(violation(format!("{root}.name"), "at most 200 characters"));
        }
        for part in &self.parts {
            let Some(text) = &part.condition else { continue };
            match Condition::customer(text, &schema) {
                Err(problems) => wrong.extend(problems.at(&part.field).violations),
                Ok(condition) => {
                    let segments = &condition.uses().segments;
                    if let Some(way) = self.way_back(segments, catalogue) {
                        wrong.push(violation(part.field.clone(), format!("a ring of segments: {way}")));
                    }
                }
            }
        }
        if self.kind == Kind::Tiers {
            self.check_tiers(&mut wrong);
        }
        if wrong.is_empty() { Ok(()) } else { Err(Error::violations(wrong)) }
    }

    fn check_tiers(&self, wrong: &mut Vec<Violation>) {
        let Some((last, others)) = self.parts.split_last() else {
            wrong.push(violation("tier_set.tiers", "give at least one tier"));
            return;
        };
        if last.condition.is_some() {
            wrong.push(violation(
                last.field.clone(),
                "the last tier takes the rest: leave its condition empty",
            ));
        }
        for part in others.iter().filter(|part| part.condition.is_none()) {
            wrong.push(violation(part.field.clone(), "only the last tier has no condition; write one"));
        }
        let mut keys = BTreeSet::new();
        for (at, part) in self.parts.iter().enumerate() {
            let field = format!("tier_set.tiers[{at}].key");
            if !is_key(&part.key, Kind::Tiers) {
                wrong.push(violation(field, KEY_FORM));
            } else if !keys.insert(&part.key) {
                wrong.push(violation(field, "another tier has this key"));
            }
        }
    }

    /// How the segments that a condition asks for lead back to this one.
    fn way_back(&self, asked: &BTreeSet<String>, catalogue: &Catalogue) -> Option<String> {
        if self.kind == Kind::Tiers {
            return None;
        }
        let mut seen = BTreeSet::new();
        let mut ways: Vec<Vec<String>> =
            asked.iter().map(|key| vec![self.key.clone(), key.clone()]).collect();
        while let Some(way) = ways.pop() {
            let Some(last) = way.last().cloned() else { continue };
            if last == self.key {
                return Some(way.join(" → "));
            }
            if seen.insert(last.clone()) {
                let next = catalogue.asked_by(&last);
                ways.extend(next.into_iter().map(|key| way.iter().cloned().chain([key]).collect()));
            }
        }
        None
    }

    /// The parts to save: those that stay keep their ids, a condition that stays keeps its number.
    pub(crate) fn parts(&self, before: &[Part], next_id: &mut u32) -> Vec<Part> {
        let mut fresh = || {
            let id = *next_id;
            *next_id = next_id.saturating_add(1);
            id
        };
        let mut part = |draft: &DraftPart| {
            let old = before.iter().find(|old| old.key == draft.key);
            let same = old.filter(|old| old.condition == draft.condition);
            Part {
                id: old.map_or_else(&mut fresh, |old| old.id),
                key: draft.key.clone(),
                name: draft.name.clone(),
                condition: draft.condition.clone(),
                clause: same.map_or_else(&mut fresh, |same| same.clause),
            }
        };
        self.parts.iter().map(&mut part).collect()
    }

    /// Whether saving this changes who is in what.
    pub(crate) fn changes(&self, before: &Definition) -> bool {
        let same =
            |(draft, part): (&DraftPart, &Part)| draft.key == part.key && draft.condition == part.condition;
        self.parts.len() != before.latest.len() || !self.parts.iter().zip(&before.latest).all(same)
    }
}

const KEY_FORM: &str =
    "lower-case letters, digits, `_`, `.` and `-`, beginning with a letter or digit, at most 63";

/// A slug; that of a rule may have a prefix, as in `tag:travel_lover`.
fn is_key(key: &str, kind: Kind) -> bool {
    let slug = |text: &str| {
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
        text.len() <= 63
            && text.starts_with(plain)
            && text.chars().all(|c| plain(c) || matches!(c, '_' | '.' | '-'))
    };
    match key.split_once(':') {
        Some((prefix, rest)) if kind == Kind::Rule => slug(prefix) && slug(rest),
        _ => slug(key),
    }
}

fn violation(field: impl Into<String>, description: impl Into<String>) -> Violation {
    Violation { field: field.into(), description: description.into() }
}
