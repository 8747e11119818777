//! A throw-away PostgreSQL: the one that `DATABASE_URL` names (a superuser's URL), else one that this process starts on
//! a free port and that ends with it.

use std::os::unix::fs::{PermissionsExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use kernel::{Error, Result};
use sea_orm::{ConnectionTrait as _, DatabaseConnection, DbBackend, Statement};
use tempfile::TempDir;
use tokio::sync::OnceCell;

use crate::port::free_port;

/// Role that owns tables.
const OWNER: &str = "guanxi_test_owner";
/// Role that services connect as.
const ROLE: &str = "guanxi_test";
/// The database, with a schema for every test and service.
const DATABASE: &str = "guanxi_test";
/// What the server is told besides its port.
const OPTIONS: &str = "-k '' -c listen_addresses=127.0.0.1 -c max_connections=1000 -c shared_buffers=128MB \
                       -c log_min_messages=fatal -c max_wal_size=2GB";
/// Tests cut off processes and no power.
const FORGETFUL: &str = "-c fsync=off -c full_page_writes=off";
/// Longest wait for the server.
const PATIENCE: Duration = Duration::from_secs(30);

/// A server.
#[derive(Debug)]
pub struct Postgres {
    /// `host:port`.
    address: String,
    /// As a superuser.
    admin: String,
    own: Option<Own>,
}

/// A server of this process's own.
#[derive(Debug)]
struct Own {
    /// Ends when its standard input does: when this process is gone, however it went.
    guard: Child,
    folder: TempDir,
    /// What it was told besides port and [`OPTIONS`].
    options: String,
}

impl Drop for Own {
    /// Before the folder goes, in which the guard reads what to end.
    fn drop(&mut self) {
        let _ended = self.guard.wait().is_ok();
    }
}

/// Where services find their databases: `{service}` stands for the service's name.
#[derive(Clone, Debug)]
pub struct Urls {
    /// As the role that owns nothing.
    pub url: String,
    /// As the owner of the tables.
    pub owner_url: String,
}

impl Postgres {
    /// The one of this process.
    ///
    /// # Errors
    /// When there is none and none can be started; it says what to install.
    pub async fn shared() -> Result<&'static Self> {
        static SHARED: OnceCell<Postgres> = OnceCell::const_new();
        SHARED.get_or_try_init(Self::start).await
    }

    /// Another one.
    ///
    /// # Errors
    /// See [`Postgres::shared`].
    pub async fn start() -> Result<Self> {
        #[expect(clippy::disallowed_methods, reason = "what a test runs on is said by its environment")]
        let given = std::env::var("DATABASE_URL").ok();
        let server = match given {
            Some(admin) => Self { address: address_of(&admin)?, admin, own: None },
            None => Self::start_own(FORGETFUL, &[])?,
        };
        server.prepare().await?;
        Ok(server)
    }

    fn start_own(options: &str, files: &[(&str, &str)]) -> Result<Self> {
        let programs = programs()?;
        let folder = tempfile::tempdir().map_err(|cause| failed("no temporary folder", cause))?;
        let user = Unprivileged::find()?;
        user.give(folder.path())?;
        let data = folder.path().join("data");
        let made = user
            .command(&programs.join("initdb"))
            .arg("-D")
            .arg(&data)
            .args(["-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"])
            .stdout(Stdio::null())
            .current_dir(folder.path())
            .status()
            .map_err(|cause| failed("initdb cannot be run", cause))?;
        if !made.success() {
            return Err(Error::unavailable("initdb failed; its reason stands above"));
        }
        for (name, content) in files {
            let file = data.join(name);
            std::fs::write(&file, content).map_err(|cause| failed(name, cause))?;
            // It uses no key that others may read.
            let alone = std::fs::Permissions::from_mode(0o600);
            std::fs::set_permissions(&file, alone).map_err(|cause| failed(name, cause))?;
            user.give(&file)?;
        }
        let port = free_port()?;
        // The shell goes on until its standard input ends, then ends the server, which may have been started again
        // meanwhile. A signal to the whole group, such as Ctrl-C or a CI's TERM, must not end the shell first.
        let script = format!(
            "trap '' INT TERM; '{}' -D '{}' -p {port} {OPTIONS} {options} & cat > /dev/null; \
             kill -INT $(head -n 1 '{}/postmaster.pid'); wait; rm -rf '{}'",
            programs.join("postgres").display(),
            data.display(),
            data.display(),
            folder.path().display()
        );
        let guard = user
            .command(Path::new("/bin/sh"))
            .args(["-c", &script])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .current_dir(folder.path())
            .spawn()
            .map_err(|cause| failed("postgres cannot be run", cause))?;
        Ok(Self {
            address: format!("127.0.0.1:{port}"),
            admin: format!("postgres://postgres@127.0.0.1:{port}/postgres"),
            own: Some(Own { guard, folder, options: options.to_owned() }),
        })
    }

    /// Another one, whatever `DATABASE_URL` says, which may be stopped.
    ///
    /// # Errors
    /// See [`Postgres::shared`].
    pub async fn start_apart() -> Result<Self> {
        Self::start_with("", &[]).await
    }

    /// The same, told these options (`-c name=value`), with these files (name and content) in its data directory, which it
    /// alone may read and from which relative paths in options lead.
    ///
    /// # Errors
    /// See [`Postgres::shared`].
    pub async fn start_with(options: &str, files: &[(&str, &str)]) -> Result<Self> {
        let server = Self::start_own(&format!("{FORGETFUL} {options}"), files)?;
        server.prepare().await?;
        Ok(server)
    }

    /// Another one that keeps what it has answered for through a power cut too, for measuring.
    ///
    /// # Errors
    /// See [`Postgres::shared`].
    pub async fn start_durable() -> Result<Self> {
        let server = Self::start_own("", &[])?;
        server.prepare().await?;
        Ok(server)
    }

    /// Kills it (`kill -9`): nothing is finished, every connection breaks.
    ///
    /// # Errors
    /// When it is not a server of this process's own, or is gone already.
    pub fn crash(&self) -> Result<()> {
        let file = self.own()?.folder.path().join("data/postmaster.pid");
        let content = std::fs::read_to_string(file).map_err(|cause| failed("postmaster.pid", cause))?;
        let id = content.lines().next().unwrap_or_default();
        let killed = Command::new("kill").args(["-KILL", id]).status();
        let killed = killed.map_err(|cause| failed("kill cannot be run", cause))?;
        if killed.success() { Ok(()) } else { Err(Error::unavailable("the server is gone already")) }
    }

    /// Starts it again, after [`Postgres::crash`]. Blocks until it answers.
    ///
    /// # Errors
    /// When it is not a server of this process's own, or does not start.
    pub fn restart(&self) -> Result<()> {
        let own = self.own()?;
        let folder = own.folder.path();
        let port = self.address.rsplit(':').next().unwrap_or_default();
        let options = format!("-p {port} {OPTIONS} {}", own.options);
        let begin = Instant::now();
        while begin.elapsed() < PATIENCE {
            let started = Unprivileged::find()?
                .command(&programs()?.join("pg_ctl"))
                .arg("-D")
                .arg(folder.join("data"))
                .args(["-w", "-s", "start", "-o", &options])
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .current_dir(folder)
                .status()
                .map_err(|cause| failed("pg_ctl cannot be run", cause))?;
            if started.success() {
                return Ok(());
            }
            // Refused as long as a process of the one that was killed is left, which ends by itself.
            std::thread::sleep(Duration::from_millis(50));
        }
        Err(Error::unavailable(format!("PostgreSQL did not start within {PATIENCE:?}")))
    }

    fn own(&self) -> Result<&Own> {
        self.own.as_ref().ok_or_else(|| Error::internal("the server is not this process's own"))
    }

    async fn prepare(&self) -> Result<()> {
        let admin = connect(&self.admin).await?;
        for role in [OWNER, ROLE] {
            let there = format!("SELECT 1 AS n FROM pg_roles WHERE rolname = '{role}'");
            if !holds(&admin, &there).await? {
                run_unless_there(&admin, &format!("CREATE ROLE {role} LOGIN PASSWORD 'test'")).await?;
            }
        }
        let there = format!("SELECT 1 AS n FROM pg_database WHERE datname = '{DATABASE}'");
        if !holds(&admin, &there).await? {
            let create = format!(
                "CREATE DATABASE {DATABASE} OWNER {OWNER} ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0"
            );
            run_unless_there(&admin, &create).await?;
        }
        Ok(())
    }

    /// A fresh schema for each of `services`; tests differ by `name`.
    ///
    /// # Errors
    /// When the server refuses.
    pub async fn schemas(&self, name: &str, services: &[&str]) -> Result<Urls> {
        let urls = self.urls(name);
        let owner = connect(&self.database(OWNER)).await?;
        for service in services {
            run(&owner, &format!("CREATE SCHEMA IF NOT EXISTS \"{name}_{service}\"")).await?;
        }
        owner.close().await.map_err(|cause| failed("PostgreSQL", cause))?;
        Ok(urls)
    }

    /// What autovacuum does within minutes: the planner knows the tables as they are now.
    ///
    /// # Errors
    /// When the server refuses.
    pub async fn analyze(&self) -> Result<()> {
        let owner = connect(&self.database(OWNER)).await?;
        run(&owner, "VACUUM ANALYZE").await?;
        owner.close().await.map_err(|cause| failed("PostgreSQL", cause))
    }

    fn urls(&self, name: &str) -> Urls {
        let url = |role| format!("{}?options=-c%20search_path%3D{name}_{{service}}", self.database(role));
        Urls { url: url(ROLE), owner_url: url(OWNER) }
    }

    fn database(&self, role: &str) -> String {
        format!("postgres://{role}:test@{}/{DATABASE}", self.address)
    }

    /// `host:port`.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// As a superuser, for what only such a one may do.
    pub fn admin(&self) -> &str {
        &self.admin
    }
}

