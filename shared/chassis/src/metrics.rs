//! Rate, errors and duration of every method and route, and what waits or is in use, in Prometheus' text format.

mod gauges;
mod machine;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bus::Stream;
use kernel::Clock;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::{encode_eof, encode_registry};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;
use store::{Applied, Database, Leases};

use self::gauges::{Gauges, Watched};
use self::machine::Machine;
use crate::job::Alarm;
use crate::ready::Ready;

/// The metrics of a process. Cheap to clone. No label names a workspace or a customer: there would be no end of them.
#[derive(Clone, Debug)]
pub struct Metrics {
    registry: Arc<Mutex<Registry>>,
    calls: Family<CallLabels, Counter>,
    seconds: Family<MethodLabels, Histogram>,
    requests: Family<RequestLabels, Counter>,
    request_seconds: Family<RouteLabels, Histogram>,
    gauges: Arc<Gauges>,
    machine: Arc<Machine>,
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

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct RequestLabels {
    route: String,
    status: u16,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct RouteLabels {
    route: String,
}

impl Default for Metrics {
    fn default() -> Self {
        let durations = (|| Histogram::new(exponential_buckets(0.000_25, 2.0, 16))) as fn() -> Histogram;
        let (calls, requests) = (Family::default(), Family::default());
        let seconds = Family::new_with_constructor(durations);
        let request_seconds = Family::new_with_constructor(durations);
        let mut registry = Registry::with_prefix("guanxi");
        registry.register("rpc_calls", "Calls by method and gRPC code", calls.clone());
        registry.register("rpc_seconds", "Time to the (first) answer of a call", seconds.clone());
        registry.register("http_requests", "HTTP requests by route and status", requests.clone());
        registry.register("http_seconds", "Time to the answer of an HTTP request", request_seconds.clone());
        let gauges = Arc::new(Gauges::register(&mut registry));
        let registry = Arc::new(Mutex::new(registry));
        let machine = Arc::default();
        Self { registry, calls, seconds, requests, request_seconds, gauges, machine }
    }
}

impl Metrics {
    /// Counts a call by the code it ended with.
    pub(crate) fn count(&self, method: &str, code: &str) {
        self.calls.get_or_create(&CallLabels { method: method.to_owned(), code: code.to_owned() }).inc();
    }

    /// Notes how long a call's (first) answer took.
    pub(crate) fn time(&self, method: &str, took: Duration) {
        self.seconds.get_or_create(&MethodLabels { method: method.to_owned() }).observe(took.as_secs_f64());
    }

    /// Counts an HTTP request.
    pub(crate) fn request(&self, route: &str, status: u16, took: Duration) {
        self.requests.get_or_create(&RequestLabels { route: route.to_owned(), status }).inc();
        let labels = RouteLabels { route: route.to_owned() };
        self.request_seconds.get_or_create(&labels).observe(took.as_secs_f64());
    }

    /// From now on this service's database and leases are looked at.
    pub(crate) fn watch(&self, service: &'static str, db: &Database, leases: &Leases, clock: &Clock) {
        self.gauges.watch(Watched::new(service, db.clone(), leases.clone(), clock.clone()));
    }

    /// … and this consumer of its.
    pub fn watch_consumer(&self, service: &str, stream: Stream, applied: &Applied) {
        self.gauges.with(service, |watched| watched.consumers.push((stream, applied.clone())));
    }

    /// … and this job, which is `service`'s own, or that of whoever holds the lease.
    pub(crate) fn watch_job(&self, service: &str, name: &str, lease: Option<&str>, alarm: &Alarm) {
        let lease = lease.map(str::to_owned);
        self.gauges.with(service, |watched| watched.jobs.push((name.to_owned(), lease, alarm.clone())));
    }

    /// The process has stopped: databases are let go of, whoever still holds these metrics.
    pub(crate) fn unwatch(&self) {
        self.gauges.forget();
    }

    /// Adds a service's own metrics.
    pub fn register(&self, add: impl FnOnce(&mut Registry)) {
        add(&mut self.registry.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// All of them as text, after a look at what waits; answers within a few seconds whatever the databases do.
    pub(crate) async fn text(&self, ready: &Ready) -> String {
        self.gauges.look(ready).await;
        self.render()
    }

    /// All of them as text, as they stand.
    pub fn render(&self) -> String {
        let mut text = String::new();
        let registry = self.registry.lock().unwrap_or_else(PoisonError::into_inner);
        let written = encode_registry(&mut text, &registry)
            .and_then(|()| encode_registry(&mut text, &self.machine.read()))
            .and_then(|()| encode_eof(&mut text));
        match written {
            Ok(()) => text,
            Err(error) => format!("# the metrics could not be written: {error}\n"),
        }
    }
}
