//! `overlays/prod`, run as `running.rs` runs `overlays/dev`: on a log of three servers, and with the certificates that it asks
//! cert-manager for, so that every call shows one.
//!
//! What the operator brings (engines and Secrets) is that of `overlays/dev`.

use anyhow::{Context as _, Result, ensure};
use base64::Engine as _;
use chassis::config::Tls;
use kernel::Clock;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
};
use serde_json::json;
use testkit::nats::NatsServer;
use tests::platform::binary;
use tests::tools::run;
use tonic::Request;
use wire::profile::tag_service_client::TagServiceClient;
use wire::profile::{CreateTagRequest, Tag};

use super::SERVICES;
use super::rendered::{Object, objects};
use super::running::{Machine, address_of, broker};
use crate::trace::collector::Collector;

/// What `kubectl kustomize` puts behind the name of a Secret that it makes.
const HASH: usize = "-0123456789".len();

/// Everything that is in the cluster in the end.
fn cluster() -> Result<Vec<Object>> {
    let mut all = objects("prod")?;
    for mut object in objects("dev")? {
        let settings = ["/data/databases.sql", "/data/nats.conf"];
        if object.kind() == "Secret" {
            let name = object.name().to_owned();
            let plain = name.get(..name.len().saturating_sub(HASH)).context("a Secret without a name")?;
            object.0["metadata"]["name"] = json!(plain);
            all.push(object);
        } else if settings.iter().any(|file| object.at(file).is_string()) {
            all.push(object);
        }
    }
    let issued = certificates(&all)?;
    all.extend(issued);
    Ok(all)
}

/// The Secrets that cert-manager makes of the `Certificate`s.
fn certificates(all: &[Object]) -> Result<Vec<Object>> {
    let asked = all.iter().filter(|object| object.kind() == "Certificate");
    let (authorities, others): (Vec<&Object>, Vec<&Object>) =
        asked.partition(|certificate| certificate.at("/spec/isCA") == &json!(true));
    let [authority] = authorities[..] else { anyhow::bail!("not one authority: {authorities:?}") };
    let mut params = CertificateParams::new(Vec::new())?;
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.distinguished_name.push(DnType::CommonName, authority.text("/spec/commonName"));
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate()?)?;
    others.into_iter().map(|certificate| issue(certificate, &authority)).collect()
}

fn issue(certificate: &Object, authority: &CertifiedIssuer<'_, KeyPair>) -> Result<Object> {
    let texts = |path: &str| -> Vec<String> {
        certificate.list(path).iter().filter_map(|text| text.0.as_str().map(str::to_owned)).collect()
    };
    let names = texts("/spec/dnsNames");
    // On this machine the name is an address.
    let here = SERVICES.into_iter().filter(|service| names.iter().any(|name| name == service));
    let here = here.map(address_of).collect::<Result<Vec<_>>>()?;
    let mut params = CertificateParams::new(names.into_iter().chain(here).collect::<Vec<_>>())?;
    for usage in texts("/spec/usages") {
        params.extended_key_usages.push(match usage.as_str() {
            "server auth" => ExtendedKeyUsagePurpose::ServerAuth,
            "client auth" => ExtendedKeyUsagePurpose::ClientAuth,
            other => anyhow::bail!("unknown usage {other}"),
        });
    }
    let key = KeyPair::generate()?;
    let signed = params.signed_by(&key, authority)?;
    let encoded = |text: String| base64::engine::general_purpose::STANDARD.encode(text);
    Ok(Object(json!({
        "kind": "Secret",
        "metadata": {"name": certificate.text("/spec/secretName")},
        "data": {
            "tls.crt": encoded(signed.pem()),
            "tls.key": encoded(key.serialize_pem()),
            "ca.crt": encoded(authority.pem()),
        },
    })))
}

/// Three servers that keep every stream three times, once they have agreed on who leads.
fn brokers(objects: &[Object]) -> Result<Vec<NatsServer>> {
    let ports = [testkit::free_port()?, testkit::free_port()?, testkit::free_port()?];
    let routes = ports.map(|port| format!("nats-route://127.0.0.1:{port}")).join(", ");
    let start = |port: &u16| {
        let lines = format!(
            "server_name: \"s{port}\"\ncluster {{ name: \"prod\", listen: \"127.0.0.1:{port}\", routes: [{routes}] }}"
        );
        broker(objects, &lines)
    };
    ports.iter().map(start).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn services_call_each_other_with_certificates() -> Result<()> {
    let objects = cluster()?;
    let log = brokers(&objects)?;
    let collector = Collector::start().await?;
    let mut machine = Machine::start(objects, log, "prod").await?;
    let collects = collector.url.trim_start_matches("http://").to_owned();
    machine.addresses.insert("otel-collector.monitoring:4317".to_owned(), collects);
    let pods = machine.run().await?;

    let keys = machine.folder.path().join("profile/keys/key.pem");
    let token = run(std::process::Command::new(binary()?)
        .args(["token", "--workspace", "demo", "--subject", "ops", "--scope", "*", "--key"])
        .arg(keys))?;
    let mounted = machine.folder.path().join("ingest/tls");
    let shown = Tls {
        certificate: mounted.join("tls.crt"),
        key: mounted.join("tls.key"),
        authority: mounted.join("ca.crt"),
    };
    // Profile keeps the tag's condition in segmentation.
    create_tag(&machine, &shown, token.trim()).await?;
    let segmentation = pods.iter().find(|pod| pod.name == "segmentation").context("no segmentation")?;
    let (_, told) = segmentation.get("http", "/metrics").await?.context("it tells nothing")?;
    let called = r#"guanxi_rpc_calls_total{method="/guanxi.segmentation.v1.SegmentationService/CreateSegment",code="0"} 1"#;
    ensure!(told.contains(called), "segmentation was not called:\n{told}");
    let nobody = Tls { authority: shown.authority.clone(), ..Tls::default() };
    ensure!(create_tag(&machine, &nobody, token.trim()).await.is_err(), "who shows no certificate is let in");
    machine.stop(pods).await
}

async fn create_tag(machine: &Machine, tls: &Tls, token: &str) -> Result<()> {
    let address = machine.addresses.get("profile:7700").context("no profile")?;
    let channel = chassis::rpc::outside(&format!("https://{address}"), tls, Clock::system()).await?;
    let tag = Tag {
        key: "buyers".to_owned(),
        name: "买家".to_owned(),
        condition: "events(\"order_completed\").count() >= 1".to_owned(),
        ..Tag::default()
    };
    let mut request = Request::new(CreateTagRequest { tag: Some(tag) });
    request.metadata_mut().insert("authorization", format!("Bearer {token}").parse()?);
    TagServiceClient::new(channel).create_tag(request).await?;
    Ok(())
}
