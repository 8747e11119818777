//! Every setting that a manifest makes is one that the services know, and everything a pod refers to is there.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use tests::platform::root;
use toml::Table;

use super::SERVICES;
use super::rendered::{Object, objects};

/// All options as `common.log.format`; one that ends in `.` stands for any name below it.
pub(super) fn known() -> Result<BTreeSet<String>> {
    let read = |file: &str| -> Result<Table> {
        toml::from_str(&std::fs::read_to_string(root().join(file))?).with_context(|| file.to_owned())
    };
    let mut known = BTreeSet::new();
    add("common", &read("shared/chassis/config.toml")?, &mut known);
    // Named by whoever writes the settings.
    known.insert("common.workspaces.".to_owned());
    known.extend(SERVICES.map(|service| format!("common.services.{service}")));
    let database = read("shared/chassis/database.toml")?;
    for service in SERVICES {
        add(service, &read(&format!("services/{service}/config.toml"))?, &mut known);
        add(&format!("{service}.database"), &database, &mut known);
    }
    Ok(known)
}

fn add(section: &str, table: &Table, known: &mut BTreeSet<String>) {
    for (name, value) in table {
        let path = format!("{section}.{name}");
        match value.as_table() {
            Some(below) => add(&path, below, known),
            None => {
                known.insert(path);
            }
        }
    }
}

/// Whether a variable of the environment names an option, and one that processes of `service` know.
pub(super) fn check(variable: &str, service: &str, known: &BTreeSet<String>) -> Result<()> {
    let Some(rest) = variable.strip_prefix("GUANXI_") else { return Ok(()) };
    let option = rest.to_lowercase().replace("__", ".");
    let there = known.contains(&option)
        || known.iter().any(|known| known.ends_with('.') && option.starts_with(known.as_str()));
    ensure!(there, "{variable}: there is no option {option}");
    let section = option.split('.').next().unwrap_or_default();
    ensure!([service, "common"].contains(&section), "{variable}: {service} refuses settings of {section}");
    Ok(())
}

/// The environment of a container; references are resolved from the objects beside it. A Secret that somebody else brings
/// has the value none.
pub(super) fn environment(container: &Object, all: &[Object]) -> Result<BTreeMap<String, Option<String>>> {
    let find =
        |kind: &str, name: &str| all.iter().find(|object| object.kind() == kind && object.name() == name);
    let mut environment = BTreeMap::new();
    for from in container.list("/envFrom") {
        let name = from.text("/configMapRef/name");
        let map = find("ConfigMap", name).with_context(|| format!("there is no ConfigMap {name}"))?;
        for (key, value) in map.at("/data").as_object().into_iter().flatten() {
            environment.insert(key.clone(), value.as_str().map(str::to_owned));
        }
    }
    for variable in container.list("/env") {
        let (name, key) =
            (variable.text("/valueFrom/secretKeyRef/name"), variable.text("/valueFrom/secretKeyRef/key"));
        let value = match find("Secret", name) {
            _ if name.is_empty() => variable.at("/value").as_str().map(str::to_owned),
            Some(secret) => Some(secret_value(secret, key)?),
            None => None,
        };
        environment.insert(variable.text("/name").to_owned(), value);
    }
    Ok(environment)
}

/// A value of a Secret.
pub(super) fn secret_value(secret: &Object, key: &str) -> Result<String> {
    use base64::Engine as _;
    let encoded = secret.at("/data").get(key).and_then(Value::as_str);
    let encoded = encoded.with_context(|| format!("the Secret {} has no {key}", secret.name()))?;
    let encoded: String = encoded.split_whitespace().collect();
    Ok(String::from_utf8(base64::engine::general_purpose::STANDARD.decode(encoded)?)?)
}

#[test]
fn options_exist() -> Result<()> {
    let known = known()?;
    for overlay in ["base", "dev", "prod"] {
        let all = objects(overlay)?;
        let mut seen = 0;
        for workload in all.iter().filter(|object| object.is_workload() && object.is_ours()) {
            for variable in environment(&workload.container(), &all)?.keys() {
                check(variable, workload.service(), &known)
                    .with_context(|| format!("{overlay}: {}", workload.name()))?;
                seen += 1;
            }
        }
        assert!(seen > 100, "{overlay}: only {seen} variables were seen");
    }
    Ok(())
}

#[test]
fn a_wrong_option_is_seen() -> Result<()> {
    let known = known()?;
    check("GUANXI_COMMON__LOG__FORMAT", "ingest", &known)?;
    check("GUANXI_COMMON__WORKSPACES__DEMO", "ingest", &known)?;
    check("PGDATA", "ingest", &known)?;
    for wrong in ["GUANXI_COMMON__LOG__FORMT", "GUANXI_COMMON__SERVICES__IDENTTY", "GUANXI_PROFILE__BATCH"] {
        assert!(check(wrong, "ingest", &known).is_err(), "{wrong}");
    }
    Ok(())
}

