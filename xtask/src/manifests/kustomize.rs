//! kustomize: a base with what every cluster has, and a directory for each part that not every one has.
//!
//! Overlays are written by hand: they are what an administrator copies. Parts are resources and no components: a
//! generator of an overlay (vpc-route's configuration) replaces what is in resources only.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use super::Files;
use super::source::{Manifests, Object, Part};

const DIR: &str = "deploy/kustomize";
/// The parts that every cluster has.
const BASE: [&str; 2] = ["ipamd", "netd"];

/// The files of the base and the parts.
pub(super) fn files(manifests: &Manifests) -> Files {
    let mut files = Files::new();
    let base = Path::new(DIR).join("base");
    let mut resources = vec!["namespace.yaml".to_owned(), "crds.yaml".to_owned()];
    files.insert(
        base.join("namespace.yaml"),
        head(&["netd.yaml".to_owned()]) + &manifests.namespace.text,
    );
    files.insert(
        base.join("crds.yaml"),
        format!(
            "# Made of deploy/crds by `cargo xtask manifests`.\n{}",
            manifests.crds
        ),
    );
    for part in &manifests.parts {
        let name = format!("{}.yaml", part.name);
        if BASE.contains(&part.name) {
            files.insert(base.join(&name), of_part(part));
            resources.push(name);
        } else {
            let dir = self::part(part.name);
            files.insert(dir.join(&name), of_part(part));
            files.insert(dir.join("kustomization.yaml"), kustomization(&[name]));
        }
    }
    files.insert(base.join("kustomization.yaml"), kustomization(&resources));
    let monitoring = part("monitoring");
    let names = ["podmonitors.yaml", "prometheusrule.yaml"].map(str::to_owned);
    files.insert(monitoring.join(&names[0]), manifests.monitors.clone());
    files.insert(
        monitoring.join(&names[1]),
        manifests.prometheus_rule.clone(),
    );
    files.insert(monitoring.join("kustomization.yaml"), kustomization(&names));
    files
}

fn part(name: &str) -> PathBuf {
    Path::new(DIR).join("parts").join(name)
}

fn head(sources: &[String]) -> String {
    let sources: Vec<String> = sources
        .iter()
        .map(|file| format!("deploy/kubernetes/{file}"))
        .collect();
    format!(
        "# Made of {} by `cargo xtask manifests`.\n",
        sources.join(", ")
    )
}

/// An image may come from a registry here; by hand it is imported.
fn of_part(part: &Part) -> String {
    let texts: Vec<&str> = part
        .objects
        .iter()
        .map(|o: &Object| o.text.as_str())
        .collect();
    let text = texts.join("---\n");
    head(&part.sources) + &text.replace("imagePullPolicy: Never", "imagePullPolicy: IfNotPresent")
}

fn kustomization(resources: &[String]) -> String {
    let mut text = String::from(
        "# Made by `cargo xtask manifests`.\n\
         apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nresources:\n",
    );
    for resource in resources {
        // Writing to a text does not fail.
        let _ = writeln!(text, "  - {resource}");
    }
    text
}
