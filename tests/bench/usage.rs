//! Processor time and memory of processes, from `/proc` (proc(5)).

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

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

/// Processor seconds so far of everything on the machine, on all cores.
///
/// # Errors
/// When `/proc` cannot be read.
pub(crate) fn machine_cpu_seconds() -> Result<f64> {
    let stat = std::fs::read_to_string("/proc/stat")?;
    // User, nice, system, then idle and waiting for disks, then interrupts of two kinds.
    let ticks: Vec<f64> = stat.split_whitespace().skip(1).map_while(|field| field.parse().ok()).collect();
    Ok([0, 1, 2, 5, 6].iter().filter_map(|at| ticks.get(*at)).sum::<f64>() / TICKS_PER_SECOND)
}

/// Processor seconds by kind of thread, or by process.
#[derive(Debug, Default)]
pub(crate) struct Parts(BTreeMap<String, f64>);

impl Parts {
    pub(crate) fn add(&mut self, name: impl Into<String>, seconds: f64) {
        *self.0.entry(name.into()).or_insert(0.0) += seconds;
    }

    /// What was spent since then.
    pub(crate) fn since(mut self, before: &Self) -> Self {
        for (name, seconds) in &mut self.0 {
            *seconds -= before.0.get(name).copied().unwrap_or_default();
        }
        self
    }

    pub(crate) fn total(&self) -> f64 {
        self.0.values().sum()
    }
}

impl fmt::Display for Parts {
    /// Those that count.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let used = self.0.iter().filter(|(_, spent)| **spent >= 0.05);
        let text: Vec<String> = used.map(|(name, spent)| format!("{name} {spent:.2}")).collect();
        f.write_str(&text.join(", "))
    }
}

/// A process as it is now.
#[derive(Debug)]
pub(crate) struct Process {
    /// Processor seconds so far, those of its ended children included.
    pub(crate) cpu_seconds: f64,
    /// Most memory in use at one time, in MB.
    pub(crate) peak_megabytes: f64,
}

impl Process {
    /// The one with this number.
    ///
    /// # Errors
    /// When it is gone.
    pub(crate) fn of(number: u32) -> Result<Self> {
        let folder = Path::new("/proc").join(number.to_string());
        let stat = std::fs::read_to_string(folder.join("stat"))?;
        let peak_megabytes = peak(&std::fs::read_to_string(folder.join("status"))?)?;
        Ok(Self { cpu_seconds: ticks(&stat, &[11, 12, 13, 14])? / TICKS_PER_SECOND, peak_megabytes })
    }

    /// All that run this program.
    ///
    /// # Errors
    /// When `/proc` cannot be read.
    pub(crate) fn named(program: &str) -> Result<Vec<Self>> {
        let mut found = Vec::new();
        for entry in std::fs::read_dir("/proc")? {
            let Ok(number) = entry?.file_name().to_string_lossy().parse() else { continue };
            let name = std::fs::read_to_string(format!("/proc/{number}/comm")).unwrap_or_default();
            // It may end while we look.
            found.extend(Self::of(number).ok().filter(|_| name.trim() == program));
        }
        Ok(found)
    }
}

/// Fields 14 and 15 of a stat line: user and system.
fn seconds(stat: &str) -> Result<f64> {
    Ok(ticks(stat, &[11, 12])? / TICKS_PER_SECOND)
}

/// The sum of these fields, counted behind the name in field 2, which may hold spaces and ends with the last `)`.
fn ticks(stat: &str, fields: &[usize]) -> Result<f64> {
    let all: Vec<&str> = stat.rsplit_once(')').context("an odd stat file")?.1.split_whitespace().collect();
    let value = |at: &usize| all.get(*at).and_then(|field| field.parse::<f64>().ok()).unwrap_or_default();
    Ok(fields.iter().map(value).sum())
}

/// Processor seconds so far by kind of thread: names without their numbers.
///
/// # Errors
/// When `/proc` cannot be read.
pub(crate) fn cpu_by_thread() -> Result<Parts> {
    let mut by_kind = Parts::default();
    for task in std::fs::read_dir("/proc/self/task")? {
        let folder = task?.path();
        // A thread may end while we look.
        let (Ok(name), Ok(stat)) =
            (std::fs::read_to_string(folder.join("comm")), std::fs::read_to_string(folder.join("stat")))
        else {
            continue;
        };
        let kind = name.trim().trim_end_matches(|c: char| c.is_ascii_digit() || c == '-').to_owned();
        by_kind.add(kind, seconds(&stat)?);
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
    peak(&std::fs::read_to_string("/proc/self/status")?)
}

/// A process that ended has none.
fn peak(status: &str) -> Result<f64> {
    let Some(line) = status.lines().find_map(|line| line.strip_prefix("VmHWM:")) else { return Ok(0.0) };
    let kilobytes: f64 = line.trim().trim_end_matches("kB").trim().parse()?;
    Ok(kilobytes / 1_000.0)
}
