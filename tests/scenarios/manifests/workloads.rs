//! Every service is run alike, within limits, by an account of its own, and may be moved at any time.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use tests::platform::root;

use super::SERVICES;
use super::rendered::{Object, objects};

const OVERLAYS: [&str; 3] = ["base", "dev", "prod"];

/// The labels that a pod of this workload has.
pub(super) fn labels(workload: &Object) -> &Value {
    workload.at("/spec/template/metadata/labels")
}

/// Whether a selector's `matchLabels` (or a Service's whole selector) takes pods with these labels.
pub(super) fn selects(selector: &Value, labels: &Value) -> bool {
    let wanted = selector.get("matchLabels").unwrap_or(selector);
    wanted
        .as_object()
        .is_some_and(|wanted| wanted.iter().all(|(name, value)| labels.get(name) == Some(value)))
}

/// A length of time as the settings write it.
fn seconds(text: &str) -> Result<i64> {
    let length = kernel::time::parse_duration(text).map_err(|message| anyhow::anyhow!(message))?;
    Ok(i64::try_from(length.as_secs())?)
}

#[test]
fn containers_are_limited_locked_and_probed() -> Result<()> {
    for overlay in OVERLAYS {
        for workload in objects(overlay)?.iter().filter(|object| object.is_workload()) {
            let (kind, name) = (workload.kind(), workload.name());
            let pod = Object(workload.at("/spec/template/spec").clone());
            let containers = pod.list("/containers");
            ensure!(containers.len() == 1 && pod.at("/initContainers").is_null(), "{name}: one container");
            let container = workload.container();
            let must = |holds: bool, what: &str| -> Result<()> {
                ensure!(holds, "{overlay}: {kind} {name} {what}");
                Ok(())
            };
            must(pod.at("/automountServiceAccountToken") == false, "may ask the cluster")?;
            must(pod.at("/enableServiceLinks") == false, "gets variables from Services")?;
            must(pod.at("/securityContext/runAsNonRoot") == true, "may run as root")?;
            must(pod.at("/securityContext/runAsUser").as_u64() > Some(0), "has no user by number")?;
            must(
                pod.text("/securityContext/seccompProfile/type") == "RuntimeDefault",
                "has no seccomp profile",
            )?;
            let context = Object(container.at("/securityContext").clone());
            must(context.at("/readOnlyRootFilesystem") == true, "may write anywhere")?;
            must(context.at("/allowPrivilegeEscalation") == false, "may gain privileges")?;
            must(*context.at("/capabilities") == json!({"drop": ["ALL"]}), "has capabilities")?;
            for path in ["/resources/requests/cpu", "/resources/requests/memory", "/resources/limits/memory"]
            {
                must(!container.text(path).is_empty(), &format!("says nothing about {path}"))?;
            }
            let (_, tag) =
                container.text("/image").split_once(':').with_context(|| format!("{name}: no tag"))?;
            must(tag != "latest", "runs whatever is latest")?;
            let mounted: Vec<_> =
                container.list("/volumeMounts").iter().map(|m| m.text("/name").to_owned()).collect();
            let mut volumes: Vec<_> =
                pod.list("/volumes").iter().map(|v| v.text("/name").to_owned()).collect();
            volumes.extend(
                workload.list("/spec/volumeClaimTemplates").iter().map(|claim| claim.name().to_owned()),
            );
            must(mounted.iter().all(|name| volumes.contains(name)), "mounts a volume that it does not have")?;
            must(volumes.iter().all(|name| mounted.contains(name)), "has a volume that it does not mount")?;
            if kind != "Job" {
                for probe in ["startupProbe", "livenessProbe", "readinessProbe"] {
                    must(container.at(&format!("/{probe}")).is_object(), &format!("has no {probe}"))?;
                }
            }
        }
    }
    Ok(())
}

