//! Services survive what happens to machines: pods are spread, moved one at a time, and asked by each probe what it is for;
//! more come under load.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};

use super::SERVICES;
use super::rendered::{Object, objects};
use super::workloads::{labels, selects};

/// What serves, of the platform's own.
fn servers(all: &[Object]) -> Vec<&Object> {
    let serves = |object: &&Object| object.is_ours() && object.is_workload() && object.kind() != "Job";
    all.iter().filter(serves).collect()
}

/// Over zones and machines, each service for itself; a zone that is away keeps no pod from being scheduled elsewhere.
fn spread(workload: &Object) -> Result<()> {
    let mut over = BTreeSet::new();
    for rule in workload.list("/spec/template/spec/topologySpreadConstraints") {
        let place = rule.text("/topologyKey").to_owned();
        ensure!(
            selects(rule.at("/labelSelector"), labels(workload)),
            "{place}: counts other pods than these"
        );
        let alone = rule.list("/matchLabelKeys").iter().any(|key| key.0 == "app.kubernetes.io/name");
        ensure!(alone, "{place}: counts the pods of all services together");
        ensure!(rule.at("/maxSkew") == 1, "{place}: maxSkew");
        ensure!(rule.text("/whenUnsatisfiable") == "ScheduleAnyway", "{place}: a pod may find no place");
        over.insert(place);
    }
    let wanted = ["topology.kubernetes.io/zone", "kubernetes.io/hostname"];
    ensure!(over == BTreeSet::from(wanted.map(str::to_owned)), "spread over {over:?}");
    Ok(())
}

/// A process that is not ready is left alone until it is; only one that does not live is started again.
fn probed(container: &Object) -> Result<()> {
    for (probe, path) in
        [("startupProbe", "/healthz"), ("livenessProbe", "/healthz"), ("readinessProbe", "/readyz")]
    {
        let asked = container.text(&format!("/{probe}/httpGet/path"));
        ensure!(asked == path, "the {probe} asks for `{asked}`");
    }
    Ok(())
}

fn moved_one_at_a_time(budget: &Object) -> Result<()> {
    ensure!(budget.at("/spec/maxUnavailable") == 1, "more than one at a time, or none");
    ensure!(budget.at("/spec/minAvailable").is_null(), "minAvailable");
    let broken = budget.text("/spec/unhealthyPodEvictionPolicy");
    ensure!(broken == "AlwaysAllow", "a pod that is not ready keeps its node from being emptied");
    Ok(())
}

fn scaled_by_load(scaler: &Object) -> Result<()> {
    let metrics = scaler.list("/spec/metrics");
    ensure!(!metrics.is_empty(), "no metric");
    for metric in metrics {
        ensure!(
            metric.text("/type") == "Resource" && metric.text("/resource/name") == "cpu",
            "not by processor"
        );
        let target = metric.at("/resource/target/averageUtilization").as_u64();
        ensure!(target.is_some_and(|percent| (30..=90).contains(&percent)), "at {target:?} percent");
    }
    let [least, most] = ["minReplicas", "maxReplicas"].map(|end| scaler.at(&format!("/spec/{end}")).as_u64());
    ensure!(least >= Some(1) && least <= most, "from {least:?} to {most:?}");
    Ok(())
}

fn named<'a>(all: &'a [Object], kind: &str, name: &str) -> Result<&'a Object> {
    let found = all.iter().find(|object| object.kind() == kind && object.name() == name);
    found.with_context(|| format!("there is no {kind} {name}"))
}

#[test]
fn services_outlive_their_machines() -> Result<()> {
    for overlay in ["base", "dev", "prod"] {
        let all = objects(overlay)?;
        let servers = servers(&all);
        ensure!(servers.len() == SERVICES.len(), "{overlay}: {} services", servers.len());
        for server in servers {
            let place = || format!("{overlay}: {}", server.name());
            spread(server).with_context(place)?;
            probed(&server.container()).with_context(place)?;
            moved_one_at_a_time(named(&all, "PodDisruptionBudget", server.name())?).with_context(place)?;
            if overlay != "dev" {
                scaled_by_load(named(&all, "HorizontalPodAutoscaler", server.name())?).with_context(place)?;
            }
        }
    }
    Ok(())
}

/// A check, and what of a real object it must not let pass: what stands where.
type Refusals<'a> = (&'a str, fn(&Object) -> Result<()>, Object, Vec<(&'a str, Value)>);

#[test]
fn what_would_not_survive_is_seen() -> Result<()> {
    let all = objects("prod")?;
    let rules = "/spec/template/spec/topologySpreadConstraints";
    let selector = format!("{rules}/0/labelSelector/matchLabels");
    let [keys, unsatisfiable] =
        ["matchLabelKeys", "whenUnsatisfiable"].map(|name| format!("{rules}/0/{name}"));
    let target = "/spec/metrics/0/resource/target/averageUtilization";
    let profile = named(&all, "Deployment", "profile")?;
    let checks: [Refusals<'_>; 4] = [
        (
            "spread",
            spread,
            profile.clone(),
            vec![
                (rules, json!([])),
                (&selector, json!({"app.kubernetes.io/name": "ingest"})),
                (&keys, json!(["pod-template-hash"])),
                (&unsatisfiable, json!("DoNotSchedule")),
            ],
        ),
        (
            "probed",
            probed,
            profile.container(),
            vec![
                ("/livenessProbe/httpGet/path", json!("/readyz")),
                ("/readinessProbe/httpGet/path", json!("/healthz")),
            ],
        ),
        (
            "budget",
            moved_one_at_a_time,
            named(&all, "PodDisruptionBudget", "profile")?.clone(),
            vec![("/spec/maxUnavailable", json!(0)), ("/spec/unhealthyPodEvictionPolicy", Value::Null)],
        ),
        (
            "scaler",
            scaled_by_load,
            named(&all, "HorizontalPodAutoscaler", "profile")?.clone(),
            vec![("/spec/metrics", json!([])), (target, json!(100)), ("/spec/maxReplicas", json!(1))],
        ),
    ];
    for (name, check, good, wrongs) in checks {
        check(&good).with_context(|| name.to_owned())?;
        for (path, value) in wrongs {
            let mut wrong = good.clone();
            *wrong.0.pointer_mut(path).with_context(|| format!("nothing at {path}"))? = value;
            ensure!(check(&wrong).is_err(), "{name}: {path} is not looked at");
        }
    }
    Ok(())
}
