//! Configuration in layers: compiled-in defaults < file < environment < `--set`. Unknown keys are refused by name.

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use config::{Config, Environment, File, FileFormat};
use jiff::tz::TimeZone;
use kernel::{Error, Result, Secret, Workspace, Workspaces};
use serde::de::DeserializeOwned;
use store::DatabaseConfig;

use crate::service::Service;

/// Before names of environment variables: `GUANXI_IDENTITY__DATABASE__URL`.
const PREFIX: &str = "GUANXI";

/// Variables of that prefix which are options of the command line and no settings.
const READ_ELSEWHERE: [&str; 6] = [
    "GUANXI_CONFIG",
    "GUANXI_SERVER",
    "GUANXI_TOKEN",
    "GUANXI_AUTHORITY",
    "GUANXI_CERTIFICATE",
    "GUANXI_KEY",
];

/// The section `common`.
#[derive(Clone, Debug, serde::Deserialize, serde::Serialize)]
#[serde(deny_unknown_fields)]
pub struct Common {
    /// Folder of everything that is kept when no other place is named.
    pub data: PathBuf,
    /// Address of gRPC.
    pub grpc: SocketAddr,
    /// Address of HTTP.
    pub http: SocketAddr,
    /// Development mode.
    pub dev: bool,
    /// How long the process goes on serving, after it was asked to stop, while it says that it is not ready.
    pub drain: String,
    /// Logging.
    pub log: Log,
    /// Traces.
    pub telemetry: Telemetry,
    /// The event log.
    pub bus: Bus,
    /// Databases of all services at once.
    pub database: Databases,
    /// Time zone by workspace.
    pub workspaces: BTreeMap<String, String>,
    /// Addresses of services in other processes.
    pub services: BTreeMap<String, String>,
    /// Who is let in.
    pub auth: Auth,
    /// TLS of gRPC.
    pub tls: Tls,
    /// How much may be asked of this process.
    pub limits: Limits,
}

/// How much may be asked of one process from outside.
#[derive(Clone, Debug, serde::Deserialize, serde::Serialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// By one workspace.
    pub workspace: Rate,
    /// By one caller, a token's subject, of a workspace.
    pub subject: Rate,
    /// By all together at once.
    pub calls_in_progress: usize,
    /// Bytes of all their requests together.
    pub bytes_in_progress: usize,
}

/// How often something may happen.
#[derive(Clone, Copy, Debug, Default, serde::Deserialize, serde::Serialize)]
#[serde(deny_unknown_fields)]
pub struct Rate {
    /// In a second, in the long run; 0: there is no limit.
    pub calls_per_second: u32,
    /// At once, after a time of quiet; 0: as many as in a second.
    pub burst: u32,
}

/// Who is let in, and as whom this process calls others.
#[derive(Clone, Debug, Default, serde::Deserialize, serde::Serialize)]
#[serde(deny_unknown_fields)]
pub struct Auth {
    /// The key set (JWKS) that tokens are verified with: a file, or an address of `https://`.
    pub jwks: String,
    /// `iss` of every token.
    pub issuer: String,
    /// `aud` of every token.
    pub audience: String,
    /// File of the private key that signs calls to services in other processes.
    pub service_key: PathBuf,
}

/// TLS of gRPC: PEM files. All empty: none.
#[derive(Clone, Debug, Default, serde::Deserialize, serde::Serialize)]
#[serde(deny_unknown_fields)]
pub struct Tls {
    /// The certificate of this process with those that lead to the authority; shown to callers and to services called.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
    /// The authorities by which certificates of callers and of services called are verified.
    pub authority: PathBuf,
}

/// Logging.
#[derive(Clone, Debug, serde::Deserialize, serde::Serialize)]
#[serde(deny_unknown_fields)]
pub struct Log {
    /// Directives of the filter.
    pub filter: String,
    /// How lines are written.
    pub format: LogFormat,
}

/// How log lines are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    /// For people.
    Text,
    /// For machines.
    Json,
}

/// Traces.
#[derive(Clone, Debug, serde::Deserialize, serde::Serialize)]
#[serde(deny_unknown_fields)]
pub struct Telemetry {
    /// Address of an OTLP collector; empty: none.
    pub collector: String,
    /// Share of the traces begun here that are sent, 0 to 1; one begun elsewhere is sent if it was chosen there.
    pub sample: f64,
}

