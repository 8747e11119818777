//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

/// Guanxi (关系), the open social CRM platform.
#[derive(Debug, Parser)]
#[command(name = "guanxi", version, about)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run everything in one process on this machine, with the platform simulator. Nothing to install.
    Dev(Dev),
    /// Run some services (or `all`) as configured.
    Serve(Serve),
    /// Bring the schemas of some services (or `all`) up to date, as the owner of their tables.
    Migrate(Serve),
    /// List the events that services could not take, give them to the services again, or discard them.
    DeadLetters(DeadLetters),
    /// Create or update definitions from YAML; prints what changes.
    Apply(Apply),
    /// Play a seeded shop of a few hundred customers on fresh data, show what happened, and go on serving.
    Demo(Demo),
    /// Bring in customers or events from a CSV file.
    Import(Import),
    /// Make keys that sign tokens.
    #[command(subcommand)]
    Keys(Keys),
    /// Sign a token that lets its bearer in, and print it.
    Token(Token),
}

/// How a process is configured.
#[derive(Args, Debug)]
pub(crate) struct Run {
    /// A TOML file of settings.
    #[arg(long, env = "GUANXI_CONFIG", value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// One setting, such as common.data=/var/lib/guanxi; may be repeated.
    #[arg(long, value_name = "KEY=VALUE")]
    pub(crate) set: Vec<String>,
    /// Show the merged settings, secrets hidden, and end.
    #[arg(long)]
    pub(crate) print_config: bool,
}

/// Where the pretended outside world listens.
#[derive(Args, Debug)]
pub(crate) struct World {
    /// Address of the platform simulator; port 0: any free one.
    #[arg(long, default_value = "127.0.0.1:7790", value_name = "ADDRESS")]
    pub(crate) simulator: std::net::SocketAddr,
    /// Address of its mailbox (SMTP).
    #[arg(long, default_value = "127.0.0.1:1025", value_name = "ADDRESS")]
    pub(crate) mailbox: std::net::SocketAddr,
}

#[derive(Args, Debug)]
pub(crate) struct Dev {
    #[command(flatten)]
    pub(crate) world: World,
    #[command(flatten)]
    pub(crate) run: Run,
}

#[derive(Args, Debug)]
pub(crate) struct Serve {
    /// Names of services, or `all`.
    #[arg(required = true)]
    pub(crate) services: Vec<String>,
    #[command(flatten)]
    pub(crate) run: Run,
}

#[derive(Args, Debug)]
pub(crate) struct DeadLetters {
    /// Names of services, or `all`.
    #[arg(required = true)]
    pub(crate) services: Vec<String>,
    /// Only those of this workspace.
    #[arg(long, value_name = "SLUG")]
    pub(crate) workspace: Option<String>,
    /// Only those with this reason.
    #[arg(long, value_name = "REASON")]
    pub(crate) reason: Option<String>,
    /// Only this one; may be repeated.
    #[arg(long, value_name = "ID")]
    pub(crate) id: Vec<i64>,
    /// Give them to the running service again; those that it cannot take this time either stay.
    #[arg(long)]
    pub(crate) redrive: bool,
    /// Forget them for good.
    #[arg(long, conflicts_with = "redrive")]
    pub(crate) discard: bool,
    /// Who gives them again or discards them, for the audit log.
    #[arg(long, env = "USER", value_name = "NAME")]
    pub(crate) by: Option<String>,
    #[command(flatten)]
    pub(crate) run: Run,
}

/// Where a running platform is reached.
#[derive(Args, Debug)]
pub(crate) struct Server {
    /// Address of gRPC.
    #[arg(long, env = "GUANXI_SERVER", default_value = "http://127.0.0.1:7700", value_name = "URL")]
    pub(crate) server: String,
    /// Bearer token.
    #[arg(long, env = "GUANXI_TOKEN", default_value = "dev", hide_env_values = true)]
    pub(crate) token: String,
    /// PEM file with the authority that signs the server's certificate, for https addresses.
    #[arg(long, env = "GUANXI_AUTHORITY", value_name = "FILE")]
    pub(crate) authority: Option<PathBuf>,
    /// PEM file with a certificate to show to the server, where it demands one.
    #[arg(long, env = "GUANXI_CERTIFICATE", value_name = "FILE")]
    pub(crate) certificate: Option<PathBuf>,
    /// PEM file with the certificate's private key.
    #[arg(long, env = "GUANXI_KEY", value_name = "FILE")]
    pub(crate) key: Option<PathBuf>,
}

