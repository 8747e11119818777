//! The rules of the house, checked: which crate may know which, that files say what they are for, services alike.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use cargo_metadata::{DependencyKind, MetadataCommand};
use tests::platform::root;
use tests::tools::{node_with, not_run, present, run};

const SHARED: [&str; 7] = ["wire", "kernel", "rules", "bus", "store", "chassis", "testkit"];
const SERVICES: [&str; 7] =
    ["ingest", "identity", "profile", "segmentation", "journey", "messaging", "analytics"];

/// Which of our crates each of our crates uses outside tests.
fn edges() -> Result<BTreeMap<String, BTreeSet<String>>> {
    let metadata = MetadataCommand::new().manifest_path(root().join("Cargo.toml")).no_deps().exec()?;
    let ours: BTreeSet<String> = metadata.packages.iter().map(|package| package.name.to_string()).collect();
    let edges = metadata.packages.iter().map(|package| {
        let uses = package
            .dependencies
            .iter()
            .filter(|d| d.kind == DependencyKind::Normal && ours.contains(&d.name));
        (package.name.to_string(), uses.map(|d| d.name.clone()).collect())
    });
    Ok(edges.collect())
}

#[test]
fn services_know_shared_crates_and_not_each_other() -> Result<()> {
    let edges = edges()?;
    for service in SERVICES {
        for used in edges.get(service).with_context(|| format!("there is no crate {service}"))? {
            assert!(
                SHARED.contains(&used.as_str()) && used != "testkit",
                "{service} must not depend on {used}"
            );
        }
    }
    let allowed: [(&str, &[&str]); 6] = [
        ("wire", &[]),
        ("kernel", &[]),
        ("rules", &["kernel", "wire"]),
        ("bus", &["kernel"]),
        ("store", &["bus", "kernel", "wire"]),
        ("chassis", &["bus", "kernel", "store", "wire"]),
    ];
    for (krate, may_use) in allowed {
        let may_use: BTreeSet<String> = may_use.iter().map(|name| (*name).to_owned()).collect();
        let excess: Vec<_> = edges[krate].difference(&may_use).collect();
        assert!(excess.is_empty(), "{krate} must not depend on {excess:?}");
    }
    assert_eq!(
        edges["simulator"],
        BTreeSet::from(["kernel".to_owned()]),
        "the simulator shares nothing with connectors"
    );
    Ok(())
}

fn rust_files(folder: &Path, found: &mut Vec<PathBuf>) -> Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() && path.file_name().is_some_and(|name| name != "target") {
            rust_files(&path, found)?;
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    Ok(())
}

#[test]
fn every_file_says_what_it_is_for_and_stays_one_idea() -> Result<()> {
    let mut files = Vec::new();
    for folder in ["shared", "services", "tests"] {
        rust_files(&root().join(folder), &mut files)?;
    }
    assert!(files.len() > 100, "only {} files found", files.len());
    for file in files {
        let text = std::fs::read_to_string(&file)?;
        assert!(text.starts_with("//!"), "{} does not begin with what it is for", file.display());
        let lines = text.lines().count();
        assert!(lines <= 600, "{} has {lines} lines: more than one idea", file.display());
    }
    Ok(())
}

#[test]
fn services_are_laid_out_alike() -> Result<()> {
    for service in SERVICES {
        let folder = root().join("services").join(service);
        for file in ["config.toml", "README.md", "src/lib.rs", "src/config.rs", "src/api.rs", "src/store.rs"]
        {
            assert!(folder.join(file).exists(), "services/{service} has no {file}");
        }
        let page = std::fs::read_to_string(folder.join("README.md"))?;
        for heading in ["Owns", "Publishes", "Consumes", "Calls", "Invariants", "Tables", "Knobs", "Errors"] {
            let line = format!("## {heading}");
            assert!(page.lines().any(|l| l == line), "services/{service}/README.md has no section `{line}`");
        }
    }
    Ok(())
}

#[test]
fn options_are_documented_where_they_are_set() -> Result<()> {
    for service in SERVICES {
        let text = std::fs::read_to_string(root().join("services").join(service).join("config.toml"))?;
        let mut commented = false;
        for line in text.lines().map(str::trim) {
            if line.contains('=') && !line.starts_with(['#', '{']) {
                assert!(commented, "services/{service}/config.toml: `{line}` has no comment above it");
            }
            commented = line.starts_with('#') || (commented && line.starts_with(['[', '{']));
        }
    }
    Ok(())
}

#[test]
fn every_method_declares_its_scope() -> Result<()> {
    // Loading refuses a method of ours without one.
    let scopes = chassis::rpc::Scopes::load().map_err(|error| anyhow::anyhow!(error.message))?;
    assert!(scopes.paths().count() > 60);
    Ok(())
}

/// Names and layout of the API are those that everybody's tools expect.
#[test]
fn the_api_is_written_as_buf_wants_it() -> Result<()> {
    if !present("npm")? {
        return not_run("there is no npm on this machine to fetch buf with");
    }
    let buf = node_with("@bufbuild/buf@1.75.0")?.join("node_modules/.bin/buf");
    let output = Command::new(&buf).arg("lint").current_dir(root().join("proto")).output()?;
    let said = String::from_utf8_lossy(&output.stdout);
    ensure!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));

    // It looks, and at this.
    let wrong = tempfile::tempdir()?;
    run(Command::new("cp").arg("-R").arg(root().join("proto")).arg(wrong.path()))?;
    let there = wrong.path().join("proto/guanxi/event/v1/wrong.proto");
    std::fs::write(there, "syntax = \"proto3\";\npackage guanxi.event.v1;\nmessage wrong_name {}\n")?;
    let output = Command::new(&buf).arg("lint").current_dir(wrong.path().join("proto")).output()?;
    let said = String::from_utf8_lossy(&output.stdout);
    ensure!(said.contains("wrong_name"), "a wrong name is not seen: {said}");
    Ok(())
}
