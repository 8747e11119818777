//! Structured logs (text for people, JSON for machines) and, where a collector is named, traces by OTLP.

use std::io::IsTerminal as _;

use kernel::{Error, Result};
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_otlp::WithExportConfig as _;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer as _};

use crate::config::{Log, LogFormat};

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

/// Installs the log once per process; tests leave it out. Spans go to `collector` (`http://host:port` of OTLP by gRPC)
/// unless it is empty. Call it within a Tokio runtime.
///
/// # Errors
/// [`kernel::Kind::Precondition`] for a filter or collector that cannot be read, or when a log is installed already.
pub fn install(log: &Log, collector: &str) -> Result<Telemetry> {
    let filter = EnvFilter::try_new(&log.filter).map_err(|cause| {
        let message = format!("common.log.filter: {cause}; write something like `info,identity=debug`");
        Error::precondition("CONFIG_INVALID", message)
    })?;
    let colours = std::io::stderr().is_terminal();
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_ansi(colours);
    let lines = match log.format {
        LogFormat::Text => lines.with_target(false).boxed(),
        LogFormat::Json => lines.json().flatten_event(true).boxed(),
    };
    let provider = (!collector.is_empty()).then(|| exporter(collector)).transpose()?;
    // Telemetry about telemetry would never end.
    let ours = tracing_subscriber::filter::filter_fn(|metadata| {
        !["h2", "hyper", "tonic", "tower", "opentelemetry"]
            .iter()
            .any(|name| metadata.target().starts_with(name))
    });
    let spans = provider.as_ref().map(|provider| {
        tracing_opentelemetry::layer().with_tracer(provider.tracer("guanxi")).with_filter(ours)
    });
    tracing_subscriber::registry().with(filter).with(spans).with(lines).try_init().map_err(|cause| {
        Error::precondition("LOG_INSTALLED", format!("the log could not be installed: {cause}"))
    })?;
    Ok(Telemetry { provider })
}

fn exporter(collector: &str) -> Result<SdkTracerProvider> {
    let exporter =
        opentelemetry_otlp::SpanExporter::builder().with_tonic().with_endpoint(collector).build().map_err(
            |cause| {
                let message = format!(
                    "common.telemetry.collector: `{collector}` is no address such as http://127.0.0.1:4317"
                );
                Error::precondition("CONFIG_INVALID", message).caused_by(cause)
            },
        )?;
    Ok(SdkTracerProvider::builder()
        .with_resource(Resource::builder().with_service_name("guanxi").build())
        .with_batch_exporter(exporter)
        .build())
}