#[test]
fn every_service_has_what_it_needs() -> Result<()> {
    for overlay in OVERLAYS {
        let all = objects(overlay)?;
        let find =
            |kind: &str, name: &str| all.iter().find(|object| object.kind() == kind && object.name() == name);
        for service in SERVICES {
            let one = |kind: &str, name: &str| {
                find(kind, name).with_context(|| format!("{overlay}: there is no {kind} {name}"))
            };
            let workload = one("Deployment", service)?;
            let pod = labels(workload);
            ensure!(workload.text("/spec/template/spec/serviceAccountName") == service, "{service}: account");
            ensure!(
                one("ServiceAccount", service)?.at("/automountServiceAccountToken") == false,
                "{service}"
            );
            ensure!(selects(workload.at("/spec/selector"), pod), "{service} selects other pods");
            for kind in ["Service", "PodDisruptionBudget", "NetworkPolicy"] {
                let object = one(kind, service)?;
                let path = if kind == "NetworkPolicy" { "/spec/podSelector" } else { "/spec/selector" };
                ensure!(selects(object.at(path), pod), "{overlay}: the {kind} {service} selects other pods");
                let strangers = all.iter().filter(|object| object.is_workload() && object.name() != service);
                for stranger in strangers.filter(|stranger| !labels(stranger).is_null()) {
                    let taken = selects(object.at(path), labels(stranger));
                    ensure!(!taken, "{overlay}: the {kind} {service} takes {} too", stranger.name());
                }
            }
            ensure!(one("Service", service)?.text("/spec/clusterIP") == "None", "{service} is not headless");
            let job = one("Job", &format!("{service}-migration"))?;
            ensure!(
                *job.at("/spec/template/spec/containers/0/args") == json!(["migrate", service]),
                "{service}"
            );
            ensure!(*workload.container().at("/args") == json!(["serve", service]), "{service}: arguments");
            let scaled = all.iter().find(|object| {
                object.kind() == "HorizontalPodAutoscaler"
                    && object.text("/spec/scaleTargetRef/name") == service
            });
            match scaled {
                // A number here would undo what the autoscaler did, with each `apply`.
                Some(scaler) => {
                    ensure!(workload.at("/spec/replicas").is_null(), "{overlay}: {service} states replicas");
                    ensure!(
                        scaler.text("/spec/scaleTargetRef/kind") == workload.kind(),
                        "{service}: scaled kind"
                    );
                    let fewest = if overlay == "prod" { 3 } else { 2 };
                    ensure!(
                        scaler.at("/spec/minReplicas").as_u64() >= Some(fewest),
                        "{overlay}: {service} has no {fewest} replicas"
                    );
                }
                None => {
                    ensure!(overlay == "dev", "{overlay}: {service} has no autoscaler");
                    let why = workload.text("/metadata/annotations/guanxi~1no-autoscaler");
                    ensure!(!why.is_empty(), "{overlay}: {service} has no autoscaler and does not say why");
                    ensure!(
                        workload.at("/spec/replicas").is_u64(),
                        "{overlay}: {service} states no replicas"
                    );
                }
            }
        }
    }
    Ok(())
}

/// A service's objects with its name taken out, by kind and name: what is its own is left away.
fn shape(all: &[Object], service: &str) -> Result<BTreeMap<String, Value>> {
    let mut shape = BTreeMap::new();
    for object in all.iter().filter(|object| object.service() == service) {
        let mut object = object.0.clone();
        if let Some(metadata) = object.pointer_mut("/metadata").and_then(Value::as_object_mut) {
            metadata.remove("annotations");
        }
        if let Some(container) =
            object.pointer_mut("/spec/template/spec/containers/0").and_then(Value::as_object_mut)
        {
            container.remove("resources");
        }
        if let Some(volumes) = object.pointer_mut("/spec/template/spec/volumes").and_then(Value::as_array_mut)
        {
            // A disk that lasts, or one to throw away.
            volumes.retain(|volume| volume["name"] != "data");
        }
        if let Some(spec) = object.get_mut("spec").and_then(Value::as_object_mut) {
            for own in ["ingress", "egress", "minReplicas", "maxReplicas"] {
                spec.remove(own);
            }
        }
        let text = object.to_string().replace(&service.to_uppercase(), "SERVICE").replace(service, "service");
        let value: Value = serde_json::from_str(&text)?;
        let name = format!("{} {}", value["kind"], value["metadata"]["name"]).replace('"', "");
        shape.insert(name, value);
    }
    Ok(shape)
}

