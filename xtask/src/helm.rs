//! `helm`: lints the chart and renders it with the values of each kind of cluster.
//!
//! helm is built once from its own sources (tests/helm) by the module proxy, and kept in the user's cache
//! directory for every checkout; neither `test` nor continuous integration needs it.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};
use sha2::{Digest, Sha256};

use crate::{host, report};

/// What a build takes while it runs, in GiB.
const DISK_GIB: u64 = 3;
/// The module's files: another text is another program.
const FILES: [&str; 2] = ["go.mod", "go.sum"];
/// The package that is built.
const PACKAGE: &str = "helm.sh/helm/v3/cmd/helm";
/// The chart.
const CHART: &str = "deploy/helm/flatnet";
/// Values that a cluster may have, each with what its objects must have.
const CASES: [(&str, &[&str], &[&str]); 4] = [
    ("idc", &[], &["kind: DaemonSet", "datapath: \"system\""]),
    (
        "aliyun",
        &[
            "vpcRoute.enabled=true",
            "vpcRoute.config.aliyun.region=cn-beijing",
        ],
        &["kind: Deployment", "region: cn-beijing", "socket: null"],
    ),
    (
        "hybrid",
        &[
            "vpcRoute.enabled=true",
            "vpcRoute.nodeSelector.flatnet\\.io/cloud=aliyun",
            "netd.datapath=netdev",
            "image.registry=registry.example.com/flatnet",
            "image.tag=1.2.3",
            "logLevel=debug",
        ],
        &[
            "\"flatnet.io/cloud\":\"aliyun\"",
            "datapath: \"netdev\"",
            "image: registry.example.com/flatnet/netd:1.2.3",
            "value: \"debug\"",
        ],
    ),
    (
        "everything",
        &[
            "vpcRoute.enabled=true",
            "admission.enabled=true",
            "monitoring.enabled=true",
            "namespace.create=true",
        ],
        &[
            "kind: PrometheusRule",
            "{{ $labels.instance }}",
            "kind: MutatingAdmissionPolicy",
            "kind: Namespace",
        ],
    ),
];
/// Values that the schema must refuse.
const REFUSED: [&str; 3] = [
    "netd.datapath=xdp",
    "netd.enable=true",
    "vpcRoute.replicas=0",
];

/// Builds helm where it is missing, then lints and renders the chart.
///
/// # Errors
/// Without Go or the module proxy; if helm finds something, or a rendered chart lacks something.
pub(crate) fn command() -> Result<()> {
    let helm = Helm(program()?);
    helm.lint()?;
    for (name, values, wanted) in CASES {
        let text = helm.template(values).with_context(|| name.to_owned())?;
        let missing: Vec<_> = wanted.iter().filter(|w| !text.contains(**w)).collect();
        ensure!(missing.is_empty(), "{name} has no {missing:?}:\n{text}");
        let objects = objects(&text).with_context(|| name.to_owned())?;
        report::line(&format!("helm: {name}: {objects} objects"));
    }
    for value in REFUSED {
        ensure!(helm.template(&[value]).is_err(), "the schema takes {value}");
    }
    Ok(())
}

struct Helm(PathBuf);

impl Helm {
    fn run(&self, args: &[&str]) -> Result<String> {
        let output = Command::new(&self.0)
            .args(args)
            .current_dir(host::root())
            .output();
        let output = output.with_context(|| format!("cannot run {}", self.0.display()))?;
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        ensure!(
            output.status.success(),
            "helm {} failed:\n{said}{}",
            args.join(" "),
            String::from_utf8_lossy(&output.stderr)
        );
        Ok(said)
    }

    fn lint(&self) -> Result<()> {
        self.run(&["lint", "--strict", "--namespace", "flatnet", CHART])
            .map(drop)
    }

    fn template(&self, values: &[&str]) -> Result<String> {
        let mut args = vec!["template", "flatnet", CHART, "--namespace", "flatnet"];
        for value in values {
            args.extend(["--set", value]);
        }
        self.run(&args)
    }
}

/// How many objects a rendered chart has: each of them readable, of a kind, and with a name.
fn objects(text: &str) -> Result<usize> {
    use serde::Deserialize as _;
    let mut count = 0;
    for document in serde_norway::Deserializer::from_str(text) {
        let object = serde_norway::Value::deserialize(document)?;
        if object.is_null() {
            continue;
        }
        let named = object.get("metadata").and_then(|m| m.get("name")).is_some();
        ensure!(
            named && object.get("kind").is_some(),
            "no object: {object:?}"
        );
        count += 1;
    }
    Ok(count)
}

/// The program of the module as it is: built before, or now.
fn program() -> Result<PathBuf> {
    let dir = host::cache_dir()?.join("helm");
    let mut hasher = Sha256::new();
    for name in FILES {
        let path = module().join(name);
        let text = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
        hasher.update(text);
    }
    let key: String = hasher.finalize()[..8]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let program = dir.join(format!("helm-{key}"));
    if !program.is_file() {
        compile(&dir, &program)?;
    }
    Ok(program)
}

fn compile(dir: &Path, program: &Path) -> Result<()> {
    if !host::has_program("go") {
        bail!("helm is built by Go (https://go.dev/dl/), which is not in PATH");
    }
    fs::create_dir_all(dir).with_context(|| format!("cannot create {}", dir.display()))?;
    let lock = dir.join("lock");
    let lock = File::create(&lock).with_context(|| format!("cannot write {}", lock.display()))?;
    lock.lock().context("cannot lock the cache of helm")?;
    // Another checkout may have built it meanwhile.
    if program.is_file() {
        return Ok(());
    }
    host::require_free(dir, DISK_GIB)?;
    report::line("helm: building it from source, some minutes");
    let started = Instant::now();
    let fresh = dir.join("helm.new");
    let done = go(dir, &fresh).output().context("cannot run go")?;
    ensure!(
        done.status.success(),
        "go build of helm failed; it needs the module proxy (`go env GOPROXY`):\n{}",
        String::from_utf8_lossy(&done.stderr)
            .lines()
            .filter(|line| !line.starts_with("go: downloading"))
            .collect::<Vec<_>>()
            .join("\n")
    );
    fs::rename(&fresh, program).with_context(|| format!("cannot write {}", program.display()))?;
    for left in ["cache", "mod"] {
        // What is left costs disk, no more.
        let _ = fs::remove_dir_all(dir.join(left));
    }
    report::line(&format!(
        "helm: built in {:.0} s",
        started.elapsed().as_secs_f64()
    ));
    Ok(())
}

fn go(dir: &Path, to: &Path) -> Command {
    let mut go = Command::new("go");
    go.current_dir(module())
        .env("GOMODCACHE", dir.join("mod"))
        .env("GOCACHE", dir.join("cache"))
        .env("GOTOOLCHAIN", "local")
        .env("CGO_ENABLED", "0")
        // Without it nobody but root could delete the modules.
        .env("GOFLAGS", "-modcacherw")
        .args(["build", "-mod=readonly", "-trimpath", "-buildvcs=false"])
        .args(["-gcflags", "all=-N -l", "-ldflags", "-s -w", "-o"])
        .arg(to)
        .arg(PACKAGE);
    go
}

fn module() -> PathBuf {
    host::root().join("tests/helm")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_are_counted_and_what_is_none_is_refused() {
        let text =
            "# a file\n---\nkind: A\nmetadata: {name: a}\n---\n---\nkind: B\nmetadata: {name: b}\n";
        assert_eq!(objects(text).expect("objects"), 2);
        assert!(objects("just: text\n").is_err());
    }
}