/// In `dev` everything is there; what `prod` does not bring is listed for the operator.
#[test]
fn secrets_exist_or_are_listed() -> Result<()> {
    let page = std::fs::read_to_string(root().join("deploy/README.md"))?;
    for overlay in ["dev", "prod"] {
        let all = objects(overlay)?;
        let secrets: BTreeSet<&str> =
            all.iter().filter(|object| object.kind() == "Secret").map(|object| object.name()).collect();
        let issued: BTreeSet<&str> = all
            .iter()
            .filter(|object| object.kind() == "Certificate")
            .map(|object| object.text("/spec/secretName"))
            .collect();
        let (mut brought, mut optional) = (BTreeSet::new(), BTreeSet::new());
        for workload in all.iter().filter(|object| object.is_workload()) {
            for variable in workload.container().list("/env") {
                let reference = Object(variable.at("/valueFrom/secretKeyRef").clone());
                if !reference.0.is_null() && !secrets.contains(reference.text("/name")) {
                    brought.insert((reference.text("/name").to_owned(), reference.text("/key").to_owned()));
                }
            }
            for volume in workload.list("/spec/template/spec/volumes") {
                let name = volume.text("/secret/secretName");
                let there = name.is_empty() || secrets.contains(name) || issued.contains(name);
                if !there {
                    let list =
                        if volume.at("/secret/optional") == true { &mut optional } else { &mut brought };
                    list.insert((name.to_owned(), String::new()));
                }
                let needed = overlay == "prod" && issued.contains(name);
                ensure!(
                    !needed || volume.at("/secret/optional") != true,
                    "{name}: pods would start without it"
                );
            }
        }
        if overlay == "dev" {
            assert!(brought.is_empty(), "nobody makes {brought:?}");
            continue;
        }
        assert!(brought.len() > 10, "{brought:?}");
        for (name, key) in brought.into_iter().chain(optional) {
            let line = page.lines().find(|line| line.contains(&format!("| `{name}` |")));
            let line = line.with_context(|| format!("deploy/README.md does not list the Secret {name}"))?;
            ensure!(line.contains(&key), "deploy/README.md does not say that {name} has {key}");
        }
        for service in SERVICES {
            ensure!(issued.contains(format!("{service}-tls").as_str()), "{service} has no certificate");
        }
    }
    Ok(())
}

/// Whether a value that stands open in a manifest is one to be kept secret.
fn is_secret(variable: &str, value: &str) -> bool {
    let last = variable.rsplit('_').next().unwrap_or_default();
    let credentials = value.split_once("://").is_some_and(|(_, rest)| rest.contains('@'));
    credentials || ["URL", "PASSWORD", "SECRET", "TOKEN"].contains(&last)
}

/// What opens something comes out of Secrets, which whoever reads manifests does not see.
#[test]
fn no_secret_stands_in_a_manifest() -> Result<()> {
    for overlay in ["base", "prod"] {
        let mut referred = BTreeSet::new();
        let all = objects(overlay)?;
        ensure!(all.iter().all(|object| object.kind() != "Secret"), "{overlay} brings Secrets");
        for workload in all.iter().filter(|object| object.is_workload()) {
            let container = workload.container();
            for (name, value) in environment(&container, &all)? {
                match value {
                    Some(value) => {
                        ensure!(!is_secret(&name, &value), "{overlay}: {} says {name}", workload.name())
                    }
                    None => drop(referred.insert(format!("{} {name}", workload.name()))),
                }
            }
        }
        for service in SERVICES {
            let section = format!("GUANXI_{}__DATABASE", service.to_uppercase());
            for needed in [
                format!("{service} {section}__URL"),
                format!("{service} GUANXI_COMMON__BUS__URL"),
                format!("{service}-migration {section}__URL"),
                format!("{service}-migration {section}__OWNER_URL"),
            ] {
                ensure!(referred.remove(&needed), "{overlay}: {needed} is of no Secret");
            }
        }
        ensure!(referred.is_empty(), "{overlay}: what else is of Secrets: {referred:?}");
    }
    Ok(())
}

#[test]
fn a_secret_that_stands_open_is_seen() {
    for (variable, value) in [
        ("GUANXI_PROFILE__DATABASE__URL", "postgres://db/guanxi_profile"),
        ("GUANXI_PROFILE__DATABASE__OWNER_URL", ""),
        ("GUANXI_COMMON__SERVICES__PROFILE", "http://me:secret@profile:7700"),
        ("POSTGRES_PASSWORD", "dev"),
    ] {
        assert!(is_secret(variable, value), "{variable}");
    }
    assert!(!is_secret("GUANXI_COMMON__SERVICES__PROFILE", "https://profile:7700"));
    assert!(!is_secret("GUANXI_COMMON__AUTH__JWKS", "/etc/guanxi/keys/jwks.json"));
}