#[test]
fn services_are_alike() -> Result<()> {
    let all = objects("base")?;
    let pattern = shape(&all, "profile")?;
    ensure!(pattern.len() == 7, "profile has {:?}", pattern.keys());
    for service in SERVICES {
        let mut found = shape(&all, service)?;
        let mut wanted = pattern.clone();
        if service == "ingest" {
            // The address of the tracking API; and sites come by HTTP.
            ensure!(found.remove("Service service-http").is_some(), "ingest has no address for HTTP");
        }
        if service == "analytics" {
            let disk = found.remove("PersistentVolumeClaim service").context("analytics has no disk")?;
            assert_eq!(disk["spec"]["accessModes"], json!(["ReadWriteMany"]), "all replicas read it");
        }
        // They call nobody.
        let calls = |shape: &mut BTreeMap<String, Value>| {
            shape.get_mut("NetworkPolicy service").map(|policy| policy["spec"]["policyTypes"].take())
        };
        ensure!(calls(&mut found) == calls(&mut wanted), "{service}: policyTypes");
        let names = |shape: &BTreeMap<String, Value>| shape.keys().cloned().collect::<Vec<_>>();
        assert_eq!(names(&found), names(&wanted), "{service}");
        for (name, object) in found {
            assert_eq!(object, wanted[&name], "{service}: {name} differs from profile's");
        }
    }
    Ok(())
}

#[test]
fn pods_get_the_time_to_end() -> Result<()> {
    /// Calls that are open when the ports close (`chassis::process::GRACE`).
    const OPEN_CALLS: i64 = 10;
    let messaging: toml::Table =
        toml::from_str(&std::fs::read_to_string(root().join("services/messaging/config.toml"))?)?;
    let sending = seconds(messaging["timeout"].as_str().context("messaging.timeout")?)?;
    for overlay in OVERLAYS {
        let all = objects(overlay)?;
        let settings =
            all.iter().find(|object| object.kind() == "ConfigMap" && object.name().starts_with("guanxi"));
        let drain = seconds(settings.context("no settings")?.text("/data/GUANXI_COMMON__DRAIN"))?;
        for workload in
            all.iter().filter(|object| object.is_ours() && object.is_workload() && object.kind() != "Job")
        {
            let asleep =
                workload.container().at("/lifecycle/preStop/sleep/seconds").as_i64().context("preStop")?;
            let given = workload.at("/spec/template/spec/terminationGracePeriodSeconds").as_i64();
            let needed = asleep + drain + OPEN_CALLS + sending;
            ensure!(
                given > Some(needed),
                "{}: {given:?} s to end, and it may need {needed} s",
                workload.name()
            );
        }
    }
    Ok(())
}

/// What `deploy/SCALING.md` calculates with.
#[test]
fn the_calculation_of_scale_knows_how_many_replicas_there_are() -> Result<()> {
    let figures: toml::Table = toml::from_str(&std::fs::read_to_string(root().join("deploy/scaling.toml"))?)?;
    let figure = |name: &str| figures["engine"][name].as_integer().context("no number");
    let [usual, most, most_of_identity] =
        ["replicas", "replicas_most", "replicas_most_of_identity"].map(figure);
    let (usual, most, most_of_identity) = (usual?, most?, most_of_identity?);
    let all = objects("prod")?;
    for scaler in all.iter().filter(|object| object.kind() == "HorizontalPodAutoscaler") {
        let found = ["minReplicas", "maxReplicas"].map(|end| scaler.at(&format!("/spec/{end}")).as_i64());
        let wanted = match scaler.name() {
            "identity" => [usual, most_of_identity],
            _ => [usual, most],
        };
        assert_eq!(found, wanted.map(Some), "{}", scaler.name());
    }
    Ok(())
}
