//! `manifests`: kustomize's bases and overlays, and the Helm chart, from one source.
//!
//! ```text
//!   deploy/kubernetes/*.yaml ─┐                      ┌─▶ [kustomize] deploy/kustomize
//!   deploy/crds/*.yaml ───────┼─▶ [source] Manifests ┤
//!   deploy/prometheus ────────┘   parts, no object   └─▶ [chart] deploy/helm/flatnet: templates,
//!                                 twice                          values, their schema
//! ```
//!
//! The sources are what an administrator applies by hand and what the suites install. What is made of
//! them is committed, and a test fails where it differs: kustomize reads no file outside of a
//! kustomization's directory, and a chart has to be whole.

#[cfg(test)]
mod alerts;
mod chart;
mod kustomize;
mod source;
mod values;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

use crate::{host, report};

/// Files by their path in the checkout, with their text.
type Files = BTreeMap<PathBuf, String>;

/// Directories in which every file is made by this command, but for those that [`is_by_hand`].
const MADE: [&str; 2] = ["deploy/kustomize", "deploy/helm/flatnet"];

/// What is an administrator's to start from, and written by hand: overlays, and the chart's texts.
fn is_by_hand(path: &Path) -> bool {
    path.starts_with("deploy/kustomize/overlays")
        || ["NOTES.txt", "README.md", ".helmignore"]
            .iter()
            .any(|name| path.ends_with(name))
}

/// Writes what differs, or with `check` fails if anything does.
///
/// # Errors
/// If a source cannot be used, a file cannot be written, or with `check` something differs.
pub(crate) fn command(check: bool) -> Result<()> {
    let root = host::root();
    let wanted = made(root)?;
    let differing = differing(root, &wanted)?;
    if check {
        ensure!(
            differing.is_empty(),
            "not made of their sources any more: {}; run `cargo xtask manifests`",
            listed(&differing)
        );
    }
    for path in &differing {
        let to = root.join(path);
        match wanted.get(path) {
            Some(text) => {
                if let Some(dir) = to.parent() {
                    fs::create_dir_all(dir)
                        .with_context(|| format!("cannot create {}", dir.display()))?;
                }
                fs::write(&to, text).with_context(|| format!("cannot write {}", to.display()))?;
            }
            None => {
                fs::remove_file(&to).with_context(|| format!("cannot delete {}", to.display()))?;
            }
        }
        report::line(&format!("  {}", path.display()));
    }
    Ok(())
}

/// All that is made of the sources.
fn made(root: &Path) -> Result<Files> {
    let manifests = source::read(root)?;
    let mut files = kustomize::files(&manifests);
    files.extend(chart::files(&manifests)?);
    let rule = PathBuf::from(source::PROMETHEUS_RULE);
    files.insert(rule, manifests.prometheus_rule.clone());
    Ok(files)
}

/// Paths of files that are not there, are different, or are not wanted.
fn differing(root: &Path, wanted: &Files) -> Result<Vec<PathBuf>> {
    let mut differing = Vec::new();
    for (path, text) in wanted {
        if !fs::read_to_string(root.join(path)).is_ok_and(|there| there == *text) {
            differing.push(path.clone());
        }
    }
    for dir in MADE {
        for path in below(root, Path::new(dir))? {
            if !wanted.contains_key(&path) && !is_by_hand(&path) {
                differing.push(path);
            }
        }
    }
    Ok(differing)
}

/// The files below a directory, which need not be there; symbolic links are left out.
fn below(root: &Path, dir: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let mut dirs = vec![dir.to_owned()];
    while let Some(dir) = dirs.pop() {
        let Ok(entries) = fs::read_dir(root.join(&dir)) else {
            continue;
        };
        for entry in entries {
            let entry = entry?;
            let (path, kind) = (dir.join(entry.file_name()), entry.file_type()?);
            if kind.is_dir() {
                dirs.push(path);
            } else if kind.is_file() {
                files.push(path);
            }
        }
    }
    files.sort();
    Ok(files)
}

fn listed(paths: &[PathBuf]) -> String {
    let names = paths.iter().map(|p| p.display().to_string());
    names.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shipped_is_made_of_its_sources() {
        command(true).expect("nothing differs");
    }

    #[test]
    fn every_kustomization_names_files_that_are_there() {
        let root = host::root();
        let mut seen = 0;
        for path in below(root, Path::new("deploy/kustomize")).expect("files") {
            if !path.ends_with("kustomization.yaml") {
                continue;
            }
            let text = fs::read_to_string(root.join(&path)).expect("text");
            let value: serde_norway::Value = serde_norway::from_str(&text).expect("YAML");
            let dir = path.parent().expect("a directory");
            for name in value["resources"].as_sequence().expect("a list") {
                let name = name.as_str().expect("a path");
                let there = root.join(dir).join(name);
                assert!(there.exists(), "{}: {name}", path.display());
                seen += 1;
            }
        }
        assert!(seen > 8, "only {seen} are named");
    }
}
