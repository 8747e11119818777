//! Calls methods and finds what the audit log says of each call.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};

use crate::isolation::ask::{Answer, Asker};

/// How the log is read.
pub(super) const LIST: &str = "/guanxi.audit.v1.AuditService/ListAuditEntries";
/// What the calls belong to.
const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const TRACE_PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

/// A caller, and the entries it has met.
pub(super) struct Ledger {
    asker: Asker,
    /// Paths of the methods whose entries were found.
    pub(super) asked: BTreeSet<String>,
    /// Ids of entries.
    pub(super) met: BTreeSet<String>,
}

impl Ledger {
    pub(super) fn new(mut asker: Asker) -> Self {
        asker.trace = TRACE_PARENT;
        Self { asker, asked: BTreeSet::new(), met: BTreeSet::new() }
    }

    /// All entries that match, at most a thousand.
    pub(super) async fn entries(&self, mut filter: Value) -> Result<Vec<Value>> {
        filter["page_size"] = json!(1_000);
        let answer = self.asker.tell(LIST, filter).await?.first().context("no answer")?;
        ensure!(answer.get("nextPageToken").is_none(), "more than a page");
        Ok(answer["auditEntries"].as_array().cloned().unwrap_or_default())
    }

    /// All entries, in pages of that size.
    pub(super) async fn paged(&self, size: usize) -> Result<Vec<Value>> {
        let (mut all, mut token) = (Vec::new(), String::new());
        loop {
            let request = json!({"page_size": size, "page_token": token});
            let answer = self.asker.tell(LIST, request).await?;
            let page = answer.first().context("no answer")?;
            let entries = page["auditEntries"].as_array().context("an empty page")?;
            ensure!(entries.len() <= size, "a page is too long");
            all.extend(entries.iter().cloned());
            match answer.field("/nextPageToken") {
                Some(next) => token = next,
                None => return Ok(all),
            }
        }
    }

    /// What has been entered since it was looked last.
    pub(super) async fn fresh(&mut self) -> Result<Vec<Value>> {
        let mut entries = self.entries(json!({})).await?;
        entries
            .retain(|entry| entry["auditEntryId"].as_str().is_some_and(|id| self.met.insert(id.to_owned())));
        Ok(entries)
    }

    /// Calls a method that is not audited.
    pub(super) async fn call(&self, path: &str, request: Value) -> Result<Answer> {
        self.asker.tell(path, request).await
    }

    /// Calls a method that is audited but changes nothing this time, or is refused: no entry.
    pub(super) async fn silent(&mut self, path: &str, request: Value) -> Result<()> {
        self.asker.request(path, request).await?;
        let fresh = self.fresh().await?;
        ensure!(fresh.is_empty(), "{path} changed nothing and left {fresh:?}");
        Ok(())
    }

    /// Calls a method, whose entry for this resource must say (among other things) what was before and after; null: there
    /// was, or is, nothing. An empty id: whatever it is. Gives the answer, and the other entries of the call.
    pub(super) async fn told(
        &mut self,
        path: &str,
        request: Value,
        (kind, id): (&str, &str),
        before: Value,
        after: Value,
    ) -> Result<(Answer, Vec<Value>)> {
        let answer = self.asker.tell(path, request).await?;
        let method = path.trim_start_matches('/');
        let (own, others): (Vec<Value>, Vec<Value>) =
            self.fresh().await?.into_iter().partition(|entry| entry["method"] == method);
        ensure!(own.len() == 1, "{path} left {own:?} and {others:?}");
        let entry = &own[0];
        ensure!(entry["resourceKind"] == kind, "{path}: {entry}");
        ensure!(id.is_empty() || entry["resourceId"] == id, "{path}: {entry}");
        ensure!(entry["actor"].as_str().is_some_and(|actor| !actor.is_empty()), "{path}: {entry}");
        ensure!(entry["traceId"] == TRACE && entry["time"].is_string(), "{path}: {entry}");
        for (said, wanted) in [(&entry["before"], before), (&entry["after"], after)] {
            ensure!(contains(said, &wanted), "{path}: {wanted} is not in {entry}");
        }
        self.asked.insert(path.to_owned());
        Ok((answer, others))
    }
}

/// Whether everything of `part` is in `whole`; null is nothing at all.
fn contains(whole: &Value, part: &Value) -> bool {
    match (whole, part) {
        (Value::Object(whole), Value::Object(part)) => {
            part.iter().all(|(name, value)| whole.get(name).is_some_and(|whole| contains(whole, value)))
        }
        (Value::Array(whole), Value::Array(part)) => {
            whole.len() == part.len() && whole.iter().zip(part).all(|(whole, part)| contains(whole, part))
        }
        // A Struct has one kind of numbers.
        (Value::Number(whole), Value::Number(part)) => whole.as_f64() == part.as_f64(),
        _ => whole == part,
    }
}
