//! What the process takes of its machine, where the system says so in `/proc`.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{MutexGuard, PoisonError};

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

/// Linux counts processor time to programs in hundredths of a second, on every machine.
const TICKS: f64 = 100.0;

/// Processor time and memory, under the names that every Prometheus client gives them.
#[derive(Debug)]
pub(super) struct Machine {
    registry: Mutex<Registry>,
    seconds: Counter<f64, AtomicU64>,
    bytes: Gauge,
}

impl Default for Machine {
    fn default() -> Self {
        let (seconds, bytes) = (Counter::default(), Gauge::default());
        let mut registry = Registry::default();
        registry.register("process_cpu_seconds", "Processor time of the process", seconds.clone());
        registry.register("process_resident_memory_bytes", "Memory of the process", bytes.clone());
        Self { registry: Mutex::new(registry), seconds, bytes }
    }
}

impl Machine {
    /// As it is now.
    pub(super) fn read(&self) -> MutexGuard<'_, Registry> {
        if let Some(seconds) = std::fs::read_to_string("/proc/self/stat").ok().as_deref().and_then(seconds) {
            self.seconds.inner().store(seconds.to_bits(), Ordering::Relaxed);
        }
        if let Some(bytes) = std::fs::read_to_string("/proc/self/status").ok().as_deref().and_then(bytes) {
            self.bytes.set(bytes);
        }
        self.registry.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The 14th and 15th field (proc(5)); the second, the program's name, may hold blanks and brackets.
fn seconds(stat: &str) -> Option<f64> {
    let (_, fields) = stat.rsplit_once(')')?;
    let mut ticks = fields.split_whitespace().skip(11).map(|field| field.parse::<f64>().ok());
    Some((ticks.next()?? + ticks.next()??) / TICKS)
}

fn bytes(status: &str) -> Option<i64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<i64>().ok().map(|kilobytes| kilobytes * 1_024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_counted_behind_the_name() {
        let stat = "7 (a) b (c) S 1 7 7 0 -1 4194560 1 2 3 4 250 50 8 9 20 0 1 0 5";
        assert_eq!(seconds(stat), Some(3.0));
        assert_eq!(bytes("Name:\tx\nVmRSS:\t   12 kB\n"), Some(12_288));
    }
}
