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

/// An environment variable is text; where the default is a number or a truth value, so is it, if it can be.
fn typed(text: String, default: Option<&Value>) -> Value {
    let read = match default {
        Some(Value::Number(_) | Value::Bool(_)) => serde_json::from_str(&text).ok(),
        _ => None,
    };
    read.filter(|value: &Value| value.is_number() || value.is_boolean()).unwrap_or(Value::String(text))
}

impl Setting {
    fn resolve(self, defaults: &Defaults) -> Result<Value, String> {
        match self {
            Self::Plain(value) => Ok(value),
            Self::Environment(FromEnvironment { env, default }) => {
                let found = std::env::vars().find_map(|(name, value)| (name == env).then_some(value));
                found
                    .or_else(|| defaults.get(&env).cloned())
                    .map(|text| typed(text, default.as_ref()))
                    .or_else(|| default.clone())
                    .ok_or_else(|| format!("the environment variable {env} is not set"))
            }
            Self::File(FromFile { file }) => std::fs::read_to_string(&file)
                .map(|text| Value::String(text.trim_end_matches(['\r', '\n']).to_owned()))
                .map_err(|cause| format!("{} cannot be read: {cause}", file.display())),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_variable_is_of_the_kind_of_its_default() {
        let typed = |text: &str, default: Value| typed(text.to_owned(), Some(&default));
        assert_eq!(typed("1025", json!(25)), json!(1025));
        assert_eq!(typed("true", json!(false)), json!(true));
        assert_eq!(typed("mail", json!(25)), json!("mail"), "wrong: messaging says so");
        assert_eq!(typed("1025", json!("25")), json!("1025"));
        assert_eq!(super::typed("1025".to_owned(), None), json!("1025"));
    }
}
