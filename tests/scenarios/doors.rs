//! Who is let in: every method there is, by every kind of token, and the operator's way to keys and tokens.

use std::collections::BTreeSet;
use std::process::{Output, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use chassis::rpc::Scopes;
use testkit::{Keys, Stage};
use tests::assembly;
use tests::platform::{binary, root};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request};
use tonic_prost::ProstCodec;

/// All services in one process that is no development: it knows tokens of `keys` only.
async fn platform(keys: &Keys) -> Result<Stage> {
    let closed = "common.dev=false".to_owned();
    Ok(Stage::open(assembly::all(keys.settings().into_iter().chain([closed]))).await?)
}

/// Calls a method with an empty request. An empty message is one of every type.
async fn call(channel: &Channel, path: &str, authorization: Option<&str>) -> Result<Code> {
    let mut request = Request::new(());
    if let Some(value) = authorization {
        request.metadata_mut().insert("authorization", value.parse()?);
    }
    let mut client = tonic::client::Grpc::new(channel.clone());
    client.ready().await?;
    // A stream may hold one answer or none: so methods of all sorts can be asked.
    let answers = client.server_streaming(request, path.parse()?, ProstCodec::<(), ()>::default()).await;
    let first = match answers {
        Ok(answers) => answers.into_inner().message().await,
        Err(status) => Err(status),
    };
    Ok(first.err().map_or(Code::Ok, |status| status.code()))
}

#[tokio::test(flavor = "multi_thread")]
async fn every_method_asks_for_a_token_with_its_scope() -> Result<()> {
    let keys = Keys::new()?;
    let stage = platform(&keys).await?;
    let channel = Endpoint::from_shared(format!("http://{}", stage.running.grpc))?.connect_lazy();
    let methods = Scopes::load()?;
    let all: BTreeSet<&str> = methods.paths().filter_map(|path| methods.of(path)).collect();
    let token = |scope: &str| -> Result<String> {
        Ok(format!("Bearer {}", keys.token(&stage.clock, "shop-1", "李伟", scope)?))
    };
    let strangers = Keys::new()?.token(&stage.clock, "shop-1", "李伟", "*")?;
    let mut asked = 0;
    for path in methods.paths() {
        let scope = methods.of(path).context("a method without a scope")?;
        for nobody in [None, Some("Bearer dev".to_owned()), Some(format!("Bearer {strangers}"))] {
            let code = call(&channel, path, nobody.as_deref()).await?;
            assert_eq!(code, Code::Unauthenticated, "{path} by {nobody:?}");
        }
        let others: Vec<&str> = all.iter().copied().filter(|other| *other != scope).collect();
        for lacking in ["", &others.join(" "), &format!("{scope}x x{scope} {}", scope.to_uppercase())] {
            let code = call(&channel, path, Some(&token(lacking)?)).await?;
            assert_eq!(code, Code::PermissionDenied, "{path} with `{lacking}`");
        }
        for enough in [scope, "*"] {
            let code = call(&channel, path, Some(&token(enough)?)).await?;
            let refused =
                [Code::Unauthenticated, Code::PermissionDenied, Code::Unimplemented, Code::Internal];
            assert!(!refused.contains(&code), "{path} with `{enough}`: {code:?}");
        }
        asked += 1;
    }
    assert!(asked > 60, "only {asked} methods are found");
    stage.running.shutdown().await;
    Ok(())
}

