//! The installation as kustomize builds it: each overlay, and the base with every part, by the API server.
//!
//! ```text
//!   deploy/kustomize ─▶ files ─▶ kubectl apply -k, dry run ─▶ [API server]: schema, policies, admission
//! ```
//!
//! What is not known there (a field with a typing error, a rule in CEL that does not compile, a kind that is not
//! served) fails; nothing is stored.

use std::path::Path;
use std::time::Instant;

use anyhow::{Context, Result, ensure};

use super::cluster::Cluster;
use super::plan::with_kinds;
use crate::LabGuard;
use crate::suites::kit::say;

/// A file of deploy/kustomize, by its path there.
macro_rules! files {
    ($($path:literal),* $(,)?) => {
        [$(($path, include_str!(concat!("../../../../deploy/kustomize/", $path)))),*]
    };
}

/// All of them.
const FILES: &[(&str, &str)] = &files![
    "base/crds.yaml",
    "base/ipamd.yaml",
    "base/kustomization.yaml",
    "base/namespace.yaml",
    "base/netd.yaml",
    "parts/addressd/addressd.yaml",
    "parts/addressd/kustomization.yaml",
    "parts/admission/admission.yaml",
    "parts/admission/kustomization.yaml",
    "parts/monitoring/kustomization.yaml",
    "parts/monitoring/podmonitors.yaml",
    "parts/monitoring/prometheusrule.yaml",
    "parts/vpc-route/kustomization.yaml",
    "parts/vpc-route/vpc-route.yaml",
    "overlays/aliyun/kustomization.yaml",
    "overlays/aliyun/vpc-route.yml",
    "overlays/hybrid/kustomization.yaml",
    "overlays/hybrid/vpc-route.yml",
    "overlays/idc/kustomization.yaml",
];
/// What kustomize builds, and what has to be in it.
const BUILT: [(&str, &[&str]); 5] = [
    ("overlays/idc", &["daemonset.apps/netd"]),
    (
        "overlays/aliyun",
        &["daemonset.apps/netd", "deployment.apps/vpc-route"],
    ),
    (
        "overlays/hybrid",
        &["daemonset.apps/netd", "deployment.apps/vpc-route"],
    ),
    ("overlays/addresses", &["deployment.apps/addressd"]),
    (
        "overlays/admission",
        &["validatingadmissionpolicy.admissionregistration.k8s.io/flatnet-pods"],
    ),
];
/// An overlay of an administrator who lets pods choose.
const ADMISSION: &str = "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\n\
                         resources: [../../base, ../../parts/admission]\n";
/// One whose applications whitelist addresses.
const ADDRESSES: &str = "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\n\
                         resources: [../../base, ../../parts/addressd]\n";
/// And one with monitors and alerts, whose kinds this server does not serve: it is built only.
const MONITORING: &str = "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\n\
                          resources: [../../base, ../../parts/monitoring]\n";

pub(super) fn kustomizations(lab: &LabGuard) -> Result<()> {
    let cluster = with_kinds(lab)?;
    let dir = cluster.dir.join("kustomize");
    write(&dir)?;
    for (overlay, wanted) in BUILT {
        let path = dir.join(overlay).display().to_string();
        let begun = Instant::now();
        let said = cluster.kubectl(&[
            "apply",
            "--server-side",
            "--force-conflicts",
            "--dry-run=server",
            "-k",
            &path,
        ]);
        let said = said.with_context(|| overlay.to_owned())?;
        for object in wanted {
            ensure!(said.contains(object), "{overlay} has no {object}:\n{said}");
        }
        say(&format!(
            "{overlay}: {} objects, {:.1?}",
            said.lines().count(),
            begun.elapsed()
        ));
    }
    let vpc = built(&cluster, &dir.join("overlays/hybrid"))?;
    // The overlay's configuration is in the place of the part's.
    ensure!(
        vpc.contains("lineInterfaces"),
        "no configuration of its own"
    );
    ensure!(vpc.contains("flatnet.io/cloud: aliyun"), "no node selector");
    let monitored = built(&cluster, &dir.join("overlays/monitoring"))?;
    ensure!(monitored.contains("kind: PrometheusRule"), "no alerts");
    std::fs::remove_dir_all(&dir)?;
    Ok(())
}

fn built(cluster: &Cluster, overlay: &Path) -> Result<String> {
    cluster.kubectl(&["kustomize", &overlay.display().to_string()])
}

fn write(dir: &Path) -> Result<()> {
    let more = [
        ("overlays/addresses/kustomization.yaml", ADDRESSES),
        ("overlays/admission/kustomization.yaml", ADMISSION),
        ("overlays/monitoring/kustomization.yaml", MONITORING),
    ];
    for (path, text) in FILES.iter().chain(&more) {
        let to = dir.join(path);
        let parent = to.parent().context("a directory")?;
        std::fs::create_dir_all(parent)?;
        std::fs::write(&to, text).with_context(|| format!("cannot write {}", to.display()))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    #[test]
    fn every_file_of_the_kustomizations_is_tried() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/kustomize");
        let mut dirs: Vec<PathBuf> = vec![root.clone()];
        while let Some(dir) = dirs.pop() {
            for entry in std::fs::read_dir(dir).expect("a directory").flatten() {
                let path = entry.path();
                if path.is_dir() {
                    dirs.push(path);
                    continue;
                }
                let name = path.strip_prefix(&root).expect("below").to_string_lossy();
                assert!(
                    FILES.iter().any(|(file, _)| *file == name),
                    "{name} is not in FILES"
                );
            }
        }
    }
}
