//! What every process does alike: configuration, telemetry, calls in and out, who is calling, background work, drain.
//!
//! A service implements [`Service`]; [`Process`] runs any set of them in one process. Calls between services look the
//! same whether the other one runs in this process or elsewhere ([`rpc`]).

pub mod audit;
pub mod auth;
pub mod caller;
pub mod config;
mod event_log;
pub mod fact;
pub mod http;
pub mod job;
pub mod limit;
pub mod metrics;
pub mod process;
pub mod ready;
pub mod rpc;
pub mod service;
pub mod status;
pub mod tasks;
pub mod telemetry;
pub mod tls;
pub mod trace;
pub mod values;

pub use caller::Caller;
pub use config::Layers;
pub use job::Alarm;
pub use process::{Assembly, Process, Running};
pub use service::{Context, Parts, Service};
pub use tasks::Tasks;