async fn guanxi(arguments: &[&str]) -> Result<Output> {
    Ok(Command::new(binary()?).args(arguments).current_dir(root()).output().await?)
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// `guanxi serve profile`, and where it serves gRPC.
async fn serve(data: &std::path::Path, settings: &[String]) -> Result<(Child, String)> {
    let mut command = Command::new(binary()?);
    command.args([
        "serve",
        "profile",
        "--set",
        "common.grpc=127.0.0.1:0",
        "--set",
        "common.http=127.0.0.1:0",
    ]);
    command.args(["--set", "common.log.format=json", "--set", &format!("common.data={}", data.display())]);
    for setting in settings {
        command.args(["--set", setting]);
    }
    let mut child = command.stderr(Stdio::piped()).kill_on_drop(true).spawn()?;
    let mut lines = BufReader::new(child.stderr.take().context("no standard error")?).lines();
    let read = async {
        while let Some(line) = lines.next_line().await? {
            let line: serde_json::Value = serde_json::from_str(&line).with_context(|| line.clone())?;
            if let Some(grpc) = line["fields"]["grpc"].as_str().or(line["grpc"].as_str()) {
                return Ok(grpc.to_owned());
            }
        }
        anyhow::bail!("it ended before it served")
    };
    let grpc = tokio::time::timeout(Duration::from_secs(60), read).await.context("it does not come up")??;
    Ok((child, grpc))
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_and_tokens_of_the_operator_open_a_served_platform() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let path = |name: &str| folder.path().join(name).display().to_string();
    let (key, set) = (path("keys/key.pem"), path("keys/jwks.json"));
    let made = guanxi(&["keys", "new", "--out", &path("keys")]).await?;
    ensure!(made.status.success(), "{}", said(&made));
    let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&key)?.permissions());
    assert_eq!(mode & 0o777, 0o600, "only its owner reads a private key");
    // Nothing is written over.
    let again = guanxi(&["keys", "new", "--out", &path("keys")]).await?;
    assert_eq!(again.status.code(), Some(64));
    assert!(said(&again).contains("is there already"), "{}", said(&again));
    // A second key beside the first one, as when keys are changed.
    let second = guanxi(&["keys", "new", "--out", &path("next"), "--add-to", &set]).await?;
    ensure!(second.status.success(), "{}", said(&second));
    let (_child, grpc) = serve(&folder.path().join("data"), &[format!("common.auth.jwks={set}")]).await?;
    let channel = Endpoint::from_shared(format!("http://{grpc}"))?.connect_lazy();
    let reads = "/guanxi.profile.v1.ProfileService/GetProfile";
    for key in [&key, &path("next/key.pem")] {
        let options = ["token", "--key", key, "--workspace", "demo", "--subject", "ops"];
        let token =
            guanxi(&[&options[..], &["--scope", "profiles.read tags.read", "--ttl", "10m"]].concat()).await?;
        ensure!(token.status.success(), "{}", said(&token));
        let bearer = format!("Bearer {}", String::from_utf8(token.stdout)?.trim());
        assert_eq!(call(&channel, reads, Some(&bearer)).await?, Code::InvalidArgument);
        let writes = "/guanxi.profile.v1.ProfileService/UpdateProfile";
        assert_eq!(call(&channel, writes, Some(&bearer)).await?, Code::PermissionDenied);
        let over = guanxi(&[&options[..], &["--scope", "*", "--ttl", "0s"]].concat()).await?;
        let over = format!("Bearer {}", String::from_utf8(over.stdout)?.trim());
        // It is over, but clocks may be half a minute apart.
        assert_eq!(call(&channel, reads, Some(&over)).await?, Code::InvalidArgument);
    }
    assert_eq!(call(&channel, reads, Some("Bearer dev")).await?, Code::Unauthenticated);
    Ok(())
}

#[tokio::test]
async fn wrong_options_are_refused_with_the_remedy() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let set = folder.path().join("jwks.json").display().to_string();
    std::fs::write(&set, "[]")?;
    let token = ["token", "--subject", "ops", "--scope", "*", "--workspace"];
    let serve = ["serve", "profile", "--set", "common.grpc=127.0.0.1:0", "--set"];
    let jwks = format!("common.auth.jwks={set}");
    let out = folder.path().join("keys").display().to_string();
    for (arguments, says) in [
        (vec!["serve", "profile"], "common.auth.jwks: there is no key set"),
        (
            [&serve[..], &["common.auth.jwks=/nowhere/jwks.json"]].concat(),
            "/nowhere/jwks.json cannot be read",
        ),
        ([&serve[..], &[&jwks]].concat(), "it is no key set"),
        ([&token[..], &["demo", "--key", "/nowhere/key.pem"]].concat(), "--key: /nowhere/key.pem"),
        ([&token[..], &["demo", "--key", &set]].concat(), "PKCS#8 PEM"),
        ([&token[..], &["De mo", "--key", &set]].concat(), "--workspace: is no slug"),
        ([&token[..], &["demo", "--key", &set, "--ttl", "soon"]].concat(), "--ttl"),
        (vec!["keys", "new", "--out", &out, "--add-to", &set], "--add-to"),
        (vec!["keys", "new", "--out", "/proc/nowhere"], "/proc/nowhere cannot be written"),
        (vec!["apply", "-f", "deploy/workspaces/retail", "--server", "https://localhost:1"], "--authority"),
        // The simulator's secrets are for development, which the token tells.
        (vec!["apply", "-f", "deploy/workspaces/retail", "--token", "x"], "OA_AES_KEY is not set"),
    ] {
        let output = guanxi(&arguments).await?;
        assert!(!output.status.success() && said(&output).contains(says), "{arguments:?}: {}", said(&output));
    }
    assert!(!std::path::Path::new(&out).join("key.pem").exists(), "nothing is half done");
    Ok(())
}