/// Who the server runs as: it refuses to be root.
struct Unprivileged(Option<u32>);

impl Unprivileged {
    fn find() -> Result<Self> {
        let own = std::fs::metadata("/proc/self").map_err(|cause| failed("/proc", cause))?;
        if std::os::unix::fs::MetadataExt::uid(&own) != 0 {
            return Ok(Self(None));
        }
        let users = std::fs::read_to_string("/etc/passwd").map_err(|cause| failed("/etc/passwd", cause))?;
        let id = |name: &str| {
            let line = users.lines().find(|line| line.split(':').next() == Some(name))?;
            line.split(':').nth(2)?.parse().ok()
        };
        Ok(Self(Some(id("postgres").or_else(|| id("nobody")).unwrap_or(65_534))))
    }

    fn give(&self, folder: &Path) -> Result<()> {
        match self.0 {
            Some(user) => chown(folder, Some(user), None).map_err(|cause| failed("chown", cause)),
            None => Ok(()),
        }
    }

    fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        if let Some(user) = self.0 {
            command.uid(user);
        }
        command
    }
}

/// The folder of `initdb` and `postgres`: Debian keeps them apart from other programs.
fn programs() -> Result<PathBuf> {
    let mut folders: Vec<PathBuf> = std::fs::read_dir("/usr/lib/postgresql")
        .map(|versions| versions.flatten().map(|version| version.path().join("bin")).collect())
        .unwrap_or_default();
    folders.sort();
    folders.reverse();
    folders.extend(["/usr/local/bin", "/usr/bin", "/opt/homebrew/bin"].map(PathBuf::from));
    folders.into_iter().find(|folder| folder.join("initdb").exists()).ok_or_else(|| {
        Error::precondition(
            "POSTGRES_MISSING",
            "these tests need PostgreSQL: `apt-get install postgresql` (or set DATABASE_URL to a superuser's URL)",
        )
    })
}

