//! The gateway's configuration: nginx takes it, and it leads every method to a service that answers it.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, ensure};
use chassis::config::Tls;
use chassis::rpc::Channel;
use http::uri::PathAndQuery;
use kernel::Clock;
use tempfile::{TempDir, tempdir};
use tests::platform::{eventually, root};
use tests::tools::{debian_program, not_run, run};
use tokio::net::TcpStream;
use tokio::process::Child;
use tonic::Request;
use tonic::client::Grpc;
use tonic_prost::ProstCodec;

use super::SERVICES;

/// Paths of all methods.
fn methods() -> Result<Vec<String>> {
    let scopes = chassis::rpc::Scopes::load().map_err(|error| anyhow::anyhow!(error.message))?;
    Ok(scopes.paths().map(str::to_owned).collect())
}

/// The `<x>` of `/guanxi.<x>.v1.Service/Method`.
fn package(path: &str) -> Option<&str> {
    path.strip_prefix("/guanxi.")?.split_once(".v1.").map(|(package, _)| package)
}

fn file(name: &str) -> Result<String> {
    Ok(std::fs::read_to_string(root().join("deploy/gateway").join(name))?)
}

fn nginx() -> Result<Option<PathBuf>> {
    debian_program("nginx", "usr/sbin/nginx")
}

/// A folder with the gateway's configuration as nginx is to read it on this machine, and `place` beside it.
fn configured(place: &str, port: u16) -> Result<TempDir> {
    let folder = tempdir()?;
    let here = folder.path().display().to_string();
    let mut text = file("nginx.conf")?;
    // `http2 on` is younger than the nginx of Debian, which says it where it listens.
    let ours = [
        ("http2 on;", String::new()),
        ("listen 7700;", format!("listen 127.0.0.1:{port} http2;")),
        ("/tmp/", format!("{here}/")),
    ];
    for (theirs, ours) in ours {
        ensure!(text.contains(theirs), "nginx.conf has no `{theirs}`");
        text = text.replace(theirs, &ours);
    }
    std::fs::write(folder.path().join("nginx.conf"), text)?;
    std::fs::write(folder.path().join("where.conf"), place)?;
    Ok(folder)
}

fn command(nginx: &Path, folder: &TempDir) -> Command {
    let mut command = Command::new(nginx);
    command.arg("-p").arg(folder.path()).args(["-c", "nginx.conf"]);
    command
}

#[test]
fn every_package_has_its_place() -> Result<()> {
    let methods = methods()?;
    let packages: BTreeSet<&str> = methods.iter().filter_map(|path| package(path)).collect();
    // Every service keeps an audit log of its own.
    assert_eq!(
        packages,
        SERVICES.into_iter().chain(["audit"]).collect(),
        "a package, and nobody leads to it"
    );
    let settings = file("nginx.conf")?;
    let all = SERVICES.join("|");
    for line in [
        format!(r"location ~ ^/guanxi\.(?<service>{all})\.v1\. {{"),
        format!("~^({all})$ $http_guanxi_service;"),
        "location /guanxi.audit.v1. {".to_owned(),
    ] {
        ensure!(settings.contains(&line), "nginx.conf has no `{line}`");
    }
    Ok(())
}

#[test]
fn nginx_takes_it() -> Result<()> {
    let Some(nginx) = nginx()? else {
        return not_run("there is no nginx on this machine (apt-get install nginx)");
    };
    for place in ["docker.conf", "cluster.conf"] {
        // It is looked up when the file is read.
        let text = file(place)?.replace("kube-dns.kube-system.svc.cluster.local", "127.0.0.1");
        let folder = configured(&text, testkit::free_port()?)?;
        run(command(&nginx, &folder).arg("-t"))?;
        std::fs::write(folder.path().join("where.conf"), "resolver 127.0.0.1;")?;
        ensure!(run(command(&nginx, &folder).arg("-t")).is_err(), "{place} could say anything");
    }
    Ok(())
}

/// In place of each service a server that refuses every call with the service's name.
fn places() -> Result<String> {
    let mut text = "map \"\" $domain { default \"\"; }\n".to_owned();
    for service in SERVICES {
        let port = testkit::free_port()?;
        writeln!(
            text,
            "upstream {service} {{ server 127.0.0.1:{port}; }}
             server {{ listen 127.0.0.1:{port} http2; location / {{ default_type application/grpc;
             add_header grpc-status 5 always; add_header grpc-message {service} always; return 200; }} }}"
        )?;
    }
    Ok(text)
}

/// Who answers a call of this method, by what it says.
async fn answers(channel: &Channel, path: &str, audited: Option<&'static str>) -> Result<String> {
    let mut client = Grpc::new(channel.clone());
    client.ready().await?;
    let mut request = Request::new(());
    if let Some(service) = audited {
        request.metadata_mut().insert("guanxi-service", service.parse()?);
    }
    let answer = client.unary(request, PathAndQuery::try_from(path)?, ProstCodec::<(), ()>::default()).await;
    Ok(answer.err().map(|status| status.message().to_owned()).unwrap_or_default())
}

#[tokio::test]
async fn every_method_reaches_its_service() -> Result<()> {
    let Some(nginx) = nginx()? else {
        return not_run("there is no nginx on this machine (apt-get install nginx)");
    };
    let port = testkit::free_port()?;
    let folder = configured(&places()?, port)?;
    // A name with a port is not looked for among the servers that stand in the file.
    let settings = folder.path().join("nginx.conf");
    let text = std::fs::read_to_string(&settings)?.replace("$domain:7700", "$domain");
    std::fs::write(settings, text)?;
    let mut started = tokio::process::Command::from(command(&nginx, &folder));
    let output = folder.path().join("output");
    started.args(["-g", "daemon off; master_process off;"]).stderr(std::fs::File::create(&output)?);
    let _process: Child = started.kill_on_drop(true).spawn()?;
    eventually("nginx", || async {
        let connected = TcpStream::connect(("127.0.0.1", port)).await;
        let said = std::fs::read_to_string(&output)?;
        Ok(connected.map(drop).map_err(|cause| format!("{cause}; {said}")))
    })
    .await?;

    let address = format!("http://127.0.0.1:{port}");
    let channel = chassis::rpc::outside(&address, &Tls::default(), Clock::system()).await?;
    for path in methods()? {
        match package(&path) {
            Some("audit") => {
                for service in SERVICES {
                    assert_eq!(answers(&channel, &path, Some(service)).await?, service, "{path}");
                }
                assert_eq!(answers(&channel, &path, None).await?, "identity", "{path}");
                assert_eq!(answers(&channel, &path, Some("elsewhere.example")).await?, "identity", "{path}");
            }
            service => {
                assert_eq!(Some(answers(&channel, &path, None).await?.as_str()), service, "{path}");
            }
        }
    }
    for common in
        ["/grpc.health.v1.Health/Check", "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo"]
    {
        assert_eq!(answers(&channel, common, None).await?, "identity", "{common}");
    }
    let nobody = answers(&channel, "/guanxi.nothing.v1.NothingService/Get", None).await?;
    ensure!(!SERVICES.contains(&nobody.as_str()), "{nobody} is asked what nobody serves");
    Ok(())
}
