//! Manifests as `kubectl kustomize` renders them, and whether the clusters of today take them.

use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;

use anyhow::{Context as _, Result, anyhow};
use serde_json::{Value, json};
use tempfile::{TempDir, tempdir};
use tests::platform::{binary, root};
use tests::tools::{kubectl, not_run, present, python_with, run};

/// The oldest Kubernetes that `deploy/README.md` promises, and a new one.
const VERSIONS: [&str; 2] = ["1.30", "1.37"];

/// One object of a cluster.
#[derive(Clone, Debug)]
pub(super) struct Object(pub(super) Value);

impl Object {
    pub(super) fn kind(&self) -> &str {
        self.text("/kind")
    }

    pub(super) fn name(&self) -> &str {
        self.text("/metadata/name")
    }

    /// The text at a path, or none.
    pub(super) fn text(&self, path: &str) -> &str {
        self.at(path).as_str().unwrap_or_default()
    }

    /// What is at a path; null where there is nothing.
    pub(super) fn at(&self, path: &str) -> &Value {
        self.0.pointer(path).unwrap_or(&Value::Null)
    }

    /// Whether it runs containers.
    pub(super) fn is_workload(&self) -> bool {
        matches!(self.kind(), "Deployment" | "StatefulSet" | "Job")
    }

    /// Whether it is one of the platform's own, and not an engine that it stands on.
    pub(super) fn is_ours(&self) -> bool {
        self.text("/metadata/labels/app.kubernetes.io~1part-of") == "guanxi"
    }

    /// The service it belongs to.
    pub(super) fn service(&self) -> &str {
        self.text("/metadata/labels/app.kubernetes.io~1name")
    }

    /// Its only container.
    pub(super) fn container(&self) -> Object {
        Object(self.at("/spec/template/spec/containers/0").clone())
    }

    /// The list at a path.
    pub(super) fn list(&self, path: &str) -> Vec<Object> {
        self.at(path).as_array().into_iter().flatten().cloned().map(Object).collect()
    }
}

/// A copy of `deploy/` with keys of its own, as an operator makes them.
pub(super) fn deploy_folder() -> Result<TempDir> {
    let copy = tempdir()?;
    run(Command::new("cp").arg("-R").arg(root().join("deploy")).arg(copy.path()))?;
    let deploy = copy.path().join("deploy");
    // Those of whoever tried it on this machine are not meant.
    run(Command::new("rm").arg("-rf").arg(deploy.join("overlays/dev/keys")))?;
    run(Command::new(binary()?).args(["keys", "new", "--out"]).arg(deploy.join("overlays/dev/keys")))?;
    Ok(copy)
}

/// The objects of `base`, `overlays/dev` or `overlays/prod`.
pub(super) fn objects(of: &str) -> Result<Vec<Object>> {
    static TEXTS: OnceLock<Result<[String; 3], String>> = OnceLock::new();
    let texts = TEXTS.get_or_init(|| {
        let render = || -> Result<[String; 3]> {
            let copy = deploy_folder()?;
            let deploy = copy.path().join("deploy");
            Ok([
                kustomize(&deploy.join("base"))?,
                kustomize(&deploy.join("overlays/dev"))?,
                kustomize(&deploy.join("overlays/prod"))?,
            ])
        };
        render().map_err(|cause| format!("{cause:#}"))
    });
    let [base, dev, prod] = texts.as_ref().map_err(|cause| anyhow!("{cause}"))?;
    let text = match of {
        "base" => base,
        "dev" => dev,
        _ => prod,
    };
    parsed(text)
}

fn parsed(text: &str) -> Result<Vec<Object>> {
    let values: Vec<Value> = serde_saphyr::from_multiple(text).context("what kubectl rendered is no YAML")?;
    Ok(values.into_iter().map(Object).collect())
}

fn kustomize(folder: &Path) -> Result<String> {
    run(Command::new(kubectl()?).arg("kustomize").arg(folder))
}