impl Server {
    /// Plain, with the token of development.
    pub(crate) fn development(address: std::net::SocketAddr) -> Self {
        Self {
            server: format!("http://{address}"),
            token: chassis::caller::DEV_TOKEN.to_owned(),
            authority: None,
            certificate: None,
            key: None,
        }
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum Keys {
    /// Make an Ed25519 key: key.pem (keep it secret) and jwks.json (the key set with its public half).
    New(NewKey),
}

#[derive(Args, Debug)]
pub(crate) struct NewKey {
    /// The folder; made if it is not there.
    #[arg(long, value_name = "FOLDER")]
    pub(crate) out: PathBuf,
    /// A key set that the public half is added to, in place of a new one in the folder.
    #[arg(long, value_name = "FILE")]
    pub(crate) add_to: Option<PathBuf>,
}

#[derive(Args, Debug)]
pub(crate) struct Token {
    /// The private key, such as `guanxi keys new` made; its public half must stand in the platform's key set.
    #[arg(long, value_name = "FILE")]
    pub(crate) key: PathBuf,
    /// The workspace that its bearer acts in.
    #[arg(long, value_name = "SLUG")]
    pub(crate) workspace: String,
    /// Who its bearer is.
    #[arg(long, value_name = "NAME")]
    pub(crate) subject: String,
    /// What its bearer may, such as "profiles.read segments.read"; `*`: everything.
    #[arg(long, value_name = "SCOPES")]
    pub(crate) scope: String,
    /// How long it is valid.
    #[arg(long, default_value = "1h", value_name = "DURATION")]
    pub(crate) ttl: String,
    /// As the platform's common.auth.issuer.
    #[arg(long, env = "GUANXI_COMMON__AUTH__ISSUER", default_value = "guanxi", value_name = "NAME")]
    pub(crate) issuer: String,
    /// As the platform's common.auth.audience.
    #[arg(long, env = "GUANXI_COMMON__AUTH__AUDIENCE", default_value = "guanxi", value_name = "NAME")]
    pub(crate) audience: String,
}

#[derive(Args, Debug)]
pub(crate) struct Apply {
    /// A YAML file or a folder of them.
    #[arg(short, long, value_name = "PATH")]
    pub(crate) file: PathBuf,
    /// Show what would change, and change nothing.
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Send secrets also where nothing else differs (they cannot be compared).
    #[arg(long)]
    pub(crate) with_secrets: bool,
    #[command(flatten)]
    pub(crate) server: Server,
}

#[derive(Args, Debug)]
pub(crate) struct Demo {
    /// End after the report.
    #[arg(long)]
    pub(crate) exit: bool,
    /// Number of customers.
    #[arg(long, default_value_t = 300, value_parser = clap::value_parser!(u32).range(10..=5_000))]
    pub(crate) people: u32,
    /// The same seed plays the same story.
    #[arg(long, default_value_t = 20_261_121)]
    pub(crate) seed: u64,
    /// Definitions to apply first.
    #[arg(long, default_value = "deploy/workspaces/retail", value_name = "PATH")]
    pub(crate) workspace: PathBuf,
    #[command(flatten)]
    pub(crate) world: World,
    #[command(flatten)]
    pub(crate) run: Run,
}

#[derive(Args, Debug)]
pub(crate) struct Import {
    /// The CSV file.
    pub(crate) file: PathBuf,
    /// What its columns mean (YAML; see services/guanxi/README.md).
    #[arg(short, long, value_name = "FILE")]
    pub(crate) mapping: PathBuf,
    /// Where rows that could not be taken are written with the reason [default: beside it, as `.errors.csv`].
    #[arg(long, value_name = "FILE")]
    pub(crate) errors: Option<PathBuf>,
    /// Key of the source the events are attributed to.
    #[arg(long, default_value = "", value_name = "KEY")]
    pub(crate) source: String,
    #[command(flatten)]
    pub(crate) server: Server,
}
