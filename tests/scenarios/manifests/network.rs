//! Ports fit together, and the network lets through what the services' pages say, and nothing else.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use tests::platform::root;

use super::SERVICES;
use super::options::environment;
use super::rendered::{Object, objects};
use super::workloads::{labels, selects};

/// Number by name, and by number, of a container's ports.
fn ports(container: &Object) -> BTreeMap<String, u64> {
    let mut ports = BTreeMap::new();
    for port in container.list("/ports") {
        if let Some(number) = port.at("/containerPort").as_u64() {
            ports.insert(port.text("/name").to_owned(), number);
            ports.insert(number.to_string(), number);
        }
    }
    ports
}

/// A port as manifests write it: a name or a number.
fn written(port: &Value) -> String {
    port.as_str().map_or_else(|| port.to_string(), str::to_owned)
}

#[test]
fn ports_fit_together() -> Result<()> {
    for overlay in ["base", "dev", "prod"] {
        let all = objects(overlay)?;
        let servers: Vec<&Object> =
            all.iter().filter(|object| object.is_workload() && object.kind() != "Job").collect();
        let behind = |selector: &Value| {
            let taken = servers.iter().filter(|server| selects(selector, labels(server)));
            taken.map(|server| ports(&server.container())).collect::<Vec<_>>()
        };
        for server in &servers {
            let (container, name) = (server.container(), server.name());
            let ports = ports(&container);
            for probe in ["startupProbe", "livenessProbe", "readinessProbe"] {
                for way in ["httpGet", "tcpSocket"] {
                    let port = container.at(&format!("/{probe}/{way}/port"));
                    ensure!(
                        port.is_null() || ports.contains_key(&written(port)),
                        "{name}: {probe} at {port}"
                    );
                }
            }
            if server.is_ours() {
                let environment = environment(&container, &all)?;
                for (variable, port) in [("GUANXI_COMMON__GRPC", "grpc"), ("GUANXI_COMMON__HTTP", "http")] {
                    let wanted =
                        format!("0.0.0.0:{}", ports.get(port).with_context(|| format!("{name}: {port}"))?);
                    assert_eq!(environment[variable].as_deref(), Some(wanted.as_str()), "{overlay}: {name}");
                }
            }
        }
        for service in all.iter().filter(|object| object.kind() == "Service") {
            let pods = behind(service.at("/spec/selector"));
            ensure!(!pods.is_empty(), "{overlay}: nothing is behind the Service {}", service.name());
            for port in service.list("/spec/ports") {
                let target = written(port.at("/targetPort"));
                let open = pods.iter().all(|ports| ports.contains_key(&target));
                ensure!(open, "{overlay}: the Service {} leads to {target}, which is closed", service.name());
            }
        }
        for policy in all.iter().filter(|object| object.kind() == "NetworkPolicy") {
            for rule in policy.list("/spec/ingress") {
                for port in rule.list("/ports") {
                    let port = written(port.at("/port"));
                    let open =
                        behind(policy.at("/spec/podSelector")).iter().all(|ports| ports.contains_key(&port));
                    ensure!(open, "{overlay}: {} lets in to {port}, which is closed", policy.name());
                }
            }
        }
    }
    Ok(())
}

#[test]
fn services_are_called_where_they_are() -> Result<()> {
    for (overlay, scheme) in [("dev", "http"), ("prod", "https")] {
        let all = objects(overlay)?;
        for workload in all.iter().filter(|object| object.is_ours() && object.kind() == "Deployment") {
            let environment = environment(&workload.container(), &all)?;
            for service in SERVICES {
                let variable = format!("GUANXI_COMMON__SERVICES__{}", service.to_uppercase());
                let named = environment.get(&variable).cloned().flatten();
                assert_eq!(
                    named,
                    Some(format!("{scheme}://{service}:7700")),
                    "{overlay}: {}",
                    workload.name()
                );
            }
        }
        for service in SERVICES {
            let object = all.iter().find(|object| object.kind() == "Service" && object.name() == service);
            let open = object.context("no Service")?.list("/spec/ports");
            ensure!(open.iter().any(|port| port.at("/port") == 7700), "{service} is not at port 7700");
        }
        let certificates = all.iter().filter(|object| object.kind() == "Certificate");
        for certificate in certificates.filter(|certificate| SERVICES.contains(&certificate.name())) {
            let names = certificate.list("/spec/dnsNames");
            ensure!(names.iter().any(|name| name.0 == certificate.name()), "{}", certificate.name());
        }
    }
    Ok(())
}

/// Whom a service calls, by the section of its page.
fn calls(service: &str) -> Result<BTreeSet<&'static str>> {
    let page = std::fs::read_to_string(root().join("services").join(service).join("README.md"))?;
    let (_, section) =
        page.split_once("\n## Calls\n").with_context(|| format!("{service}: no section `Calls`"))?;
    let section = section.split("\n## ").next().unwrap_or_default().to_lowercase();
    let words: BTreeSet<&str> = section.split(|c: char| !c.is_alphanumeric()).collect();
    let called = |other: &&str| {
        *other != service && (words.contains(*other) || words.contains(format!("{other}service").as_str()))
    };
    Ok(SERVICES.into_iter().filter(called).collect())
}

/// The services that the rules of one direction name.
fn named(policy: &Object, direction: &str, peers: &str) -> BTreeSet<String> {
    let rules = policy.list(&format!("/spec/{direction}"));
    let peers = rules.iter().flat_map(|rule| rule.list(&format!("/{peers}")));
    let names = peers.map(|peer| peer.text("/podSelector/matchLabels/app.kubernetes.io~1name").to_owned());
    names.filter(|name| !name.is_empty()).collect()
}