/// The event log.
#[derive(Clone, Debug, serde::Deserialize, serde::Serialize)]
#[serde(deny_unknown_fields)]
pub struct Bus {
    /// Partitions of each stream.
    pub partitions: u32,
    /// A file is closed at this size.
    pub segment_bytes: u64,
    /// How long events are kept, such as `8d`.
    pub retention: String,
    /// Servers of NATS; empty: files below the data directory.
    pub url: Secret,
    /// What the names of streams and subjects begin with.
    pub prefix: String,
    /// Servers that keep each stream.
    pub replicas: usize,
    /// PEM file of the authorities that the server's certificate is verified with.
    pub authority: PathBuf,
    /// PEM file of the certificate that proves to the server who this is.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
    /// File with credentials of NATS (JWT and seed).
    pub credentials: PathBuf,
}

/// Databases of all services at once; `{service}` stands for the service's name.
#[derive(Clone, Debug, serde::Deserialize, serde::Serialize)]
#[serde(deny_unknown_fields)]
pub struct Databases {
    /// Where a service whose own URL is empty keeps its data; empty: a file each in the data directory.
    pub url: Secret,
    /// The same as the role that owns the tables.
    pub owner_url: Secret,
}

impl Bus {
    /// How long events are kept.
    ///
    /// # Errors
    /// [`kernel::Kind::Precondition`] when that cannot be read.
    pub(crate) fn retention(&self) -> Result<Duration> {
        kernel::time::parse_duration(&self.retention)
            .map_err(|message| wrong(format!("common.bus.retention: {message}")))
    }
}

impl Common {
    /// Time zones by workspace.
    ///
    /// # Errors
    /// [`kernel::Kind::Precondition`] that names a zone unknown to the time zone database.
    pub fn workspaces(&self) -> Result<Workspaces> {
        let zone = |(slug, name): (&String, &String)| {
            let zone = TimeZone::get(name).map_err(|cause| {
                let message =
                    format!("common.workspaces.{slug}: `{name}` is not a time zone such as Asia/Shanghai");
                Error::precondition("CONFIG_INVALID", message).caused_by(cause)
            })?;
            Ok((Workspace::new(slug.as_str()), zone))
        };
        let zones = self.workspaces.iter().map(zone).collect::<Result<_>>()?;
        Ok(Workspaces::new(zones, TimeZone::UTC))
    }
}

/// Where settings come from, lowest first.
#[derive(Clone, Debug, Default)]
pub struct Layers {
    defaults: Vec<(&'static str, &'static str)>,
    /// A TOML file.
    pub file: Option<PathBuf>,
    /// Environment variables; tests give their own.
    pub environment: HashMap<String, String>,
    /// `section.key=value`.
    pub set: Vec<String>,
}

impl Layers {
    /// The process's environment.
    pub fn from_environment() -> Self {
        Self { environment: std::env::vars().collect(), ..Self::default() }
    }

    /// Knows the section of a service.
    #[must_use]
    pub fn with<S: Service>(mut self) -> Self {
        self.defaults.push((S::NAME, S::DEFAULTS));
        self
    }

    /// Names of the services whose sections are known.
    pub fn services(&self) -> Vec<&'static str> {
        self.defaults.iter().map(|(name, _)| *name).collect()
    }

    /// Merges the layers.
    ///
    /// # Errors
    /// [`kernel::Kind::Precondition`] that names the key or file at fault.
    pub fn merge(&self) -> Result<Settings> {
        let mut builder = Config::builder();
        let common = [("common", include_str!("../config.toml"))];
        for (section, text) in common.iter().chain(&self.defaults) {
            builder = builder.add_source(File::from_str(&in_section(section, text), FileFormat::Toml));
        }
        for (service, _) in &self.defaults {
            let text = in_section(&format!("{service}.database"), include_str!("../database.toml"));
            builder = builder.add_source(File::from_str(&text, FileFormat::Toml));
        }
        if let Some(file) = &self.file {
            builder = builder.add_source(File::from(file.as_path()).format(FileFormat::Toml));
        }
        let mut environment = self.environment.clone();
        for name in READ_ELSEWHERE {
            environment.remove(name);
        }
        builder = builder.add_source(
            Environment::with_prefix(PREFIX).prefix_separator("_").separator("__").source(Some(environment)),
        );
        for assignment in &self.set {
            let (key, value) = assignment
                .split_once('=')
                .ok_or_else(|| wrong(format!("--set {assignment}: write section.key=value")))?;
            builder = builder
                .set_override(key, value)
                .map_err(|cause| wrong(format!("--set {assignment}: {cause}")))?;
        }
        let config = builder.build().map_err(|cause| wrong(cause.to_string()))?;
        let known: Vec<&str> =
            std::iter::once("common").chain(self.defaults.iter().map(|(name, _)| *name)).collect();
        let sections: BTreeMap<String, config::Value> =
            config.clone().try_deserialize().map_err(|cause| wrong(cause.to_string()))?;
        match sections.keys().find(|section| !known.contains(&section.as_str())) {
            Some(unknown) => {
                Err(wrong(format!("there is no section `{unknown}`; there are {}", known.join(", "))))
            }
            None => Ok(Settings { config }),
        }
    }
}

