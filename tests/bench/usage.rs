//! Processor time and memory of this process, from `/proc/self` (proc(5)).

use std::collections::BTreeMap;

use anyhow::{Context as _, Result};

/// `sysconf(_SC_CLK_TCK)` on every Linux there is.
const TICKS_PER_SECOND: f64 = 100.0;

/// Processor seconds so far, user and system, of all threads.
///
/// # Errors
/// When `/proc` cannot be read.
pub(crate) fn cpu_seconds() -> Result<f64> {
    seconds(&std::fs::read_to_string("/proc/self/stat")?)
}

/// Fields 14 and 15 of a stat line; the name in field 2 may hold spaces and ends with the last `)`.
fn seconds(stat: &str) -> Result<f64> {
    let fields: Vec<&str> = stat.rsplit_once(')').context("an odd stat file")?.1.split_whitespace().collect();
    let ticks = |at: usize| fields.get(at).and_then(|field| field.parse::<f64>().ok()).unwrap_or_default();
    Ok((ticks(11) + ticks(12)) / TICKS_PER_SECOND)
}

/// Processor seconds so far by kind of thread: names without their numbers.
///
/// # Errors
/// When `/proc` cannot be read.
pub(crate) fn cpu_by_thread() -> Result<BTreeMap<String, f64>> {
    let mut by_kind = BTreeMap::new();
    for task in std::fs::read_dir("/proc/self/task")? {
        let folder = task?.path();
        // A thread may end while we look.
        let (Ok(name), Ok(stat)) =
            (std::fs::read_to_string(folder.join("comm")), std::fs::read_to_string(folder.join("stat")))
        else {
            continue;
        };
        let kind = name.trim().trim_end_matches(|c: char| c.is_ascii_digit() || c == '-').to_owned();
        *by_kind.entry(kind).or_insert(0.0) += seconds(&stat)?;
    }
    Ok(by_kind)
}

/// Forgets the peak of memory, so that the next [`peak_megabytes`] is of what follows.
///
/// # Errors
/// When `/proc` cannot be written.
pub(crate) fn reset_peak() -> Result<()> {
    Ok(std::fs::write("/proc/self/clear_refs", "5")?)
}

/// Most memory in use at one time since the last [`reset_peak`], in MB.
///
/// # Errors
/// When `/proc` cannot be read.
pub(crate) fn peak_megabytes() -> Result<f64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).context("no VmHWM")?;
    let kilobytes: f64 = line.trim().trim_end_matches("kB").trim().parse()?;
    Ok(kilobytes / 1_000.0)
}
