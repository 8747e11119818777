//! What a stretch of work was bound by, from the kernel's counters of the whole machine: processor time (`/proc/stat`),
//! bytes written and flushes of all disks (`/proc/diskstats`, flushes since Linux 5.5), and how much of the time somebody
//! waited for a core or for a disk (`/proc/pressure`). They speak of the work alone only where nothing else runs.

use std::ops::{Add, Sub};
use std::path::Path;

use anyhow::Result;
use tokio::time::Instant;

use crate::figure::number;
use crate::usage;

/// Share of all cores from which on work counts as bound by them, and of the time for the disk.
const BOUND: f64 = 0.8;
/// Share of the time that somebody waited for a core from which on neighbours are named.
const CROWDED: f64 = 0.5;

/// Sums since the machine or the process started.
#[derive(Clone, Copy, Debug, Default)]
struct Counters {
    /// Processor seconds of all cores.
    cpu: f64,
    /// Bytes written to disks.
    written: f64,
    /// Seconds in which somebody waited for a core.
    waited_core: f64,
    /// Seconds in which somebody waited for a disk.
    waited_disk: f64,
    /// Flushes of disks.
    flushes: f64,
    /// Seconds they took, all added up.
    flushing: f64,
}

/// Work under measurement.
#[derive(Debug)]
pub(crate) struct Meter {
    begin: Instant,
    before: Counters,
}

/// Work that was measured, in one stretch or several.
#[derive(Debug, Default)]
pub(crate) struct Work {
    seconds: f64,
    spent: Counters,
}

impl Meter {
    /// Begins a stretch.
    ///
    /// # Errors
    /// When `/proc` cannot be read.
    pub(crate) fn start() -> Result<Self> {
        Ok(Self { before: counters()?, begin: Instant::now() })
    }

    /// Ends it.
    ///
    /// # Errors
    /// When `/proc` cannot be read.
    pub(crate) fn stop(self, work: &mut Work) -> Result<()> {
        work.seconds += self.begin.elapsed().as_secs_f64();
        work.spent = work.spent + (counters()? - self.before);
        Ok(())
    }
}

impl Work {
    /// For the table's last column: a word, and the figures it stands on.
    pub(crate) fn bound(&self) -> String {
        let share = |seconds: f64| seconds / self.seconds.max(f64::MIN_POSITIVE);
        let cores = std::thread::available_parallelism().map_or(1.0, |cores| cores.get() as f64);
        let (busy, disk) =
            (share(self.spent.cpu), share(self.spent.flushing).max(share(self.spent.waited_disk)));
        let word = match (busy / cores >= BOUND, disk >= BOUND) {
            (true, false) => "processor",
            (false, true) => "disk",
            (true, true) => "processor and disk",
            (false, false) if share(self.spent.waited_core) >= CROWDED => "cores shared with others",
            (false, false) => "neither processor nor disk: waits in between",
        };
        let each = self.spent.flushing / self.spent.flushes.max(1.0) * 1_000.0;
        format!(
            "measured: {word} ({busy:.2} of {cores:.0} cores busy; somebody waited for a core {:.0} % of the time, for the \
             disk {:.0} %; {} flushes of {each:.2} ms, {:.0} % of the time; {} MB written)",
            share(self.spent.waited_core) * 100.0,
            share(self.spent.waited_disk) * 100.0,
            number(self.spent.flushes),
            share(self.spent.flushing) * 100.0,
            number(self.spent.written / 1e6)
        )
    }
}

impl Add for Counters {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            cpu: self.cpu + other.cpu,
            written: self.written + other.written,
            waited_core: self.waited_core + other.waited_core,
            waited_disk: self.waited_disk + other.waited_disk,
            flushes: self.flushes + other.flushes,
            flushing: self.flushing + other.flushing,
        }
    }
}

impl Sub for Counters {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        Self {
            cpu: self.cpu - other.cpu,
            written: self.written - other.written,
            waited_core: self.waited_core - other.waited_core,
            waited_disk: self.waited_disk - other.waited_disk,
            flushes: self.flushes - other.flushes,
            flushing: self.flushing - other.flushing,
        }
    }
}

fn counters() -> Result<Counters> {
    let [sectors, flushes, flushing] = disks(&read("/proc/diskstats"));
    Ok(Counters {
        cpu: usage::machine_cpu_seconds()?,
        written: sectors * 512.0,
        waited_core: after(&read("/proc/pressure/cpu"), "total=") / 1e6,
        waited_disk: after(&read("/proc/pressure/io"), "total=") / 1e6,
        flushes,
        flushing: flushing / 1_000.0,
    })
}

/// Empty where the kernel does not count this; its figures then stay 0.
fn read(file: &str) -> String {
    std::fs::read_to_string(file).unwrap_or_default()
}

/// The number behind the first `mark`.
fn after(text: &str, mark: &str) -> f64 {
    let number = text.split_once(mark).and_then(|(_, rest)| rest.split_whitespace().next());
    number.and_then(|number| number.parse().ok()).unwrap_or_default()
}

/// Sectors written, flushes and their milliseconds, of all disks (not their partitions): fields 7, 16 and 17 behind the
/// name (Documentation/admin-guide/iostats.rst).
fn disks(diskstats: &str) -> [f64; 3] {
    let mut sums = [0.0; 3];
    for line in diskstats.lines() {
        let fields: Vec<&str> = line.split_whitespace().skip(2).collect();
        let whole = fields.first().is_some_and(|name| Path::new("/sys/block").join(name).exists());
        for (sum, at) in sums.iter_mut().zip([7, 16, 17]).filter(|_| whole) {
            *sum += fields.get(at).and_then(|field| field.parse::<f64>().ok()).unwrap_or_default();
        }
    }
    sums
}
