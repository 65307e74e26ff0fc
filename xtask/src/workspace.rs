//! The workspace as cargo knows it: members, their targets, and what each uses of the others.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

use crate::host;

/// The members by name.
#[derive(Debug, Default)]
pub(crate) struct Workspace {
    pub(crate) members: BTreeMap<String, Member>,
}

/// A member of the workspace.
#[derive(Debug, Default)]
pub(crate) struct Member {
    /// Its directory, relative to the workspace: `crates/plan`.
    pub(crate) dir: PathBuf,
    pub(crate) targets: Vec<Target>,
    /// The members that it uses.
    pub(crate) uses: Vec<Use>,
}

/// Something that cargo builds of a member.
#[derive(Debug)]
pub(crate) struct Target {
    pub(crate) name: String,
    /// Cargo's words: `lib`, `bin`, `example`, `test`, `bench`.
    pub(crate) kind: Vec<String>,
    /// The root file, relative to the workspace.
    pub(crate) root: PathBuf,
}

/// A dependency on another member.
#[derive(Debug)]
pub(crate) struct Use {
    pub(crate) name: String,
    pub(crate) when: When,
}

/// What a dependency is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum When {
    Always,
    /// With a feature.
    Feature,
    Tests,
}

/// `cargo metadata --format-version 1`, as far as it is read.
#[derive(Debug, Deserialize)]
struct Metadata {
    packages: Vec<Package>,
    workspace_root: PathBuf,
}

#[derive(Debug, Deserialize)]
struct Package {
    name: String,
    manifest_path: PathBuf,
    targets: Vec<PackageTarget>,
    dependencies: Vec<Dependency>,
}

#[derive(Debug, Deserialize)]
struct PackageTarget {
    name: String,
    kind: Vec<String>,
    src_path: PathBuf,
}

#[derive(Debug, Deserialize)]
struct Dependency {
    name: String,
    kind: Option<String>,
    optional: bool,
    path: Option<PathBuf>,
}

impl Workspace {
    /// Asks cargo; nothing is resolved or fetched.
    ///
    /// # Errors
    /// If cargo fails.
    pub(crate) fn read(root: &Path) -> Result<Self> {
        let out = host::cargo()
            .current_dir(root)
            .args(["metadata", "--no-deps", "--format-version", "1"])
            .output()
            .context("cannot run cargo metadata")?;
        ensure!(
            out.status.success(),
            "cargo metadata failed: {}",
            String::from_utf8_lossy(&out.stderr).trim()
        );
        let metadata: Metadata =
            serde_json::from_slice(&out.stdout).context("cargo metadata printed something else")?;
        Ok(metadata.into())
    }

    /// What is compiled without tests, examples and benchmarks.
    pub(crate) fn programs_and_libraries(&self) -> impl Iterator<Item = &Target> {
        let targets = self.members.values().flat_map(|member| &member.targets);
        targets.filter(|target| target.is("lib") || target.is("bin"))
    }
}

impl Target {
    /// Whether it is of this kind.
    pub(crate) fn is(&self, kind: &str) -> bool {
        self.kind.iter().any(|word| word == kind)
    }
}

impl From<Metadata> for Workspace {
    fn from(metadata: Metadata) -> Self {
        let relative = |path: &Path| {
            let inside = path.strip_prefix(&metadata.workspace_root);
            inside.unwrap_or(path).to_owned()
        };
        let members = metadata.packages.iter().map(|package| {
            let dir = package.manifest_path.parent().unwrap_or(Path::new(""));
            let targets = package.targets.iter();
            let uses = package.dependencies.iter().filter(|d| d.path.is_some());
            let member = Member {
                dir: relative(dir),
                targets: targets
                    .map(|target| Target {
                        name: target.name.clone(),
                        kind: target.kind.clone(),
                        root: relative(&target.src_path),
                    })
                    .collect(),
                uses: uses.map(Dependency::of).collect(),
            };
            (package.name.clone(), member)
        });
        Self {
            members: members.collect(),
        }
    }
}

impl Dependency {
    fn of(&self) -> Use {
        Use {
            name: self.name.clone(),
            when: match (self.kind.as_deref(), self.optional) {
                (Some("dev"), _) => When::Tests,
                (_, true) => When::Feature,
                (_, false) => When::Always,
            },
        }
    }
}
