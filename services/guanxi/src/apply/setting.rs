//! Free-form settings of sources and channels, where a value may come from the environment or a file.

use std::collections::BTreeMap;

use chassis::values::to_struct;
use kernel::{Error, Result};
use prost_types::Struct;
use serde::Deserialize;
use serde_json::{Map, Value};

/// Settings by name.
pub(super) type Settings = BTreeMap<String, Setting>;

/// Values of environment variables that are not set; they win over a definition's own default.
pub(crate) type Defaults = BTreeMap<String, String>;

/// One setting.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum Setting {
    /// From the environment, else the default.
    Environment(FromEnvironment),
    /// The content of a file, without the line end.
    File(FromFile),
    /// As written.
    Plain(Value),
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FromEnvironment {
    env: String,
    default: Option<Value>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FromFile {
    file: std::path::PathBuf,
}

/// Looks every value up.
///
/// # Errors
/// [`kernel::Kind::Invalid`] that names the setting and the variable or file that is missing.
pub(super) fn resolve(settings: Settings, defaults: &Defaults) -> Result<Option<Struct>> {
    let mut resolved = Map::new();
    for (name, setting) in settings {
        let value = setting
            .resolve(defaults)
            .map_err(|description| Error::invalid(format!("settings.{name}"), description))?;
        resolved.insert(name, value);
    }
    Ok((!resolved.is_empty()).then(|| to_struct(resolved)))
}

impl Setting {
    fn resolve(self, defaults: &Defaults) -> Result<Value, String> {
        match self {
            Self::Plain(value) => Ok(value),
            Self::Environment(FromEnvironment { env, default }) => {
                let found = std::env::vars().find_map(|(name, value)| (name == env).then_some(value));
                found
                    .or_else(|| defaults.get(&env).cloned())
                    .map(Value::String)
                    .or(default)
                    .ok_or_else(|| format!("the environment variable {env} is not set"))
            }
            Self::File(FromFile { file }) => std::fs::read_to_string(&file)
                .map(|text| Value::String(text.trim_end_matches(['\r', '\n']).to_owned()))
                .map_err(|cause| format!("{} cannot be read: {cause}", file.display())),
        }
    }
}
