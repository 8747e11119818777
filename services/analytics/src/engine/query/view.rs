//! A run with the columns that a query needs of it.

use std::sync::Arc;

use kernel::{Error, Result};

use super::Filter;
use crate::domain::Bits;
use crate::engine::cache::{Cache, ColumnKey};
use crate::engine::columns::{self, Hot, Keys, Names, Numbers, Received};
use crate::engine::people::Grouping;
use crate::engine::run::Run;
use crate::engine::walk;

/// Different keys of a breakdown, at the most.
pub(crate) const MAX_KEYS: usize = 10_000;

/// Everything one query sees of a workspace, unchanged while it runs.
#[derive(Debug)]
pub(crate) struct Snapshot {
    pub(crate) runs: Vec<Run>,
    pub(crate) people: Arc<Grouping>,
    pub(crate) names: Arc<Names>,
}

/// What a query needs of each run.
pub(crate) struct Needs<'a> {
    pub(crate) breakdown: Option<&'a str>,
    pub(crate) numbers: Option<&'a str>,
    pub(crate) received: bool,
    /// Per event name (empty: whatever the customer did) and filter, one set of matching rows.
    pub(crate) filters: Vec<(&'a str, &'a Filter)>,
}

/// A run's columns.
pub(crate) struct View {
    pub(crate) hot: Arc<Hot>,
    pub(crate) keys: Option<Arc<Keys>>,
    pub(crate) numbers: Option<Arc<Numbers>>,
    pub(crate) received: Option<Arc<Received>>,
    pub(crate) matches: Vec<Arc<Bits>>,
}

/// Loads what is needed of the runs that touch `[from, to]`, on several threads.
pub(crate) fn load(
    snapshot: &Snapshot,
    cache: &Cache,
    threads: usize,
    range: (i64, i64),
    needs: &Needs<'_>,
) -> Result<Vec<View>> {
    let runs: Vec<&Run> = snapshot.runs.iter().filter(|run| run.touches(range.0, range.1)).collect();
    // Dealt out in turn, so that large and small runs come to every thread.
    let parts = walk::parallel(threads.min(runs.len()).max(1), |at| {
        runs.iter()
            .skip(at)
            .step_by(threads)
            .map(|run| view(run, &snapshot.names, cache, needs))
            .collect::<Result<Vec<_>>>()
    })?;
    Ok(parts.into_iter().flatten().collect())
}

fn view(run: &Run, names: &Names, cache: &Cache, needs: &Needs<'_>) -> Result<View> {
    let id = run.id();
    let hot = cache.get(id, ColumnKey::Hot, || columns::hot(run, names))?;
    let matching = needs.filters.iter().map(|(name, filter)| {
        cache.get(id, ColumnKey::Matches((*name).to_owned(), filter.source.clone()), || {
            let wanted = names.table(|other| is_meant(name, other));
            let is_wanted = |row: usize| wanted[hot.names[row] as usize];
            columns::matches(run, hot.names.len(), is_wanted, &*filter.test)
        })
    });
    Ok(View {
        matches: matching.collect::<Result<Vec<_>>>()?,
        keys: needs
            .breakdown
            .map(|path| cache.get(id, ColumnKey::Keys(path.to_owned()), || columns::keys(run, path)))
            .transpose()?,
        numbers: needs
            .numbers
            .map(|path| cache.get(id, ColumnKey::Numbers(path.to_owned()), || columns::numbers(run, path)))
            .transpose()?,
        received: needs
            .received
            .then(|| cache.get(id, ColumnKey::Received, || columns::received(run)))
            .transpose()?,
        hot,
    })
}

/// Whether a query for `wanted` (empty: whatever the customer did) means events called `name`.
pub(crate) fn is_meant(wanted: &str, name: &str) -> bool {
    if wanted.is_empty() { rules::is_behaviour(name) } else { wanted == name }
}

impl View {
    /// The breakdown's key of a row.
    pub(crate) fn key(&self, row: usize) -> Option<&Arc<str>> {
        let keys = self.keys.as_ref()?;
        keys.keys.get(*keys.codes.get(row)? as usize)
    }
}

/// Numbers groups as their keys turn up, one worker's own.
pub(crate) struct Groups {
    /// By run and the run's number of the key.
    known: Vec<Vec<u32>>,
    pub(crate) keys: Vec<Arc<str>>,
    by_key: std::collections::HashMap<Arc<str>, u32>,
}

impl Groups {
    pub(crate) fn new(views: &[View]) -> Self {
        let known =
            views.iter().map(|view| vec![u32::MAX; view.keys.as_ref().map_or(0, |keys| keys.keys.len())]);
        Self { known: known.collect(), keys: Vec::new(), by_key: std::collections::HashMap::new() }
    }

    /// The group of a row; the second says whether it is new.
    #[inline]
    pub(crate) fn of(&mut self, views: &[View], run: usize, row: usize) -> Result<(usize, bool)> {
        let Some(keys) = &views[run].keys else {
            let new = self.keys.is_empty();
            if new {
                self.keys.push("".into());
            }
            return Ok((0, new));
        };
        let code = keys.codes[row] as usize;
        match self.known[run][code] {
            u32::MAX => self.meet(run, code, &keys.keys[code]),
            group => Ok((group as usize, false)),
        }
    }

    fn meet(&mut self, run: usize, code: usize, key: &Arc<str>) -> Result<(usize, bool)> {
        let (group, new) = match self.by_key.get(key) {
            Some(group) => (*group, false),
            None if self.keys.len() >= MAX_KEYS => {
                return Err(Error::invalid(
                    "breakdown",
                    format!("has more than {MAX_KEYS} different values; break down by a property with fewer"),
                ));
            }
            None => {
                let group = u32::try_from(self.keys.len()).unwrap_or(u32::MAX);
                self.keys.push(key.clone());
                self.by_key.insert(key.clone(), group);
                (group, true)
            }
        };
        self.known[run][code] = group;
        Ok((group as usize, new))
    }
}
