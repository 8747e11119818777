//! Structured logs (text for people, JSON for machines) and, where a collector is named, traces by OTLP.

mod json;

use std::io::IsTerminal as _;

use kernel::{Error, Result};
use opentelemetry::KeyValue;
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_otlp::WithExportConfig as _;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{Sampler, SdkTracerProvider};
use tracing_subscriber::filter::{FilterExt as _, filter_fn};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer as _};

use self::json::JsonLines;
use crate::config::{self, Log, LogFormat};
use crate::trace::TARGET;

/// Ends the telemetry of a process; spans not exported yet are sent when it is dropped.
#[derive(Debug)]
pub struct Telemetry {
    provider: Option<SdkTracerProvider>,
}

impl Drop for Telemetry {
    fn drop(&mut self) {
        if let Some(Err(error)) = self.provider.take().map(|provider| provider.shutdown()) {
            tracing::warn!(%error, "the last spans were not exported");
        }
    }
}

/// Libraries whose spans would be telemetry about telemetry, which never ends.
const CARRIERS: [&str; 5] = ["h2", "hyper", "tonic", "tower", "opentelemetry"];

/// Installs the log of a process that serves `service` (several: with commas between them), once; tests leave it out.
/// Spans go to the collector (`http://host:port` of OTLP by gRPC) unless none is named; log lines stay out of them. Call
/// it within a Tokio runtime.
///
/// # Errors
/// [`kernel::Kind::Precondition`] for a filter, collector or share that cannot be, or when a log is installed already.
pub fn install(log: &Log, traces: &config::Telemetry, service: &str) -> Result<Telemetry> {
    let filter = EnvFilter::try_new(&log.filter).map_err(|cause| {
        let message = format!("common.log.filter: {cause}; write something like `info,identity=debug`");
        Error::precondition("CONFIG_INVALID", message)
    })?;
    let colours = std::io::stderr().is_terminal();
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_ansi(colours);
    let lines = match log.format {
        LogFormat::Text => lines.with_target(false).boxed(),
        LogFormat::Json => lines.with_ansi(false).event_format(JsonLines::of(service)).boxed(),
    };
    let lines = lines.with_filter(filter.and(filter_fn(|metadata| metadata.target() != TARGET)));
    let provider = (!traces.collector.is_empty()).then(|| exporter(traces, service)).transpose()?;
    let wanted = filter_fn(|metadata| {
        metadata.is_span()
            && *metadata.level() <= tracing::Level::INFO
            && !CARRIERS.iter().any(|name| metadata.target().starts_with(name))
    });
    let spans = provider.as_ref().map(|provider| {
        tracing_opentelemetry::layer().with_tracer(provider.tracer("guanxi")).with_filter(wanted)
    });
    tracing_subscriber::registry().with(spans).with(lines).try_init().map_err(|cause| {
        Error::precondition("LOG_INSTALLED", format!("the log could not be installed: {cause}"))
    })?;
    Ok(Telemetry { provider })
}

fn exporter(traces: &config::Telemetry, service: &str) -> Result<SdkTracerProvider> {
    let config::Telemetry { collector, sample } = traces;
    if !(0.0..=1.0).contains(sample) {
        let message = format!("common.telemetry.sample: {sample} is no share; write a number from 0 to 1");
        return Err(Error::precondition("CONFIG_INVALID", message));
    }
    let exporter =
        opentelemetry_otlp::SpanExporter::builder().with_tonic().with_endpoint(collector).build().map_err(
            |cause| {
                let message = format!(
                    "common.telemetry.collector: `{collector}` is no address such as http://127.0.0.1:4317"
                );
                Error::precondition("CONFIG_INVALID", message).caused_by(cause)
            },
        )?;
    let resource = Resource::builder()
        .with_service_name(service.to_owned())
        .with_attribute(KeyValue::new("service.namespace", "guanxi"))
        .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
        .build();
    Ok(SdkTracerProvider::builder()
        .with_resource(resource)
        .with_sampler(Sampler::ParentBased(Box::new(Sampler::TraceIdRatioBased(*sample))))
        .with_batch_exporter(exporter)
        .build())
}