/// Every object of a kind that Kubernetes itself knows, strictly: a field that it does not know is refused.
#[test]
fn clusters_take_them() -> Result<()> {
    const VALIDATE: &str = "
import sys, yaml, kubernetes_validate
others = {'cert-manager.io', 'monitoring.coreos.com'}
checked = 0
for number, thing in enumerate(yaml.safe_load_all(sys.stdin)):
    if thing['apiVersion'].split('/')[0] in others: continue
    for version in sys.argv[1:]:
        try:
            kubernetes_validate.validate(thing, version, strict=True)
        except kubernetes_validate.ValidationError as error:
            where = '.'.join(str(step) for step in error.path)
            sys.exit(f\"{thing['kind']} {thing['metadata']['name']}, {where}: {error.message}\")
    checked += 1
print(checked)
";
    if !present("python3")? {
        return not_run("there is no python3 on this machine to validate manifests with");
    }
    let python = python_with("kubernetes-validate==1.37.0")?;
    let copy = deploy_folder()?;
    let mut checked = Vec::new();
    for folder in ["base", "overlays/dev", "overlays/prod"] {
        let file = copy.path().join("rendered.yaml");
        std::fs::write(&file, kustomize(&copy.path().join("deploy").join(folder))?)?;
        let said = run(Command::new(&python)
            .args(["-W", "ignore", "-c", VALIDATE])
            .args(VERSIONS)
            .stdin(std::fs::File::open(&file)?))
        .with_context(|| format!("deploy/{folder}"))?;
        checked.push(said.trim().parse::<usize>()?);
    }
    assert!(checked.iter().all(|count| *count > 50), "objects that were validated: {checked:?}");
    Ok(())
}

/// As `deploy/README.md` has it written, with what it says for while two authorities are believed.
#[test]
fn an_overlay_of_ones_own_is_heard() -> Result<()> {
    const OWN: &str = "
namespace: guanxi
resources: [../deploy/overlays/prod]
images: [{ name: guanxi, newName: registry.example/guanxi, newTag: 9.9.9 }]
configMapGenerator:
  - { name: guanxi, behavior: merge, literals: [GUANXI_COMMON__TLS__AUTHORITY=/etc/guanxi/authorities/ca.crt] }
  - { name: authorities, files: [ca.crt] }
";
    let copy = deploy_folder()?;
    let own = copy.path().join("own");
    std::fs::create_dir(&own)?;
    std::fs::write(own.join("kustomization.yaml"), OWN)?;
    std::fs::write(own.join("ca.crt"), "two authorities")?;
    let all = parsed(&kustomize(&own)?)?;
    let named = |begin: &str| {
        let maps = all.iter().filter(|object| object.kind() == "ConfigMap");
        maps.map(Object::name).find(|name| name.starts_with(begin)).map(str::to_owned)
    };
    let (settings, authorities) = (named("guanxi-"), named("authorities-"));
    let mut seen = 0;
    for server in all.iter().filter(|object| object.is_workload() && object.kind() != "Job") {
        let (name, container) = (server.name(), server.container());
        assert_eq!(container.text("/image"), "registry.example/guanxi:9.9.9", "{name}");
        let told = container.text("/envFrom/0/configMapRef/name");
        assert_eq!(Some(told), settings.as_deref(), "{name}");
        let volumes = server.list("/spec/template/spec/volumes");
        let volume = volumes.iter().find(|volume| volume.text("/name") == "authorities");
        let mounted = volume.map(|volume| volume.text("/configMap/name"));
        assert_eq!(mounted, authorities.as_deref(), "{name} has another ConfigMap than the one that is made");
        let mounts = container.list("/volumeMounts");
        let there = mounts.iter().find(|mount| mount.text("/name") == "authorities");
        assert_eq!(there.map(|mount| mount.text("/mountPath")), Some("/etc/guanxi/authorities"), "{name}");
        seen += 1;
    }
    assert!(settings.is_some() && authorities.is_some() && seen == super::SERVICES.len(), "{seen}");
    Ok(())
}

/// Where no disk can be shared, by the patches that `deploy/README.md` gives.
#[test]
fn analytics_may_run_as_one() -> Result<()> {
    let page = std::fs::read_to_string(root().join("deploy/README.md"))?;
    let (_, behind) = page.split_once("analytics runs as one replica:").context("README gives no patches")?;
    let patches = behind.split("```").nth(1).context("README gives no patches")?;
    let patches: String =
        patches.lines().map(|line| format!("{}\n", line.strip_prefix("   ").unwrap_or(line))).collect();
    let copy = deploy_folder()?;
    let own = copy.path().join("own");
    std::fs::create_dir(&own)?;
    std::fs::write(
        own.join("kustomization.yaml"),
        format!("resources: [../deploy/overlays/prod]\n{patches}"),
    )?;
    let all = parsed(&kustomize(&own)?)?;
    let one = |kind: &str| {
        let found = all.iter().find(|object| object.kind() == kind && object.name() == "analytics");
        found.with_context(|| format!("there is no {kind}"))
    };
    assert_eq!(*one("PersistentVolumeClaim")?.at("/spec/accessModes"), json!(["ReadWriteOnce"]));
    assert_eq!(one("Deployment")?.text("/spec/strategy/type"), "Recreate");
    let scaler = one("HorizontalPodAutoscaler")?;
    assert_eq!([scaler.at("/spec/minReplicas"), scaler.at("/spec/maxReplicas")], [&json!(1), &json!(1)]);
    Ok(())
}
