//! `guanxi keys new`: a key that signs tokens, and the key set that lets others verify them.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use chassis::auth::issue::SigningKey;
use kernel::{Error, Result};
use serde_json::Value;

use crate::cli::NewKey;
use crate::ui;

/// Writes a new key and its set. Nothing that is there already is lost.
///
/// # Errors
/// [`kernel::Kind::Precondition`] for files that are there already, cannot be written, or are no key set.
pub(crate) fn make(options: &NewKey) -> Result<()> {
    fs::create_dir_all(&options.out).map_err(|cause| unwritten(&options.out, &cause))?;
    let (key, pem) = SigningKey::generate()?;
    let private = options.out.join("key.pem");
    let set = match &options.add_to {
        Some(set) => {
            let grown = grown(set, &key)?;
            write(&private, &pem, 0o600)?;
            replace(set, &grown)?;
            set.clone()
        }
        None => {
            let set = options.out.join("jwks.json");
            if set.exists() {
                return Err(there_already(&set));
            }
            write(&private, &pem, 0o600)?;
            write(&set, &pretty(&key.key_set())?, 0o644)?;
            set
        }
    };
    ui::say(format!(
        "{}   private: keep it secret; common.auth.service_key, guanxi token --key",
        private.display()
    ));
    ui::say(format!("{}   public: common.auth.jwks; the key is {}", set.display(), key.id()));
    Ok(())
}

/// The set with one key more.
fn grown(file: &Path, key: &SigningKey) -> Result<String> {
    let wrong = |flaw: String| {
        Error::precondition("KEY_SET_INVALID", format!("--add-to: {} is no key set: {flaw}", file.display()))
    };
    let text = fs::read(file).map_err(|cause| wrong(cause.to_string()))?;
    let mut set: Value = serde_json::from_slice(&text).map_err(|cause| wrong(cause.to_string()))?;
    let keys = set
        .get_mut("keys")
        .and_then(Value::as_array_mut)
        .ok_or_else(|| wrong("it has no `keys`".to_owned()))?;
    if let Some(Value::Array(new)) = key.key_set().get_mut("keys").map(Value::take) {
        keys.extend(new);
    }
    pretty(&set)
}

fn pretty(set: &Value) -> Result<String> {
    let text = serde_json::to_string_pretty(set);
    text.map(|text| text + "\n")
        .map_err(|cause| Error::internal("a key set cannot be written").caused_by(cause))
}

fn write(file: &Path, text: &str, mode: u32) -> Result<()> {
    let opened = OpenOptions::new().write(true).create_new(true).mode(mode).open(file);
    match opened.and_then(|mut file| file.write_all(text.as_bytes())) {
        Ok(()) => Ok(()),
        Err(cause) if cause.kind() == std::io::ErrorKind::AlreadyExists => Err(there_already(file)),
        Err(cause) => Err(unwritten(file, &cause)),
    }
}

/// In one step: whoever reads the set meanwhile finds the old one or the new one.
fn replace(file: &Path, text: &str) -> Result<()> {
    let mut fresh = file.as_os_str().to_owned();
    fresh.push(".new");
    let fresh = Path::new(&fresh);
    fs::write(fresh, text).and_then(|()| fs::rename(fresh, file)).map_err(|cause| unwritten(file, &cause))
}

fn there_already(file: &Path) -> Error {
    let message = format!(
        "{} is there already and is not written over; name another folder with --out",
        file.display()
    );
    Error::precondition("FILE_EXISTS", message)
}

fn unwritten(file: &Path, cause: &std::io::Error) -> Error {
    Error::precondition("FILE_UNWRITTEN", format!("{} cannot be written: {cause}", file.display()))
}
