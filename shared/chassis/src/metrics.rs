//! Rate, errors and duration of every method, in Prometheus' text format.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;

/// The metrics of a process. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Metrics {
    registry: Arc<Mutex<Registry>>,
    calls: Family<CallLabels, Counter>,
    seconds: Family<MethodLabels, Histogram>,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct CallLabels {
    method: String,
    code: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct MethodLabels {
    method: String,
}

impl Default for Metrics {
    fn default() -> Self {
        let calls = Family::default();
        let seconds = Family::new_with_constructor(
            (|| Histogram::new(exponential_buckets(0.000_25, 2.0, 16))) as fn() -> Histogram,
        );
        let mut registry = Registry::with_prefix("guanxi");
        registry.register("rpc_calls", "Calls by method and gRPC code", calls.clone());
        registry.register("rpc_seconds", "Duration of calls", seconds.clone());
        Self { registry: Arc::new(Mutex::new(registry)), calls, seconds }
    }
}

impl Metrics {
    /// Counts one call.
    pub(crate) fn record(&self, method: &str, code: &str, took: Duration) {
        self.calls.get_or_create(&CallLabels { method: method.to_owned(), code: code.to_owned() }).inc();
        self.seconds.get_or_create(&MethodLabels { method: method.to_owned() }).observe(took.as_secs_f64());
    }

    /// Adds a service's own metrics.
    pub fn register(&self, add: impl FnOnce(&mut Registry)) {
        add(&mut self.registry.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// All of them as text.
    pub fn render(&self) -> String {
        let mut text = String::new();
        let registry = self.registry.lock().unwrap_or_else(PoisonError::into_inner);
        match prometheus_client::encoding::text::encode(&mut text, &registry) {
            Ok(()) => text,
            Err(error) => format!("# the metrics could not be written: {error}\n"),
        }
    }
}
