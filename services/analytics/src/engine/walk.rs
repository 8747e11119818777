//! One linear pass over all customers, their events gathered from every run; the customers shared out to threads.

use std::ops::Range;
use std::sync::Arc;

use kernel::{Error, Result};

use super::columns::Hot;
use super::people::Grouping;

/// Rows of one record in one run: `from..to` of run `run`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Span {
    pub(crate) run: usize,
    pub(crate) from: usize,
    pub(crate) to: usize,
}

/// Calls `each` once per customer with its spans (one or more), on `threads` threads, each with a worker of its own.
pub(crate) fn customers<W: Send>(
    threads: usize,
    hots: &[Arc<Hot>],
    people: &Grouping,
    make: impl Fn() -> W + Sync,
    each: impl Fn(&mut W, &[Span]) -> Result<()> + Sync,
) -> Result<Vec<W>> {
    let threads = threads.max(1);
    let ranges = shares(hots, threads);
    let groups: Vec<&[Vec<u32>]> =
        people.groups.chunks(people.groups.len().div_ceil(threads).max(1)).collect();
    let work = |at: usize| {
        let mut worker = make();
        let range = ranges.get(at).cloned().unwrap_or(0..0);
        singles(hots, people, range, |spans| each(&mut worker, spans))?;
        for group in groups.get(at).copied().unwrap_or_default() {
            let spans = group_spans(hots, group);
            if !spans.is_empty() {
                each(&mut worker, &spans)?;
            }
        }
        Ok(worker)
    };
    parallel(threads, work)
}

/// Runs `work(0)`, …, `work(threads - 1)`, each on its own thread.
pub(crate) fn parallel<T: Send>(threads: usize, work: impl Fn(usize) -> Result<T> + Sync) -> Result<Vec<T>> {
    if threads == 1 {
        return Ok(vec![work(0)?]);
    }
    std::thread::scope(|scope| {
        let work = &work;
        let handles: Vec<_> = (0..threads).map(|at| scope.spawn(move || work(at))).collect();
        let joined = handles.into_iter().map(|handle| handle.join());
        joined
            .map(|result| result.unwrap_or_else(|_| Err(Error::internal("a query's thread panicked"))))
            .collect()
    })
}

/// Ranges of records with about the same number of rows.
fn shares(hots: &[Arc<Hot>], threads: usize) -> Vec<Range<u32>> {
    let mut cuts = vec![0];
    // The largest run speaks for all.
    if let Some(hot) = hots.iter().max_by_key(|hot| hot.times.len()) {
        for part in 1..threads {
            let row = u32::try_from(hot.times.len() * part / threads).unwrap_or(u32::MAX);
            let at = hot.starts.partition_point(|start| *start < row);
            cuts.push(hot.records.get(at).copied().unwrap_or(u32::MAX));
        }
    }
    cuts.push(u32::MAX);
    cuts.windows(2).map(|pair| pair[0]..pair[1]).collect()
}

/// Customers of one record, by moving through all runs in step.
fn singles(
    hots: &[Arc<Hot>],
    people: &Grouping,
    range: Range<u32>,
    mut each: impl FnMut(&[Span]) -> Result<()>,
) -> Result<()> {
    let mut cursors: Vec<usize> =
        hots.iter().map(|hot| hot.records.partition_point(|record| *record < range.start)).collect();
    let mut spans = Vec::with_capacity(hots.len());
    loop {
        let heads = hots.iter().zip(&cursors).filter_map(|(hot, at)| hot.records.get(*at));
        let Some(record) = heads.min().copied().filter(|record| *record < range.end) else { return Ok(()) };
        spans.clear();
        for (run, (hot, at)) in hots.iter().zip(&mut cursors).enumerate() {
            if hot.records.get(*at) == Some(&record) {
                spans.push(Span { run, from: hot.starts[*at] as usize, to: hot.starts[*at + 1] as usize });
                *at += 1;
            }
        }
        if !people.shared.contains(record as usize) {
            each(&spans)?;
        }
    }
}

/// The rows of a customer of several records, looked up one by one.
fn group_spans(hots: &[Arc<Hot>], records: &[u32]) -> Vec<Span> {
    let mut spans = Vec::new();
    for (run, hot) in hots.iter().enumerate() {
        let found = records.iter().filter_map(|record| hot.records.binary_search(record).ok());
        spans.extend(found.map(|at| Span {
            run,
            from: hot.starts[at] as usize,
            to: hot.starts[at + 1] as usize,
        }));
    }
    spans
}