#[test]
fn the_network_allows_the_calls_that_are_made() -> Result<()> {
    let all = objects("base")?;
    let policy = |name: &str| {
        let found = all.iter().find(|object| object.kind() == "NetworkPolicy" && object.name() == name);
        found.with_context(|| format!("there is no NetworkPolicy {name}"))
    };
    let mut callers: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    for service in SERVICES {
        let calls = calls(service)?;
        for called in &calls {
            callers.entry(called).or_default().insert(service.to_owned());
        }
        let allowed = named(policy(service)?, "egress", "to");
        assert_eq!(allowed, calls.iter().map(|name| (*name).to_owned()).collect(), "{service} may call");
    }
    assert!(callers.len() > 3, "the pages name hardly any calls: {callers:?}");
    for service in SERVICES {
        let allowed = named(policy(service)?, "ingress", "from");
        assert_eq!(allowed, callers.remove(service).unwrap_or_default(), "{service} may be called by");
    }
    let nothing = policy("nothing")?;
    assert_eq!(
        *nothing.at("/spec/podSelector"),
        serde_json::json!({}),
        "the rule against everything is for all pods"
    );
    assert!(nothing.at("/spec/ingress").is_null() && nothing.at("/spec/egress").is_null());
    let outside = |policy: &Object| policy.0.to_string().contains("ipBlock");
    for service in SERVICES {
        assert_eq!(outside(policy(service)?), service == "messaging", "{service} and the world outside");
    }
    Ok(())
}

/// Hosts and ports that the values of an environment name.
fn addresses(environment: &BTreeMap<String, Option<String>>) -> BTreeMap<String, (String, u64)> {
    let mut addresses = BTreeMap::new();
    for (variable, value) in environment {
        let Some((_, rest)) = value.as_deref().and_then(|value| value.split_once("://")) else { continue };
        let rest = rest.rsplit_once('@').map_or(rest, |(_, rest)| rest);
        let place = rest.split('/').next().unwrap_or_default();
        if let Some((host, Ok(port))) = place.rsplit_once(':').map(|(host, port)| (host, port.parse())) {
            addresses.insert(variable.clone(), (host.to_owned(), port));
        }
    }
    addresses
}

/// Whether the rules let a pod out to a port of a host; those behind a Service of ours are known, others are anywhere.
fn lets_out(all: &[Object], pod: &Value, host: &str, port: u64) -> bool {
    let behind = |service: &Object| {
        let workloads = all.iter().filter(|object| object.is_workload());
        workloads
            .filter(|workload| selects(service.at("/spec/selector"), labels(workload)))
            .collect::<Vec<_>>()
    };
    let service = all.iter().find(|object| object.kind() == "Service" && object.name() == host);
    let there = service.map(behind).unwrap_or_default();
    let policies = all.iter().filter(|object| object.kind() == "NetworkPolicy");
    let rules = policies
        .filter(|policy| selects(policy.at("/spec/podSelector"), pod))
        .flat_map(|policy| policy.list("/spec/egress"));
    let mut open = rules.filter(|rule| rule.list("/ports").iter().any(|open| open.at("/port") == port));
    open.any(|rule| {
        let peers = rule.list("/to");
        peers.is_empty()
            || peers.iter().any(|peer| {
                let selector = peer.at("/podSelector");
                !selector.is_null() && there.iter().any(|workload| selects(selector, labels(workload)))
            })
    })
}

/// Database, broker, collector, and the services that are called: what a process is told of it can reach.
#[test]
fn the_network_lets_out_to_what_the_settings_name() -> Result<()> {
    let mut ports = BTreeSet::new();
    // What production keeps in Secrets, the other overlay says.
    for overlay in ["dev", "prod"] {
        let all = objects(overlay)?;
        for workload in all.iter().filter(|object| object.is_ours() && object.is_workload()) {
            let calls = calls(workload.service())?;
            for (variable, (host, port)) in addresses(&environment(&workload.container(), &all)?) {
                let called = variable.strip_prefix("GUANXI_COMMON__SERVICES__").map(str::to_lowercase);
                let wanted = called.is_none_or(|called| calls.contains(called.as_str()));
                let open = lets_out(&all, labels(workload), &host, port);
                ensure!(open == wanted, "{overlay}: {} to {host}:{port}, {variable}", workload.name());
                ports.insert(port);
            }
        }
    }
    assert_eq!(ports, BTreeSet::from([4222, 4317, 5432, 7700]), "what the settings name");
    Ok(())
}

#[test]
fn a_closed_way_out_is_seen() -> Result<()> {
    let mut all = objects("dev")?;
    let profile = all.iter().find(|object| object.kind() == "Deployment" && object.name() == "profile");
    let pod = labels(profile.context("no profile")?).clone();
    let open = |all: &[Object]| {
        [("postgres", 5432), ("identity", 7700)].map(|(host, port)| lets_out(all, &pod, host, port))
    };
    assert_eq!(open(&all), [true, true]);
    assert!(!lets_out(&all, &pod, "postgres", 5433) && !lets_out(&all, &pod, "messaging", 7700));
    all.retain(|object| object.kind() != "NetworkPolicy" || object.name() != "platform");
    assert_eq!(open(&all), [false, true]);
    all.retain(|object| object.kind() != "NetworkPolicy" || object.name() != "profile");
    assert_eq!(open(&all), [false, false]);
    Ok(())
}
