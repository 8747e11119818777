//! The image: what can be seen without building it.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use tests::platform::root;

use super::options::{check, known};
use super::rendered::objects;

/// The instructions of the Dockerfile, continued lines joined.
fn instructions() -> Result<Vec<(String, String)>> {
    let text = std::fs::read_to_string(root().join("deploy/Dockerfile"))?;
    let text: String =
        text.lines().filter(|line| !line.starts_with('#')).map(|line| format!("{line}\n")).collect();
    let joined = text.replace("\\\n", " ");
    let lines = joined.lines().filter(|line| !line.trim().is_empty());
    Ok(lines
        .filter_map(|line| line.split_once(' '))
        .map(|(word, rest)| (word.to_owned(), rest.trim().to_owned()))
        .collect())
}

fn the<'a>(instructions: &'a [(String, String)], word: &str) -> Result<&'a str> {
    let found = instructions.iter().find(|(found, _)| found == word);
    found.map(|(_, rest)| rest.as_str()).with_context(|| format!("the Dockerfile has no {word}"))
}

/// The environment that the image brings along.
pub(super) fn variables() -> Result<BTreeMap<String, String>> {
    let instructions = instructions()?;
    let pairs = the(&instructions, "ENV")?.split_whitespace();
    pairs
        .map(|pair| pair.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned())))
        .collect::<Option<_>>()
        .context("ENV")
}

#[test]
fn the_image_is_built_from_what_is_here() -> Result<()> {
    let instructions = instructions()?;
    let ignored = std::fs::read_to_string(root().join("deploy/Dockerfile.dockerignore"))?;
    let sent = |path: &str| {
        let hit = |rule: &str| path == rule || path.starts_with(&format!("{rule}/"));
        let rules = ignored.lines().filter(|line| !line.starts_with('#'));
        rules.fold(true, |sent, rule| match rule.strip_prefix('!') {
            Some(rule) if hit(rule) => true,
            None if hit(rule) => false,
            _ => sent,
        })
    };
    for (_, rest) in instructions.iter().filter(|(word, rest)| word == "COPY" && !rest.starts_with("--from"))
    {
        let (source, _) = rest.rsplit_once(' ').context("COPY")?;
        ensure!(root().join(source).exists(), "COPY {source}: there is none");
        ensure!(source == "." || sent(source), "COPY {source}: it is ignored");
    }
    let manifest: toml::Table = toml::from_str(&std::fs::read_to_string(root().join("Cargo.toml"))?)?;
    let members = manifest["workspace"]["members"].as_array().context("members")?;
    for needed in members.iter().filter_map(toml::Value::as_str).chain(["Cargo.lock", "proto"]) {
        ensure!(sent(needed), "the image is built without {needed}");
    }
    ensure!(!sent("target/debug") && !sent("data/log") && !sent(".git/config"), "too much is sent");

    let package = &manifest["workspace"]["package"];
    let rust = package["rust-version"].as_str().context("rust-version")?;
    ensure!(
        the(&instructions, "FROM")?.starts_with(&format!("rust:{rust}-")),
        "another Rust than the workspace's"
    );
    let build = instructions.iter().find(|(word, rest)| word == "RUN" && rest.contains("cargo build"));
    let (_, build) = build.context("nothing is built")?;
    for part in ["--locked", "--release", "--package guanxi", "target/release/guanxi"] {
        ensure!(build.contains(part), "cargo build without {part}");
    }
    ensure!(root().join("services/guanxi/src/main.rs").exists(), "the binary is called otherwise");
    assert_eq!(the(&instructions, "ENTRYPOINT")?, r#"["guanxi"]"#);
    Ok(())
}

/// Built in one stage and served from another, which has what was built, what is to be applied, and no tools.
fn staged(instructions: &[(String, String)]) -> Result<()> {
    let begins: Vec<usize> = (0..instructions.len())
        .filter(|at| instructions.get(*at).is_some_and(|(word, _)| word == "FROM"))
        .collect();
    let (Some(last), true) = (begins.last(), begins.len() >= 2) else { anyhow::bail!("one stage") };
    let (built, served) = instructions.split_at(*last);
    let stage = the(built, "FROM")?.split_once(" AS ").context("a stage without a name")?.1;
    ensure!(!the(served, "FROM")?.starts_with("rust:"), "it is served from the image of the compiler");
    let copies: Vec<&str> =
        served.iter().filter(|(word, _)| word == "COPY").map(|(_, rest)| rest.as_str()).collect();
    let binary = format!("--from={stage} /guanxi /usr/local/bin/guanxi");
    for needed in [binary.as_str(), "deploy/workspaces /usr/share/guanxi/workspaces"] {
        ensure!(copies.contains(&needed), "no COPY {needed}: {copies:?}");
    }
    Ok(())
}

#[test]
fn the_image_has_what_was_built_and_no_tools() -> Result<()> {
    let good = instructions()?;
    staged(&good)?;
    let one: Vec<_> = good.iter().filter(|(_, rest)| !rest.starts_with("debian:")).cloned().collect();
    ensure!(staged(&one).is_err(), "one stage");
    for part in ["--from=build", "deploy/workspaces"] {
        let without: Vec<_> = good.iter().filter(|(_, rest)| !rest.starts_with(part)).cloned().collect();
        ensure!(without.len() < good.len() && staged(&without).is_err(), "without {part}");
    }
    Ok(())
}

#[test]
fn the_image_fits_the_manifests() -> Result<()> {
    let instructions = instructions()?;
    let known = known()?;
    for name in variables()?.keys() {
        // It is the image of every service.
        check(name, "common", &known)?;
    }
    let user = the(&instructions, "USER")?;
    let exposed: Vec<&str> = the(&instructions, "EXPOSE")?.split_whitespace().collect();
    let manifest: toml::Table = toml::from_str(&std::fs::read_to_string(root().join("Cargo.toml"))?)?;
    let version = manifest["workspace"]["package"]["version"].as_str().context("version")?.to_owned();
    for overlay in ["base", "dev", "prod"] {
        for workload in objects(overlay)?.iter().filter(|object| object.is_workload() && object.is_ours()) {
            let context = workload.at("/spec/template/spec/securityContext");
            assert_eq!(format!("{}:{}", context["runAsUser"], context["runAsGroup"]), user);
            let container = workload.container();
            assert_eq!(container.text("/image"), format!("guanxi:{version}"), "{overlay}");
            ensure!(
                container.at("/command").is_null(),
                "{}: the image's entrypoint is meant",
                workload.name()
            );
            for port in container.list("/ports") {
                let port = port.at("/containerPort").to_string();
                ensure!(exposed.contains(&port.as_str()), "the image does not expose {port}");
            }
            let mounts = container.list("/volumeMounts");
            let written = mounts.iter().filter(|mount| mount.at("/readOnly") != &Value::Bool(true));
            let written: Vec<&str> = written.map(|mount| mount.text("/mountPath")).collect();
            assert_eq!(written, [the(&instructions, "VOLUME")?], "{}", workload.name());
        }
    }
    Ok(())
}