fn address_of(url: &str) -> Result<String> {
    let options: sea_orm::sqlx::postgres::PgConnectOptions =
        url.parse().map_err(|cause| failed("DATABASE_URL cannot be read", cause))?;
    Ok(format!("{}:{}", options.get_host(), options.get_port()))
}

async fn connect(url: &str) -> Result<DatabaseConnection> {
    let mut options = sea_orm::ConnectOptions::new(url);
    options.max_connections(1).acquire_timeout(PATIENCE).sqlx_logging(false);
    #[expect(clippy::disallowed_methods, reason = "makes databases, uses none")]
    sea_orm::Database::connect(options).await.map_err(|cause| failed("PostgreSQL cannot be reached", cause))
}

async fn run(db: &DatabaseConnection, statement: &str) -> Result<()> {
    db.execute_unprepared(statement).await.map_err(|cause| failed(statement, cause)).map(drop)
}

/// Another test process may have made it at the same moment.
async fn run_unless_there(db: &DatabaseConnection, statement: &str) -> Result<()> {
    match db.execute_unprepared(statement).await {
        Err(cause)
            if !["already exists", "duplicate key"].iter().any(|sign| cause.to_string().contains(sign)) =>
        {
            Err(failed(statement, cause))
        }
        _ => Ok(()),
    }
}

async fn holds(db: &DatabaseConnection, query: &str) -> Result<bool> {
    let found = db.query_one_raw(Statement::from_string(DbBackend::Postgres, query)).await;
    Ok(found.map_err(|cause| failed(query, cause))?.is_some())
}

fn failed(what: &str, cause: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::unavailable(format!("{what}: {cause}")).caused_by(cause)
}
