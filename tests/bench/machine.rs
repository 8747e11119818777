//! The machine a run was made on, and how busy others kept it.

use std::fmt::Write as _;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result};

use crate::disk;
use crate::figure::number;

/// Lines for the head of `RESULTS.md`.
///
/// # Errors
/// When `/proc` cannot be read or the disk refuses.
pub(crate) fn describe() -> Result<String> {
    let mut text = String::new();
    let cores = std::thread::available_parallelism()?;
    writeln!(text, "- Machine: {} × {}, {} GB of memory", cores, model()?, memory()?)?;
    writeln!(text, "- Kernel: Linux {}", std::fs::read_to_string("/proc/sys/kernel/osrelease")?.trim())?;
    writeln!(text, "- Compiler: {}, release profile", said(Command::new("rustc").arg("--version"))?)?;
    writeln!(text, "- Project: {} at {}", env!("CARGO_PKG_VERSION"), commit())?;
    let syncs = disk::durable_appends(8_192, Duration::from_secs(2))?;
    writeln!(text, "- Disk: {} appends of 8 KiB with fdatasync a second", number(syncs))?;
    let load = std::fs::read_to_string("/proc/loadavg")?;
    let before = load.split_whitespace().next().unwrap_or("?").to_owned();
    writeln!(text, "- Load of the machine before the first bench (1 min): {before}")?;
    Ok(text)
}

fn commit() -> String {
    let mut git = Command::new("git");
    git.args(["describe", "--always", "--dirty"]).current_dir(tests::platform::root());
    said(&mut git).unwrap_or_else(|_| "no commit".to_owned())
}

fn said(command: &mut Command) -> Result<String> {
    Ok(tests::tools::run(command)?.trim().to_owned())
}

fn model() -> Result<String> {
    let text = std::fs::read_to_string("/proc/cpuinfo")?;
    let line = text.lines().find(|line| line.starts_with("model name"));
    Ok(line.and_then(|line| line.split_once(": ")).map_or("unknown processor", |(_, name)| name).to_owned())
}

fn memory() -> Result<u64> {
    let text = std::fs::read_to_string("/proc/meminfo")?;
    let kilobytes = text.lines().next().and_then(|line| line.split_whitespace().nth(1));
    Ok(kilobytes.context("no MemTotal")?.parse::<u64>()? / 1_000_000)
}
