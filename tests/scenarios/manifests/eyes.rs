//! Dashboards and alerts ask for metrics that there are, in queries that Prometheus takes; every alert says what to do.

use std::collections::BTreeSet;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use tempfile::tempdir;
use tests::platform::root;
use tests::tools::{debian_program, not_run, present, run};

use super::SERVICES;
use super::rendered::{Object, objects};
use super::workloads::selects;

/// What the services tell (`chassis`), and what Kubernetes tells of pods and disks.
pub(crate) const METRICS: [&str; 18] = [
    "guanxi_database_connections",
    "guanxi_dead_letters",
    "guanxi_due_lag_seconds",
    "guanxi_http_requests_total",
    "guanxi_http_seconds_bucket",
    "guanxi_lease_held",
    "guanxi_log_lag_events",
    "guanxi_log_lag_seconds",
    "guanxi_outbox_lag_seconds",
    "guanxi_outbox_rows",
    "guanxi_ready",
    "guanxi_rpc_calls_total",
    "guanxi_rpc_seconds_bucket",
    "container_cpu_usage_seconds_total",
    "container_memory_working_set_bytes",
    "kubelet_volume_stats_available_bytes",
    "kubelet_volume_stats_capacity_bytes",
    "up",
];

/// The names of metrics in a query: what stands before a `{`, a `[`, or alone, and is no word of the language.
fn metrics(query: &str) -> BTreeSet<String> {
    let prefixes = ["guanxi_", "container_", "kubelet_", "kube_", "process_", "node_", "up"];
    let words = query.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
    let named =
        words.filter(|word| *word == "up" || prefixes[..6].iter().any(|prefix| word.starts_with(prefix)));
    named.map(str::to_owned).collect()
}

fn rules() -> Result<Vec<Value>> {
    let text = std::fs::read_to_string(root().join("deploy/prometheus/alerts.yaml"))?;
    let file: Value = serde_saphyr::from_str(&text)?;
    let groups = file["groups"].as_array().context("no groups")?;
    Ok(groups.iter().filter_map(|group| group["rules"].as_array()).flatten().cloned().collect())
}

/// The queries of all dashboards, each with where it stands.
fn panels() -> Result<Vec<(String, String)>> {
    let mut queries = Vec::new();
    let mut names = BTreeSet::new();
    for entry in std::fs::read_dir(root().join("deploy/grafana"))? {
        let path = entry?.path();
        if path.extension().is_none_or(|extension| extension != "json") {
            continue;
        }
        let dashboard: Value = serde_json::from_str(&std::fs::read_to_string(&path)?)
            .with_context(|| path.display().to_string())?;
        let name = dashboard["title"].as_str().context("a dashboard without a title")?.to_owned();
        ensure!(names.insert(dashboard["uid"].to_string()), "{name}: another dashboard has its uid");
        let kustomization = std::fs::read_to_string(root().join("deploy/grafana/kustomization.yaml"))?;
        let file = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        ensure!(kustomization.contains(file), "{file} is not in deploy/grafana/kustomization.yaml");
        for panel in dashboard["panels"].as_array().into_iter().flatten() {
            let title = format!("{name}: {}", panel["title"].as_str().unwrap_or_default());
            ensure!(
                panel["description"].as_str().is_some_and(|text| text.len() > 10),
                "{title} does not say what it is"
            );
            for target in panel["targets"].as_array().into_iter().flatten() {
                queries.push((title.clone(), target["expr"].as_str().context("no query")?.to_owned()));
            }
        }
    }
    ensure!(queries.len() > 20, "only {} panels", queries.len());
    Ok(queries)
}

#[test]
fn metrics_exist_and_are_looked_at() -> Result<()> {
    let mut seen = BTreeSet::new();
    let mut queries = panels()?;
    for rule in rules()? {
        queries.push((rule["alert"].to_string(), rule["expr"].as_str().context("no expr")?.to_owned()));
    }
    for (place, query) in queries {
        let named = metrics(&query);
        ensure!(!named.is_empty(), "{place} asks for nothing: {query}");
        for metric in named {
            ensure!(METRICS.contains(&metric.as_str()), "{place}: there is no metric {metric}");
            seen.insert(metric);
        }
    }
    let unseen: Vec<_> = METRICS.iter().filter(|metric| !seen.contains(**metric)).collect();
    ensure!(unseen.is_empty(), "nobody looks at {unseen:?}");
    Ok(())
}

#[test]
fn every_alert_says_what_to_do() -> Result<()> {
    let page = std::fs::read_to_string(root().join("deploy/README.md"))?;
    let (_, sections) =
        page.split_once("\n## Alerts\n").context("deploy/README.md has no section `Alerts`")?;
    let mut explained: BTreeSet<String> =
        sections.lines().filter_map(|line| line.strip_prefix("### ")).map(str::to_owned).collect();
    for rule in rules()? {
        let name = rule["alert"].as_str().context("a rule without a name")?;
        ensure!(explained.remove(name), "deploy/README.md does not say what to do at {name}");
        let anchor = format!("deploy/README.md#{}", name.to_lowercase());
        assert_eq!(rule["annotations"]["runbook"].as_str(), Some(anchor.as_str()), "{name}");
        ensure!(
            ["warning", "critical"].map(Value::from).contains(&rule["labels"]["severity"]),
            "{name}: severity"
        );
        ensure!(
            rule["annotations"]["summary"].as_str().is_some_and(|text| text.contains("{{")),
            "{name}: summary"
        );
    }
    ensure!(explained.is_empty(), "deploy/README.md explains alerts that there are not: {explained:?}");
    Ok(())
}