/// The merged settings.
#[derive(Clone, Debug)]
pub struct Settings {
    config: Config,
}

impl Settings {
    /// Where a service's data is: its own table `database`, else what `common.database` says of all, else a file in the
    /// data directory.
    ///
    /// # Errors
    /// [`kernel::Kind::Precondition`] that names the key at fault.
    pub fn database(&self, service: &str) -> Result<DatabaseConfig> {
        let common: Common = self.section("common")?;
        let mut database: DatabaseConfig = self.section(&format!("{service}.database"))?;
        let of_all = |text: &Secret| Secret::new(text.expose().replace("{service}", service));
        if database.owner_url.is_empty() {
            database.owner_url = of_all(&common.database.owner_url);
        }
        if database.url.is_empty() {
            database.url = of_all(&common.database.url);
        }
        if database.url.is_empty() {
            let file = common.data.join(format!("{service}.db"));
            database.url = Secret::new(format!("sqlite:{}", file.display()));
        }
        Ok(database)
    }

    /// One section.
    ///
    /// # Errors
    /// [`kernel::Kind::Precondition`] that names the key at fault.
    pub fn section<T: DeserializeOwned>(&self, name: &str) -> Result<T> {
        let unread = |cause| wrong(format!("{name}: {cause}"));
        let value: config::Value = self.config.get(name).map_err(unread)?;
        serde_path_to_error::deserialize(value).map_err(|cause| match cause.path().to_string().as_str() {
            "." => unread(cause.into_inner()),
            path => wrong(format!("{name}.{path}: {}", cause.inner())),
        })
    }

    /// All of it as JSON, with secrets hidden: URLs of databases and everything named like a secret.
    ///
    /// # Errors
    /// When the settings cannot be read back.
    pub fn show(&self) -> Result<String> {
        let mut all: serde_json::Value =
            self.config.clone().try_deserialize().map_err(|cause| wrong(cause.to_string()))?;
        hide(&mut all);
        serde_json::to_string_pretty(&all).map_err(|cause| wrong(cause.to_string()))
    }
}

fn hide(value: &mut serde_json::Value) {
    const SECRET: [&str; 5] = ["url", "password", "secret", "token", "key"];
    if let serde_json::Value::Object(fields) = value {
        for (name, value) in fields {
            match value {
                serde_json::Value::String(text)
                    if !text.is_empty() && SECRET.iter().any(|s| name.ends_with(s)) =>
                {
                    "[hidden]".clone_into(text);
                }
                other => hide(other),
            }
        }
    }
}

/// Puts the text of a service's `config.toml` below its section.
fn in_section(section: &str, text: &str) -> String {
    let lines = text.lines().map(|line| match line.trim_start().strip_prefix('[') {
        Some(rest) if !line.trim_start().starts_with("[[") => format!("[{section}.{rest}"),
        _ => line.to_owned(),
    });
    std::iter::once(format!("[{section}]")).chain(lines).collect::<Vec<_>>().join("\n")
}

fn wrong(message: String) -> Error {
    Error::precondition("CONFIG_INVALID", message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn later_layers_win_and_unknown_keys_are_named() {
        let mut layers = Layers::default();
        let common: Common = layers.merge().unwrap().section("common").unwrap();
        assert_eq!((common.grpc.port(), common.dev), (7700, false));
        layers.environment.insert("GUANXI_COMMON__GRPC".to_owned(), "127.0.0.1:1".to_owned());
        layers.set.push("common.http=127.0.0.1:2".to_owned());
        let common: Common = layers.merge().unwrap().section("common").unwrap();
        assert_eq!((common.grpc.port(), common.http.port()), (1, 2));
        layers.set.push("common.htpp=127.0.0.1:2".to_owned());
        let error = layers.merge().unwrap().section::<Common>("common").unwrap_err();
        assert!(error.message.contains("htpp"), "{error}");
        layers.set.push("comon.dev=true".to_owned());
        assert!(layers.merge().unwrap_err().message.contains("comon"));
    }
}