/// A service of which nothing runs tells nothing: somebody must miss it.
#[test]
fn every_service_is_missed() -> Result<()> {
    let rules = rules()?;
    let absent =
        rules.iter().find(|rule| rule["alert"] == "GuanxiAbsent").context("no alert GuanxiAbsent")?;
    let query = absent["expr"].as_str().context("no expr")?;
    for service in SERVICES {
        let part = format!("absent(up{{job=\"guanxi\", service=\"{service}\"}})");
        ensure!(query.contains(&part), "nobody misses {service}");
    }
    Ok(())
}

/// Whether Prometheus, told by `monitor`, scrapes what stands behind exactly these Services, under the name that alerts and
/// dashboards ask for.
fn finds(monitor: &Object, services: &[&Object]) -> Result<()> {
    let found = services
        .iter()
        .filter(|service| selects(monitor.at("/spec/selector"), service.at("/metadata/labels")));
    let found: BTreeSet<&str> = found.map(|service| service.name()).collect();
    // Not `ingest-http`: its pods would be scraped twice.
    ensure!(found == BTreeSet::from(SERVICES), "scraped are {found:?}");
    let endpoints = monitor.list("/spec/endpoints");
    let [endpoint] = &endpoints[..] else { anyhow::bail!("{} endpoints", endpoints.len()) };
    ensure!(endpoint.text("/path") == "/metrics" && endpoint.at("/honorLabels") == true, "{endpoint:?}");
    for service in services.iter().filter(|service| found.contains(service.name())) {
        let named = service.list("/spec/ports");
        let port = named.iter().find(|port| port.text("/name") == endpoint.text("/port"));
        let port =
            port.with_context(|| format!("{} has no port {:?}", service.name(), endpoint.text("/port")))?;
        ensure!(
            port.text("/targetPort") == "http",
            "{}: metrics are told at the port of HTTP",
            service.name()
        );
        let job = service.at("/metadata/labels").get(monitor.text("/spec/jobLabel"));
        ensure!(job == Some(&json!("guanxi")), "{}: it is job {job:?}", service.name());
    }
    Ok(())
}

#[test]
fn prometheus_finds_every_service() -> Result<()> {
    let all = objects("prod")?;
    let services: Vec<&Object> = all.iter().filter(|object| object.kind() == "Service").collect();
    let monitor = all.iter().find(|object| object.kind() == "ServiceMonitor").context("no ServiceMonitor")?;
    finds(monitor, &services)?;
    for (path, value) in [
        ("/spec/selector/matchLabels", json!({"app.kubernetes.io/part-of": "guanxi"})),
        ("/spec/selector/matchLabels", json!({"app.kubernetes.io/part-of": "other"})),
        ("/spec/jobLabel", json!("app.kubernetes.io/name")),
        ("/spec/endpoints/0/port", json!("grpc")),
        ("/spec/endpoints/0/port", json!("metrics")),
        ("/spec/endpoints/0/path", json!("/")),
    ] {
        let mut wrong = monitor.clone();
        *wrong.0.pointer_mut(path).with_context(|| format!("nothing at {path}"))? = value.clone();
        ensure!(finds(&wrong, &services).is_err(), "{path} {value} is not seen");
    }
    let policy = all.iter().find(|object| object.kind() == "NetworkPolicy" && object.name() == "platform");
    let door = policy.context("no NetworkPolicy")?.at("/spec/ingress/0").clone();
    ensure!(door.to_string().contains("monitoring") && door["ports"] == json!([{"port": "http"}]), "{door}");
    Ok(())
}

#[test]
fn the_operators_copy_of_the_alerts_is_up_to_date() -> Result<()> {
    let wrapped = run(&mut Command::new(root().join("deploy/prometheus/rule.sh")))?;
    let there = std::fs::read_to_string(root().join("deploy/overlays/prod/alerts.yaml"))?;
    assert_eq!(wrapped, there, "run deploy/prometheus/rule.sh > deploy/overlays/prod/alerts.yaml");
    Ok(())
}

/// Syntax and types of all queries, and whether alerts come and stay away when they should.
#[test]
fn prometheus_takes_them() -> Result<()> {
    let Some(promtool) = debian_program("prometheus", "usr/bin/promtool")? else {
        return not_run("there is no promtool on this machine (apt-get install prometheus)");
    };
    let folder = root().join("deploy/prometheus");
    run(Command::new(&promtool).args(["check", "rules", "alerts.yaml"]).current_dir(&folder))?;
    run(Command::new(&promtool).args(["test", "rules", "alerts.test.yaml"]).current_dir(&folder))?;
    // Grafana's words stand for these.
    let plain = |query: &str| query.replace("$__rate_interval", "5m").replace("$service", "ingest|identity");
    let rules: Vec<Value> = panels()?
        .iter()
        .enumerate()
        .map(|(at, (place, query))| json!({"record": format!("panel:{at}"), "expr": plain(query), "labels": {"place": place}}))
        .collect();
    let scratch = tempdir()?;
    let file = scratch.path().join("panels.yaml");
    std::fs::write(&file, json!({"groups": [{"name": "panels", "rules": rules}]}).to_string())?;
    run(Command::new(&promtool).args(["check", "rules"]).arg(&file))?;
    Ok(())
}

/// The tables of the page are those that its calculation prints.
#[test]
fn the_calculation_of_scale_is_up_to_date() -> Result<()> {
    if !present("python3")? {
        return not_run("there is no python3 on this machine to calculate with");
    }
    run(Command::new("python3").arg(root().join("deploy/scaling.py")).arg("--check"))?;
    Ok(())
}
